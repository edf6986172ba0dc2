"""The rules and the dashboard of proxy-config/ in a real Prometheus that scrapes a real pgscope under the shop's traffic.

Usage: prometheus.py [--only WORD]. The binary is PGSCOPE_BIN or the release build. Prometheus and promtool are those of the
Debian package `prometheus`; without them only what needs neither is checked.
"""

import argparse
import http.client
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.venv import run_in_venv

run_in_venv(Path(__file__).resolve().parent / "requirements-operations.txt")

import yaml
from harness.console import Checks, eventually, say
from harness.debian import installed
from harness.postgres import Postgres
from harness.process import ROOT, Child, folder, free_port
from harness.servers import Gunicorn, Pgscope, binary, get, seeded
from harness.traffic import drive, plan
from harness.wire import Wire

RULES = ROOT / "proxy-config" / "prometheus"
DASHBOARD = ROOT / "proxy-config" / "grafana" / "pgscope.json"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SHOP = {"conn_max_age": 600, "conn_health_checks": 1, "sqlcommenter": 1}
# What Grafana puts in; the time range of the test is short.
BUILT_IN = {"__rate_interval": "1m", "__range": "5m", "__interval": "5s"}
PODS = [("pgscope-admin", "Running"), ("http", "Running"), ("pgscope-admin", "Pending")]
# Of Grafana's own list.
UNITS = {"short", "s", "ops", "reqps", "rowsps", "cps", "Bps", "bytes", "percentunit", "bool_yes_no"}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options = options.parse_args()
    checks = Checks("e2e-prometheus")
    for case in CASES:
        if options.only in case.__name__:
            with checks.guard(case.__name__):
                say(case.__name__)
                case(checks)
    return checks.finish()


def rules_of(name):
    """All rules of a file."""
    return [rule for group in yaml.safe_load((RULES / name).read_text())["groups"] for rule in group["rules"]]


def alerts():
    """All alerts."""
    return rules_of("alerts.rules.yml")


def rule_files():
    """Names of the files with rules."""
    return sorted(path.name for path in RULES.glob("*.rules.yml"))


def words(checks):
    """Each alert has all its words, a section in the runbooks, and tests that it fires and that it is quiet."""
    runbooks = (ROOT / "docs" / "runbooks.md").read_text()
    sections = {heading.lower() for heading in re.findall(r"^## (\w+)$", runbooks, re.M)}
    tested = {}
    for test in yaml.safe_load((RULES / "tests" / "alerts.test.yml").read_text())["tests"]:
        for case in test["alert_rule_test"]:
            tested.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    for rule in alerts():
        name, annotations = rule["alert"], rule["annotations"]
        checks.that(rule["labels"]["severity"] in ("info", "warning", "critical"), f"{name}: a severity")
        checks.equal(sorted(annotations), ["description", "runbook_url", "summary"], f"{name}: its annotations")
        checks.equal(annotations["runbook_url"], f"docs/runbooks.md#{name.lower()}", f"{name}: its runbook")
        checks.that(name.lower() in sections, f"{name}: docs/runbooks.md has a section")
        checks.equal(tested.get(name), {True, False}, f"{name}: tested to fire and to be quiet")
    checks.equal(sections, {rule["alert"].lower() for rule in alerts()}, "each runbook is one of an alert")


def promtool(checks):
    """Prometheus' own checks and tests of rules."""
    tool = installed("prometheus", "promtool")
    if not tool:
        return say("skipped: promtool's checks and tests of rules, for want of promtool")
    tests = [str(path.relative_to(RULES)) for path in sorted((RULES / "tests").glob("*.test.yml"))]
    for command in (["check", "config", "prometheus.yml"], ["check", "rules", *rule_files()], ["test", "rules", *tests]):
        done = subprocess.run([tool, *command], cwd=RULES, capture_output=True, text=True)
        checks.that(done.returncode == 0, f"promtool {' '.join(command)}", done.stdout + done.stderr)


class Prometheus:
    """A Prometheus in a folder of its own."""

    def __init__(self, program, config):
        self.address = "127.0.0.1", free_port()
        home = folder()
        for name in rule_files():
            shutil.copy(RULES / name, home)
        (home / "prometheus.yml").write_text(yaml.safe_dump(config))
        listen = f"--web.listen-address={self.address[0]}:{self.address[1]}"
        command = [program, f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}", listen]
        self.child = Child(command, home / "log")
        eventually(self._ready, "Prometheus is ready")

    def _ready(self):
        self.child.alive()
        return get(self.address, "/-/ready")[0] == 200

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stop()

    def api(self, path, **parameters):
        """The data of an answer; what Prometheus says where it refuses."""
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        try:
            connection.request("POST" if parameters else "GET", f"/api/v1/{path}", urlencode(parameters), FORM)
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer["status"] != "success":
            raise AssertionError(answer["error"])
        return answer["data"]

    def values(self, expression):
        """(labels, value) of an instant query."""
        rows = self.api("query", query=expression)["result"]
        return [(row["metric"], float(row["value"][1])) for row in rows]

    def state(self, alert):
        """Of an alert: inactive, pending or firing."""
        groups = self.api("rules")["groups"]
        return next(rule["state"] for group in groups for rule in group["rules"] if rule["name"] == alert)


def own_config(targets):
    """prometheus.yml with these targets, and quick."""
    config = yaml.safe_load((RULES / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": targets}]
    return config


def scraped(checks):
    """Two sidecars of one shop: every rule evaluates, every panel shows something, what breaks is noticed."""
    program = installed("prometheus", "prometheus")
    if not program:
        return say("skipped: rules and dashboard in a running Prometheus, for want of one")
    binary()  # ends here where there is none
    postgres = Postgres()
    database = seeded(postgres)
    with Pgscope(postgres.address) as one, Pgscope(postgres.address) as two:
        targets = [f"{host}:{port}" for host, port in (one.admin, two.admin)]
        with Gunicorn(one.address, database, **SHOP) as first, Gunicorn(two.address, database, **SHOP) as second:
            with Prometheus(program, own_config(targets)) as prometheus:
                paths = plan(1, executemany=True)

                def traffic():
                    for scope, shop in ((one, first), (two, second)):
                        drive(shop.address, paths)
                        Wire(scope.address, postgres.user, database).close()

                traffic()
                eventually(lambda: len(prometheus.values("pgscope_n_plus_one_total")) >= 8, "all N+1 are scraped")
                traffic()  # rates are those of series that were there before
                total = "sum(pgscope_requests_total)"
                eventually(lambda: prometheus.values(total) == [({}, counted(one, two))], "Prometheus knows all requests")
                rules(checks, prometheus)
                dashboard(checks, prometheus)
                broken(checks, prometheus, postgres, one, two)


def kubernetes(checks):
    """What kubernetes.yml makes of pods. Its discovery is replaced by what discovery would find."""
    program = installed("prometheus", "prometheus")
    if not program:
        return say("skipped: the targets under Kubernetes, for want of a Prometheus")
    config = yaml.safe_load((RULES / "kubernetes.yml").read_text())
    (job,) = config["scrape_configs"]
    checks.equal(job.pop("kubernetes_sd_configs"), [{"role": "pod"}], "kubernetes.yml looks for pods")
    pod = "__meta_kubernetes_pod"
    job["static_configs"] = [
        {
            "targets": [f"127.0.0.1:{number}"],
            "labels": {
                "__meta_kubernetes_namespace": "web",
                f"{pod}_name": f"shop-{number}",
                f"{pod}_phase": phase,
                f"{pod}_container_port_name": port,
                f"{pod}_label_app_kubernetes_io_name": "shop",
            },
        }
        for number, (port, phase) in enumerate(PODS, 1)
    ]
    with Prometheus(program, config) as prometheus:
        targets = eventually(lambda: prometheus.api("targets")["activeTargets"], "targets are found")
    labels = [{"instance": "127.0.0.1:1", "job": "pgscope/web/shop", "namespace": "web", "pod": "shop-1"}]
    checks.equal([target["labels"] for target in targets], labels, "the admin port of pods that run")


def counted(*scopes):
    """Requests that they counted together."""
    return sum(scope.metrics().total("requests_total") for scope in scopes)


def finite(rows):
    """Whether there is a number among them."""
    return any(math.isfinite(value) for _, value in rows)


def rules(checks, prometheus):
    """Each expression evaluates, each recording has values, and nothing says that pgscope is broken."""
    for rule in rules_of("recording.rules.yml"):
        name = rule["record"]
        with checks.guard(f"{name}: has values"):
            checks.that(eventually(lambda: finite(prometheus.values(name)), f"{name} has values"), f"{name}: has values")
            level = set(name.split(":")[0].split("_"))
            labels = {label for row, _ in prometheus.values(name) for label in row if label != "__name__"}
            checks.equal(labels, level, f"{name}: its labels are its level")
    known = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
    checks.equal(len(known), len(rules_of("recording.rules.yml")) + len(alerts()), "Prometheus has loaded all rules")
    for rule in known:
        checks.equal((rule["health"], rule.get("lastError", "")), ("ok", ""), f"{rule['name']}: evaluates")
    for rule in alerts():
        with checks.guard(f"{rule['alert']}: its expression"):
            prometheus.values(rule["expr"])
    ratio = "sum(job_route:pgscope_requests:rate5m) / sum(rate(pgscope_requests_total[5m]))"
    with checks.guard("routes of both sidecars add up"):
        close = eventually(lambda: math.isclose(prometheus.values(ratio)[0][1], 1, rel_tol=0.05), "routes of both sidecars add up")
        checks.that(close, "routes of both sidecars add up")
    checks.equal([value for _, value in prometheus.values("job:pgscope_instances:count")], [2], "two sidecars")
    own = [group for group in yaml.safe_load((RULES / "alerts.rules.yml").read_text())["groups"] if group["name"] == "pgscope-itself"]
    active = [rule["alert"] for rule in own[0]["rules"] if prometheus.state(rule["alert"]) != "inactive"]
    checks.equal(active, [], "alerts about pgscope itself while all is well")


def broken(checks, prometheus, postgres, one, two):
    """A database that is gone, and a pgscope that is."""
    postgres.child.stop()
    checks.equal(get(one.admin, "/healthz")[0], 503, "/healthz without a database")
    eventually(lambda: prometheus.state("PgscopeUpstreamDown") == "pending", "PgscopeUpstreamDown is pending")
    two.child.stop()
    eventually(lambda: prometheus.state("PgscopeDown") == "pending", "PgscopeDown is pending")
    rows = prometheus.values('ALERTS{alertname=~"PgscopeUpstreamDown|PgscopeDown"}')
    found = {(row["alertname"], row["instance"]) for row, _ in rows}
    expected = {("PgscopeUpstreamDown", one.url.removeprefix("http://")), ("PgscopeDown", two.url.removeprefix("http://"))}
    checks.that(expected <= found, "what breaks is noticed, and where", (found, expected))


def panels():
    """The panels with queries."""
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def conventions(checks):
    """The dashboard follows Grafana's conventions."""
    text = DASHBOARD.read_text()
    board = json.loads(text)
    ids = [panel["id"] for panel in board["panels"]]
    checks.equal(len(ids), len(set(ids)), "each panel has an id of its own")
    names = [variable["name"] for variable in board["templating"]["list"]]
    checks.equal(names, ["datasource", "job", "instance", "database", "route", "fingerprint"], "the variables")
    used = set(re.findall(r"\$\{?(\w+)", text)) - set(names)
    checks.equal(used, {"__all", "__data", "__rate_interval", "__range", "__url_time_range"}, "only variables that there are")
    cells = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        mine = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        checks.that(not mine & cells and place["x"] + place["w"] <= 24, f"{panel['title']}: has its own place")
        cells |= mine
    for panel in panels():
        title, field = panel["title"], panel["fieldConfig"]
        units = {field["defaults"]["unit"]} | {
            part["value"] for override in field["overrides"] for part in override["properties"] if part["id"] == "unit"
        }
        checks.that(units <= UNITS, f"{title}: a unit that Grafana knows", units)
        checks.that(panel["description"].endswith("."), f"{title}: says what it shows")
        checks.equal({target["datasource"]["uid"] for target in panel["targets"]}, {"${datasource}"}, f"{title}: its data source")
        for target in panel["targets"]:
            if panel["type"] == "timeseries":
                checks.that(target["legendFormat"] != "__auto", f"{title}: a legend")


def dashboard(checks, prometheus):
    """Each query of each panel has an answer with numbers, with `All` chosen and with one route and one statement."""
    board = json.loads(DASHBOARD.read_text())
    chosen = {}
    for variable in board["templating"]["list"][1:]:
        metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
        values = {row.get(label) for row, _ in prometheus.values(filled(metric, {}))}
        checks.that(values and None not in values, f"variable {variable['name']}: has values", values)
        chosen[variable["name"]] = values
    picks = {"All": {}, "one": {"job": "pgscope", "route": "planted/forward/", "database": "shop_template"}}
    for word, pick in picks.items():
        checks.that(all(value in chosen[name] for name, value in pick.items()), f"{word}: can be chosen", chosen)
        for panel in panels():
            for target in panel["targets"]:
                what = f"{word}: {panel['title']} {target['refId']}"
                with checks.guard(what):
                    query = filled(target["expr"], pick)
                    found = eventually(lambda: finite(prometheus.values(query)), f"{what} shows something: {query}", 10)
                    checks.that(found, what)
                    if panel["type"] == "timeseries":
                        rows = prometheus.values(query)
                        wanted = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
                        checks.that(all(wanted <= set(row) for row, _ in rows), f"{what}: its legend", rows[:3])
    for note in board["annotations"]["list"]:
        with checks.guard(f"annotation {note['name']}"):
            prometheus.values(filled(note["expr"], {}))


def filled(expression, pick):
    """An expression with the values of the variables; `All` where none is picked."""
    return re.sub(r"\$(\w+)", lambda found: {**BUILT_IN, **pick}.get(found[1], ".*"), expression)


CASES = [words, promtool, conventions, kubernetes, scraped]

if __name__ == "__main__":
    sys.exit(main())
