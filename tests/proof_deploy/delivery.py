# SPDX-License-Identifier: Apache-2.0
"""Compose file and workflows."""


from .tools import ROOT, go, python, run, version_of

COMPOSE = ROOT / "deploy/compose/compose.yaml"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def compose_schema():
    run(python("check-jsonschema") / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    return f"the compose specification's schema, in check-jsonschema {version_of('check-jsonschema')}"


def actionlint():
    run(go("actionlint"), "-shellcheck=", "-pyflakes=", *WORKFLOWS)
    return f"actionlint {version_of('actionlint')}"


STEPS = [("compose file", "valid", compose_schema), ("GitHub Actions", "valid", actionlint)]
