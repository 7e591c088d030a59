# SPDX-License-Identifier: Apache-2.0
"""The Debian packages: made twice, put into a root of their own, upgraded, removed, purged."""

import filecmp
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from support.program import ROOT, plain_environment

UNITS = ["chard-worker@.service", "chard-keep.service", "chard-gateway.service"]
AS_ROOT = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]
MOST_EXPOSED = 15  # of 100, by systemd's own reckoning; the mean service of Debian has above 90


def run(*command, check=True, **env):
    return subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, timeout=110, env=plain_environment() | env, check=check)


def build(folder):
    run("deploy/debian/build", folder)
    return {path.name.partition("_")[0]: path for path in pathlib.Path(folder).glob("*.deb")}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return build(tmp_path_factory.mktemp("deb"))


@pytest.fixture
def root(tmp_path):
    """An empty root whose dpkg believes that it has the packages of this machine, so that what ours need is checked; chard's own are taken out."""
    admin = tmp_path / "root/var/lib/dpkg"
    (admin / "info").mkdir(parents=True)
    (admin / "updates").mkdir()
    paragraphs = pathlib.Path("/var/lib/dpkg/status").read_text().split("\n\n")
    (admin / "status").write_text("\n\n".join(text for text in paragraphs if not re.match(r"Package: (lib)?chard", text)))
    for name in os.listdir("/var/lib/dpkg/info"):
        if name.endswith(".list"):
            (admin / "info" / name).touch()
    (tmp_path / "root/etc").mkdir()
    return tmp_path / "root"


def dpkg(root, *words, check=True):
    return run(*AS_ROOT, "dpkg", f"--root={root}", "--force-script-chrootless", "--force-not-root", "--no-triggers", *words, check=check, PATH="/usr/sbin:/usr/bin:/sbin:/bin")


def files(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if (path.is_file() or path.is_symlink()) and "var/lib/dpkg" not in str(path)}


def contents(package):
    listed = run("dpkg-deb", "--contents", package).stdout
    return {name.removeprefix("./"): (mode, owner) for mode, owner, name in re.findall(r"^(\S+) (\S+) .* (\./\S*)(?: -> \S+)?$", listed, re.M)}


def test_the_same_bytes_twice(packages, tmp_path):
    again = build(tmp_path)
    assert sorted(again) == sorted(packages) == ["chard", "libchard-dev", "libchard0"]
    for name, path in packages.items():
        assert filecmp.cmp(path, again[name], shallow=False), name


def test_what_is_in_them(packages):
    whole = {name: contents(path) for name, path in packages.items()}
    for name, found in whole.items():
        assert {owner for _, owner in found.values()} == {"root/root"}
        assert not [path for path, (mode, _) in found.items() if mode[8] == "w" and not mode.startswith("l")]
        assert f"usr/share/doc/{name}/copyright" in found and f"usr/share/doc/{name}/changelog.Debian.gz" in found
    assert {"usr/bin/chard", "usr/lib/sysusers.d/chard.conf", "etc/chard/chard.env", *(f"usr/lib/systemd/system/{unit}" for unit in UNITS)} <= set(whole["chard"])
    assert whole["chard"]["etc/chard/chard.env"][0] == "-rw-r-----"
    assert run("dpkg-deb", "--field", packages["chard"], "Depends").stdout.count("libpq5") == 1


def test_installed_upgraded_removed_purged(packages, root, tmp_path):
    dpkg(root, "-i", *packages.values())
    assert run(root / "usr/bin/chard", "version").stdout.startswith("chard ")
    assert re.search(r"^chard:[^:]*:\d+:\d+:", (root / "etc/passwd").read_text(), re.M)
    assert not re.search(r"^ (lib)?chard", dpkg(root, "--audit").stdout, re.M)

    config = root / "etc/chard/chard.env"
    config.write_text("CHARD_SLOTS=7\n")
    (root / "etc/chard/worker-ai.env").write_text("CHARD_QUEUES=scan.vision\n")
    (root / "var/lib/chard").mkdir(exist_ok=True, parents=True)
    (root / "var/lib/chard/chard.db").touch()
    newer = tmp_path / "newer"
    run("dpkg-deb", "--raw-extract", packages["chard"], newer)
    control = newer / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^(Version: \S+)-1$", r"\1-2", control.read_text()))
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", newer, tmp_path / "newer.deb")
    dpkg(root, "-i", tmp_path / "newer.deb")
    assert run("dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Version}", "chard").stdout.endswith("-2")
    assert config.read_text() == "CHARD_SLOTS=7\n", "what the administrator wrote stays"

    dpkg(root, "--remove", "chard", "libchard-dev", "libchard0")
    left = files(root)
    assert not [path for path in left if path.startswith("usr/")], left
    assert {"etc/chard/chard.env", "etc/chard/worker-ai.env"} <= left
    dpkg(root, "--purge", "chard")
    left = files(root)
    assert not [path for path in left if path.startswith("etc/chard")], left
    assert "var/lib/chard/chard.db" in left, "data are nobody's to delete"


def test_the_program_is_hardened(packages, tmp_path):
    """Its relocation tables can't be written once it runs, and nothing names the folder that it was built in."""
    run("dpkg-deb", "--extract", packages["chard"], tmp_path)
    program = tmp_path / "usr/bin/chard"
    told = run("readelf", "--wide", "--segments", "--dynamic", program).stdout
    assert "GNU_RELRO" in told and "BIND_NOW" in told and re.search(r"GNU_STACK.* RW ", told)
    assert str(ROOT).encode() not in program.read_bytes()


def test_it_needs_what_it_is_linked_with(packages, root):
    """Without one of its libraries dpkg refuses to configure it."""
    status = root / "var/lib/dpkg/status"
    status.write_text("\n\n".join(text for text in status.read_text().split("\n\n") if not text.lstrip().startswith("Package: libpq5\n")))
    done = dpkg(root, "-i", packages["chard"], check=False)
    assert done.returncode != 0 and "libpq5" in done.stderr


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    """The units as they are, but with a program that is there."""
    folder = tmp_path_factory.mktemp("units")
    for path in (ROOT / "deploy/systemd").glob("chard*.[st]*"):
        if path.suffix in (".service", ".target"):
            (folder / path.name).write_text(path.read_text().replace("/usr/bin/chard", f"{ROOT}/build/chard"))
    shutil.copy(folder / UNITS[0], folder / "chard-worker@ai.service")
    return folder


@pytest.mark.parametrize("unit", ["chard-worker@ai.service", *UNITS[1:], "chard.target"])
def test_systemd_understands_the_units(units, unit):
    done = run("systemd-analyze", "verify", "--man=no", units / unit, check=False)
    told = [line for line in done.stderr.splitlines() if "chard" in line]
    assert done.returncode == 0 and not told, done.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_the_units_are_hardened(unit):
    done = run("systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", ROOT / "deploy/systemd" / unit, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
