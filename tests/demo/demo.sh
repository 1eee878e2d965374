#!/usr/bin/env bash
# demo.sh VERSION [--keep]: real requests through a real Envoy with envoy/envoy.yaml. Each row has
# its expected result, and one unexpected result fails the demo. Called by `./build.sh demo`.
set -euo pipefail
# shellcheck source=tests/demo/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=$1
unexpected=0
passed=0
row='%-2s %-62s %-30s %-6s %s\n'

report_unexpected() {
  unexpected=$((unexpected + 1))
  echo "   UNEXPECTED: $*"
}

# ask REQUEST WHY EXPECTED-STATUS EXPECTED-CODE CERTIFICATE CURL-ARGUMENT...
ask() {
  local request=$1 why=$2 expected="$3 $4" verdict=ok
  send "${@:5}"
  [[ "$status $code" == "$expected" ]] || verdict=!!
  # shellcheck disable=SC2059 # the format of the table
  printf "$row" "$verdict" "$request" "$expected" "$status" "${code:-(none)}"
  echo "   why:    $why"
  [[ -z $detail ]] || echo "   log:    $detail"
  echo "   answer: $body"
  if [[ $verdict != ok ]]; then
    report_unexpected "not $expected"
  fi
}

# accepted CLIENT WHY CERTIFICATE: the backend must see exactly this client.
accepted() {
  ask "$1" "$2" 200 authenticated "$3" "$edge/token" \
    --data "grant_type=client_credentials&client_id=$1"
  passed=$((passed + 1))
  [[ $body == *"\"authenticated_client\": \"$1\""* ]] ||
    report_unexpected "the backend does not see the client $1"
}

# passes REQUEST...: as ask, and the backend must see no client.
passes() {
  ask "$@"
  passed=$((passed + 1))
  [[ $body == *'"authenticated_client": null'* ]] ||
    report_unexpected "the backend sees a client that was not authenticated"
}

# refused REQUEST WHY STATUS CODE CERTIFICATE CURL-ARGUMENT...: as ask, and all answers with 401
# must be equal, so that none reveals which clients exist.
refused() {
  ask "$@"
  if [[ $3 == 401 ]]; then
    [[ $body == "${unauthorized:=$body}" ]] ||
      report_unexpected "this answer with 401 differs from the others"
  fi
}

prepare
start_envoy "$version" envoy/envoy.yaml

grant=grant_type=client_credentials
echo
echo "Envoy $version with envoy/envoy.yaml, its clients in envoy/clients.json;" \
  "requests by curl over mTLS to $edge"
echo
# shellcheck disable=SC2059
printf "$row" "" REQUEST EXPECTED STATUS CODE

accepted by-subject-dn \
  "registered: CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP; compared RDN by RDN" \
  subject-dn
accepted by-san-dns "registered: the DNS name billing.client.example.org" san-dns
accepted by-san-uri "registered: the URI spiffe://client.example.org/ns/payments/sa/ledger" san-uri
accepted by-san-ip "registered: the address 2001:db8::a:1, compared as 16 bytes" san-ip
accepted by-san-email "registered: the address ops@client.example.org" san-email
accepted self-signed "registered: the certificate itself, in the client's JWKS; without a CA" \
  self-signed

refused "by-subject-dn with a certificate of O=Other" "same CA, another client's name" \
  401 subject_mismatch wrong "$edge/token" --data "$grant&client_id=by-subject-dn"
refused "self-signed with another self-signed certificate" "same name, another key" \
  401 certificate_not_registered self-signed-other "$edge/token" \
  --data "$grant&client_id=self-signed"
refused "by-subject-dn with an expired certificate" "the right name, expired in February 2025" \
  401 certificate_expired expired "$edge/token" --data "$grant&client_id=by-subject-dn"
refused "by-subject-dn with a certificate of an untrusted CA" \
  "the right name, from a CA that has only the name of the trusted one" \
  401 certificate_unverified untrusted "$edge/token" --data "$grant&client_id=by-subject-dn"
refused "by-subject-dn without a certificate" "nothing to compare" \
  401 certificate_missing - "$edge/token" --data "$grant&client_id=by-subject-dn"
refused "an unknown client" "a certificate of a trusted CA is not a registration" \
  401 unknown_client subject-dn "$edge/token" --data "$grant&client_id=unknown"
refused "client_id twice" "filter and backend might use different ones" \
  400 duplicate_parameter subject-dn "$edge/token" \
  --data "$grant&client_id=by-subject-dn&client_id=by-san-dns"
refused "no client_id" "no client to authenticate" \
  400 missing_client_id subject-dn "$edge/token" --data "$grant"
refused "by-subject-dn that also sends a client_secret" \
  "RFC 6749 section 2.3: one method per request" \
  400 multiple_auth_methods subject-dn "$edge/token" \
  --data "$grant&client_id=by-subject-dn&client_secret=x"
refused "by-subject-dn without its certificate, at //x/../%74oken;y" \
  "another spelling of /token is /token" \
  401 certificate_missing - --path-as-is "$edge//x/../%74oken;y" \
  --data "$grant&client_id=by-subject-dn"
refused "GET /token" "token requests are POST" \
  405 method_not_allowed subject-dn "$edge/token"

passes "by-secret with HTTP Basic" "registered for client_secret_basic: the backend checks that" \
  200 passed_other_method - "$edge/token" --user by-secret:secret --data "$grant"
passes "a page that is no endpoint, with forged identity headers" \
  "nothing to decide, so no code; passed without the forged headers" \
  200 "" - "$edge/.well-known/openid-configuration" \
  --header "x-oauth-client-id: by-subject-dn" --header "client-cert: :Zm9yZ2Vk:"
[[ $body == *'"client_cert_header": null'* ]] ||
  report_unexpected "a forged Client-Cert header reached the backend"

seen=$(wc -l < "$work/backend.jsonl")
[[ $seen == "$passed" ]] || report_unexpected "the backend received $seen requests"
echo
echo "backend received $seen requests, accepted $passed"
echo "counted by Envoy:"
# Decisions are counted at ticks, every quarter of a second.
sleep 0.5
curl --silent "http://127.0.0.1:9901/stats/prometheus?filter=tls_client_auth" |
  sed -n 's/^\([a-z_]*tls_client_auth[^#]* [1-9].*\)/   \1/p'
echo "records: target/demo/{backend.jsonl,access.log,envoy.log}"

if ((unexpected)); then
  echo "FAILED: $unexpected unexpected results" >&2
  exit 1
fi
echo "demo passed"

if [[ ${2:-} == --keep ]]; then
  own="--cert target/demo/pki/subject-dn.pem --key target/demo/pki/subject-dn.key"
  other="--cert target/demo/pki/wrong.pem --key target/demo/pki/wrong.key"
  form="-d grant_type=client_credentials -d client_id=by-subject-dn"
  cat <<TEXT

Envoy keeps running until Ctrl-C. Requests to try:
  curl --cacert target/demo/pki/ca.pem $own \\
    $edge/token $form
  curl --cacert target/demo/pki/ca.pem $other \\
    $edge/token $form
  curl --cacert target/demo/pki/ca.pem $edge/token $form
  tail -f target/demo/access.log
  curl "http://127.0.0.1:9901/stats/prometheus?filter=tls_client_auth"
TEXT
  wait "${started[-1]}"
fi
