#!/usr/bin/env bash
# Which lines of src/ the corpora of the fuzz targets reach: coverage.sh. From the root of the
# repository. What the targets take from fuzz/corpus, and from target/fuzz, where fuzz/run.sh leaves
# its seeds and what it found, is replayed once by a program that counts. Needs llvm-profdata and
# llvm-cov of the LLVM of rustc.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

home=target/fuzz/coverage
version=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
tools=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
for tool in llvm-profdata llvm-cov; do
  # rustup's component llvm-tools, or a package of the system.
  found=$tools/$tool
  [[ -x $found ]] || found=$(command -v "$tool-$version" || true)
  if [[ -z $found ]]; then
    echo "fuzz: no $tool: install Debian's llvm-$version, or rustup's component llvm-tools" >&2
    exit 1
  fi
  declare "${tool#llvm-}=$found"
done

# Only the crates of this repository count; the others are those of every test.
rm -rf "$home"
mkdir -p "$home"
cat > "$home/rustc" << 'END'
#!/bin/sh
exec "$@" -C instrument-coverage
END
chmod +x "$home/rustc"
export RUSTC_WORKSPACE_WRAPPER=$PWD/$home/rustc LLVM_PROFILE_FILE=$PWD/$home/%p.profraw
program=$(cargo test --locked --package tls-client-auth-fuzz --test replay --no-run \
  --message-format json | sed -n 's/.*"name":"replay".*"executable":"\([^"]*\)".*/\1/p')
CORPORA=fuzz/corpus:target/fuzz/seeds:target/fuzz/corpus \
  "$program" --ignored --exact every_target_accepts_what_was_found --nocapture

# shellcheck disable=SC2154 # declared above
"$profdata" merge --sparse --output "$home/lines.profdata" "$home"/*.profraw
# shellcheck disable=SC2154 # declared above
"$cov" export "$program" --instr-profile "$home/lines.profdata" --summary-only \
  > "$home/lines.json"
python3 fuzz/coverage.py "$home/lines.json"
