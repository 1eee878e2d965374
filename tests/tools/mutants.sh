#!/usr/bin/env bash
# Changes the code in one place at a time and expects a test to fail: mutants.sh [--since REF]
# [FILE...]. Without a FILE all that decides is changed; after --since only what differs from REF,
# which is less than all of it. What survives is printed, and is an error; .cargo/mutants.toml has
# those that may, each with its reason. In a copy of the tree, whose build is kept.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly version=27.1.0
readonly home=$PWD/target/mutants
# What decides: authentication, claims, certificates, registrations, registries.
readonly decides=(
  src/authenticate.rs src/checks.rs src/decision.rs src/exchange.rs src/gate.rs
  src/certificate.rs src/exchange src/request src/request.rs src/certificate src/registration
  src/registration.rs src/registry src/registry.rs
)
# These take seconds each, and what they alone would find is a search or a matter of size.
readonly skipped=(
  every_character_is_prepared every_order_of_accesses every_rule_of_the_protocol
  a_long_list_in_pages a_long_list_is_distributed a_vm_that_stalls_inside_a_tick_loses
)
# The tests of the package as a whole. cargo-mutants gives cargo's arguments to each of its steps.
readonly tests=(--lib --test=cases)

since=
files=()
while (($#)); do
  case $1 in
    --since)
      since=${2:?--since needs a commit}
      shift
      ;;
    *) files+=("$1") ;;
  esac
  shift
done

mapfile -t all < <(git ls-files --cached --others --exclude-standard -- "${decides[@]}" |
  grep '\.rs$' | grep -vE '/tests(/|\.rs$)')
if ((${#files[@]} == 0)); then
  files=("${all[@]}")
fi
for file in "${files[@]}"; do
  if [[ " ${all[*]} " != *" $file "* ]]; then
    echo "mutants: $file is not one of what decides: ${decides[*]}" >&2
    exit 2
  fi
done
difference=()
if [[ -n $since ]]; then
  mkdir -p "$home"
  git diff --merge-base "$since" -- "${files[@]}" > "$home/since.diff"
  mapfile -t files < <(git diff --merge-base --name-only --diff-filter=d "$since" -- "${files[@]}")
  difference=(--in-diff "$home/since.diff")
fi
if ((${#files[@]} == 0)); then
  echo "mutants: nothing that decides was changed"
  exit
fi

program=$PWD/target/tools/bin/cargo-mutants
if ! "$program" mutants --version 2> /dev/null | grep -q " $version\$"; then
  cargo install --quiet --locked --version "$version" --root target/tools cargo-mutants
fi

# shellcheck source=tests/tools/tree.sh
source tests/tools/tree.sh
copy_tree "$home/tree"
cd "$home/tree"
# The tree is no repository of its own, and needs none.
export CARGO_TARGET_DIR=$home/build CARGO_PROFILE_DEV_DEBUG=none
skip=()
for name in "${skipped[@]}"; do skip+=(--skip "$name"); done
echo "mutants: the tests without a mutant"
cargo test --quiet --locked --package tls-client-auth "${tests[@]}" -- "${skip[@]}"

# cargo-mutants ends with 2 where something survives, and with 3 where a test took too long.
mutate() {
  local log=$1 status=0
  shift
  "$program" mutants "$@" > "$log" 2>&1 || status=$?
  if ((status != 0 && status != 2 && status != 3)); then
    cat "$log"
    exit 1
  fi
}

survived=()
tested=0
for file in "${files[@]}"; do
  results=$home/results/${file//\//-}
  rm -rf "$results"
  mkdir -p "$results"
  common=(
    --package tls-client-auth --file "$file" ${difference[@]+"${difference[@]}"} --in-place
    --output "$results" --baseline skip --timeout 60 --build-timeout 600 --colors never
  )
  # First the tests that are near, because most mutants fail there: those of the module, or the
  # tables for a module that is one file. Then all of them, for those that are left.
  module=$(cut -d / -f 2 <<< "${file%.rs}")
  near=(--cargo-arg=--test=cases)
  if [[ -d src/$module ]]; then
    near=(--cargo-arg=--lib -- "$module::" -- "${skip[@]}")
  fi
  far=()
  for argument in "${tests[@]}"; do far+=("--cargo-arg=$argument"); done
  mutate "$results/near.log" "${common[@]}" "${near[@]}"
  # A file, or its difference, may have nothing to change.
  [[ -f $results/mutants.out/outcomes.json ]] || continue
  cp "$results/mutants.out/mutants.json" "$results/all.json"
  mutate "$results/far.log" "${common[@]}" --iterate "${far[@]}" -- -- "${skip[@]}"
  count=$(python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1]))))' \
    "$results/all.json")
  tested=$((tested + count))
  missed=()
  if [[ -s $results/mutants.out/missed.txt ]]; then
    mapfile -t missed < "$results/mutants.out/missed.txt"
  fi
  echo "mutants: $file: $count, of which ${#missed[@]} survive"
  survived+=(${missed[@]+"${missed[@]}"})
done

echo "mutants: $tested, of which ${#survived[@]} survive"
((${#survived[@]} == 0)) || { printf '%s\n' "${survived[@]}"; exit 1; }
