# SPDX-License-Identifier: Apache-2.0
"""The Helm chart: rendered by Helm's engine, held against Kubernetes' own schemas and against the program."""

import pathlib
import re
import subprocess

import pytest
import yaml
from jsonschema import ValidationError
from support import chart
from support.program import ROOT


@pytest.fixture(scope="module", params=["", *chart.EXAMPLES], ids=lambda name: name or "defaults")
def rendered(request):
    return chart.Rendered(chart.example(request.param) if request.param else {})


def env_of(pod):
    return {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}


@pytest.mark.parametrize("name", ["", *chart.EXAMPLES], ids=lambda name: name or "defaults")
def test_lint(name):
    assert chart.findings(chart.example(name) if name else {}) == []


@pytest.mark.parametrize("version", chart.KUBERNETES)
def test_kubernetes_takes_it(rendered, version):
    """Strictly: no field that this version does not know."""
    for one in rendered.all:
        if one["kind"] not in chart.CUSTOM:
            chart.valid(one, version)


def test_the_schemas_tell_good_from_bad():
    one = next(iter(chart.Rendered().kind("Deployment").values()))
    one["spec"]["template"]["spec"]["terminationGracePeriodSecond"] = 1
    with pytest.raises(ValidationError):
        chart.valid(one, chart.KUBERNETES[0])


def test_pods_have_no_rights_and_a_root_that_can_not_be_written(rendered):
    for name, pod in rendered.pods().items():
        container = pod["containers"][0]
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", name
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False, "a service named chard-… would become a setting that chard does not know"
        assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]


def test_every_deployment_can_be_asked(rendered):
    for name, one in rendered.kind(*chart.WORKLOADS).items():
        container = one["spec"]["template"]["spec"]["containers"][0]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if "exec" in container[probe]:
                assert container[probe]["exec"]["command"][:3] == ["chard", "ping", "--file"], name
                assert env_of(one["spec"]["template"]["spec"])["CHARD_HEALTH_FILE"] == container[probe]["exec"]["command"][3]
            else:
                assert container[probe]["httpGet"]["port"] in {port["name"] for port in container["ports"]}
        assert container["livenessProbe"] != container["readinessProbe"], "a broker that is away restarts nobody"


def known_settings():
    table = (ROOT / "docs/settings.md").read_text()
    return set(re.findall(r"^\| `([A-Z0-9_]+)` \|", table, re.M))


def test_every_setting_is_one_that_the_program_knows(rendered):
    """And each secret is a file, by the setting's twin; chard would not start otherwise."""
    known = known_settings()
    for pod in rendered.pods().values():
        names = set(env_of(pod)) - {"POD_NAME"}
        assert {name.removesuffix("_FILE") if name not in known else name for name in names} <= known
        for name, value in env_of(pod).items():
            if name.endswith("_FILE") and name not in known:
                mounted = {item["path"] for item in pod["volumes"][0]["secret"]["items"]}
                assert value.removeprefix("/etc/chard/secrets/") in mounted


def test_the_chart_knows_the_tasks_deadlines():
    checks = (chart.CHART / "templates/checks.yaml").read_text()
    told = dict(re.findall(r'"([a-z]+\.[a-z]+)" (\d+)', re.search(r"\$deadlines := dict (.*?) -\}\}", checks)[1]))
    real = {}
    for path in (ROOT / "tasks/waste").glob("*.c"):
        text = path.read_text()
        if queue := re.search(r'\.queue = "([^"]+)"', text):
            real[queue[1]] = re.search(r"\.deadline_ms = (\d+)", text)[1]
    assert told == real
    pools = chart.defaults()["workers"]["pools"].values()
    assert sorted(queue for pool in pools for queue in pool["queues"]) == sorted(real), "every queue has its pool"


def test_a_busy_worker_has_time_to_end():
    """Kubernetes kills no worker before its own grace time is over, which is no shorter than the longest call."""
    pools = chart.defaults()["workers"]["pools"]
    for name, pool in pools.items():
        pod = chart.Rendered().pods()[f"demo-chard-worker-{name}"]
        assert env_of(pod)["CHARD_GRACE_MS"] == str(pool["graceMs"])
        assert pod["terminationGracePeriodSeconds"] * 1000 >= pool["graceMs"] + pool["longestCallMs"]
    assert chart.Rendered(chart.example("stats")).pods()["demo-chard-worker-ai"]["terminationGracePeriodSeconds"] == 120


def test_buffers_of_replicas():
    """150 % of the usual gateways, 110 % of the usual AI workers, rounded up, while load does not ask for more."""
    scalers = chart.Rendered(chart.merged({"gateway": {"enabled": True, "usualReplicas": 3}}, {"workers": {"pools": {"ai": {"usualReplicas": 10}}}}))
    least = {name: one["spec"]["minReplicas"] for name, one in scalers.kind("HorizontalPodAutoscaler").items()}
    assert least == {"demo-chard-gateway": 5, "demo-chard-worker-ai": 11, "demo-chard-worker-storage": 2}
    for one in scalers.kind("HorizontalPodAutoscaler").values():
        targets = {metric["resource"]["name"]: metric["resource"]["target"]["averageUtilization"] for metric in one["spec"]["metrics"]}
        assert targets == {"cpu": 70, "memory": 75}
    assert all("replicas" not in one["spec"] for name, one in scalers.kind("Deployment").items() if "keeper" not in name)


def test_nobody_scales_twice():
    """A deployment is scaled by KEDA, by an HPA, or by hand."""
    for name in chart.EXAMPLES:
        made = chart.Rendered(chart.example(name))
        scaled = [one["spec"]["scaleTargetRef"]["name"] for one in made.kind("HorizontalPodAutoscaler", "ScaledObject").values()]
        by_hand = [deployment for deployment, one in made.kind(*chart.WORKLOADS).items() if "replicas" in one["spec"]]
        assert sorted(scaled + by_hand) == sorted(made.kind(*chart.WORKLOADS)), name


def test_keda_asks_the_management_api():
    made = chart.Rendered(chart.example("keda"))
    scaled = made.kind("ScaledObject")["demo-chard-worker-ai"]["spec"]
    asked = [one["metadata"] for one in scaled["triggers"] if one["type"] == "rabbitmq"]
    assert [one["queueName"] for one in asked] == chart.defaults()["workers"]["pools"]["ai"]["queues"]
    assert {(one["protocol"], one["vhostName"], one["mode"], one["value"]) for one in asked} == {("http", "production", "QueueLength", "500")}
    assert scaled["fallback"]["replicas"] == scaled["minReplicaCount"] == 3
    names = {one["authenticationRef"]["name"] for one in scaled["triggers"] if one["type"] == "rabbitmq"}
    assert names == set(made.kind("TriggerAuthentication"))


def test_the_network_is_closed_but_for_what_is_needed():
    made = chart.Rendered(chart.example("keda"))
    policies = made.kind("NetworkPolicy")
    assert set(made.pods()) == set(policies)
    for name, one in policies.items():
        ports = {port["port"] for rule in one["spec"]["egress"] for port in rule["ports"]}
        assert ports >= {53, 5671, 5432} and (443 in ports) == (name in {"demo-chard-worker-ai", "demo-chard-keeper"}), name
        assert (9092 in ports) == ("consumer" in name), name
        called = {port["port"] for rule in one["spec"].get("ingress") or [] for port in rule["ports"]}
        assert called == ({8780, 9464} if "gateway" in name else set() if re.search("migrate|topology", name) else {9464})
    assert all(not one["spec"]["ingress"] for one in chart.Rendered(chart.example("plain")).kind("NetworkPolicy").values())


def test_keda_asks_chard_itself():
    """What waits and what is held, of the queue that has most; each number is asked for in a way of its own, and used."""
    made = chart.Rendered(chart.example("stats"))
    scaled = made.kind("ScaledObject")["demo-chard-worker-ai"]["spec"]
    modifiers, asked = scaled["advanced"]["scalingModifiers"], [one for one in scaled["triggers"] if one["type"] == "metrics-api"]
    assert modifiers == {"formula": "max(ready_0 + in_flight_0, ready_1 + in_flight_1, ready_2 + in_flight_2, ready_3 + in_flight_3)", "target": "500", "metricType": "AverageValue"}
    assert {one["name"] for one in asked} == set(re.findall(r"\w+_\d", modifiers["formula"]))
    assert asked[0]["metadata"]["url"] == "http://demo-chard-keeper.prod:9464/stats/queues?queue=scan.vision"
    assert [one["metadata"]["valueLocation"] for one in asked[:2]] == [r"queues.scan\.vision.ready", r"queues.scan\.vision.in_flight"]
    assert "demo-chard-keeper" in made.kind("Service")
    assert made.kind("ScaledObject")["demo-chard-worker-mine"]["spec"]["advanced"]["scalingModifiers"]["formula"] == "ready_0 + in_flight_0"


def test_consumers_are_told_what_the_program_takes():
    """Their names, where events are read, and the group that KEDA asks for, which is called as the consumer is."""
    known = {name for path in (ROOT / "tasks/waste/consumers").glob("*.c") for name in re.findall(r'\.name = "([^"]+)"', path.read_text())}
    made = chart.Rendered(chart.example("keda"))
    pods = {name: pod["containers"][0] for name, pod in made.pods().items() if "-consumer-" in name}
    assert {name: one["args"] for name, one in pods.items()} == {
        "demo-chard-consumer-notification": ["consume", "notification", "--from", "kafka"], "demo-chard-consumer-character": ["consume", "character"]}
    assert {one["args"][1] for one in pods.values()} <= known
    for one in pods.values():  # figures and probes, as `chard consume` shows them with CHARD_METRICS
        assert env_of({"containers": [one]})["CHARD_METRICS"] == "0.0.0.0:9464" and one["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    silent = chart.Rendered(chart.merged(chart.example("keda"), {"metrics": {"enabled": False, "serviceMonitor": {"enabled": False}}})).pods()["demo-chard-consumer-character"]["containers"][0]
    assert "livenessProbe" not in silent and not silent.get("ports")
    scaled = made.kind("ScaledObject")["demo-chard-consumer-notification"]["spec"]["triggers"][0]["metadata"]
    assert scaled["consumerGroup"] == "notification" and scaled["topic"] == "chard.profile"
    servers = {name: env_of({"containers": [one]}).get("CHARD_KAFKA_SERVERS") for name, one in pods.items()}
    assert servers == {"demo-chard-consumer-notification": scaled["bootstrapServers"], "demo-chard-consumer-character": None}


def test_schema_and_topology_come_first():
    jobs = chart.Rendered().kind("Job")
    order = sorted((int(one["metadata"]["annotations"]["helm.sh/hook-weight"]), one["spec"]["template"]["spec"]["containers"][0]["args"]) for one in jobs.values())
    assert [args for _, args in order] == [["migrate"], ["topology", "apply"]]
    assert {one["metadata"]["annotations"]["helm.sh/hook"] for one in jobs.values()} == {"pre-install,pre-upgrade"}


def looks(strategy):
    """[(weight, what is looked at before the next)]"""
    out = []
    for step in strategy["steps"]:
        if "setWeight" in step:
            out.append((step["setWeight"], []))
        elif "analysis" in step:
            out[-1][1].extend(one["templateName"].removeprefix("demo-chard-") for one in step["analysis"]["templates"])
    return out


def test_a_new_version_comes_in_by_steps():
    made = chart.Rendered(chart.example("rollouts"))
    rollouts, templates = made.kind("Rollout"), made.kind("AnalysisTemplate")
    assert set(made.kind("Deployment")) == {"demo-chard-consumer-my"}, "whose figures nobody could look at"
    worker, gateway = (rollouts[f"demo-chard-{part}"]["spec"]["strategy"]["canary"] for part in ("worker-ai", "gateway"))
    assert looks(worker) == [(10, ["ready"]), (30, ["ready", "latency", "errors"]), (50, ["ready", "business-errors"]), (100, ["ready", "business-errors"])]
    assert looks(gateway) == [(10, ["ready"]), (30, ["ready", "latency-gateway", "server-errors"]), (50, ["ready", "server-errors"]), (100, ["ready", "server-errors"])]
    assert gateway["trafficRouting"]["istio"]["virtualService"]["name"] in made.kind("VirtualService") and "trafficRouting" not in worker
    assert {gateway["canaryService"], gateway["stableService"]} <= set(made.kind("Service"))
    used = {one["templateName"] for rollout in rollouts.values() for step in rollout["spec"]["strategy"]["canary"]["steps"] for one in step.get("analysis", {}).get("templates", [])}
    used |= {one["templateName"] for rollout in rollouts.values() for one in rollout["spec"]["strategy"]["canary"]["analysis"]["templates"]}
    assert used == set(templates)
    bad = {metric["name"]: metric["failureCondition"] for name in ("rollback", "rollback-gateway") for metric in templates[f"demo-chard-{name}"]["spec"]["metrics"]}
    assert {name: bad[name].rpartition(" ")[2] for name in bad} == {
        "pods-ready": "1", "latency": "0.2", "business-errors": "0.01", "cpu": "0.8", "memory": "0.85", "server-errors": "0.03"}
    for scaled in made.kind("ScaledObject", "HorizontalPodAutoscaler").values():
        assert scaled["spec"]["scaleTargetRef"]["kind"] == "Rollout"


def test_workers_in_two_sets():
    made = chart.Rendered(chart.example("bluegreen"))
    for name in ("ai", "storage"):
        strategy = made.kind("Rollout")[f"demo-chard-worker-{name}"]["spec"]["strategy"]["blueGreen"]
        assert {strategy["activeService"], strategy["previewService"]} <= set(made.kind("Service"))
    assert "canary" in made.kind("Rollout")["demo-chard-keeper"]["spec"]["strategy"]


KEDA = {"keda": {"enabled": True}}


def pool(**values):
    return {"workers": {"pools": {"ai": values}}}


def consumer(**values):
    return {"consumers": {"groups": {"one": {"consumer": "my", "replicas": 1, **values}}}}


@pytest.mark.parametrize("values, told", [
    ({"secrets": {"name": ""}}, "secrets/name"),
    ({"secrets": {"name": None}}, "missing property 'name'"),
    ({"secrets": {"files": {"CHARD_STORE_URL": None}}}, "missing property 'CHARD_STORE_URL'"),
    ({"settings": {"OPENAI_API_KEY": "sk-1"}}, "secrets: {files: {OPENAI_API_KEY: KEY-IN-THE-SECRET}}"),
    (pool(settings={"CHARD_GRACE_MS": 1}), "workers.pools.ai.settings.CHARD_GRACE_MS: the chart sets it itself; delete this line and set workers.pools.POOL.graceMs"),
    ({"settings": {"GRACE": 1}}, "settings.GRACE: no setting of chard"),
    ({"keeper": {"settings": {"CHARD_STALE_SLACK_S": [1]}}}, "keeper/settings"),
    (consumer(settings={"OPENAI_API_KEY": "sk-1"}), "secrets: {files: {OPENAI_API_KEY: KEY-IN-THE-SECRET}}"),
    (consumer(settings={"CHARD_KAFKA_SERVERS": "kafka:9092"}), "delete this line and set consumers.groups.GROUP.kafka.servers"),
    (consumer(kafka={"servers": "kafka:9092"}), "missing propert"),
    (pool(graceMs=29999), "graceMs: 30000"),
    (pool(longestCallMs=60000), "graceMs: 60000"),
    (pool(longestCallMs=1000), "longestCallMs: 30000"),
    ({"settings": {"CHARD_DEADLINE_MS": 90000}}, "longestCallMs: 90000"),
    (pool(terminationGracePeriodSeconds=30), "terminationGracePeriodSeconds: 35"),
    (pool(queues=["scan.vision", "my.profile"]), 'queues: ["scan.reward"]'),
    (pool(queues=["a", "a"]), "queues"),
    (pool(queues=[]), "queues"),
    (pool(queues=["a,b"]), "queues"),
    (pool(maxReplicas=2), "maxReplicas: 3"),
    (pool(bufferPercent=90), "bufferPercent"),
    (pool(slots=0), "slots"),
    (pool(slot=10), "slot"),
    ({"workers": {"pools": {"AI": {}}}}, "AI"),
    (KEDA, "secrets: {files: {CHARD_BROKER_ADMIN_URL: broker-admin-url}}"),
    ({"keda": {"enabled": True, "scaler": "chard"}, "metrics": {"enabled": False}}, "metrics: {enabled: true}"),
    ({"keda": {"scaler": "amqp"}}, "scaler"),
    ({"metrics": {"enabled": False, "serviceMonitor": {"enabled": True}}}, "metrics: {enabled: true}"),
    ({"image": {"digest": "sha256:1"}}, "digest"),
    ({"rollouts": {"enabled": True}}, "metrics: {enabled: true, serviceMonitor: {enabled: true}}"),
    ({"gateway": {"enabled": True, "istio": {"enabled": True}}}, "gateway: {hosts:"),
    ({"gateway": {"enabled": True, "usualReplicas": 20}}, "maxReplicas: 30"),
    ({"podDisruptionBudget": {"maxUnavailable": 0}}, "maxUnavailable"),
], ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "")
def test_bad_values_are_refused_with_the_line_to_change(values, told):
    said = chart.refusal(values)
    assert said and told in said, said


def test_values_at_the_edge_are_taken():
    for values in (pool(graceMs=30000, terminationGracePeriodSeconds=35), pool(maxReplicas=3), {"settings": {"CHARD_DEADLINE_MS": 10000}},
                   merged_admin(KEDA)):
        assert chart.refusal(values) is None


def merged_admin(values):
    return chart.merged(values, {"secrets": {"files": {"CHARD_BROKER_ADMIN_URL": "admin"}}})


STAGES = sorted((ROOT / "deploy/argo/stages").glob("*.yaml"))


@pytest.mark.parametrize("stage", STAGES, ids=lambda path: path.stem)
def test_the_stages_values_are_taken(stage):
    """What Argo CD would render: the stage names values that are there, and the chart takes them."""
    source = yaml.safe_load(stage.read_text())["spec"]["source"]
    assert ROOT / source["path"] == chart.CHART
    files = [(chart.CHART / name).resolve() for name in source["helm"]["valueFiles"]]
    values = {}
    for file in files:
        values = chart.merged(values, yaml.safe_load(file.read_text()))
    assert chart.findings(values) == [] and chart.Rendered(values, name="chard").kind("Deployment")


def pin(file, *words):
    return subprocess.run([ROOT / "scripts/pin-image", file, *words], capture_output=True, text=True, timeout=30)


def test_an_image_is_pinned_and_nothing_else_changes(tmp_path):
    digest = "sha256:" + "ab" * 32
    for stage in STAGES:
        before = (ROOT / "deploy/argo/values" / stage.name).read_text()
        file = pathlib.Path(tmp_path, stage.name)
        file.write_text(before)
        assert pin(file, "registry.example.com/chard", "v1.2.3", digest).returncode == 0
        after = yaml.safe_load(file.read_text())
        assert after.pop("image") == {"repository": "registry.example.com/chard", "tag": "1.2.3", "digest": digest}
        was = yaml.safe_load(before)
        was.pop("image")
        assert after == was and len(file.read_text().splitlines()) == len(before.splitlines())
        assert pin(file, "registry.example.com/chard", "v1.2.3", "latest").returncode != 0


def test_compose_gives_settings_that_the_program_knows():
    """On one machine: each queue has one worker, and a busy one has time to end."""
    made = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text())["services"]
    ours = {name: one for name, one in made.items() if one["image"].startswith("${CHARD_IMAGE")}
    assert set(ours) == {"migrate", "topology", "worker-ai", "worker-storage", "keeper", "gateway"}
    known, queues = known_settings(), []
    for one in ours.values():
        assert one["read_only"] and one["cap_drop"] == ["ALL"] and set(one["environment"]) <= known
        queues += one["environment"].get("CHARD_QUEUES", "").split(",") if "CHARD_QUEUES" in one["environment"] else []
    pools = chart.defaults()["workers"]["pools"]
    assert sorted(queues) == sorted(queue for pool in pools.values() for queue in pool["queues"])
    for name, pool in pools.items():
        worker = ours[f"worker-{name}"]
        assert worker["environment"]["CHARD_GRACE_MS"] == str(pool["graceMs"])
        assert int(worker["stop_grace_period"].rstrip("s")) * 1000 >= pool["graceMs"] + pool["longestCallMs"] + 5000
