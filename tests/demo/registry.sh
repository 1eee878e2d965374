#!/usr/bin/env bash
# registry.sh VERSION [--keep]: a client that appears in a registry and disappears again while a real Envoy serves it.
# `./build.sh demo registry` calls it. One surprise fails the whole.
set -euo pipefail
# shellcheck source=tests/demo/stage.sh
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"

version=$1
passed=0
list=$stage/clients.json

# register ID...: the registry has these clients and no others, all with the certificate subject-dn.
register() {
  local id clients=()
  for id in "$@"; do
    clients+=("{\"client_id\": \"$id\", \"token_endpoint_auth_method\": \"tls_client_auth\", \"tls_client_auth_subject_dn\": \"CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP\"}")
  done
  (IFS=,; echo "[${clients[*]}]") > "$list.new"
  mv "$list.new" "$list"
  echo
  echo "registry: ${*:-nobody}"
}

start_registry() {
  python3 tests/demo/registry.py 10081 "$list" 2> "$stage/registry.log" &
  started+=($!)
  await "the registry" "$stage/registry.log" curl --silent --fail --max-time 1 --output /dev/null http://127.0.0.1:10081/clients
  registry=${started[-1]}
}

stop_registry() {
  kill "$registry"
  wait "$registry" 2> /dev/null || true
}

# ask CLIENT: one token request; keeps the count of those that the backend must have seen.
ask() {
  send subject-dn "$edge/token" --data "grant_type=client_credentials&client_id=$1"
  [[ $code != authenticated ]] || passed=$((passed + 1))
}

# becomes CLIENT STATUS CODE WHY: traffic goes on until the filter decides so, for at most thirty seconds.
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
    [[ "$status $code" == "$2 $3" ]] || fail "request $request of $1: $status $code, expected $2 $3"
  done
  printf '   ok %-14s %s %-22s %s\n' "$1" "$status" "$code" "$4"
}

said() {
  sed -n 's/.*\(tls_client_auth registry cluster.*\)/   log: \1/p' "$stage/envoy.log"
}

set_stage
cd "$root"
if (exec 3<> "/dev/tcp/127.0.0.1/10081") 2> /dev/null; then
  fail "port 10081 is taken: end what listens there and run this again"
fi

echo "Envoy $version with envoy/envoy-registry-snapshot.yaml: the whole list, every two seconds"
register steady
start_registry
raise_envoy "$version" envoy/envoy-registry-snapshot.yaml
becomes steady 200 authenticated "the first list is there"
stays newcomer 401 unknown_client "not registered yet"
register steady newcomer
becomes newcomer 200 authenticated "it appeared in the list"
stays steady 200 authenticated "and nobody else noticed"
register steady
becomes newcomer 401 unknown_client "it disappeared from the list"
stays steady 200 authenticated "and nobody else noticed"
stop_registry
echo
echo "registry: stopped"
deadline=$((SECONDS + 30))
until grep -q "refresh failed" "$stage/envoy.log"; do
  ((SECONDS < deadline)) || fail "the filter does not say that the registry is gone"
  ask steady
  [[ $code == authenticated ]] || fail "without a registry, steady got $status $code"
done
stays steady 200 authenticated "the last good list serves"
said
curl --silent "http://127.0.0.1:9901/stats?filter=tls_client_auth.registry" | sed 's/^/   /'
lower_envoy

echo
echo "Envoy $version with envoy/envoy-registry-lookup.yaml: each client when it is needed"
register steady
start_registry
raise_envoy "$version" envoy/envoy-registry-lookup.yaml
becomes steady 200 authenticated "looked up while the request was held"
stays newcomer 401 unknown_client "the registry says 404, believed for two seconds"
register steady newcomer
becomes newcomer 200 authenticated "looked up again"
register steady
becomes newcomer 401 unknown_client "its answer was good for one second (cache-control)"

seen=$(wc -l < "$stage/backend.jsonl")
((seen == passed)) || fail "the backend saw $seen requests, $passed were accepted"
echo
echo "backend saw $seen requests, accepted $passed"
echo "demo passed"

if [[ ${2:-} == --keep ]]; then
  cat <<END

Envoy and the registry stay up until Ctrl-C. Add a client to target/demo/clients.json and ask for it:
  curl --cacert target/demo/pki/ca.pem --cert target/demo/pki/subject-dn.pem --key target/demo/pki/subject-dn.key \\
    $edge/token -d grant_type=client_credentials -d client_id=steady
END
  wait "${started[-1]}"
fi
