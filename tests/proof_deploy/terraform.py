# SPDX-License-Identifier: Apache-2.0
"""The Terraform modules, judged by terraform with AWS' real provider (no cloud: AWS itself is played) and by tflint."""

import contextlib
import json
import os
import pathlib
import shutil
import tempfile

from .tools import ROOT, Missing, go, run, version_of

SOURCE = ROOT / "deploy/terraform"
STAGES = sorted((SOURCE / "stages").glob("*.tfvars"))
PLUGINS = [pathlib.Path(place).expanduser() for place in ("~/.terraform.d/plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins", os.environ.get("PROOF_TERRAFORM_PLUGINS", "/usr/share/terraform/plugins"))]


def terraform(*words, folder, check=True):
    program = shutil.which("terraform")
    if not program:
        raise Missing("terraform: not installed")
    with tempfile.NamedTemporaryFile("w", suffix=".tfrc") as settings:
        settings.write("disable_checkpoint = true\n")
        settings.flush()
        return run(program, *words, cwd=folder, check=check, env=os.environ | {"TF_CLI_CONFIG_FILE": settings.name, "TF_IN_AUTOMATION": "1"})


@contextlib.contextmanager
def unpacked():
    """A copy in which terraform may write, with the provider in it: from the machine where it is there, else from its registry."""
    with tempfile.TemporaryDirectory(prefix="chard-terraform-") as folder:
        copy = pathlib.Path(folder, "terraform")
        shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns(".terraform*"))
        there = next((place for place in PLUGINS if list(place.glob("*/hashicorp/aws/*"))), None)
        for root in (copy, copy / "state"):
            terraform("init", "-backend=false", "-input=false", "-no-color", *([f"-plugin-dir={there}"] if there else []), folder=root)
        yield copy


def versions(folder):
    told = json.loads(terraform("version", "-json", folder=folder).stdout)
    return f"terraform {told['terraform_version']}, its provider of AWS {next(version for name, version in told['provider_selections'].items() if name.endswith('/hashicorp/aws'))}"


def validate():
    terraform("fmt", "-check", "-recursive", "-diff", "-no-color", folder=SOURCE)
    with unpacked() as copy:
        for root in (copy, copy / "state"):
            told = json.loads(terraform("validate", "-json", folder=root).stdout)
            assert told["valid"] and not told["diagnostics"], told["diagnostics"]
        spoiled = copy / "modules/data/main.tf"
        spoiled.write_text(spoiled.read_text().replace("number_of_broker_nodes", "number_of_brokers"))
        told = json.loads(terraform("validate", "-json", folder=copy, check=False).stdout)
        assert not told["valid"], "what is wrong was taken"
        return versions(copy)


def stages():
    """Each stage's values through all expressions, as in a plan; deploy/terraform/tests says what must come out."""
    with unpacked() as copy:
        passed = 0
        for stage in STAGES:
            lines = [json.loads(line) for line in terraform("test", "-json", f"-var-file={copy / 'stages' / stage.name}", folder=copy).stdout.splitlines()]
            summary = next(line["test_summary"] for line in lines if "test_summary" in line)
            assert summary["status"] == "pass" and summary["passed"] and not summary["skipped"], summary
            passed += summary["passed"]
        return f"{versions(copy)}: {passed} runs"


def tflint():
    run(go("tflint"), "--recursive", f"--config={SOURCE / '.tflint.hcl'}", "--no-color", cwd=SOURCE)
    return f"tflint {version_of('tflint')}"


STEPS = [("Terraform modules", "formatted, valid", validate), ("Terraform modules", "planned for each stage, AWS being played", stages),
         ("Terraform modules", "no finding", tflint)]
