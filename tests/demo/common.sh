# shellcheck shell=bash disable=SC2034 # the scripts that source this use the variables
# What the demos and the tests of shipped configurations share: certificates, a recording backend, a
# real Envoy, and requests by curl. To be sourced. When the shell exits, the processes that were
# started here are ended.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$root/target/demo # envoy.yaml names this directory
pki=$work/pki
edge=https://localhost:10443
started=()

fail() {
  echo "error: $*" >&2
  exit 1
}

end_started() {
  local pid
  for pid in "${started[@]}"; do
    kill "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
  done
  started=()
}
trap end_started EXIT
trap 'exit 130' INT TERM

# require_free_ports PORT...
require_free_ports() {
  local port
  for port in "$@"; do
    if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
      fail "port $port is in use: end what listens there (another demo?) and run this again"
    fi
  done
}

# prepare: makes the certificates, and starts the backend on the port that the configurations name.
prepare() {
  local tool
  for tool in curl openssl python3; do
    command -v "$tool" > /dev/null ||
      fail "$tool is missing: install it with your system's packages"
  done
  require_free_ports 9901 10080 10443
  cd "$root" || exit
  rm -rf "$work"
  mkdir -p "$work"
  bash tests/demo/pki.sh "$pki"
  : > "$work/backend.jsonl"
  python3 tests/demo/backend.py 10080 "$work/backend.jsonl" 2> "$work/backend.log" &
  started+=($!)
  await "the backend" "$work/backend.log" \
    curl --silent --max-time 1 --output /dev/null http://127.0.0.1:10080/
  : > "$work/backend.jsonl"
}

# start_registry FILE: starts the registry on its port, with the clients of FILE.
start_registry() {
  python3 tests/demo/registry.py 10081 "$1" 2> "$work/registry.log" &
  started+=($!)
  await "the registry" "$work/registry.log" \
    curl --silent --fail --max-time 1 --output /dev/null http://127.0.0.1:10081/clients
}

# with_self_signed FILE: prints FILE with the thumbprint of the self-signed client, which prepare
# made, instead of its placeholder.
with_self_signed() {
  local thumbprint
  thumbprint=$(openssl x509 -in "$pki/self-signed.pem" -outform DER |
    openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d '=')
  sed "s|demo-replaces-this-43-letters-placeholder-0|$thumbprint|" "$1"
}

# with_ca_list FILE: prints FILE for a listener that sends its list of CAs to clients.
with_ca_list() {
  grep -q '^ *suppress_client_ca_list: true$' "$1" || fail "$1 has no suppress_client_ca_list"
  sed '/^ *suppress_client_ca_list: true$/d' "$1"
}

# sends_ca_list HOST yes|no: checks whether the listener sends its list of CAs, as OpenSSL reads its
# certificate request.
sends_ca_list() {
  local tls found
  for tls in tls1_2 tls1_3; do
    openssl s_client -connect localhost:10443 -servername "$1" "-$tls" \
      < /dev/null > "$work/handshake" 2>&1 || true
    if grep -q '^Acceptable client certificate CA names' "$work/handshake"; then
      found=yes
    elif grep -q '^No client certificate CA names sent' "$work/handshake" &&
      grep -q '^Requested Signature Algorithms' "$work/handshake"; then
      found=no
    else
      fail "$tls: no certificate request; see $work/handshake"
    fi
    [[ $found == "$2" ]] || fail "$tls: the listener sends its CAs: expected $2, got $found"
  done
  echo "   ok sends its CAs, TLS 1.2 and 1.3: $2"
}

# start_envoy VERSION CONFIGURATION
start_envoy() {
  with_self_signed "$2" > "$work/envoy.yaml"
  : > "$work/access.log"
  "target/envoy/$1/bin/envoy" -c "$work/envoy.yaml" --concurrency 2 --disable-hot-restart \
    --log-level warning --component-log-level wasm:info --file-flush-interval-msec 50 \
    > "$work/access.log" 2> "$work/envoy.log" &
  started+=($!)
  await "Envoy $1" "$work/envoy.log" \
    curl --silent --fail --max-time 1 --output /dev/null http://127.0.0.1:9901/ready
}

# stop PID: ends one of the processes that were started here.
stop() {
  local at
  kill "$1"
  wait "$1" 2> /dev/null || true
  for at in "${!started[@]}"; do
    [[ ${started[at]} != "$1" ]] || unset "started[$at]"
  done
}

# stop_last: ends the process that was started last.
stop_last() { stop "${started[-1]}"; }

# await WHAT LOG COMMAND...: waits until the command succeeds, while the process that was started
# last is alive.
await() {
  local what=$1 log=$2 deadline=$((SECONDS + 30))
  shift 2
  until "$@"; do
    if ! kill -0 "${started[-1]}" 2> /dev/null || ((SECONDS >= deadline)); then
      tail -n 20 "$log" >&2
      fail "$what did not start; the end of its log is above, the whole log in $log"
    fi
    sleep 0.1
  done
}

# send CERTIFICATE CURL-ARGUMENT...: sends one request over mTLS ("-": without a certificate). Sets
# status and body of the answer; code, the decision in Envoy's access log; and detail, if the filter
# logged one.
send() {
  local credential=(--cert "$pki/$1.pem" --key "$pki/$1.key")
  local before line request_id deadline=$((SECONDS + 10))
  [[ $1 == - ]] && credential=()
  shift
  before=$(wc -l < "$work/access.log")
  status=$(curl --silent --show-error --max-time 15 --cacert "$pki/ca.pem" "${credential[@]}" \
    --output "$work/body" --write-out '%{http_code}' "$@") || true
  body=$(< "$work/body")
  until (($(wc -l < "$work/access.log") > before)); do
    ((SECONDS < deadline)) || fail "no line in the access log for: curl $*"
    sleep 0.05
  done
  line=$(tail -n 1 "$work/access.log")
  code=$(sed -n 's/.*"code":"\([^"]*\)".*/\1/p' <<< "$line")
  request_id=$(sed -n 's/.*"request_id":"\([^"]*\)".*/\1/p' <<< "$line")
  detail=$(sed -n "s/.*request_id=\"${request_id:-none}\".* detail=\"\(.*\)\"$/\1/p" \
    "$work/envoy.log")
}
