#!/usr/bin/env bash
# run.sh VERSION PROMETHEUS-DIRECTORY: envoy/observability against a real Envoy, scraped by a real Prometheus.
# `./build.sh test` calls it.
set -euo pipefail
# shellcheck source=tests/demo/stage.sh
source "$(dirname "${BASH_SOURCE[0]}")/../demo/stage.sh"

version=$1
tools=$2

# traffic: requests with every kind of end, so that every series moves.
traffic() {
  local body=grant_type=client_credentials sandbox=(--resolve as.example.com:10443:127.0.0.1 https://as.example.com:10443/token)
  send subject-dn "$edge/token" --data "$body&client_id=steady"
  [[ "$status $code" == "200 authenticated" ]] || fail "steady: $status $code"
  send wrong "$edge/token" --data "$body&client_id=steady"
  [[ "$status $code" == "401 subject_mismatch" ]] || fail "another certificate: $status $code"
  send wrong "${sandbox[@]}" --data "$body&client_id=steady"
  [[ "$status $code" == "200 subject_mismatch" ]] || fail "another certificate in shadow mode: $status $code"
  send subject-dn "${sandbox[@]}" --data "$body&client_id=steady"
  send expired "$edge/token" --data "$body&client_id=steady"
  send - "$edge/userinfo"
}

echo "alert rules and their tests"
"$tools/promtool" check rules envoy/observability/alerts.yaml
(cd envoy/observability && "$root/$tools/promtool" test rules alerts.test.yaml)

set_stage
for port in 10081 9090; do
  if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
    fail "port $port is taken: end what listens there and run this again"
  fi
done
node tests/observability/stage.mjs "$stage"
"$tools/promtool" check config "$stage/prometheus.yaml"
name="CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP"
echo "[{\"client_id\": \"steady\", \"token_endpoint_auth_method\": \"tls_client_auth\", \"tls_client_auth_subject_dn\": \"$name\"}]" > "$stage/clients.json"
python3 tests/demo/registry.py 10081 "$stage/clients.json" 2> "$stage/registry.log" &
started+=($!)
await "the registry" "$stage/registry.log" curl --silent --fail --max-time 1 --output /dev/null http://127.0.0.1:10081/clients
raise_envoy "$version" "$stage/observed.yaml"
deadline=$((SECONDS + 30))
until curl --silent "http://127.0.0.1:9901/stats?filter=registry_clients" | grep -q "registry_clients: 1"; do
  ((SECONDS < deadline)) || fail "the list does not arrive; see $stage/envoy.log"
  sleep 0.1
done

echo "the access log of envoy/observability/access-log.yaml"
traffic
tail -n 6 "$stage/access.log" | python3 -c '
import json, sys
seen = [(line["code"], line["client_id"], line["status"], line["path"]) for line in map(json.loads, sys.stdin)]
token = [(code, "steady", status, "/token") for code, status in
    [("authenticated", 200), ("subject_mismatch", 401), ("subject_mismatch", 200), ("authenticated", 200), ("certificate_expired", 401)]]
assert seen == [*token, (None, None, 200, "/userinfo")], seen
print("   ok", len(seen), "lines of JSON with code and client_id")
'

echo "the dashboard and the alerts, over a scrape by $("$tools/prometheus" --version 2>&1 | sed -n '1s/ (.*//p')"
"$tools/prometheus" --config.file="$stage/prometheus.yaml" --storage.tsdb.path="$stage/prometheus" \
  --web.listen-address=127.0.0.1:9090 --log.level=warn 2> "$stage/prometheus.log" &
started+=($!)
await "Prometheus" "$stage/prometheus.log" curl --silent --fail --max-time 1 --output /dev/null http://127.0.0.1:9090/-/ready
while traffic; do sleep 0.2; done &
started+=($!)
python3 tests/observability/queries.py http://127.0.0.1:9090
curl --silent http://127.0.0.1:9901/stats/prometheus | sed -n 's/^\(tls_client_auth[a-z_]*{.*} [1-9].*\)/   \1/p'
echo "observability passed"
