# SPDX-License-Identifier: Apache-2.0
"""The Terraform modules: that they are HCL, fit together and fit what they are for. `make proof-deploy STEP=terraform.validate` asks terraform itself."""

import functools
import re

import hcl2
import pytest
import yaml
from support import chart
from support.program import ROOT

FOLDER = ROOT / "deploy/terraform"
MODULES = sorted(path for path in FOLDER.glob("modules/*"))
STAGES = sorted(FOLDER.glob("stages/*.tfvars"))


def plain(value):
    """Without the quotes and marks that the parser leaves."""
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value[1:-1] if isinstance(value, str) and value.startswith('"') else value


@functools.cache
def read(path):
    with path.open() as file:
        return plain(hcl2.load(file))


@functools.cache
def blocks(folder, kind):
    """{name: body} of all blocks of a kind in a module; resources and data by KIND.NAME."""
    out = {}
    for path in sorted(folder.glob("*.tf")):
        for block in read(path).get(kind, []):
            for name, body in block.items():
                out |= {f"{name}.{inner}": one for inner, one in body.items()} if kind in ("resource", "data") else {name: body}
    return out


@pytest.mark.parametrize("folder", [FOLDER, FOLDER / "state", *MODULES], ids=lambda path: path.name)
def test_modules_say_what_they_take_and_give(folder):
    assert all(one.get("description") for kind in ("variable", "output") for one in blocks(folder, kind).values())
    assert blocks(folder, "terraform")["required_providers"] and blocks(folder, "resource" if folder != FOLDER else "module")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_modules_get_what_they_need(module):
    given = set(blocks(FOLDER, "module")[module.name]) - {"source", "providers"}
    takes = blocks(module, "variable")
    assert {name for name, one in takes.items() if "default" not in one} <= given <= set(takes)
    used = {name for path in FOLDER.glob("*.tf") for name in re.findall(rf"module\.{module.name}\.(\w+)", path.read_text())}
    assert used <= set(blocks(module, "output"))


@pytest.mark.parametrize("stage", STAGES, ids=lambda path: path.stem)
def test_a_stage_says_all_but_its_secret(stage):
    values, takes = read(stage), blocks(FOLDER, "variable")
    assert {name for name, one in takes.items() if "default" not in one} - {"alarm_webhook_url"} <= set(values) <= set(takes)
    assert values["stage"] == stage.stem and not {name for name, one in takes.items() if one.get("sensitive")} & set(values)
    assert read(stage.with_suffix(".s3.tfbackend"))["key"] == f"chard/{stage.stem}.tfstate", "each stage has a state of its own"


def test_servers_are_as_many_as_chard_counts_on():
    made = blocks(FOLDER / "modules/data", "resource")
    kafka, topics = made["aws_msk_cluster.this"], made["aws_msk_configuration.this"]["server_properties"]
    assert kafka["number_of_broker_nodes"] == 3 and "local.zone_subnet_ids" in kafka["broker_node_group_info"][0]["client_subnets"]
    assert {"num.partitions=3", "default.replication.factor=3", "min.insync.replicas=2"} <= set(topics.split())
    database = made["aws_db_instance.this"]
    assert database["multi_az"] is True and database["storage_encrypted"] is True and database["publicly_accessible"] is False
    settings = made["aws_db_parameter_group.this"]["dynamic"][0]["parameter"]["for_each"]
    assert settings["rds.logical_replication"] == "1" and "max_slot_wal_keep_size" in settings
    caches = next(block["caches"] for block in read(FOLDER / "modules/data/main.tf")["locals"] if "caches" in block)
    assert {name: one["policy"] for name, one in caches.items()} == {"session": "noeviction", "cache": "allkeys-lru"}


def test_names_are_those_that_the_chart_and_the_stages_have():
    """Service account, namespace, port, role and tags of nodes: what one side calls another."""
    cluster, edge = (read(FOLDER / f"modules/{name}/main.tf") for name in ("cluster", "edge"))
    accounts = next(block["accounts"] for block in cluster["locals"] if "accounts" in block)
    for stage in STAGES:
        argo = yaml.safe_load((ROOT / f"deploy/argo/stages/{stage.stem}.yaml").read_text())["spec"]
        name = chart.Rendered({}, name=argo["source"]["helm"]["releaseName"]).kind("ServiceAccount").popitem()[0]
        assert f"system:serviceaccount:{argo['destination']['namespace']}:{name}" == accounts["chard"].replace("${var.name}", f"chard-{stage.stem}")
    assert next(block["port"] for block in edge["locals"] if "port" in block) == chart.defaults()["gateway"]["port"]
    nodes = next(one["spec"] for one in yaml.safe_load_all((ROOT / "deploy/karpenter/nodepools.yaml").read_text()) if one["kind"] == "EC2NodeClass")
    assert nodes["role"].replace("CLUSTER", "${var.name}") == blocks(FOLDER / "modules/cluster", "resource")["aws_iam_role.node"]["name"]
    tag = {"karpenter.sh/discovery": "${var.name}"}
    assert tag.items() <= blocks(FOLDER / "modules/cluster", "resource")["aws_security_group.node"]["tags"].items()
    assert tag.items() <= blocks(FOLDER / "modules/network", "resource")["aws_subnet.application"]["tags"].items()
