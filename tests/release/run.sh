#!/usr/bin/env bash
# run.sh HOME: builds dist/ a second time, from a copy of the sources in another folder, and checks
# the files of dist/ as their users get them. HOME is where build.sh puts the packages of
# requirements.txt. `./build.sh test release` calls it, with dist/ built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly home=$1
program=$(basename dist/tls-client-auth-*-linux)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
copy=$(mktemp -d)
readonly program version copy
trap 'rm -rf "$copy"' EXIT

ok() { echo "   ok $*"; }

fail() {
  echo "tests/release: $*" >&2
  exit 1
}

# The second build shares the tools only, and has other permissions, another time zone and another
# language.
again() {
  umask 077
  mkdir -p "$copy/again/target/tools"
  tar --create --exclude=./.git --exclude=./dist --exclude=./target . |
    tar --extract --touch --no-same-permissions --directory "$copy/again"
  cp -R target/tools/npm target/tools/bin "$copy/again/target/tools/"
  cd "$copy/again"
  TZ=Asia/Tokyo LANG=de_DE.UTF-8 ./build.sh release
}

(again) > target/tools/release.log 2>&1 || {
  cat target/tools/release.log >&2
  fail "the second build failed"
}
diff dist/SHA256SUMS "$copy/again/dist/SHA256SUMS" >&2 ||
  fail "equal sources in another folder gave other files"
ok "the same bytes from another folder"

for folder in "$PWD/dist" "$copy/again/dist"; do
  (cd "$folder" && sha256sum --check --strict --quiet SHA256SUMS) || fail "SHA256SUMS is wrong"
done
diff <(cut -c 67- dist/SHA256SUMS) \
  <(find dist -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort) >&2 ||
  fail "SHA256SUMS is not the list of all files"
ok "SHA256SUMS"

"$home/bin/python" -B tests/release/check.py dist "$version" "$copy"

# In a folder with nothing else, so that nothing of this system can help the program.
mkdir "$copy/root"
cp "dist/$program" dist/*.yaml "$copy/root/"
run() {
  local inside=()
  ((EUID != 0)) || inside=("$(command -v chroot)" .)
  (cd "$copy/root" && env -i "${inside[@]}" "./$program" "$@")
}
if grep -nE 'target/|envoy/' dist/*.yaml >&2; then
  fail "a configuration needs the sources"
fi
[[ $(run --version) == "tls-client-auth $version" ]] || fail "$program is $(run --version)"
for file in envoy.yaml envoy-listener-chain.yaml; do
  run lint "$file" > "$copy/lint" || fail "lint $file: $(< "$copy/lint")"
done
ok "$program alone: --version, lint"

mkdir "$copy/project"
cp "dist/tls-client-auth-$version.tgz" "$copy/project/"
(
  cd "$copy/project"
  npm init --yes > /dev/null
  npm install --no-audit --no-fund --loglevel=error "./tls-client-auth-$version.tgz" > /dev/null
  node --input-type=module --eval '
    import { readName } from "tls-client-auth";
    process.exit(readName("/C=JP/CN=a").rfc4514 === "CN=a,C=JP" ? 0 : 1);
  '
) || fail "the npm package does not work in an empty project"
ok "tls-client-auth-$version.tgz in an empty project"

mkdir "$copy/newcomer"
"$home/bin/python" -B tests/release/newcomer.py dist "$home/wheels" "$copy/newcomer"
