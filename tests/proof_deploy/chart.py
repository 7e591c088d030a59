# SPDX-License-Identifier: Apache-2.0
"""The chart, judged by the helm of others and by kubeconform."""

import json
import pathlib
import re

from . import crds
from .tools import FOLDER, ROOT, go, run, version_of

CHART = ROOT / "deploy/helm/chard"
STAGES = sorted((ROOT / "deploy/argo/values").glob("*.yaml"))
VALUES = sorted((CHART / "ci").glob("*.yaml")) + STAGES
MANIFESTS = [ROOT / "deploy/argo/stages.yaml", *sorted((ROOT / "deploy/argo/stages").glob("*.yaml")), ROOT / "deploy/karpenter/nodepools.yaml"]
KUBERNETES = ["1.29.0", "1.30.0", "1.31.0", "1.32.0", "1.33.0", "1.34.0"]


def rendered():
    """{file: path} of each set of values, by helm itself."""
    folder = FOLDER / "rendered"
    folder.mkdir(parents=True, exist_ok=True)
    out = {}
    for values in [None, *VALUES]:
        path = folder / f"{values.stem if values else 'defaults'}.yaml"
        path.write_text(run(go("helm"), "template", "demo", CHART, "--namespace", "prod", "--kube-version", KUBERNETES[-1], *(["--values", values] if values else [])).stdout)
        out[path.stem] = path
    return out


def lint():
    for values in [None, *VALUES]:
        run(go("helm"), "lint", "--strict", CHART, *(["--values", values] if values else []))
    rendered()
    return f"helm {version_of('helm')}"


def kubernetes_schemas():
    """Kubernetes' own, of each version, from the package that carries them; kubeconform resolves references inside a file's folder."""
    import kubernetes_validate
    base = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    folder = FOLDER / "kubernetes"
    for version in KUBERNETES:
        to = folder / f"v{version}-strict"
        if to.exists():
            continue
        part = to.with_suffix(".part")
        part.mkdir(parents=True, exist_ok=True)
        for file in (base / f"v{version}-local-strict").glob("*.json"):
            text = file.read_text().replace('"/api/_definitions.json#', '"_definitions.json#')
            value = json.loads(text)
            value.pop("$id", None)
            (part / file.name).write_text(json.dumps(value))
        part.rename(to)
    return folder


def kubeconform():
    """Every set of values for every version, strictly; nothing is passed over."""
    mine, own = kubernetes_schemas(), crds.schemas()
    bad = FOLDER / "rendered/bad.txt"
    bad.write_text(rendered()["keda"].read_text().replace("minReplicaCount: 3", "minReplicaCount: three").replace("terminationGracePeriodSeconds:", "terminationGrace:"))
    files = [*rendered().values(), *MANIFESTS]
    for version in KUBERNETES:
        command = [go("kubeconform"), "-strict", "-summary", "-kubernetes-version", version,
                   "-schema-location", f"{mine}/v{version}-strict/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json",
                   "-schema-location", f"{own}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"]
        told = run(*command, *files).stdout
        assert re.search(r"Invalid: 0, Errors: 0, Skipped: 0", told), told
        told = run(*command, "-", check=False, input=bad.read_text()).stdout
        assert re.search(r"Invalid: [3-9]", told), f"what is wrong was taken: {told}"
    return f"kubeconform {version_of('kubeconform')}, schemas of Kubernetes {KUBERNETES[0]} to {KUBERNETES[-1]}, KEDA {version_of('keda')}, Prometheus operator {version_of('prometheus-operator')}, Argo CD {version_of('argo-cd')}, Argo Rollouts {version_of('argo-rollouts')}, Istio {version_of('istio')}, Karpenter {version_of('karpenter')}"


STEPS = [("chart", "lint, template", lint), ("chart", "each manifest, strictly", kubeconform)]
