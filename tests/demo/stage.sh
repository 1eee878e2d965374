# shellcheck shell=bash disable=SC2034 # the variables are for those who source this
# The stage of the demo and of the configuration tests: certificates, a recording backend, a real Envoy, and `send`.
# Sourced, not run. Ends what it started, and nothing else, when the shell ends.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
stage=$root/target/demo # envoy.yaml names this directory
pki=$stage/pki
edge=https://localhost:10443
started=()

fail() {
  echo "error: $*" >&2
  exit 1
}

strike_stage() {
  local pid
  for pid in "${started[@]}"; do
    kill "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
  done
  started=()
}
trap strike_stage EXIT
trap 'exit 130' INT TERM

# set_stage: certificates, and the backend on the port that the configurations name.
set_stage() {
  local tool port
  for tool in curl openssl python3; do
    command -v "$tool" > /dev/null || fail "$tool is needed: install it with your system's packages"
  done
  for port in 9901 10080 10443; do
    if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
      fail "port $port is taken: end what listens there (another demo?) and run this again"
    fi
  done
  cd "$root" || exit
  rm -rf "$stage"
  mkdir -p "$stage"
  bash tests/demo/pki.sh "$pki"
  : > "$stage/backend.jsonl"
  python3 tests/demo/backend.py 10080 "$stage/backend.jsonl" 2> "$stage/backend.log" &
  started+=($!)
  await "the backend" "$stage/backend.log" curl --silent --max-time 1 --output /dev/null http://127.0.0.1:10080/
  : > "$stage/backend.jsonl"
}

# register_self_signed FILE: prints FILE with the thumbprint of the self-signed client, which was not known before
# set_stage, in place of its placeholder.
register_self_signed() {
  local thumbprint
  thumbprint=$(openssl x509 -in "$pki/self-signed.pem" -outform DER | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d '=')
  sed "s|demo-replaces-this-43-letters-placeholder-0|$thumbprint|" "$1"
}

# with_ca_list FILE: prints the configuration in FILE for a listener that tells clients its CAs.
with_ca_list() {
  grep -q '^ *suppress_client_ca_list: true$' "$1" || fail "$1 has no suppress_client_ca_list"
  sed '/^ *suppress_client_ca_list: true$/d' "$1"
}

# names_cas HOST yes|no: whether the listener tells clients its CAs, by OpenSSL's reading of its certificate request.
names_cas() {
  local tls said
  for tls in tls1_2 tls1_3; do
    openssl s_client -connect localhost:10443 -servername "$1" "-$tls" < /dev/null > "$stage/handshake" 2>&1 || true
    if grep -q '^Acceptable client certificate CA names' "$stage/handshake"; then
      said=yes
    elif grep -q '^No client certificate CA names sent' "$stage/handshake" && grep -q '^Requested Signature Algorithms' "$stage/handshake"; then
      said=no
    else
      fail "$tls: no certificate request; see $stage/handshake"
    fi
    [[ $said == "$2" ]] || fail "$tls: does the listener tell its CAs? expected $2, got $said"
  done
  echo "   ok tells its CAs, TLS 1.2 and 1.3: $2"
}

# raise_envoy VERSION CONFIG
raise_envoy() {
  register_self_signed "$2" > "$stage/envoy.yaml"
  : > "$stage/access.log"
  "target/envoy/$1/bin/envoy" -c "$stage/envoy.yaml" --concurrency 2 --disable-hot-restart --log-level warning --component-log-level wasm:info \
    --file-flush-interval-msec 50 > "$stage/access.log" 2> "$stage/envoy.log" &
  started+=($!)
  await "Envoy $1" "$stage/envoy.log" curl --silent --fail --max-time 1 --output /dev/null http://127.0.0.1:9901/ready
}

lower_envoy() {
  kill "${started[-1]}"
  wait "${started[-1]}" || true
  unset 'started[-1]'
}

# await WHAT LOG COMMAND...: until the command succeeds; the process started last must stay alive for that.
await() {
  local what=$1 log=$2 deadline=$((SECONDS + 30))
  shift 2
  until "$@"; do
    if ! kill -0 "${started[-1]}" 2> /dev/null || ((SECONDS >= deadline)); then
      tail -n 20 "$log" >&2
      fail "$what did not start; its last words are above, all of them in $log"
    fi
    sleep 0.1
  done
}

# send CERTIFICATE CURL-ARGUMENT...: one request over mTLS ("-" brings no certificate). Sets status and body from the
# answer; code, the filter's decision, from Envoy's access log; and detail, if the filter logged one, from Envoy's log.
send() {
  local credential=(--cert "$pki/$1.pem" --key "$pki/$1.key") before line request_id deadline=$((SECONDS + 10))
  [[ $1 == - ]] && credential=()
  shift
  before=$(wc -l < "$stage/access.log")
  status=$(curl --silent --show-error --max-time 15 --cacert "$pki/ca.pem" "${credential[@]}" \
    --output "$stage/body" --write-out '%{http_code}' "$@") || true
  body=$(< "$stage/body")
  until (($(wc -l < "$stage/access.log") > before)); do
    ((SECONDS < deadline)) || fail "no line in the access log for: curl $*"
    sleep 0.05
  done
  line=$(tail -n 1 "$stage/access.log")
  code=$(sed -n 's/.*"code":"\([^"]*\)".*/\1/p' <<< "$line")
  request_id=$(sed -n 's/.*"request_id":"\([^"]*\)".*/\1/p' <<< "$line")
  detail=$(sed -n "s/.*request_id=\"${request_id:-none}\".* detail=\"\(.*\)\"$/\1/p" "$stage/envoy.log")
}
