# SPDX-License-Identifier: Apache-2.0
"""What a process shows of itself, read with Prometheus's own client library; and a real Prometheus that scrapes it."""

import json
import re
import subprocess
import urllib.parse

from guarded import free_port
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

from .gateway import Answer, Gateway  # noqa: F401
from .program import ROOT, die_with_parent
from .waiting import wait_until

PROMETHEUS = ROOT / "build/prometheus"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Figures(Gateway):
    """The metrics address of a process that was started with `--metrics 0`."""

    def __init__(self, process):
        self.process = process
        self.port = int(process.wait_log(r"shown at .*, port (\d+)")[1])

    def __enter__(self):
        raise NotImplementedError("the process is somebody else's")

    def text(self, accept=None):
        done = self.get("/metrics", headers={"Accept": accept} if accept else None)
        assert done.status == 200, done.body
        return done.body.decode()

    def samples(self):
        """[(name, labels, value)]"""
        return [(s.name, s.labels, s.value) for family in parser.text_string_to_metric_families(self.text()) for s in family.samples]

    def value(self, name, **labels):
        """The sum over all label sets that have these; None where there is none."""
        found = [value for known, has, value in self.samples() if known == name and labels.items() <= has.items()]
        return sum(found) if found else None

    def by(self, label, name, **labels):
        """{the label's value: the sum}"""
        sums = {}
        for known, has, value in self.samples():
            if known == name and labels.items() <= has.items():
                sums[has[label]] = sums.get(has[label], 0) + value
        return {key: value for key, value in sums.items() if value}

    def queues(self, queue=None):
        done = self.get("/stats/queues" + (f"?queue={queue}" if queue else ""))
        assert done.status == 200, done.body
        return done.json["queues"]

    def exemplars(self):
        """{bucket's name and labels: trace id}"""
        found = {}
        for family in openmetrics.text_string_to_metric_families(self.text(OPENMETRICS)):
            for s in family.samples:
                if s.exemplar:
                    found[s.name, s.labels.get("task")] = s.exemplar.labels["trace_id"]
        return found


def promtool(*arguments, input=None, cwd=None):
    done = subprocess.run([PROMETHEUS / "promtool", *map(str, arguments)], input=input, cwd=cwd, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rule_files():
    return [ROOT / f"deploy/prometheus/{name}.yml" for name in ("alerts", "recording")]


def names_in(text):
    """Those of chard's metrics, and of what is recorded, as they stand in rules or in queries; a histogram by its own name."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"(?<![\w:#-])(?:\w+:)?(?:chard|process)_[a-z_]+(?::\w+)?", text)}


def dashboards():
    """[(dashboard, panel, query)], with Grafana's variables filled in."""
    found = []
    for path in sorted((ROOT / "deploy/grafana").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                found.append((path.stem, panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$job", "chard")))
    return found


class Prometheus:
    """A server that scrapes these ports twice a second, with the rules that ship, or these."""

    def __init__(self, folder, ports, rules=None, alertmanager=None):
        self.port = free_port()
        config = {"global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
                  "rule_files": [str(path) for path in rules or rule_files()],
                  "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}] if alertmanager else []},
                  "scrape_configs": [{"job_name": "chard", "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}]}
        (folder / "prometheus.yml").write_text(json.dumps(config))
        self.log = open(folder / "prometheus.log", "w")
        self.process = subprocess.Popen(
            [PROMETHEUS / "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--enable-feature=exemplar-storage"],
            stdout=self.log, stderr=self.log, preexec_fn=die_with_parent, cwd=folder)

    def __enter__(self):
        wait_until(self.ready, 30, "Prometheus is ready")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def ready(self):
        assert self.process.poll() is None, "Prometheus ended"
        try:
            return self.ask("targets")["activeTargets"]
        except OSError:
            return False

    def ask(self, path, **parameters):
        client = Gateway.__new__(Gateway)
        client.port = self.port
        done = client.get(f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        assert done.status == 200, done.body
        return done.json["data"]

    def query(self, expression):
        """{the values of the labels that are left, in the order of their names: value}"""
        return {tuple(value for _, value in sorted(one["metric"].items())): float(one["value"][1])
                for one in self.ask("query", query=expression)["result"]}

    def stored(self, names):
        """{series as text: its samples} of these names, as they were scraped."""
        pattern = "|".join(sorted(names))
        return {"{" + ", ".join(f"{key}={json.dumps(value)}" for key, value in one["metric"].items()) + "}": [value for _, value in one["values"]]
                for one in self.ask("query", query=f'{{__name__=~"(?:{pattern})(?:_bucket|_sum|_count)?"}}[10m]')["result"]}
