# The parts of ./build.sh test. Each can run alone, and fetches what it needs. Sourced by build.sh.
# shellcheck shell=bash disable=SC2154 # build.sh assigns what is not assigned here

# SEED, if set, makes other bodies than those of every run.
test_parsers() {
  ensure_parsers
  python3 tests/parsers/main.py --home target/tools/parsers ${SEED:+--seed "$SEED"} -- \
    cargo test --quiet --locked --package tls-client-auth-tests --test parsers
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
    node --input-type=module --eval '
      import { readName } from "tls-client-auth";
      process.exit(readName("/C=JP/CN=a").rfc4514 === "CN=a,C=JP" ? 0 : 1);
    '
  ) || fail "the package does not work in an empty project"
  ensure_npm tests/edge "$home" "frameworks, runtimes and a type checker"
  rm -f "$home"/*.mjs
  cp tests/edge/*.mjs tests/edge/*.py "$home/"
  rm -rf "$home/examples" "$home/node_modules/tls-client-auth"
  cp -R edge/examples "$home/"
  cp -R "$project/node_modules/tls-client-auth" "$home/node_modules/"
  bash tests/demo/pki.sh "$home/pki"
  # The table of these sources.
  cargo test --locked --quiet --test cases the_table_is_written
  (
    cd "$home" && CASES=../../tmp/cases.json SCHEMA=../../../envoy/configuration.schema.json \
      node --test
  )
}

# The page in a real Chromium.
test_playground() {
  local home=target/tools/browser
  build_playground
  ensure_npm tests/browser "$home" "what drives a browser"
  rm -f "$home"/*.mjs
  cp tests/browser/*.mjs "$home/"
  ensure_chromium
  CHROMIUM=$chromium PAGE=target/edge/playground node --test "$home"/*.test.mjs
}

# The JSON Schema that editors use against the parser of the module.
test_schema() {
  ensure_schema
  # The one that takes every member.
  tests/schema/run.sh target/tools/schema "$responses_module"
}

# docs/ as a site, which fails on a wrong link; in target/docs.
build_docs() {
  require python3
  ensure_docs
  NO_MKDOCS_2_WARNING=1 target/tools/docs/bin/mkdocs build --quiet --strict
  say "target/docs/index.html"
}

# CASE in the environment chooses one row of the tables, and says what was decided.
part_core() {
  if [[ -n ${CASE:-} ]]; then
    cargo test --locked --quiet --test cases -- --nocapture every_
  else
    step "the decision and the command line, native"
    cargo test --locked
    step "what of the ABI needs no host"
    cargo test --locked --package tls-client-auth-proxy-wasm --test abi
  fi
}

part_module() {
  build
  ensure_corpus
  step "the module in wasmtime, its budget, certificates in bulk"
  cargo test --locked --package tls-client-auth-tests --test module --test budget --test corpus
  step "which configurations each of the two modules takes"
  node --test tests/module/artifacts.test.mjs
  step "the JSON Schema of the configuration"
  test_schema
  step "bodies through the filter and through real form parsers"
  test_parsers
}

part_envoy() {
  local version
  build
  for version in "${envoy_versions[@]}"; do ensure_envoy "$version"; done
  step "the module in Envoy ${envoy_versions[*]}"
  cargo test --locked --package tls-client-auth-tests --test envoy
  step "the module that reads responses, with a token endpoint that gives every answer"
  for version in "${envoy_versions[@]}"; do
    python3 -B tests/responses/main.py "target/envoy/$version/bin/envoy" "$responses_module"
  done
  step "demo, each row with its expected result"
  tests/demo/demo.sh "${envoy_versions[0]}"
  step "demo registry, each row with its expected result"
  tests/demo/registry.sh "${envoy_versions[0]}"
  step "envoy/observability"
  ensure_prometheus
  tests/observability/run.sh "${envoy_versions[0]}" target/tools/prometheus
  step "the other shipped configurations"
  tests/manifests/run.sh "${envoy_versions[@]}"
}

# Clients as others write them, on the shipped configuration.
part_clients() {
  build
  ensure_envoy "${envoy_versions[0]}"
  ensure_interop
  ensure_clients
  step "OAuth and HTTP clients in Go, Java, Python and Node, curl, and Envoy's own"
  node target/tools/interop/clients/main.mjs "${envoy_versions[0]}" target/tools/clients
}

# ONLY in the environment names the proxies to run, of tests/proxies/main.py.
part_proxies() {
  build
  ensure_envoy "${envoy_versions[0]}"
  ensure_proxies
  step "nginx, HAProxy, Apache, Caddy and Traefik in front of Envoy"
  # shellcheck disable=SC2086 # words, not one
  python3 -B tests/proxies/main.py --home target/tools/proxies --module "$module" \
    --envoy "target/envoy/${envoy_versions[0]}/bin/envoy" ${ONLY:-}
}

part_edge() {
  step "the JavaScript package"
  test_edge
}

part_page() {
  step "the page that explains, in Chromium"
  test_playground
}

part_interop() {
  build
  ensure_envoy "${envoy_versions[0]}"
  step "an authorization server and clients from npm"
  ensure_interop
  node target/tools/interop/servers/oidc-provider/main.mjs "${envoy_versions[0]}"
  node target/tools/interop/servers/oidc-provider/responses.mjs "${envoy_versions[0]}"
  node target/tools/interop/servers/oidc-provider/resources.mjs "${envoy_versions[0]}"
  run_servers authlete spring
  step "the certificate in every format, read by the code of servers"
  ensure_readers
  READERS="$PWD/target/tools/readers/classes:$PWD/target/tools/readers/jars/*" \
    cargo test --locked --quiet --package tls-client-auth-tests --test readers
}

# run_servers NAME...
run_servers() {
  local name
  for name in "$@"; do
    [[ " ${servers[*]} " == *" $name "* ]] || fail "no server $name: there are ${servers[*]}"
    "ensure_$name"
    step "$name behind the filter, as docs/servers/$name.md sets it up"
    node "target/tools/interop/servers/$name/main.mjs" "${envoy_versions[0]}" "${!name}"
  done
}

# The servers of the part servers. For each there is a function ensure_NAME, which sets the variable
# NAME: what to start.
readonly servers=(authlete hydra spring keycloak)

# ONLY in the environment names some of them.
part_servers() {
  build
  ensure_envoy "${envoy_versions[0]}"
  ensure_interop
  # shellcheck disable=SC2086 # words, not one
  run_servers ${ONLY:-${servers[*]}}
}

# SEED in the environment makes other names, and other damage to certificates.
part_opinions() {
  local home=target/tools/opinions what filter
  ensure_corpus
  ensure_opinions
  filter=(cargo test --quiet --locked --package tls-client-auth-tests --test opinions)
  for what in names certificates; do
    step "$what, as others compare and read them"
    python3 -B tests/opinions/main.py "$what" --home "$home" --slapd "$(< "$home/slapd")" \
      ${SEED:+--seed "$SEED"} -- "${filter[@]}"
  done
}

part_docs() {
  step "what the documents show and link"
  cargo test --locked --quiet --test docs
  step "docs/ as a site"
  build_docs
}

part_release() {
  step "the files of a release"
  build_release
  step "the same in another folder, and each file as its users get it"
  ensure_release_checks
  tests/release/run.sh target/tools/release
}

# ONLY in the environment names the control planes to run, of tests/kubernetes/main.py.
part_kubernetes() {
  build
  ensure_envoy "${envoy_versions[0]}"
  step "Kubernetes, Istio and Envoy Gateway: built once, some 15 minutes on two cores"
  ensure_kubernetes
  step "the shipped manifests under Istio and Envoy Gateway"
  # shellcheck disable=SC2086 # words, not one
  python3 -B tests/kubernetes/main.py --home target/kubernetes --module "$module" \
    --envoy "target/envoy/${envoy_versions[0]}/bin/envoy" ${ONLY:-}
}

# The tests of a part: what `./build.sh test PART` runs; without a part, these, the quickest first.
# Not among them, because they take or compile for long: opinions, servers, release and kubernetes.
readonly parts=(core module envoy proxies clients edge page interop docs)

# The commands that each part needs.
declare -rA part_needs=(
  [core]="cargo"
  [module]="cargo node npm python3 php ruby go"
  [envoy]="cargo node npm python3 curl openssl cc"
  [proxies]="cargo node npm python3 openssl"
  [clients]="cargo node npm python3 curl openssl go javac mvn"
  [edge]="cargo node npm openssl python3"
  [page]="cargo node npm"
  [interop]="cargo node npm python3 openssl javac mvn"
  [docs]="cargo python3"
  [opinions]="cargo node npm python3 openssl go javac"
  [servers]="cargo node npm python3 openssl cc go javac mvn"
  [release]="cargo node npm python3 curl openssl skopeo"
  [kubernetes]="cargo node npm python3 curl openssl go skopeo"
)

# All that the tests need from others, but for the control planes: their sources come with the
# build.
fetch_all() {
  local version
  require cargo node npm python3 curl openssl cc go javac mvn php ruby skopeo
  warn_if_offline
  cargo fetch --locked --quiet
  ensure_rust
  ensure_tools
  for version in "${envoy_versions[@]}"; do ensure_envoy "$version"; done
  ensure_corpus
  ensure_schema
  ensure_parsers
  ensure_clients
  ensure_prometheus
  ensure_interop
  ensure_readers
  ensure_proxies
  ensure_opinions
  ensure_authlete
  ensure_spring
  ensure_chromium
  ensure_npm tests/browser target/tools/browser "what drives a browser"
  ensure_npm tests/edge target/tools/edge "frameworks, runtimes and a type checker"
  ensure_docs
  ensure_bindgen
  # A release is built on Linux.
  [[ $(uname -s) != Linux ]] || { ensure_cli && ensure_release_checks; }
}

fetch_control_planes() {
  # shellcheck disable=SC2086 # words, not one
  require ${part_needs[kubernetes]}
  require_control_planes
  ensure_kubernetes
}

# What the parts need is looked for before the first of them begins.
test_parts() {
  local part needs=() started=$SECONDS
  (($# > 0)) || set -- "${parts[@]}"
  # shellcheck disable=SC2206 # words, not one
  for part in "$@"; do needs+=(${part_needs[$part]}); done
  require "${needs[@]}"
  [[ " $* " != *" kubernetes "* ]] || require_control_planes
  if [[ $* == "${parts[*]}" ]]; then
    say "every test: about 40 minutes on two cores the first time, and 13 GB in target/"
  fi
  [[ $* == core ]] || warn_if_offline
  for part in "$@"; do "part_$part"; done
  say "passed: $* ($(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s)"
}
