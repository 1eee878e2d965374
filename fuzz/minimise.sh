#!/usr/bin/env bash
# Takes some of what the fuzzer found, which lies in target/fuzz/corpus after fuzz/run.sh, into
# fuzz/corpus: short inputs that cover together what all of them cover. minimise.sh [TARGET...].
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The corpus is replayed by every test of the core, and is a part of the repository.
readonly longest=512 most=16
program=target/fuzz/build/$(rustc -vV | sed -n 's/^host: //p')/cli/fuzz

if (($# == 0)); then
  for folder in fuzz/corpus/*/; do set -- "$@" "$(basename "$folder")"; done
fi
for target in "$@"; do
  chosen=target/fuzz/chosen/$target
  rm -rf "$chosen"
  mkdir -p "$chosen"
  TARGET=$target "$program" -set_cover_merge=1 -max_len="$longest" -detect_leaks=0 "$chosen" \
    "fuzz/corpus/$target" "target/fuzz/corpus/$target" > "target/fuzz/$target.merge.log" 2>&1
  # By their names, which are digests: any of them, but the same in every run.
  number=0
  for file in "$chosen"/*; do
    ((number < most)) || break
    number=$((number + 1))
    cp "$file" "fuzz/corpus/$target/found-$(basename "$file" | cut -c 1-12)"
  done
  echo "fuzz: $target: $(find "$chosen" -type f | wc -l) cover all that is known, $number are kept"
done
