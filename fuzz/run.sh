#!/usr/bin/env bash
# Feeds the fuzz targets with arbitrary octets, guided by coverage: run.sh MINUTES [TARGET...]. From
# the root of the repository. New inputs stay in target/fuzz/corpus; what a target panicked on is in
# target/fuzz/findings, with the command that repeats it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

minutes=$1
shift
host=$(rustc -vV | sed -n 's/^host: //p')
home=target/fuzz

# The flags of cargo-fuzz, without a sanitizer of memory: the code is free of unsafe. They are not
# for build scripts, hence --target.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cdebug-assertions" \
  cargo build --locked --profile cli --package tls-client-auth-fuzz --features libfuzzer \
  --bin fuzz --target "$host" --target-dir "$home/build"
program=$home/build/$host/cli/fuzz

python3 fuzz/seeds.py "$home/seeds"
if (($# == 0)); then
  for folder in fuzz/corpus/*/; do set -- "$@" "$(basename "$folder")"; done
fi
failed=()
for target in "$@"; do
  if [[ ! -d fuzz/corpus/$target ]]; then
    echo "fuzz: no target $target: there are $(cd fuzz/corpus && echo *)" >&2
    exit 2
  fi
  mkdir -p "$home/corpus/$target" "$home/findings/$target" "$home/seeds/$target"
  log=$home/$target.log
  # As long as what is read there needs to be, because short inputs run more often.
  case $target in
    authorization | distinguished_name | introspection | path) longest=2048 ;;
    access_token | assertion | key_set | lookup | ocsp | shared_data) longest=4096 ;;
    token_response) longest=4096 ;;
    *) longest=16384 ;;
  esac
  echo "fuzz: $target for $minutes minutes"
  # -detect_leaks needs a sanitizer.
  if ! TARGET=$target "$program" -max_total_time=$((minutes * 60)) -timeout=10 -max_len="$longest" \
    -detect_leaks=0 -print_final_stats=1 -artifact_prefix="$home/findings/$target/" \
    "$home/corpus/$target" "fuzz/corpus/$target" "$home/seeds/$target" > "$log" 2>&1; then
    failed+=("$target")
    grep -E "panicked|assertion|ALARM|SUMMARY" -A 3 "$log" | head -20
    echo "fuzz: again: TARGET=$target $program $home/findings/$target/..."
  fi
  grep -E "stat::(number_of_executed_units|new_units_added)" "$log" || true
  grep -E "cov: [0-9]+" "$log" | tail -1 || true
done
((${#failed[@]} == 0)) || { echo "fuzz: failed: ${failed[*]}" >&2; exit 1; }
