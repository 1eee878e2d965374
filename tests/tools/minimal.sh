#!/usr/bin/env bash
# Compiles and tests the decision and the command line with the least versions of their direct
# dependencies that the manifests allow. In a copy of the tree, whose Cargo.lock differs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

home=$PWD/target/minimal
# shellcheck source=tests/tools/tree.sh
source tests/tools/tree.sh
copy_tree "$home/tree"
cd "$home/tree"
# The option is one of nightly; nothing else of it is used.
RUSTC_BOOTSTRAP=1 cargo update --quiet -Z direct-minimal-versions
CARGO_TARGET_DIR=$home/build cargo test --locked --package tls-client-auth --lib --test cases
CARGO_TARGET_DIR=$home/build cargo test --locked --package tls-client-auth-cli --test cli
CARGO_TARGET_DIR=$home/build cargo check --locked --target wasm32-unknown-unknown \
  --package tls-client-auth-proxy-wasm --package tls-client-auth-javascript
