#!/usr/bin/env bash
# run.sh VERSION PROMETHEUS-DIRECTORY: envoy/observability with a real Envoy and a real Prometheus.
# README.md says what it checks and needs.
set -euo pipefail
# shellcheck source=tests/demo/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../demo/common.sh"

version=$1
tools=$2

# traffic: requests with each kind of result, so that every series has data.
traffic() {
  local form=grant_type=client_credentials # send sets body
  local sandbox=(--resolve as.example.com:10443:127.0.0.1 https://as.example.com:10443/token)
  send subject-dn "$edge/token" --data "$form&client_id=steady"
  [[ "$status $code" == "200 authenticated" ]] || fail "steady: $status $code"
  send wrong "$edge/token" --data "$form&client_id=steady"
  [[ "$status $code" == "401 subject_mismatch" ]] || fail "another certificate: $status $code"
  send wrong "${sandbox[@]}" --data "$form&client_id=steady"
  [[ "$status $code" == "200 subject_mismatch" ]] ||
    fail "another certificate in shadow mode: $status $code"
  send subject-dn "${sandbox[@]}" --data "$form&client_id=steady"
  send expired "$edge/token" --data "$form&client_id=steady"
  send - "$edge/userinfo"
}

echo "alert rules and their tests"
"$tools/promtool" check rules envoy/observability/alerts.yaml
(cd envoy/observability && "$root/$tools/promtool" test rules alerts.test.yaml)

prepare
require_free_ports 10081 9090 9902
node tests/observability/configuration.mjs "$work" 127.0.0.1:9902
"$tools/promtool" check config "$work/prometheus.yaml"
cat > "$work/clients.json" <<'JSON'
[{
  "client_id": "steady",
  "token_endpoint_auth_method": "tls_client_auth",
  "tls_client_auth_subject_dn": "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP"
}]
JSON
start_registry "$work/clients.json"
start_envoy "$version" "$work/observed.yaml"
deadline=$((SECONDS + 30))
until curl --silent "http://127.0.0.1:9901/stats?filter=registry_clients" |
  grep -q "registry_clients: 1"; do
  ((SECONDS < deadline)) || fail "the list does not take effect; see $work/envoy.log"
  sleep 0.1
done

echo "the access log of envoy/observability/access-log.yaml"
traffic
tail -n 6 "$work/access.log" | python3 -c '
import json, sys
members = ("code", "client_id", "status", "path")
seen = [tuple(line[name] for name in members) for line in map(json.loads, sys.stdin)]
token = [(code, "steady", status, "/token") for code, status in [
    ("authenticated", 200),
    ("subject_mismatch", 401),
    ("subject_mismatch", 200),
    ("authenticated", 200),
    ("certificate_expired", 401),
]]
assert seen == [*token, (None, None, 200, "/userinfo")], seen
print("   ok", len(seen), "lines of JSON with code and client_id")
'

name=$("$tools/prometheus" --version 2>&1 | sed -n '1s/ (.*//p')
echo "the dashboard and the alerts, scraped by $name"
python3 -B tests/observability/untagged.py 9902 &
started+=($!)
"$tools/prometheus" --config.file="$work/prometheus.yaml" --storage.tsdb.path="$work/prometheus" \
  --web.listen-address=127.0.0.1:9090 --log.level=warn 2> "$work/prometheus.log" &
started+=($!)
await "Prometheus" "$work/prometheus.log" \
  curl --silent --fail --max-time 1 --output /dev/null http://127.0.0.1:9090/-/ready
while traffic; do sleep 0.2; done &
requests=$!
started+=("$requests")
python3 tests/observability/queries.py http://127.0.0.1:9090
kill -0 "$requests" 2> /dev/null || fail "the traffic ended: see above"
curl --silent http://127.0.0.1:9901/stats/prometheus |
  sed -n 's/^\(tls_client_auth[a-z_]*{.*} [1-9].*\)/   \1/p'
echo "observability passed"
