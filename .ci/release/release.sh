# What `./build.sh release` leaves in dist/: the files of a release, the same bytes whenever and
# wherever equal sources are built by equal tools. Sourced by build.sh.
# shellcheck shell=bash disable=SC2154 # build.sh assigns what is not assigned here

# The version of the workspace, of which the npm package must be too.
release_version() {
  local version package
  version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
  package=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' edge/package.json)
  [[ -n $version && $version == "$package" ]] ||
    fail "Cargo.toml has version $version, edge/package.json $package: make them equal"
  echo "$version"
}

# The command line for Linux on this machine's processor. It is linked by Rust's own linker, with
# Rust's own C library, so it needs nothing of the system that it runs on and has nothing of the
# system that it is built on.
build_cli() {
  ensure_rust
  ensure_cli
  fetch_crates "$cli_target"
  say "compiling the command line for $cli_target"
  RUSTFLAGS="$(remap) -C target-feature=+crt-static -C linker=rust-lld" cargo build --locked \
    --profile cli --target "$cli_target" --package tls-client-auth-cli
}

# describe FILE BINARY CRATE TARGET: what is in a file of dist/, as an SBOM beside it.
describe() { python3 -B .ci/release/sbom.py "$@" > "$1.cdx.json"; }

# A configuration of envoy/, with the module and the certificates beside it.
beside() {
  local runs="# Runs in the folder of a release, with certificates as README.md makes them:"
  sed -e 's|target/demo/pki/||; s|filename: target/|filename: |' \
    -e "s|^# Runs as it is, .*|$runs|; s|^#     target/.*|#     envoy -c $1|" "envoy/$1"
}

build_release() {
  local version name title program file
  # Of the order of files, and of what Python writes.
  local -x LC_ALL=C PYTHONUTF8=1
  require cargo node npm python3
  version=$(release_version)
  build
  build_playground
  build_cli
  rm -rf dist
  mkdir dist
  name=tls-client-auth-$version
  program=tls-client-auth-$(uname -m)-linux
  cp "$module" "$responses_module" envoy/configuration.schema.json LICENSE dist/
  for file in envoy.yaml envoy-listener-chain.yaml; do beside "$file" > "dist/$file"; done
  cp "target/$cli_target/cli/tls-client-auth" "dist/$program"
  cp "target/edge/$name.tgz" dist/
  cp target/edge/playground/*.html dist/tls-client-auth-playground.html
  python3 -B .ci/release/oci.py "$module" tls-client-auth "$version" "dist/$name-oci.tar"
  title=tls-client-auth-responses
  python3 -B .ci/release/oci.py "$responses_module" "$title" "$version" \
    "dist/$title-$version-oci.tar"
  for file in "$module" "$responses_module"; do
    describe "dist/${file##*/}" "$file" tls-client-auth-proxy-wasm "$rust_target"
  done
  describe "dist/$program" "dist/$program" tls-client-auth-cli "$cli_target"
  for file in "dist/$name.tgz" dist/tls-client-auth-playground.html; do
    describe "$file" target/edge/package/tls_client_auth.wasm tls-client-auth-javascript \
      "$rust_target"
  done
  python3 -B .ci/release/notices.py "tls-client-auth-proxy-wasm:$rust_target" \
    "tls-client-auth-javascript:$rust_target" "tls-client-auth-cli:$cli_target" \
    > dist/THIRD_PARTY_NOTICES.txt
  python3 -B .ci/release/notes.py CHANGELOG.md "$version" dist/* > target/RELEASE_NOTES.md
  mv target/RELEASE_NOTES.md dist/
  (cd dist && sha256sum -- *) > target/SHA256SUMS
  mv target/SHA256SUMS dist/
  say "version $version, in dist/:"
  (cd dist && wc -c -- *)
}
