# SPDX-License-Identifier: Apache-2.0
"""The container image: made twice, taken apart, and run as a container would be."""

import contextlib
import filecmp
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import tarfile

import pytest
from support.program import ROOT, plain_environment
from support.waiting import wait_until

USER = 65532
MOST_BYTES = 30_000_000
NAMESPACE = ["unshare", "--mount", "--propagation", "private"] + ([] if os.geteuid() == 0 else ["--map-root-user", "--user"])

# As a container engine would: a root that nobody may write, three places that may be, a user that is nobody, no way to more rights.
INSIDE = """
set -e
root=$1 data=$2; shift 2
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount --bind "$data" "$root/var/lib/chard"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t tmpfs -o mode=1777 run "$root/run/chard"
mount -o remount,bind,ro "$root"
cd "$root"
"""
AS_NOBODY = f'exec setpriv --inh-caps=-all --no-new-privs /usr/sbin/chroot --userspec={USER}:{USER} "$root" /usr/bin/chard "$@"'


def run(*command, **options):
    return subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, timeout=110, env=plain_environment(), check=True, **options)


def build(folder):
    run("deploy/image/build", "--out", folder)
    return folder


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return build(tmp_path_factory.mktemp("image") / "image")


def blob(image, descriptor):
    data = (image / "oci/blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
    assert len(data) == descriptor["size"] and f"sha256:{hashlib.sha256(data).hexdigest()}" == descriptor["digest"]
    return data


@pytest.fixture(scope="module")
def parts(image):
    """The index's manifests, the image's own, and its configuration."""
    index = json.loads((image / "oci/index.json").read_text())
    manifest = json.loads(blob(image, index["manifests"][0]))
    return index["manifests"], manifest, json.loads(blob(image, manifest["config"]))


@pytest.fixture(scope="module")
def tars(image, parts):
    _, manifest, config = parts
    unpacked = []
    for descriptor, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        with tarfile.open(fileobj=io.BytesIO(blob(image, descriptor)), mode="r:gz") as tar:
            unpacked.append({member.name: (member, tar.extractfile(member).read() if member.isfile() else b"") for member in tar})
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", diff_id)
    return unpacked


@pytest.fixture(scope="module")
def rootfs(image, parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rootfs")
    folder.chmod(0o755)
    for descriptor in parts[1]["layers"]:
        run("tar", "-xzpf", image / "oci/blobs" / descriptor["digest"].replace(":", "/"), "-C", folder)
    for name in ("dev", "proc"):  # the engine's
        (folder / name).mkdir()
    return folder


def test_the_same_bytes_twice(image, tmp_path):
    again = build(tmp_path / "again")
    files = [str(path.relative_to(image)) for path in image.rglob("*") if path.is_file()]
    assert filecmp.cmpfiles(image, again, files, shallow=False) == (files, [], [])


def test_small_and_for_nobody(parts, tars):
    manifests, _, config = parts
    assert manifests[0]["annotations"]["org.opencontainers.image.ref.name"] == config["config"]["Labels"]["org.opencontainers.image.version"]
    assert config["config"]["User"] == f"{USER}:{USER}" and config["config"]["Entrypoint"] == ["/usr/bin/chard"]
    assert sum(len(data) for tar in tars for _, data in tar.values()) < MOST_BYTES
    for tar in tars:
        for name, (member, _) in tar.items():
            assert not member.mode & 0o6000, f"{name} gives rights away"
            assert member.issym() or not member.mode & 0o002 or name == "tmp", f"{name} may be written by anybody"
    names = {name for tar in tars for name in tar}
    assert not [name for name in names if name.endswith("/sh") or "perl" in name or "/bin/" in name and name != "usr/bin/chard"]


def test_the_bill_names_what_is_there_and_nothing_else(image, parts, tars):
    """Every file with its sums; every package of a file, at the version that is installed here."""
    bill = json.loads((image / "chard.spdx.json").read_text())
    listed = {record["fileName"].removeprefix("./"): record for record in bill["files"]}
    there = {name: data for tar in tars for name, (member, data) in tar.items() if member.isfile()}
    assert set(listed) == set(there)
    for name, data in there.items():
        assert {"algorithm": "SHA256", "checksumValue": hashlib.sha256(data).hexdigest()} in listed[name]["checksums"]
    owners = {related["relatedSpdxElement"]: related["spdxElementId"] for related in bill["relationships"]
              if related["relationshipType"] == "CONTAINS" and related["relatedSpdxElement"].startswith("SPDXRef-File")}
    assert set(owners) == {record["SPDXID"] for record in bill["files"]}
    assert set(owners.values()) == {record["SPDXID"] for record in bill["packages"]}, "a package without a file, or a file without one"
    debian = {record["name"]: record["versionInfo"] for record in bill["packages"] if "externalRefs" in record}
    installed = run("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *debian).stdout
    assert debian == dict(line.split() for line in installed.splitlines())
    attached = json.loads(blob(image, parts[0][1]))
    assert attached["subject"]["digest"] == parts[0][0]["digest"] and blob(image, attached["layers"][0]) == (image / "chard.spdx.json").read_bytes()


def test_every_library_is_there(rootfs):
    """The loader finds all of them in the image itself."""
    done = run(*NAMESPACE, "chroot", rootfs, "/lib64/ld-linux-x86-64.so.2", "--list", "/usr/bin/chard")
    assert "not found" not in done.stdout and "libpq.so.5 => /lib/" in done.stdout


def test_certificates_are_the_packages(rootfs):
    bundle = (rootfs / "etc/ssl/certs/ca-certificates.crt").read_text()
    listed = [path for path in run("dpkg-query", "-L", "ca-certificates").stdout.split() if path.endswith(".crt")]
    assert bundle.count("BEGIN CERTIFICATE") == len(listed) > 100
    assert (rootfs / "usr/lib/ssl/cert.pem").readlink() == pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


@contextlib.contextmanager
def contained(rootfs, data, *words, **options):
    process = subprocess.Popen([*NAMESPACE, "sh", "-c", INSIDE + AS_NOBODY, "sh", str(rootfs), str(data), *words], text=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"CHARD_AI_PROVIDER": "offline"} | options.get("env", {}))
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        process.stdout.close()


def answer(rootfs, data, *words, **options):
    with contained(rootfs, data, *words, **options) as process:
        out, _ = process.communicate(timeout=60)
        return process.returncode, out


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def test_it_says_its_version(rootfs, data, parts):
    version = parts[2]["config"]["Labels"]["org.opencontainers.image.version"]
    assert answer(rootfs, data, "--version") == (0, f"chard {version}\n")


def test_a_worker_in_it_does_a_job(rootfs, data):
    """On one file in the only place that may be written: the worker consumes, its health file says so, a job is done, SIGTERM ends it."""
    env = {"CHARD_BROKER_URL": "embedded:/var/lib/chard/chard.db", "CHARD_STORE_URL": "sqlite:/var/lib/chard/chard.db"}
    for words in (["migrate"], ["topology", "apply"]):
        assert answer(rootfs, data, *words, env=env)[0] == 0
    with contained(rootfs, data, "worker", env=env | {"CHARD_HEALTH_FILE": "/var/lib/chard/health"}) as worker:
        code, out = answer(rootfs, data, "submit", "chat", "user_id=u1", "lang=en", "text=Where does a milk carton go?", "--wait", "50", "--json", env=env)
        assert code == 0, out
        assert '"state":"SUCCESS"' in out.replace(" ", "")
        health = data / "health"
        wait_until(lambda: worker.poll() is not None or health.exists() and health.read_text().startswith("consuming"), 30, "it consumes")
        assert worker.poll() is None
        assert answer(rootfs, data, "ping", "--file", "/var/lib/chard/health")[0] == 0
        worker.terminate()
        assert worker.wait(30) == 0, worker.stdout.read()
    assert {path.stat().st_uid for path in data.iterdir()} == {USER if os.geteuid() == 0 else (data / "chard.db").stat().st_uid}


def test_its_root_can_not_be_written(rootfs, data):
    code, out = answer(rootfs, data, "migrate", env={"CHARD_STORE_URL": "sqlite:/etc/chard.db", "CHARD_BROKER_URL": "embedded:/etc/chard.db"})
    assert code != 0 and not (rootfs / "etc/chard.db").exists(), out


def test_signatures_have_a_place(image, tmp_path):
    """In cosign's form; another key, or another image, is refused."""
    for name in ("mine", "other"):
        run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", tmp_path / name)
        run("openssl", "ec", "-in", tmp_path / name, "-pubout", "-out", tmp_path / f"{name}.pub")
    layout = tmp_path / "oci"
    run("cp", "-r", image / "oci", layout)
    run("deploy/image/sign", tmp_path / "mine", layout)
    assert "signed by that key" in run("deploy/image/sign", "--verify", tmp_path / "mine.pub", layout).stdout
    with pytest.raises(subprocess.CalledProcessError):
        run("deploy/image/sign", "--verify", tmp_path / "other.pub", layout)
    index = json.loads((layout / "index.json").read_text())
    names = [one["annotations"].get("org.opencontainers.image.ref.name") for one in index["manifests"]]
    assert f"{index['manifests'][0]['digest'].replace(':', '-')}.sig" in names
