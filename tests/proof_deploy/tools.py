# SPDX-License-Identifier: Apache-2.0
"""Programs of others that judge what is deployed, built once into build/tools: from the Go module proxy, from PyPI, or Debian's own."""

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build/tools"

GO = {
    "helm": "helm.sh/helm/v3/cmd/helm@v3.22.0",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
    "tflint": "github.com/terraform-linters/tflint@v0.64.0",
}
MODULES = {  # of which only files are wanted
    "keda": "github.com/kedacore/keda/v2@v2.21.0",
    "prometheus-operator": "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    "argo-rollouts": "github.com/argoproj/argo-rollouts@v1.10.0",
    "argo-cd": "github.com/argoproj/argo-cd/v2@v2.14.21",
    "istio": "istio.io/api@v1.32.0",
    "karpenter": "github.com/aws/karpenter-provider-aws@v1.12.0",
}
PYTHON = {"spdx-tools": "0.8.5", "check-jsonschema": "0.39.0"}


class Missing(Exception):
    """Why a program can't be had."""


def run(*command, check=True, seconds=600, **options):
    options = {"stdin": subprocess.DEVNULL} | options if "input" not in options else options
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, timeout=seconds, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


def say(text):
    print(f"proof-deploy: {text}", file=sys.stderr, flush=True)


@functools.cache
def go(name):
    """The program's path; built if it is not there."""
    path, source = FOLDER / "bin" / name, GO[name]
    stamp = FOLDER / f"{name}.built"
    if not (path.exists() and stamp.exists() and stamp.read_text() == source):
        say(f"building {source}")
        FOLDER.mkdir(parents=True, exist_ok=True)
        run("go", "install", source, seconds=1800, env=os.environ | {"GOBIN": str(FOLDER / "bin"), "GOFLAGS": "-trimpath -ldflags=-s"}, cwd=FOLDER)
        stamp.write_text(source)
    return path


@functools.cache
def module(name):
    """Where the module's files lie."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    return pathlib.Path(json.loads(run("go", "mod", "download", "-json", MODULES[name], cwd=FOLDER).stdout)["Dir"])


@functools.cache
def python(package):
    """The folder of the programs of a venv in which it is installed."""
    folder = FOLDER / f"python-{package}-{PYTHON[package]}"
    if not (folder / "complete").exists():
        say(f"installing {package}")
        run("/usr/bin/python3", "-m", "venv", "--clear", folder)
        run(folder / "bin/pip", "install", "-q", "--disable-pip-version-check", f"{package}=={PYTHON[package]}")
        (folder / "complete").touch()
    return folder / "bin"


def debian_version(name):
    return run("dpkg-query", "-W", "-f", "${Version}", name).stdout


def version_of(name):
    """Of what is named in one of the tables above."""
    for table in (GO, MODULES):
        if name in table:
            return table[name].rpartition("@v")[2]
    unpacked = FOLDER / "trixie" / name / "complete"
    return PYTHON.get(name) or (unpacked.read_text() if unpacked.exists() else debian_version(name))


KUBERNETES = "1.35.4"


@functools.cache
def kube_apiserver():
    """Of k8s.io/kubernetes, whose go.mod names folders beside it: a module of ours repeats that with the published ones. Takes minutes, once."""
    folder = FOLDER / "kube-apiserver"
    program = folder / f"kube-apiserver-{KUBERNETES}"
    if program.exists():
        return program
    say(f"building kube-apiserver {KUBERNETES}")
    folder.mkdir(parents=True, exist_ok=True)
    source = pathlib.Path(json.loads(run("go", "mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES}", cwd=FOLDER).stdout)["Dir"])
    text = (source / "go.mod").read_text()
    minor = KUBERNETES.partition(".")[2]
    replaced = "".join(f"\t{name} => {name} v0.{minor}\n" for name in re.findall(r"^\t(k8s\.io/[a-z0-9-]+) => \./staging", text, re.M))
    (folder / "go.mod").write_text(f"module chard/kube-apiserver\n\ngo {re.search(r'^go (.+)$', text, re.M)[1]}\n\n"
                                   f"require k8s.io/kubernetes v{KUBERNETES}\n\nreplace (\n{replaced})\n")
    (folder / "go.sum").write_bytes((source / "go.sum").read_bytes())
    (folder / "tools.go").write_text('//go:build tools\n\npackage tools\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver"\n')
    base, (major, second, _) = "k8s.io/component-base/version", KUBERNETES.split(".")
    flags = f"-s -w -X {base}.gitVersion=v{KUBERNETES} -X {base}.gitMajor={major} -X {base}.gitMinor={second}"
    run("nice", "go", "build", "-trimpath", f"-ldflags={flags}", "-o", program.with_suffix(".part"), "k8s.io/kubernetes/cmd/kube-apiserver",
        cwd=folder, env=os.environ | {"GOFLAGS": "-mod=mod"}, seconds=3600)
    program.with_suffix(".part").rename(program)
    return program


@functools.cache
def trixie(package):
    """A package of Debian 13 unpacked into a folder, found by a private apt; nothing of the machine changes. Go's programs run as they are."""
    folder = FOLDER / "trixie" / package
    if (folder / "complete").exists():
        return folder
    say(f"unpacking {package} of Debian 13")
    apt = FOLDER / "trixie/apt"
    for part in ("lists/partial", "archives/partial", "parts"):
        (apt / part).mkdir(parents=True, exist_ok=True)
    for name in ("sources.list.d/debian.sources", "sources.list"):
        source = pathlib.Path("/etc/apt", name)
        if source.exists() and source.stat().st_size:
            (apt / "parts" / f"debian{source.suffix}").write_text(source.read_text().replace("bookworm", "trixie").replace(" trixie-updates", ""))
    (apt / "status").touch()
    settings = {"Dir::State::lists": apt / "lists", "Dir::State::status": apt / "status", "Dir::Cache": apt, "Dir::Etc::sourcelist": "/dev/null",
                "Dir::Etc::sourceparts": apt / "parts", "Dir::Etc::preferencesparts": "/dev/null", "APT::Sandbox::User": "root", "Acquire::Languages": "none"}
    (apt / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    env = os.environ | {"APT_CONFIG": str(apt / "apt.conf")}
    run("apt-get", "-qq", "update", env=env)
    folder.mkdir(parents=True, exist_ok=True)
    run("apt-get", "-qq", "download", package, env=env, cwd=folder)
    deb = next(folder.glob("*.deb"))
    run("dpkg-deb", "--extract", deb, folder)
    (folder / "complete").write_text(run("dpkg-deb", "--field", deb, "Version").stdout.strip())
    return folder


def pruned(there, to, only):
    """A copy of a module that has, of the files in the folders that `only` names, those alone: what the others need is not built."""
    if to.exists():
        run("chmod", "-R", "u+w", to)
        shutil.rmtree(to)
    for path in [*there.rglob("*.go"), there / "go.mod"]:
        inside = path.relative_to(there)
        wanted = only.get(str(inside.parent))
        if not path.name.endswith("_test.go") and (wanted is None or path.name in wanted):
            (to / inside).parent.mkdir(parents=True, exist_ok=True)
            (to / inside).write_bytes(path.read_bytes())
    return to


def wrapped(folder, path, version, source, only, seconds=3600):
    """Builds a program of ours against a module whose go.mod has replace lines, which only count in the module that is built. `only`: see pruned()."""
    program = folder / "program"
    stamp = folder / "built"
    want = f"{path}@v{version}\n{sorted(only.items())}\n{source}"
    if program.exists() and stamp.exists() and stamp.read_text() == want:
        return program
    say(f"building against {path} {version}")
    folder.mkdir(parents=True, exist_ok=True)
    there = pathlib.Path(json.loads(run("go", "mod", "download", "-json", f"{path}@v{version}", cwd=FOLDER).stdout)["Dir"])
    module_file = json.loads(run("go", "mod", "edit", "-json", there / "go.mod").stdout)
    replaced = "".join(f"replace {one['Old']['Path']} {one['Old'].get('Version', '')} => {one['New']['Path']} {one['New']['Version']}\n"
                       for one in module_file.get("Replace") or [] if one["New"].get("Version"))
    (folder / "go.mod").write_text(f"module chard/{folder.name}\n\ngo {module_file['Go']}\n\nrequire {path} v{version}\n\n{replaced}replace {path} => ./{pruned(there, folder / 'pruned', only).name}\n")
    (folder / "go.sum").write_bytes((there / "go.sum").read_bytes())
    (folder / "main.go").write_text(source)
    run("nice", "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, ".", cwd=folder, env=os.environ | {"GOFLAGS": "-mod=mod"}, seconds=seconds)
    stamp.write_text(want)
    return program
