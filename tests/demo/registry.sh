#!/usr/bin/env bash
# registry.sh VERSION [--keep]: a client that is added to a registry and removed again, while a real
# Envoy serves it. One unexpected result fails the demo. Called by `./build.sh demo registry`.
set -euo pipefail
# shellcheck source=tests/demo/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=$1
passed=0
list=$work/clients.json

# register ID...: gives the registry these clients, all with the certificate subject-dn.
register() {
  local id clients=() name="CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP"
  for id in "$@"; do
    clients+=("{\"client_id\": \"$id\", \"token_endpoint_auth_method\": \"tls_client_auth\",
      \"tls_client_auth_subject_dn\": \"$name\"}")
  done
  (IFS=,; echo "[${clients[*]}]") > "$list.new"
  mv "$list.new" "$list"
  echo
  echo "registry: ${*:-no clients}"
}

# ask CLIENT: one token request; counts those that the backend must have received.
ask() {
  send subject-dn "$edge/token" --data "grant_type=client_credentials&client_id=$1"
  [[ $code != authenticated ]] || passed=$((passed + 1))
}

# becomes CLIENT STATUS CODE WHY: sends requests until the filter decides this, for at most thirty
# seconds.
becomes() {
  local requests=0 begin=$SECONDS
  until
    ask "$1"
    requests=$((requests + 1))
    [[ "$status $code" == "$2 $3" ]]
  do
    ((SECONDS - begin < 30)) || fail "$1 is still answered with $status $code, expected $2 $3"
  done
  printf '   ok %-14s %s %-22s after %s requests: %s\n' "$1" "$status" "$code" "$requests" "$4"
}

# stays CLIENT STATUS CODE WHY
stays() {
  local request
  for request in 1 2 3 4 5; do
    ask "$1"
    [[ "$status $code" == "$2 $3" ]] ||
      fail "request $request of $1: $status $code, expected $2 $3"
  done
  printf '   ok %-14s %s %-22s %s\n' "$1" "$status" "$code" "$4"
}

prepare
require_free_ports 10081

echo "Envoy $version with envoy/envoy-registry-snapshot.yaml: the whole list, every two seconds"
register steady
start_registry "$list"
registry=${started[-1]}
start_envoy "$version" envoy/envoy-registry-snapshot.yaml
becomes steady 200 authenticated "the first list is in force"
stays newcomer 401 unknown_client "not registered yet"
register steady newcomer
becomes newcomer 200 authenticated "added to the list"
stays steady 200 authenticated "not affected"
register steady
becomes newcomer 401 unknown_client "removed from the list"
stays steady 200 authenticated "not affected"
stop "$registry"
echo
echo "registry: stopped"
deadline=$((SECONDS + 30))
until grep -q "refresh failed" "$work/envoy.log"; do
  ((SECONDS < deadline)) || fail "the filter does not log that the registry has stopped"
  ask steady
  [[ $code == authenticated ]] || fail "without a registry, steady got $status $code"
done
stays steady 200 authenticated "the last good list stays in force"
sed -n 's/.*\(tls_client_auth registry cluster.*\)/   log: \1/p' "$work/envoy.log"
curl --silent "http://127.0.0.1:9901/stats?filter=tls_client_auth.registry" | sed 's/^/   /'
stop_last

echo
echo "Envoy $version with envoy/envoy-registry-lookup.yaml: each client when it is needed"
register steady
start_registry "$list"
start_envoy "$version" envoy/envoy-registry-lookup.yaml
becomes steady 200 authenticated "looked up while the request was held"
stays newcomer 401 unknown_client "the registry answers 404, which is cached for two seconds"
register steady newcomer
becomes newcomer 200 authenticated "looked up again"
register steady
becomes newcomer 401 unknown_client "its answer was valid for one second (cache-control)"

seen=$(wc -l < "$work/backend.jsonl")
((seen == passed)) || fail "the backend received $seen requests, $passed were accepted"
echo
echo "backend received $seen requests, accepted $passed"
echo "demo passed"

if [[ ${2:-} == --keep ]]; then
  own="--cert target/demo/pki/subject-dn.pem --key target/demo/pki/subject-dn.key"
  cat <<TEXT

Envoy and the registry keep running until Ctrl-C. Add a client to target/demo/clients.json, and send
a request for it:
  curl --cacert target/demo/pki/ca.pem $own \\
    $edge/token -d grant_type=client_credentials -d client_id=steady
TEXT
  wait "${started[-1]}"
fi
