#!/usr/bin/env bash
# run.sh VERSION OLDEST-VERSION: every shipped configuration but the demo's own in a real Envoy, with real requests.
# `./build.sh test` calls it.
set -euo pipefail
# shellcheck source=tests/demo/stage.sh
source "$(dirname "${BASH_SOURCE[0]}")/../demo/stage.sh"

version=$1
oldest=$2
accepted=0

# expect WHAT STATUS CODE CERTIFICATE CURL-ARGUMENT...
expect() {
  local expected="$2 $3"
  send "${@:4}"
  [[ "$status $code" == "$expected" ]] || fail "$1: expected $expected, got $status ${code:-(no code)}: $body"
  [[ $status != 200 ]] || accepted=$((accepted + 1))
  echo "   ok $1: $expected"
}

# shut_out WHAT CERTIFICATE URL: the handshake itself must fail, so there is no answer and no line in the access log.
shut_out() {
  local credential=(--cert "$pki/$2.pem" --key "$pki/$2.key")
  [[ $2 == - ]] && credential=()
  if status=$(curl --silent --max-time 15 --cacert "$pki/ca.pem" "${at[@]}" "${credential[@]}" --output /dev/null --write-out '%{http_code}' "$3"); then
    fail "$1: expected a failed handshake, got $status"
  fi
  echo "   ok $1: no handshake"
}

# never_resumes NAME: Envoy must offer no session, since it would not know the certificate of a resumed one as verified.
never_resumes() {
  local tls
  for tls in tls1_2 tls1_3; do
    rm -f "$stage/session"
    printf 'GET / HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n' "$1" |
      openssl s_client -ign_eof -connect localhost:10443 -servername "$1" "-$tls" -cert "$pki/subject-dn.pem" \
        -key "$pki/subject-dn.key" -sess_out "$stage/session" > "$stage/handshake" 2>&1 || true
    grep -q 'HTTP/1.1 200' "$stage/handshake" || fail "$tls: no answer; see $stage/handshake"
    [[ ! -e $stage/session ]] || fail "$tls: the listener offers a session to resume"
    accepted=$((accepted + 1))
  done
  echo "   ok no session to resume, TLS 1.2 and 1.3"
}

# hardened CERTIFICATE STATUS CODE: what is refused before the filter, what an upgrade at an endpoint gets, and what is taken away
# before the backend reads it.
hardened() {
  local base=${url%/token} last client="$grant&client_id=by-subject-dn"
  expect "a path with an escaped slash" 400 "" "$1" "${at[@]}" "$base/a%2Ftoken"
  expect "a header with _ in its name" 400 "" "$1" "${at[@]}" --http1.1 --header "client_cert: x" "$base/page"
  expect "an upgrade at an endpoint" "$2" "$3" "$1" "${at[@]}" --http1.1 --header "connection: upgrade" --header "upgrade: websocket" \
    "$url" --data "$client"
  expect "headers that lead elsewhere or lie, at /a//page" 200 "" "$1" "${at[@]}" --header "x-original-url: /token" \
    --header "x-rewrite-url: /token" --header "x-http-method-override: POST" --header "x-http-method: POST" --header "x-method-override: POST" \
    --header "x-oauth-client-id: by-subject-dn" --header "x-forwarded-client-cert: Subject=\"CN=admin\"" "$base/a//page"
  last=$(tail -n 1 "$stage/backend.jsonl")
  [[ $last == *'"path": "/a/page"'* ]] || fail "the backend got another path: $last"
  if grep -qiE 'x-original-url|x-rewrite-url|x-http-method|x-method-override|x-oauth-client-id|x-forwarded-client-cert' <<< "$last"; then
    fail "the backend got a header that leads it elsewhere, or lies: $last"
  fi
}

node tests/manifests/check.mjs
set_stage
grant=grant_type=client_credentials
at=()

echo "envoy/envoy-listener-chain.yaml on Envoy $version"
raise_envoy "$version" envoy/envoy-listener-chain.yaml
url=$edge/token
expect "by-subject-dn" 200 authenticated subject-dn "$url" --data "$grant&client_id=by-subject-dn"
expect "another client's certificate" 401 subject_mismatch wrong "$url" --data "$grant&client_id=by-subject-dn"
shut_out "no certificate" - "$url"
shut_out "a certificate of an untrusted CA" untrusted "$url"
shut_out "a self-signed certificate" self-signed "$url"
hardened subject-dn 403 ""
names_cas localhost yes
never_resumes localhost
lower_envoy

# An older Envoy would not let in a client that obeys the list of CAs: it does not even start.
echo "envoy/envoy.yaml on Envoy $oldest"
if "target/envoy/$oldest/bin/envoy" --mode validate -c envoy/envoy.yaml > "$stage/validate.log" 2>&1; then
  fail "Envoy $oldest takes envoy/envoy.yaml, which needs 1.39"
fi
# Envoy breaks its lines at blanks, wherever.
tr -s ' \n' ' ' < "$stage/validate.log" | grep -q "no such field: 'suppress_client_ca_list'" ||
  fail "Envoy $oldest does not say why it refuses envoy/envoy.yaml; see $stage/validate.log"
echo "   ok refused at the start, and says why"
# Nor could any filter read the peer's certificate before 1.38: everybody is refused, and the log says what to do.
with_ca_list envoy/envoy.yaml > "$stage/older.yaml"
raise_envoy "$oldest" "$stage/older.yaml"
expect "by-subject-dn, certificate unreadable" 401 certificate_missing subject-dn "$url" --data "$grant&client_id=by-subject-dn"
expect "by-secret" 200 passed_other_method - "$url" --user by-secret:secret --data "$grant"
grep -q '1\.38' "$stage/envoy.log" || fail "the log does not name the Envoy that is needed"
lower_envoy

istio() { # MANIFEST...
  local manifests=("${@/#/envoy/istio/}")
  manifests=("${manifests[@]/%/.yaml}")
  echo "${manifests[*]}, as istiod would apply them, on Envoy $version"
  mkdir -p "$stage/istio"
  node tests/manifests/istio.mjs target/demo/istio "${manifests[@]}"
  register_self_signed "$stage/istio/ecds.json" > "$stage/istio/ecds.registered.json"
  mv "$stage/istio/ecds.registered.json" "$stage/istio/ecds.json"
  raise_envoy "$version" "$stage/istio/envoy.json"
}
at=(--resolve as.example.com:10443:127.0.0.1)
url=https://as.example.com:10443/token

istio gateway-mutual tls-client-auth
expect "by-subject-dn" 200 authenticated subject-dn "${at[@]}" "$url" --data "$grant&client_id=by-subject-dn"
expect "another client's certificate" 401 subject_mismatch wrong "${at[@]}" "$url" --data "$grant&client_id=by-subject-dn"
shut_out "no certificate" - "$url"
shut_out "a certificate of an untrusted CA" untrusted "$url"
hardened subject-dn 400 upgrade_refused
names_cas as.example.com yes
never_resumes as.example.com
lower_envoy

istio gateway-optional-mutual tls-client-auth
expect "by-subject-dn" 200 authenticated subject-dn "${at[@]}" "$url" --data "$grant&client_id=by-subject-dn"
expect "self-signed" 200 authenticated self-signed "${at[@]}" "$url" --data "$grant&client_id=self-signed"
expect "another client's certificate" 401 subject_mismatch wrong "${at[@]}" "$url" --data "$grant&client_id=by-subject-dn"
expect "an untrusted CA" 401 certificate_unverified untrusted "${at[@]}" "$url" --data "$grant&client_id=by-subject-dn"
expect "no certificate" 401 certificate_missing - "${at[@]}" "$url" --data "$grant&client_id=by-subject-dn"
hardened self-signed 400 upgrade_refused
names_cas as.example.com no
never_resumes as.example.com
lower_envoy

istio gateway-optional-mutual wasmplugin
expect "by-subject-dn through a WasmPlugin" 500 host_error subject-dn "${at[@]}" "$url" --data "$grant&client_id=by-subject-dn"
grep -q allow_on_headers_stop_iteration "$stage/envoy.log" || fail "the log does not say what to set"
lower_envoy

# forwarded CERTIFICATE: what an Istio gateway says of a client with this certificate.
forwarded() {
  openssl x509 -in "$pki/$1.pem" -outform DER | python3 -c '
import base64, hashlib, sys, urllib.parse
der = sys.stdin.buffer.read()
lines = base64.encodebytes(der).decode().replace("\n", "")
pem = "\n".join(["-----BEGIN CERTIFICATE-----", *(lines[i:i + 64] for i in range(0, len(lines), 64)), "-----END CERTIFICATE-----", ""])
by = "spiffe://cluster.local/ns/istio-ingress/sa/istio-ingressgateway"
cert = urllib.parse.quote(pem, safe="")
print("x-forwarded-client-cert: By=%s;Hash=%s;Cert=\"%s\";Subject=\"CN=client\";URI=" % (by, hashlib.sha256(der).hexdigest(), cert))
'
}

# Here the client of curl is the gateway, or another workload of the mesh.
istio sidecar
client="$grant&client_id=by-subject-dn"
expect "by-subject-dn through the gateway" 200 authenticated mesh-gateway "${at[@]}" "$url" --header "$(forwarded subject-dn)" --data "$client"
expect "another client through the gateway" 401 subject_mismatch mesh-gateway "${at[@]}" "$url" --header "$(forwarded wrong)" --data "$client"
expect "no certificate at the gateway" 401 certificate_missing mesh-gateway "${at[@]}" "$url" --data "$client"
expect "past the gateway" 401 certificate_missing mesh-other "${at[@]}" "$url" --header "$(forwarded subject-dn)" --data "$client"
expect "past the gateway, by the client itself" 401 certificate_missing subject-dn "${at[@]}" "$url" --header "$(forwarded subject-dn)" --data "$client"
shut_out "no certificate of the mesh" - "$url"
hardened mesh-gateway 400 upgrade_refused
lower_envoy

seen=$(wc -l < "$stage/backend.jsonl")
((seen == accepted)) || fail "the backend saw $seen requests, $accepted were accepted"
echo "backend saw $seen requests, accepted $accepted"
