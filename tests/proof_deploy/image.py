# SPDX-License-Identifier: Apache-2.0
"""The image, judged by programs that others load images with."""

import json
import pathlib
import tempfile

from .tools import ROOT, debian_version, python, run, version_of

IMAGE = ROOT / "build/image"


def version():
    return next(line.split()[-1] for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("VERSION"))


def made():
    run(ROOT / "deploy/image/build", cwd=ROOT)


def skopeo():
    """It reads the image and carries it into a docker archive, every digest checked on the way."""
    made()
    with tempfile.TemporaryDirectory() as folder:
        policy = pathlib.Path(folder, "policy.json")
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        inspected = json.loads(run("skopeo", "--policy", policy, "inspect", "--config", f"oci:{IMAGE}/oci:{version()}").stdout)
        assert inspected["config"]["User"] == "65532:65532"
        run("skopeo", "--policy", policy, "copy", f"oci:{IMAGE}/oci:{version()}", f"docker-archive:{folder}/image.tar:chard:{version()}")
        run("skopeo", "--policy", policy, "copy", f"oci-archive:{IMAGE}/chard-{version()}.oci.tar:{version()}", f"dir:{folder}/dir")
    return f"skopeo {debian_version('skopeo')}"


def umoci():
    """It unpacks the image into a bundle that a runtime can run."""
    made()
    with tempfile.TemporaryDirectory() as folder:
        run("umoci", "unpack", "--image", f"{IMAGE}/oci:{version()}", f"{folder}/bundle")
        assert pathlib.Path(folder, "bundle/rootfs/usr/bin/chard").exists()
        config = json.loads(pathlib.Path(folder, "bundle/config.json").read_text())
        assert config["process"]["user"] == {"uid": 65532, "gid": 65532} or config["process"]["user"]["uid"] == 65532
    return f"umoci {debian_version('umoci')}"


def spdx():
    """The SBOM is valid SPDX 2.3."""
    made()
    run(python("spdx-tools") / "pyspdxtools", "--infile", IMAGE / "chard.spdx.json")
    return f"spdx-tools {version_of('spdx-tools')}"


STEPS = [("image", "read and carried on", skopeo), ("image", "unpacked", umoci), ("SBOM", "valid SPDX 2.3", spdx)]
