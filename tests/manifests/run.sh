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
never_resumes localhost
lower_envoy

# Before Envoy 1.38 no filter can read the peer's certificate: everybody is refused, and the log says what to do.
echo "envoy/envoy.yaml on Envoy $oldest"
raise_envoy "$oldest" envoy/envoy.yaml
expect "by-subject-dn, certificate unreadable" 401 certificate_missing subject-dn "$url" --data "$grant&client_id=by-subject-dn"
expect "by-secret" 200 passed_other_method - "$url" --user by-secret:secret --data "$grant"
grep -q '1\.38' "$stage/envoy.log" || fail "the log does not name the Envoy that is needed"
lower_envoy

istio() { # GATEWAY FILTER
  echo "envoy/istio/$1.yaml with $2.yaml, as istiod would patch it, on Envoy $version"
  mkdir -p "$stage/istio"
  node tests/manifests/istio.mjs "envoy/istio/$1.yaml" "envoy/istio/$2.yaml" target/demo/istio
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
never_resumes as.example.com
lower_envoy

istio gateway-optional-mutual tls-client-auth
expect "by-subject-dn" 200 authenticated subject-dn "${at[@]}" "$url" --data "$grant&client_id=by-subject-dn"
expect "self-signed" 200 authenticated self-signed "${at[@]}" "$url" --data "$grant&client_id=self-signed"
expect "another client's certificate" 401 subject_mismatch wrong "${at[@]}" "$url" --data "$grant&client_id=by-subject-dn"
expect "an untrusted CA" 401 certificate_unverified untrusted "${at[@]}" "$url" --data "$grant&client_id=by-subject-dn"
expect "no certificate" 401 certificate_missing - "${at[@]}" "$url" --data "$grant&client_id=by-subject-dn"
never_resumes as.example.com
lower_envoy

istio gateway-optional-mutual wasmplugin
expect "by-subject-dn through a WasmPlugin" 500 host_error subject-dn "${at[@]}" "$url" --data "$grant&client_id=by-subject-dn"
grep -q allow_on_headers_stop_iteration "$stage/envoy.log" || fail "the log does not say what to set"
lower_envoy

seen=$(wc -l < "$stage/backend.jsonl")
((seen == accepted)) || fail "the backend saw $seen requests, $accepted were accepted"
echo "backend saw $seen requests, accepted $accepted"
