#!/usr/bin/env bash
# run.sh VERSION PROGRAMS: real HTTP and OAuth clients against a real Envoy with envoy/envoy.yaml,
# and with the list of CAs that this file suppresses. PROGRAMS is the directory of the compiled
# clients. README.md says what it checks and needs.
set -euo pipefail
# shellcheck source=tests/demo/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../demo/common.sh"

version=$1
programs=$2
endpoint=$edge/token
accepted=0
requests=0

curl_client() {
  local tls certificate client status answer
  while read -r tls certificate client; do
    status=$(curl --silent --max-time 15 "--tlsv$tls" --tls-max "$tls" --cacert "$pki/ca.pem" \
      --cert "$pki/$certificate.pem" --key "$pki/$certificate.key" \
      --output "$work/curl.body" --write-out '%{http_code}' "$endpoint" \
      --data "grant_type=client_credentials&client_id=$client") || true
    answer=$(sed -E 's/.*"(authenticated_client|error)": *"([^"]*)".*/\2/' "$work/curl.body")
    [[ $status == 200 ]] || answer="$status $answer"
    echo "$answer"
  done
}

client() {
  case $1 in
    go) "$programs/go/client" "$endpoint" "$pki" ;;
    jdk | nimbus)
      java -cp "$programs/classes:$programs/jars/*" Client "$1" "$endpoint" "$pki"
      ;;
    python) python3 tests/clients/client.py "$endpoint" "$pki" ;;
    node) node tests/clients/client.mjs "$endpoint" "$pki" ;;
    curl) curl_client ;;
  esac
}

fingerprint() {
  openssl x509 -in "$pki/$1.pem" -noout -fingerprint -sha256 |
    sed 's/.*=//; s/://g' | tr 'A-F' 'a-f'
}

# run CLIENT ROW...: sends the request of each row in TLS 1.2 and 1.3. A row is "CERTIFICATE
# CLIENT-ID CODE", and "sent" or "withheld": whether the client sends its certificate.
run() {
  local name=$1 tls row certificate id code sends expected digest word before deadline i=0
  local rows=() answers entries what
  shift
  for row in "$@"; do
    for tls in 1.2 1.3; do rows+=("$tls $row"); done
  done
  before=$(wc -l < "$work/access.log")
  mapfile -t answers < <(printf '%s\n' "${rows[@]}" | cut -d ' ' -f 1-3 | client "$name")
  ((${#answers[@]} == ${#rows[@]})) ||
    fail "$name: ${#rows[@]} requests, ${#answers[@]} answers: ${answers[*]}"
  deadline=$((SECONDS + 10))
  until (($(wc -l < "$work/access.log") >= before + ${#rows[@]})); do
    ((SECONDS < deadline)) ||
      fail "$name: fewer lines in the access log than requests: ${answers[*]}"
    sleep 0.05
  done
  mapfile -t entries < <(tail -n "+$((before + 1))" "$work/access.log")
  ((${#entries[@]} == ${#rows[@]})) ||
    fail "$name: ${#rows[@]} requests, ${#entries[@]} lines in the access log"
  for row in "${rows[@]}"; do
    read -r tls certificate id code sends <<< "$row"
    what="$name, TLS $tls, $certificate as $id"
    expected="401 invalid_client" digest=null
    if [[ $code == authenticated ]]; then
      expected=$id
      accepted=$((accepted + 1))
    fi
    [[ $sends == withheld ]] || digest="\"$(fingerprint "$certificate")\""
    [[ ${answers[i]} == "$expected" ]] || fail "$what: expected $expected, got ${answers[i]}"
    for word in "\"code\":\"$code\"" "\"certificate_sha256\":$digest" "\"tls\":\"TLSv$tls\""; do
      [[ ${entries[i]} == *"$word"* ]] || fail "$what: expected $word in ${entries[i]}"
    done
    i=$((i + 1))
    requests=$((requests + 1))
    [[ $tls == 1.2 ]] ||
      printf '   ok %-7s TLS 1.2, 1.3  %-18s %s: %s\n' "$name" "$certificate" "$sends" "$code"
  done
}

# Certificates whose issuer has the name of a trusted CA: every client sends them.
issued=(
  "subject-dn by-subject-dn authenticated sent"
  "wrong by-subject-dn subject_mismatch sent"
  "untrusted by-subject-dn certificate_unverified sent"
)
# Self-signed certificates: without a list of CAs every client sends them.
self_signed=(
  "self-signed self-signed authenticated sent"
  "self-signed-other self-signed certificate_not_registered sent"
)
withheld=(
  "self-signed self-signed certificate_missing withheld"
  "self-signed-other self-signed certificate_missing withheld"
)
# A client that obeys the list sends no certificate of another issuer (RFC 8446 section 4.2.4, RFC
# 5246 section 7.4.4).
obeying=(go jdk nimbus)
ignoring=(curl python node)

prepare
for name in subject-dn wrong untrusted self-signed self-signed-other; do
  openssl pkcs12 -export -in "$pki/$name.pem" -inkey "$pki/$name.key" -passout pass:demo \
    -out "$pki/$name.p12"
done

echo "envoy/envoy.yaml on Envoy $version"
start_envoy "$version" envoy/envoy.yaml
sends_ca_list localhost no
for name in "${obeying[@]}" "${ignoring[@]}"; do
  run "$name" "${issued[@]}" "${self_signed[@]}"
done
stop_last

echo "envoy/envoy.yaml without suppress_client_ca_list on Envoy $version"
with_ca_list envoy/envoy.yaml > "$work/listed.yaml"
start_envoy "$version" "$work/listed.yaml"
sends_ca_list localhost yes
for name in "${obeying[@]}"; do run "$name" "${issued[@]}" "${withheld[@]}"; done
for name in "${ignoring[@]}"; do run "$name" "${issued[@]}" "${self_signed[@]}"; done
stop_last

seen=$(wc -l < "$work/backend.jsonl")
((seen == accepted)) || fail "the backend received $seen requests, $accepted were accepted"
echo "$requests requests by ${obeying[*]} ${ignoring[*]};" \
  "backend received $seen, accepted $accepted"
