#!/usr/bin/env bash
# run.sh VERSION PROGRAMS: clients as others write them, in Go, Java and more, against a real Envoy with envoy/envoy.yaml, and
# with the list of CAs that this file keeps to itself. PROGRAMS is where build.sh put what it compiled; `./build.sh test` calls it.
#
# In a certificate request a server names the CAs whose certificates it wants (RFC 8446 section 4.2.4, RFC 5246 section 7.4.4). A
# client that obeys sends none if no CA of that list issued its own, as none ever did a self-signed one.
set -euo pipefail
# shellcheck source=tests/demo/stage.sh
source "$(dirname "${BASH_SOURCE[0]}")/../demo/stage.sh"

version=$1
programs=$2
endpoint=$edge/token
accepted=0
played=0

curl_client() {
  local tls certificate client status answer
  while read -r tls certificate client; do
    status=$(curl --silent --max-time 15 "--tlsv$tls" --tls-max "$tls" --cacert "$pki/ca.pem" --cert "$pki/$certificate.pem" \
      --key "$pki/$certificate.key" --output "$stage/curl.body" --write-out '%{http_code}' "$endpoint" \
      --data "grant_type=client_credentials&client_id=$client") || true
    answer=$(sed -E 's/.*"(authenticated_client|error)": *"([^"]*)".*/\2/' "$stage/curl.body")
    [[ $status == 200 ]] || answer="$status $answer"
    echo "$answer"
  done
}

client() {
  case $1 in
    go) "$programs/go/client" "$endpoint" "$pki" ;;
    jdk | nimbus) java -cp "$programs/classes:$programs/jars/*" Client "$1" "$endpoint" "$pki" ;;
    python) python3 tests/clients/client.py "$endpoint" "$pki" ;;
    node) node tests/clients/client.mjs "$endpoint" "$pki" ;;
    curl) curl_client ;;
  esac
}

fingerprint() {
  openssl x509 -in "$pki/$1.pem" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr 'A-F' 'a-f'
}

# play CLIENT ROW...: "CERTIFICATE CLIENT-ID CODE" and what the listener saw, "sent" or "kept". Each row in TLS 1.2 and 1.3.
play() {
  local name=$1 tls row certificate id code saw expected sent word before deadline i=0 rows=() outcomes entries
  shift
  for row in "$@"; do
    for tls in 1.2 1.3; do rows+=("$tls $row"); done
  done
  before=$(wc -l < "$stage/access.log")
  mapfile -t outcomes < <(printf '%s\n' "${rows[@]}" | cut -d ' ' -f 1-3 | client "$name")
  ((${#outcomes[@]} == ${#rows[@]})) || fail "$name: ${#rows[@]} requests, ${#outcomes[@]} answers: ${outcomes[*]}"
  deadline=$((SECONDS + 10))
  until (($(wc -l < "$stage/access.log") >= before + ${#rows[@]})); do
    ((SECONDS < deadline)) || fail "$name: ${#rows[@]} requests, $(($(wc -l < "$stage/access.log") - before)) lines in the access log: ${outcomes[*]}"
    sleep 0.05
  done
  mapfile -t entries < <(tail -n "+$((before + 1))" "$stage/access.log")
  ((${#entries[@]} == ${#rows[@]})) || fail "$name: ${#rows[@]} requests, ${#entries[@]} lines in the access log"
  for row in "${rows[@]}"; do
    read -r tls certificate id code saw <<< "$row"
    expected="401 invalid_client" sent=null
    if [[ $code == authenticated ]]; then
      expected=$id
      accepted=$((accepted + 1))
    fi
    [[ $saw == kept ]] || sent="\"$(fingerprint "$certificate")\""
    [[ ${outcomes[i]} == "$expected" ]] || fail "$name, TLS $tls, $certificate as $id: expected $expected, got ${outcomes[i]}"
    for word in "\"code\":\"$code\"" "\"certificate_sha256\":$sent" "\"tls\":\"TLSv$tls\""; do
      [[ ${entries[i]} == *"$word"* ]] || fail "$name, TLS $tls, $certificate as $id: expected $word in ${entries[i]}"
    done
    i=$((i + 1))
    played=$((played + 1))
    [[ $tls == 1.2 ]] || printf '   ok %-7s TLS 1.2, 1.3  %-18s %s its certificate: %s\n' "$name" "$certificate" "$saw" "$code"
  done
}

# What is of a CA that the listener trusts, or bears its name, is sent by everybody.
issued=(
  "subject-dn by-subject-dn authenticated sent"
  "wrong by-subject-dn subject_mismatch sent"
  "untrusted by-subject-dn certificate_unverified sent"
)
sent=(
  "self-signed self-signed authenticated sent"
  "self-signed-other self-signed certificate_not_registered sent"
)
kept=(
  "self-signed self-signed certificate_missing kept"
  "self-signed-other self-signed certificate_missing kept"
)
obedient=(go jdk nimbus)
heedless=(curl python node)

set_stage
for name in subject-dn wrong untrusted self-signed self-signed-other; do
  openssl pkcs12 -export -in "$pki/$name.pem" -inkey "$pki/$name.key" -passout pass:demo -out "$pki/$name.p12"
done

echo "envoy/envoy.yaml on Envoy $version"
raise_envoy "$version" envoy/envoy.yaml
names_cas localhost no
for name in "${obedient[@]}" "${heedless[@]}"; do play "$name" "${issued[@]}" "${sent[@]}"; done
lower_envoy

echo "envoy/envoy.yaml without suppress_client_ca_list on Envoy $version"
with_ca_list envoy/envoy.yaml > "$stage/listed.yaml"
raise_envoy "$version" "$stage/listed.yaml"
names_cas localhost yes
for name in "${obedient[@]}"; do play "$name" "${issued[@]}" "${kept[@]}"; done
for name in "${heedless[@]}"; do play "$name" "${issued[@]}" "${sent[@]}"; done
lower_envoy

seen=$(wc -l < "$stage/backend.jsonl")
((seen == accepted)) || fail "the backend saw $seen requests, $accepted were accepted"
echo "$played requests by ${obedient[*]} ${heedless[*]}; backend saw $seen, accepted $accepted"
