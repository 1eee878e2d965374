#!/usr/bin/env bash
# demo.sh VERSION [--keep]: real requests through a real Envoy with envoy/envoy.yaml. `./build.sh demo` calls it.
# Every row says what is expected, and one surprise fails the whole.
set -euo pipefail
# shellcheck source=tests/demo/stage.sh
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"

version=$1
surprises=0
passed=0
row='%-2s %-62s %-30s %-6s %s\n'

surprise() {
  surprises=$((surprises + 1))
  echo "   SURPRISE: $*"
}

# ask REQUEST WHY EXPECTED-STATUS EXPECTED-CODE CERTIFICATE CURL-ARGUMENT...
ask() {
  local request=$1 why=$2 expected="$3 $4" verdict=ok
  send "${@:5}"
  [[ "$status $code" == "$expected" ]] || verdict=!!
  # shellcheck disable=SC2059 # the format is the table's
  printf "$row" "$verdict" "$request" "$expected" "$status" "${code:-(none)}"
  echo "   why:    $why"
  [[ -z $detail ]] || echo "   log:    $detail"
  echo "   answer: $body"
  if [[ $verdict != ok ]]; then
    surprise "expected $expected"
  fi
}

# accepted CLIENT WHY CERTIFICATE: the backend must be told this very client.
accepted() {
  ask "$1" "$2" 200 authenticated "$3" "$edge/token" --data "grant_type=client_credentials&client_id=$1"
  passed=$((passed + 1))
  [[ $body == *"\"authenticated_client\": \"$1\""* ]] || surprise "the backend was not told that this is $1"
}

passes() {
  ask "$@"
  passed=$((passed + 1))
  [[ $body == *'"authenticated_client": null'* ]] || surprise "the backend was told of a client that nobody authenticated"
}

# refused REQUEST WHY STATUS CODE CERTIFICATE CURL-ARGUMENT...: all 401s must say the same words, so that no answer tells
# which clients exist.
refused() {
  ask "$@"
  if [[ $3 == 401 ]]; then
    [[ $body == "${unauthorized:=$body}" ]] || surprise "this 401 can be told from the others"
  fi
}

set_stage
raise_envoy "$version" envoy/envoy.yaml

grant=grant_type=client_credentials
echo
echo "Envoy $version with envoy/envoy.yaml, its clients in envoy/clients.json, requests by curl over mTLS to $edge"
echo
# shellcheck disable=SC2059
printf "$row" "" REQUEST EXPECTED STATUS CODE

accepted by-subject-dn "registered: CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP; compared RDN by RDN" subject-dn
accepted by-san-dns "registered: the DNS name billing.client.example.org" san-dns
accepted by-san-uri "registered: the URI spiffe://client.example.org/ns/payments/sa/ledger" san-uri
accepted by-san-ip "registered: the address 2001:db8::a:1, compared as 16 bytes" san-ip
accepted by-san-email "registered: the address ops@client.example.org" san-email
accepted self-signed "registered: the certificate itself, in the client's JWKS; no CA is asked" self-signed

refused "by-subject-dn with a certificate of O=Other" "same CA, another client's name" \
  401 subject_mismatch wrong "$edge/token" --data "$grant&client_id=by-subject-dn"
refused "self-signed with another self-signed certificate" "same name, another key" \
  401 certificate_not_registered self-signed-other "$edge/token" --data "$grant&client_id=self-signed"
refused "by-subject-dn with an expired certificate" "the right name, over since February 2025" \
  401 certificate_expired expired "$edge/token" --data "$grant&client_id=by-subject-dn"
refused "by-subject-dn with a certificate of an untrusted CA" "the right name, from a CA that only calls itself ours" \
  401 certificate_unverified untrusted "$edge/token" --data "$grant&client_id=by-subject-dn"
refused "by-subject-dn without a certificate" "nothing to compare" \
  401 certificate_missing - "$edge/token" --data "$grant&client_id=by-subject-dn"
refused "an unknown client" "a certificate of a trusted CA is not a registration" \
  401 unknown_client subject-dn "$edge/token" --data "$grant&client_id=nobody"
refused "client_id twice" "filter and backend might each believe another one" \
  400 duplicate_parameter subject-dn "$edge/token" --data "$grant&client_id=by-subject-dn&client_id=by-san-dns"
refused "no client_id" "nobody to authenticate" \
  400 missing_client_id subject-dn "$edge/token" --data "$grant"
refused "by-subject-dn that also sends a client_secret" "RFC 6749 section 2.3: one method a request" \
  400 multiple_auth_methods subject-dn "$edge/token" --data "$grant&client_id=by-subject-dn&client_secret=x"
refused "by-subject-dn without its certificate, at //x/../%74oken;y" "another spelling of /token is /token" \
  401 certificate_missing - --path-as-is "$edge//x/../%74oken;y" --data "$grant&client_id=by-subject-dn"
refused "GET /token" "token requests are POST" \
  405 method_not_allowed subject-dn "$edge/token"

passes "by-secret with HTTP Basic" "registered for client_secret_basic: the backend checks that" \
  200 passed_other_method - "$edge/token" --user by-secret:secret --data "$grant"
passes "a page that is no endpoint, with forged identity headers" "nothing to decide, so no code; let through without the forged headers" \
  200 "" - "$edge/.well-known/openid-configuration" --header "x-oauth-client-id: by-subject-dn" --header "client-cert: :Zm9yZ2Vk:"
[[ $body == *'"client_cert_header": null'* ]] || surprise "a forged Client-Cert header reached the backend"

seen=$(wc -l < "$stage/backend.jsonl")
[[ $seen == "$passed" ]] || surprise "the backend saw $seen requests"
echo
echo "backend saw $seen requests, accepted $passed"
echo "counted by Envoy:"
curl --silent "http://127.0.0.1:9901/stats/prometheus?filter=tls_client_auth" | sed -n 's/^\([a-z_]*tls_client_auth[^#]* [1-9].*\)/   \1/p'
echo "records: target/demo/{backend.jsonl,access.log,envoy.log}"

if ((surprises)); then
  echo "FAILED: $surprises surprises" >&2
  exit 1
fi
echo "demo passed"

if [[ ${2:-} == --keep ]]; then
  cat <<END

Envoy stays up until Ctrl-C. To try:
  curl --cacert target/demo/pki/ca.pem --cert target/demo/pki/subject-dn.pem --key target/demo/pki/subject-dn.key \\
    $edge/token -d grant_type=client_credentials -d client_id=by-subject-dn
  curl --cacert target/demo/pki/ca.pem --cert target/demo/pki/wrong.pem --key target/demo/pki/wrong.key \\
    $edge/token -d grant_type=client_credentials -d client_id=by-subject-dn
  curl --cacert target/demo/pki/ca.pem $edge/token -d grant_type=client_credentials -d client_id=by-subject-dn
  tail -f target/demo/access.log
  curl "http://127.0.0.1:9901/stats/prometheus?filter=tls_client_auth"
END
  wait "${started[-1]}"
fi
