# SPDX-License-Identifier: Apache-2.0
"""Custom resources as JSON schemas, from the definitions that their own projects ship."""

import json

import yaml

from .tools import FOLDER, module

DEFINITIONS = {
    "keda": "config/crd/bases/*.yaml",
    "prometheus-operator": "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    "argo-rollouts": "manifests/crds/*.yaml",
    "argo-cd": "manifests/crds/*.yaml",
    "istio": "kubernetes/customresourcedefinitions.gen.yaml",
    "karpenter": "pkg/apis/crds/karpenter*.yaml",
}


def definitions(name):
    """(file, definition) of each custom resource that a project defines."""
    files = sorted(module(name).glob(DEFINITIONS[name]))
    assert files, f"{name}: no definitions at {DEFINITIONS[name]}"
    for file in files:
        for one in yaml.safe_load_all(file.read_text()):
            if one and one.get("kind") == "CustomResourceDefinition":
                yield file, one


def strict(schema, top=False):
    """As an API server with strict validation takes it: unknown fields are refused, but where the definition keeps them."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: value if key in ("enum", "default", "example") else
           {name: strict(one) for name, one in value.items()} if key == "properties" else strict(value) for key, value in schema.items()}
    if out.pop("x-kubernetes-int-or-string", False):
        out.pop("type", None)
        out["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    keeps = out.pop("x-kubernetes-preserve-unknown-fields", False)
    if out.pop("nullable", False) and isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
    if "properties" in out and "additionalProperties" not in out and not keeps and not top:
        out["additionalProperties"] = False
    return out


def schemas():
    """A folder of them, named as kubeconform looks for them."""
    folder = FOLDER / "crds"
    folder.mkdir(parents=True, exist_ok=True)
    for name in DEFINITIONS:
        for _, one in definitions(name):
            for version in one["spec"]["versions"]:
                if schema := version.get("schema", {}).get("openAPIV3Schema"):
                    whole = strict(schema)
                    whole.get("properties", {}).update({"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}})
                    group = one["spec"]["group"].partition(".")[0]
                    (folder / f"{one['spec']['names']['kind'].lower()}-{group}-{version['name']}.json").write_text(json.dumps(whole))
    return folder
