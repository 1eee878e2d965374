#!/usr/bin/env bash
# profile.sh BINARYEN FEATURE...: where the instructions of the most frequent request go, by
# function, or those of the row of tests/bench/budget.json that ROW names. Called by ./build.sh
# bench profile; the module is built, with its names in it.
#
# profile.py wraps every function into one that reports its beginning and its end to the host. The
# test host notes how much fuel is left at each report, and profile.py gives the differences to
# functions. A wrapper costs some ten instructions for each call, so the sum is larger than the
# figure of the shipped module.
set -euo pipefail
readonly binaryen=$1 out=$PWD/target/tools/profile
shift
readonly built=${BUILT:-target/wasm32-unknown-unknown/release/tls_client_auth_proxy_wasm.wasm}
mkdir -p "$out"
node tests/module/interface.mjs --graph > "$out/exports.json"
"$binaryen/wasm-metadce" -g "$@" --graph-file "$out/exports.json" "$built" \
  -o "$out/reached.wasm" > /dev/null
"$binaryen/wasm-opt" -g -Oz "$@" "$out/reached.wasm" -o "$out/named.wasm"
"$binaryen/wasm-opt" -g "$@" --print "$out/named.wasm" -o "$out/unused.wasm" > "$out/named.wat"
python3 tests/bench/profile.py wrap "$out/named.wat" "$out/wrapped.wat" "$out/functions"
"$binaryen/wasm-as" "$@" "$out/wrapped.wat" -o "$out/wrapped.wasm"
MODULE="$out/wrapped.wasm" EVENTS="$out/events" \
  cargo test --quiet --locked --package tls-client-auth-tests --bench bench -- profile
python3 tests/bench/profile.py show "$out/functions" "$out/events"
