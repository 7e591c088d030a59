# SPDX-License-Identifier: Apache-2.0
"""What a roll-out asks Prometheus, answered by Prometheus' own engine (promtool) for metrics of versions that do well, badly, or nothing."""

import tempfile

import yaml

from .chart import rendered
from .tools import debian_version, run

LABELS = 'namespace="prod",app_kubernetes_io_component="worker-ai",rollouts_pod_template_hash="%s"'
NEW, OLD = LABELS % "new", LABELS % "old"
NOTHING = None


def queries():
    """{template/metric: its query, asked about the new version}"""
    out = {}
    for one in yaml.safe_load_all(rendered()["rollouts"].read_text()):
        if one and one["kind"] == "AnalysisTemplate":
            for metric in one["spec"]["metrics"]:
                query = metric["provider"]["prometheus"]["query"]
                for name, value in (("part", "worker-ai"), ("canary", "new"), ("stable", "old")):
                    query = query.replace("{{args.%s}}" % name, value)
                out[f"{one['metadata']['name'].removeprefix('demo-chard-')}/{metric['name']}"] = query
    return out


def series(text, per_15_s):
    return {"series": text, "values": f"0+{per_15_s}x40"}


def latency(metric, labels, seconds):
    """A thousand a quarter of an hour, all of them just below a bound."""
    return [series(f'{metric}_bucket{{{labels},le="{bound}"}}', 100 if seconds <= bound else 0) for bound in (0.1, 0.25, 0.5, 1.0)] + [series(f'{metric}_bucket{{{labels},le="+Inf"}}', 100)]


CASES = [  # (metric, what there is, what the answer must be)
    ("errors/errors", [], 0),
    ("errors/errors", [series(f"chard_tasks_succeeded_total{{{NEW}}}", 99), series(f"chard_tasks_failed_total{{{NEW}}}", 1)], 0.01),
    ("errors/errors", [series(f"chard_tasks_failed_total{{{NEW}}}", 10)], 1),
    ("errors/errors", [series(f"chard_tasks_failed_total{{{OLD}}}", 10), series(f"chard_tasks_succeeded_total{{{NEW}}}", 10)], 0),
    ("business-errors/business-errors", [series(f"chard_tasks_succeeded_total{{{NEW}}}", 95), series(f"chard_tasks_dead_total{{{NEW},code=\"a\"}}", 5)], 0.05),
    ("rollback-gateway/server-errors", [series(f"chard_http_requests_total{{{NEW},status=\"202\"}}", 97), series(f"chard_http_requests_total{{{NEW},status=\"503\"}}", 3)], 0.03),
    ("rollback-gateway/server-errors", [series(f"chard_http_requests_total{{{NEW},status=\"202\"}}", 97)], 0),
    ("ready/ready", [{"series": f"chard_ready{{{NEW},pod=\"a\"}}", "values": "1x40"}, {"series": f"chard_ready{{{NEW},pod=\"b\"}}", "values": "0x40"}], 0),
    ("ready/ready", [{"series": f"chard_ready{{{NEW},pod=\"a\"}}", "values": "1x40"}, {"series": f"chard_ready{{{OLD},pod=\"b\"}}", "values": "0x40"}], 1),
    ("ready/ready", [], NOTHING),
    ("latency/latency", latency("chard_task_seconds", NEW, 0.5) + latency("chard_task_seconds", OLD, 0.1), 0.4925 - 0.095 - 0.005),
    ("latency/latency", latency("chard_task_seconds", NEW, 0.1) + latency("chard_task_seconds", OLD, 0.1), 0),
    ("latency/latency", latency("chard_task_seconds", NEW, 0.1), NOTHING),
    ("rollback/cpu", [series('container_cpu_usage_seconds_total{namespace="prod",container="chard",pod="demo-chard-worker-ai-new-1"}', 6.75),
                      {"series": 'kube_pod_container_resource_requests{namespace="prod",container="chard",resource="cpu",pod="demo-chard-worker-ai-new-1"}', "values": "0.5x40"}], 0.9),
    ("rollback/memory", [{"series": 'container_memory_working_set_bytes{namespace="prod",container="chard",pod="demo-chard-worker-ai-new-1"}', "values": "900x40"},
                         {"series": 'kube_pod_container_resource_limits{namespace="prod",container="chard",resource="memory",pod="demo-chard-worker-ai-new-1"}', "values": "1000x40"}], 0.9),
]


def analysis():
    asked = queries()
    groups = [{"interval": "15s", "input_series": there, "promql_expr_test": [
        {"expr": asked[name], "eval_time": "9m", "exp_samples": [] if answer is NOTHING else [{"labels": "{}", "value": answer}]}]} for name, there, answer in CASES]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"evaluation_interval": "15s", "tests": groups}, file)
        file.flush()
        done = run("promtool", "test", "rules", file.name, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return f"promtool {debian_version('prometheus')}: {len(CASES)} answers of {len(asked)} queries"


STEPS = [("roll-out analysis", "asked of metrics that are good, bad, missing", analysis)]
