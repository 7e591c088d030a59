# SPDX-License-Identifier: Apache-2.0
"""The chart as Helm itself renders it: Helm's own engine, from a package that carries it as a library."""

import functools

import helm_python as helm
import kubernetes_validate.utils as schemas
import yaml

from .program import ROOT

CHART = ROOT / "deploy/helm/chard"
EXAMPLES = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))
KUBERNETES = ["1.29", "1.30", "1.31", "1.32", "1.33", "1.34"]
CUSTOM = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "Rollout", "AnalysisTemplate", "VirtualService"}  # kinds that Kubernetes does not know by itself
WORKLOADS = ("Deployment", "Rollout")

schemas.schema_contents = functools.cache(schemas.schema_contents)
schemas.all_versions = functools.cache(schemas.all_versions)


def example(name):
    return yaml.safe_load((CHART / f"ci/{name}.yaml").read_text())


def merged(values, more):
    """Values over values, as several -f would be."""
    out = dict(values)
    for key, value in more.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


class Rendered:
    def __init__(self, values=None, name="demo", namespace="prod"):
        with helm.Chart.load(CHART) as chart:
            files = chart.render(values or {}, name=name, namespace=namespace)
        self.notes = next(text for path, text in files.items() if path.endswith("NOTES.txt"))
        self.all = [one for path, text in files.items() if path.endswith(".yaml") for one in yaml.safe_load_all(text) if one]

    def kind(self, *kinds):
        return {one["metadata"]["name"]: one for one in self.all if one["kind"] in kinds}

    def pods(self):
        return {name: one["spec"]["template"]["spec"] for name, one in self.kind(*WORKLOADS, "Job").items()}


def defaults():
    with helm.Chart.load(CHART) as chart:
        return chart.values


def findings(values):
    """What `helm lint --strict` finds, but for the icon that it would like."""
    return [found["error"] for found in helm.lint(CHART, values, strict=True)["messages"] if "icon is recommended" not in found["error"]]


def refusal(values):
    """What Helm says of values that it refuses; None if it takes them."""
    try:
        Rendered(values)
    except helm.HelmError as error:
        return str(error)
    return None


def valid(one, version):
    schemas.validate(one, version, strict=True)
