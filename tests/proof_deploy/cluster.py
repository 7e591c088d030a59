# SPDX-License-Identifier: Apache-2.0
"""The chart, applied to a real kube-apiserver with etcd: server-side, strictly, as a cluster would take it. No node, so nothing runs."""

import contextlib
import copy
import json
import pathlib
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import yaml

from . import crds
from .chart import MANIFESTS, rendered
from .tools import kube_apiserver, run, trixie, version_of

MANAGER = "fieldManager=chard&fieldValidation=Strict&force=true"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Refused(AssertionError):
    pass


class Cluster:
    def __init__(self, folder):
        self.folder, self.token, self.processes = pathlib.Path(folder), secrets.token_hex(16), []
        self.port, self.context = free_port(), ssl._create_unverified_context()
        self.resources = {}

    def start(self):
        etcd, peer = free_port(), free_port()
        (self.folder / "tokens.csv").write_text(f"{self.token},admin,1,system:masters\n")
        run("openssl", "genrsa", "-out", self.folder / "sa.key", "2048")
        self.launch("etcd", trixie("etcd-server") / "usr/bin/etcd", "--data-dir", self.folder / "etcd", "--listen-client-urls", f"http://127.0.0.1:{etcd}",
                    "--advertise-client-urls", f"http://127.0.0.1:{etcd}", "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                    "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}", "--initial-cluster", f"default=http://127.0.0.1:{peer}")
        self.launch("kube-apiserver", kube_apiserver(), f"--etcd-servers=http://127.0.0.1:{etcd}", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
                    f"--secure-port={self.port}", f"--cert-dir={self.folder}/certs", "--service-cluster-ip-range=10.97.0.0/24",
                    f"--service-account-key-file={self.folder}/sa.key", f"--service-account-signing-key-file={self.folder}/sa.key",
                    "--service-account-issuer=https://chard", "--authorization-mode=RBAC", f"--token-auth-file={self.folder}/tokens.csv",
                    "--disable-admission-plugins=ServiceAccount")
        self.wait(lambda: self.ask("GET", "/readyz", raw=True) == b"ok", 120, "the API server is ready")

    def launch(self, name, *command):
        log = (self.folder / f"{name}.log").open("w")
        self.processes.append(subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def close(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)

    def wait(self, true, seconds, what):
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, Refused):
                if true():
                    return
            assert all(process.poll() is None for process in self.processes), f"a server ended: {self.folder}"
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            time.sleep(0.1)

    def ask(self, method, path, body=None, kind="application/json", raw=False):
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": f"Bearer {self.token}", "Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.context) as answer:
                data = answer.read()
        except urllib.error.HTTPError as error:
            raise Refused(f"{method} {path}: {error.code} {json.loads(error.read()).get('message')}") from None
        return data if raw else json.loads(data)

    def resource(self, version, kind):
        if version not in self.resources:
            listed = self.ask("GET", f"/api/{version}" if "/" not in version else f"/apis/{version}")["resources"]
            self.resources[version] = {one["kind"]: one for one in listed if "/" not in one["name"]}
        return self.resources[version][kind]

    def apply(self, one, dry=False):
        """Server-side apply, strictly: a field that the server does not know is refused."""
        version, resource = one["apiVersion"], self.resource(one["apiVersion"], one["kind"])
        base = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        place = f"/namespaces/{one['metadata'].get('namespace', 'prod')}" if resource["namespaced"] else ""
        return self.ask("PATCH", f"{base}{place}/{resource['name']}/{one['metadata']['name']}?{MANAGER}{'&dryRun=All' if dry else ''}", one, "application/apply-patch+yaml")

    def define(self):
        """The custom resources of KEDA, Argo, Istio and the Prometheus operator."""
        names = []
        for project in crds.DEFINITIONS:
            for _, one in crds.definitions(project):
                one.pop("status", None)
                self.apply(one)
                names.append(one["metadata"]["name"])
        for name in names:
            self.wait(lambda: any(c["type"] == "Established" and c["status"] == "True" for c in self.ask("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")["status"]["conditions"]), 60, name)
        return names


@contextlib.contextmanager
def cluster():
    folder = tempfile.mkdtemp(prefix="chard-cluster-")
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


def spoiled(one):
    """The same with a fault in it, each of another kind."""
    for change in ("unknown field", "wrong type", "wrong name"):
        bad = copy.deepcopy(one)
        if change == "unknown field":
            bad["spec"]["replica"] = 3
        elif change == "wrong type":
            bad["spec"]["selector" if one["kind"] == "Deployment" else "maxReplicaCount"] = "many"
        else:
            bad["metadata"]["name"] = "Not A Name"
        yield change, bad


def apply():
    with cluster() as api:
        count = len(api.define())
        for name in ("prod", "argocd"):
            api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        applied = 0
        for values, path in rendered().items():
            for one in filter(None, yaml.safe_load_all(path.read_text())):
                api.apply(one)
                applied += 1
                if one["kind"] in ("Deployment", "ScaledObject") and values in ("defaults", "keda"):
                    for change, bad in spoiled(one):
                        try:
                            api.apply(bad, dry=True)
                        except (Refused, OSError, ValueError):
                            continue
                        raise AssertionError(f"{one['kind']} with {change} was taken")
        for path in MANIFESTS:
            for one in filter(None, yaml.safe_load_all(path.read_text())):
                api.apply(one)
                applied += 1
        version = api.ask("GET", "/version")["gitVersion"]
    return f"kube-apiserver {version} with etcd {version_of('etcd-server')}: {applied} applied, {count} custom resources defined"


STEPS = [("chart, Argo applications, Karpenter pools", "applied, server-side, strictly", apply)]
