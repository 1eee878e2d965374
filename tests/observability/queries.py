"""queries.py PROMETHEUS: every query of the dashboard and every series of an alert must have data.

Exits with 1 and a line for each query without data. Needs only the standard library.
"""

import json
import re
import sys
import time
import urllib.parse
import urllib.request

ROOT = "envoy/observability/"
DEADLINE = time.monotonic() + 60
# Only Envoys that get the filter by ECDS have these: tests/envoy/revoked.rs counts them there.
OF_OTHERS = re.compile("envoy_extension_config_discovery_")
# A metric in a rule, with or without labels.
SELECTOR = re.compile(r"\b(?:envoy|tls_client_auth)[a-z0-9_]*(?:\{[^}]*\})?")


def dashboard():
    """The queries, with the variables as Grafana fills them in."""
    with open(ROOT + "dashboard.json", encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    for panel in panels:
        for wanted in ("title", "description"):
            assert panel[wanted], f"panel {panel['id']} has no {wanted}"
        assert panel["fieldConfig"]["defaults"]["unit"], f"panel {panel['title']} has no unit"
        for target in panel["targets"]:
            yield (
                panel["title"],
                target["expr"].replace("$__rate_interval", "10s").replace("$instance", ".+"),
            )


def alerts(prometheus):
    """The series of every rule that Prometheus loaded."""
    rules = []
    while not rules or any(rule["health"] == "unknown" for rule in rules):
        assert time.monotonic() < DEADLINE, "Prometheus does not evaluate its rules"
        time.sleep(0.2)
        rules = [
            rule for group in ask(prometheus, "/api/v1/rules")["groups"] for rule in group["rules"]
        ]
    for rule in rules:
        assert rule["health"] == "ok", f"{rule['name']}: {rule.get('lastError')}"
        selectors = set(SELECTOR.findall(rule["query"]))
        assert selectors, f"{rule['name']} uses no series of Envoy"
        for selector in selectors:
            if not OF_OTHERS.match(selector):
                yield rule["name"], selector


def ask(prometheus, path, **parameters):
    url = f"{prometheus}{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)["data"]


def finds(prometheus, query):
    """Whether a query has data; 0 / 0 is not data."""
    result = ask(prometheus, "/api/v1/query", query=query)["result"]
    return any(sample["value"][1] != "NaN" for sample in result)


def of_untagged(prometheus):
    """What prometheus.yaml makes of the series of an Envoy without stats_tags."""
    found = ask(prometheus, "/api/v1/query", query='{job="untagged",__name__=~"tls_client_auth.*"}')
    return {
        (series["metric"]["__name__"], series["metric"].get("code")): series["value"][1]
        for series in found["result"]
    }


WANTED_OF_UNTAGGED = {
    ("tls_client_auth", "authenticated"): "3",
    ("tls_client_auth", "registry_unavailable"): "1",
    ("tls_client_auth_registry_clients", None): "5",
    ("tls_client_auth_registry_refresh_ok", None): "2",
    ("tls_client_auth_crl_seconds_left", None): "7",
    ("tls_client_auth_ocsp_failed", None): "0",
    ("tls_client_auth_ungated_lookalike", None): "0",
    ("tls_client_auth_tenant_a_test_authenticated", None): "3",
    ("tls_client_auth", "host_error"): "0",
    ("tls_client_auth_tenant", "authenticated"): "4",
}


def main():
    prometheus = sys.argv[1]
    queries = [("dashboard: " + title, query) for title, query in dashboard()]
    queries += [("alert: " + name, query) for name, query in alerts(prometheus)]
    while True:
        empty = [(what, query) for what, query in queries if not finds(prometheus, query)]
        if not empty or time.monotonic() > DEADLINE:
            break
        time.sleep(0.5)
    for what, query in empty:
        print(f"no data for {what}: {query}", file=sys.stderr)
    print(f"   ok {len(queries) - len(empty)} of {len(queries)} queries find data")
    while (found := of_untagged(prometheus)) != WANTED_OF_UNTAGGED:
        assert time.monotonic() < DEADLINE, found
        time.sleep(0.5)
    print(f"   ok {len(found)} series of an Envoy without stats_tags")
    sys.exit(1 if empty else 0)


main()
