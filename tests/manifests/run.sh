#!/usr/bin/env bash
# run.sh VERSION OLDEST-VERSION: the shipped configurations that the demos do not use, in a real
# Envoy with real requests. README.md says what it checks and needs.
set -euo pipefail
# shellcheck source=tests/demo/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../demo/common.sh"

version=$1
oldest=$2
accepted=0

# expect WHAT STATUS CODE CERTIFICATE CURL-ARGUMENT...
expect() {
  local expected="$2 $3"
  send "${@:4}"
  [[ "$status $code" == "$expected" ]] ||
    fail "$1: expected $expected, got $status ${code:-(no code)}: $body"
  [[ $status != 200 ]] || accepted=$((accepted + 1))
  echo "   ok $1: $expected"
}

# expect_no_handshake WHAT CERTIFICATE URL: the handshake must fail, without an answer and without a
# line in the access log.
expect_no_handshake() {
  local credential=(--cert "$pki/$2.pem" --key "$pki/$2.key") before after ended=0
  [[ $2 == - ]] && credential=()
  before=$(wc -l < "$work/access.log")
  status=$(curl --silent --max-time 15 --cacert "$pki/ca.pem" "${at[@]}" "${credential[@]}" \
    --output /dev/null --write-out '%{http_code}' "$3") || ended=$?
  # By TLS 1.3 a client hears of it at what it sends or receives next, over HTTP/2 as 16 or 92.
  [[ " 16 35 55 56 92 " == *" $ended "* ]] ||
    fail "$1: expected a failed handshake, got $status; curl ended with $ended"
  # Envoy writes its log every 50 ms.
  sleep 0.2
  after=$(wc -l < "$work/access.log")
  ((after == before)) || fail "$1: expected a failed handshake, but the access log has a request"
  echo "   ok $1: no handshake"
}

# never_resumes NAME: Envoy must offer no session. On a resumed session it does not report a
# certificate as verified.
never_resumes() {
  local tls
  for tls in tls1_2 tls1_3; do
    rm -f "$work/session"
    printf 'GET / HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n' "$1" |
      openssl s_client -ign_eof -connect localhost:10443 -servername "$1" "-$tls" \
        -cert "$pki/subject-dn.pem" -key "$pki/subject-dn.key" -sess_out "$work/session" \
        > "$work/handshake" 2>&1 || true
    grep -q 'HTTP/1.1 200' "$work/handshake" || fail "$tls: no answer; see $work/handshake"
    [[ ! -e $work/session ]] || fail "$tls: the listener offers a session to resume"
    accepted=$((accepted + 1))
  done
  echo "   ok no session to resume, TLS 1.2 and 1.3"
}

# hardened CERTIFICATE STATUS CODE: what is refused before the filter, the result of an upgrade at
# an endpoint, and what is removed before the backend.
hardened() {
  local base=${url%/token} last client="$grant&client_id=by-subject-dn"
  expect "a path with an escaped slash" 400 "" "$1" "${at[@]}" "$base/a%2Ftoken"
  expect "a header with _ in its name" 400 "" "$1" "${at[@]}" --http1.1 \
    --header "client_cert: x" "$base/page"
  expect "an upgrade at an endpoint" "$2" "$3" "$1" "${at[@]}" --http1.1 \
    --header "connection: upgrade" --header "upgrade: websocket" "$url" --data "$client"
  expect "headers that redirect or forge, at /a//page" 200 "" "$1" "${at[@]}" \
    --header "x-original-url: /token" --header "x-rewrite-url: /token" \
    --header "x-http-method-override: POST" --header "x-http-method: POST" \
    --header "x-method-override: POST" --header "x-oauth-client-id: by-subject-dn" \
    --header "daphne-root-path: /a" \
    --header "x-forwarded-client-cert: Subject=\"CN=admin\"" "$base/a//page"
  last=$(tail -n 1 "$work/backend.jsonl")
  [[ $last == *'"path": "/a/page"'* ]] || fail "the backend received another path: $last"
  local removed='x-original-url|x-rewrite-url|x-http-method|x-method-override|daphne-root-path'
  if grep -qiE "$removed|x-oauth-client-id|x-forwarded-client-cert" <<< "$last"; then
    fail "the backend received a header that redirects or forges: $last"
  fi
}

node tests/manifests/check.mjs
prepare
grant=grant_type=client_credentials
at=()

echo "envoy/envoy-listener-chain.yaml on Envoy $version"
start_envoy "$version" envoy/envoy-listener-chain.yaml
url=$edge/token
client="$grant&client_id=by-subject-dn"
expect "by-subject-dn" 200 authenticated subject-dn "$url" --data "$client"
expect "another client's certificate" 401 subject_mismatch wrong "$url" --data "$client"
expect_no_handshake "no certificate" - "$url"
expect_no_handshake "a certificate of an untrusted CA" untrusted "$url"
expect_no_handshake "a self-signed certificate" self-signed "$url"
hardened subject-dn 403 ""
sends_ca_list localhost yes
never_resumes localhost
stop_last

echo "envoy/envoy-resources.yaml on Envoy $version"
start_envoy "$version" envoy/envoy-resources.yaml
expect "by-subject-dn" 200 authenticated subject-dn "$url" --data "$client"
expect "a resource without a token" 401 token_missing subject-dn "$edge/api/accounts"
expect "a token that nobody verified" 401 token_unverified subject-dn "$edge/api/accounts" \
  --header "authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"
# jwt_authn fetches keys for none but a token that is as it should be, up to its signature.
token=$(python3 -c '
import base64, json, time
part = lambda members: base64.urlsafe_b64encode(json.dumps(members).encode()).decode().rstrip("=")
claims = {"iss": "https://as.example.com", "aud": "https://api.example.com"}
print(part({"alg": "RS256"}), part({**claims, "exp": int(time.time()) + 600}), "YQ", sep=".")
')
expect "a token of nobody's key" 401 token_unverified subject-dn "$edge/api/accounts" \
  --header "authorization: Bearer $token"
expect "a token in the query" 400 token_malformed subject-dn "$edge/api/accounts?access_token=a"
expect "a path that is no resource" 200 "" subject-dn "$edge/page"
stop_last
# The key set, which jwt_authn fetches from the backend, and which is none here.
fetched=$(grep -c '"path": "/jwks.json"' "$work/backend.jsonl" || true)
((fetched > 0)) || fail "jwt_authn never asked for its keys"
accepted=$((accepted + fetched))

# With an older Envoy, a client that obeys the list of CAs would not be let in: it does not start.
echo "envoy/envoy.yaml on Envoy $oldest"
if "target/envoy/$oldest/bin/envoy" --mode validate -c envoy/envoy.yaml \
  > "$work/validate.log" 2>&1; then
  fail "Envoy $oldest accepts envoy/envoy.yaml, which needs 1.39"
fi
# Envoy breaks its lines at any blank.
tr -s ' \n' ' ' < "$work/validate.log" | grep -q "no such field: 'suppress_client_ca_list'" ||
  fail "Envoy $oldest does not say why it refuses envoy/envoy.yaml; see $work/validate.log"
echo "   ok refused at the start, with the reason"
# Before 1.38 no filter can read the peer's certificate: every client is refused, with the reason.
with_ca_list envoy/envoy.yaml > "$work/older.yaml"
start_envoy "$oldest" "$work/older.yaml"
expect "by-subject-dn, certificate unreadable" 401 certificate_missing subject-dn "$url" \
  --data "$client"
expect "by-secret" 200 passed_other_method - "$url" --user by-secret:secret --data "$grant"
grep -q '1\.38' "$work/envoy.log" || fail "the log does not name the Envoy that is needed"
stop_last

istio() { # MANIFEST...
  local manifests=("${@/#/envoy/istio/}")
  manifests=("${manifests[@]/%/.yaml}")
  echo "${manifests[*]}, as istiod would apply them, on Envoy $version"
  mkdir -p "$work/istio"
  node tests/manifests/istio.mjs target/demo/istio "${manifests[@]}"
  with_self_signed "$work/istio/ecds.json" > "$work/istio/ecds.registered.json"
  mv "$work/istio/ecds.registered.json" "$work/istio/ecds.json"
  start_envoy "$version" "$work/istio/envoy.json"
}
at=(--resolve as.example.com:10443:127.0.0.1)
url=https://as.example.com:10443/token

istio gateway-mutual tls-client-auth
expect "by-subject-dn" 200 authenticated subject-dn "${at[@]}" "$url" --data "$client"
expect "another client's certificate" 401 subject_mismatch wrong "${at[@]}" "$url" --data "$client"
expect_no_handshake "no certificate" - "$url"
expect_no_handshake "a certificate of an untrusted CA" untrusted "$url"
hardened subject-dn 400 upgrade_refused
sends_ca_list as.example.com yes
never_resumes as.example.com
stop_last

istio gateway-optional-mutual tls-client-auth
expect "by-subject-dn" 200 authenticated subject-dn "${at[@]}" "$url" --data "$client"
expect "self-signed" 200 authenticated self-signed "${at[@]}" "$url" \
  --data "$grant&client_id=self-signed"
expect "another client's certificate" 401 subject_mismatch wrong "${at[@]}" "$url" --data "$client"
expect "an untrusted CA" 401 certificate_unverified untrusted "${at[@]}" "$url" --data "$client"
expect "no certificate" 401 certificate_missing - "${at[@]}" "$url" --data "$client"
hardened self-signed 400 upgrade_refused
sends_ca_list as.example.com no
never_resumes as.example.com
stop_last

istio gateway-optional-mutual wasmplugin
expect "by-subject-dn through a WasmPlugin" 500 host_error subject-dn "${at[@]}" "$url" \
  --data "$client"
grep -q allow_on_headers_stop_iteration "$work/envoy.log" ||
  fail "the log does not say what to set"
stop_last

# forwarded CERTIFICATE: the header of an Istio gateway for a client with this certificate.
forwarded() {
  openssl x509 -in "$pki/$1.pem" -outform DER | python3 -c '
import hashlib, ssl, sys, urllib.parse
der = sys.stdin.buffer.read()
by = "spiffe://cluster.local/ns/istio-ingress/sa/istio-ingressgateway"
cert = urllib.parse.quote(ssl.DER_cert_to_PEM_cert(der), safe="")
digest = hashlib.sha256(der).hexdigest()
print(f"x-forwarded-client-cert: By={by};Hash={digest};Cert=\"{cert}\";Subject=\"CN=client\";URI=")
'
}

# Here the client of curl is the gateway, or another workload of the mesh.
istio sidecar
own=(--header "$(forwarded subject-dn)" --data "$client")
other=(--header "$(forwarded wrong)" --data "$client")
expect "by-subject-dn through the gateway" 200 authenticated mesh-gateway "${at[@]}" "$url" \
  "${own[@]}"
expect "another client through the gateway" 401 subject_mismatch mesh-gateway "${at[@]}" "$url" \
  "${other[@]}"
expect "no certificate at the gateway" 401 certificate_missing mesh-gateway "${at[@]}" "$url" \
  --data "$client"
expect "from another workload" 401 certificate_missing mesh-other "${at[@]}" "$url" "${own[@]}"
expect "from the client itself" 401 certificate_missing subject-dn "${at[@]}" "$url" "${own[@]}"
expect_no_handshake "no certificate of the mesh" - "$url"
hardened mesh-gateway 400 upgrade_refused
stop_last

seen=$(wc -l < "$work/backend.jsonl")
((seen == accepted)) || fail "the backend received $seen requests, $accepted were accepted"
echo "backend received $seen requests, accepted $accepted"
