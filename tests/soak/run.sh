#!/usr/bin/env bash
# run.sh BIN MODULE MINUTES [prove]: the soak of MODULE, or its mistakes; BIN is the folder of
# binaryen's programs. ./build.sh soak gives these.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly binaryen=$1 module=$2 minutes=$3 prove=${4:-}
readonly fault=target/soak/fault.wasm
# Each fails one invariant: tests/soak/main.rs.
readonly mistakes=(pass twice down memory counts stale unfinished slow)

mkdir -p target/soak
node tests/soak/fault.mjs "${binaryen%/.bin}/binaryen" "$module" "$fault"
# What is shipped has no such switch, and what has it cannot be shipped: build.sh asks the same.
node tests/module/interface.mjs "$module"
if node tests/module/interface.mjs "$fault" 2> target/soak/refused; then
  echo "soak: error: a module with the switch of a fault has the interface of the shipped one" >&2
  exit 1
fi
grep -q "exports soak_fault" target/soak/refused

# A thousand connections have two ends.
ulimit -n "$(ulimit -Hn)"
soak() { cargo test --locked --quiet --package tls-client-auth-tests --bench soak -- "$@"; }
if [[ -z $prove ]]; then
  soak $((minutes * 60))
  exit
fi
for mistake in "${mistakes[@]}"; do
  echo "soak: with a mistake: $mistake"
  soak 90 "$mistake" > "target/soak/$mistake.log" 2>&1 ||
    { tail -n 40 "target/soak/$mistake.log"; exit 1; }
  tail -n 4 "target/soak/$mistake.log"
done
