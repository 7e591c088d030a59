# SPDX-License-Identifier: Apache-2.0
"""The Debian packages, judged by lintian and put into a Debian that has nothing of ours."""

import os
import re
import signal
import subprocess
import tempfile

from .tools import ROOT, debian_version, run

# What lintian remarks on and we leave as it is.
LEFT = {
    "initial-upload-closes-no-bugs", "no-symbols-control-file", "bad-distribution-in-changes-file",
}


def built(folder):
    run(ROOT / "deploy/debian/build", folder, cwd=ROOT)
    return {path.name.partition("_")[0]: path for path in folder.glob("*.deb")}


def lintian():
    """No error and no warning."""
    with tempfile.TemporaryDirectory() as folder:
        packages = built(ROOT / "build/deb")
        told = run("lintian", "--allow-root", "--no-tag-display-limit", "--display-level=>=warning", *packages.values(), check=False, env={"PATH": "/usr/bin:/bin", "TMPDIR": folder, "HOME": folder}).stdout
    remarks = [line for line in told.splitlines() if re.match(r"[EW]: ", line) and not any(name in line for name in LEFT)]
    assert not remarks, "\n".join(remarks)
    return f"lintian {debian_version('lintian')}"


LIFE = """#!/bin/sh
set -ex
export DEBIAN_FRONTEND=noninteractive
cd /tmp
apt-get install -qy --no-install-recommends ./chard_*.deb ./libchard0_*.deb
chard version
getent passwd chard
test "$(stat -c %a /etc/chard/chard.env)" = 640
echo CHARD_SLOTS=7 >>/etc/chard/chard.env
dpkg -i newer.deb
grep -x CHARD_SLOTS=7 /etc/chard/chard.env
chard version
apt-get remove -qy chard libchard0
! test -e /usr/bin/chard
! test -e /usr/lib/systemd/system/chard-keep.service
test -e /etc/chard/chard.env
apt-get purge -qy chard
! test -e /etc/chard
test -z "$(dpkg --audit)"
"""


def fresh_root():
    """apt installs them into a Debian 12 that is made for it, with all that they need; they are upgraded, removed, purged."""
    packages = built(ROOT / "build/deb")
    with tempfile.TemporaryDirectory(prefix="chard-root-") as work:
        newer, script = f"{work}/newer", f"{work}/life"
        run("dpkg-deb", "--raw-extract", packages["chard"], newer)
        run("sed", "-i", "s/^Version: .*/&+1/", f"{newer}/DEBIAN/control")
        run("dpkg-deb", "--root-owner-group", "--build", newer, f"{work}/newer.deb")
        with open(script, "w") as file:
            file.write(LIFE)
        run("mmdebstrap", "--variant=apt", "bookworm", "/dev/null", "/etc/apt/sources.list.d/debian.sources",
            f"--customize-hook=copy-in {packages['chard']} {packages['libchard0']} {work}/newer.deb {script} /tmp", "--customize-hook=chroot $1 sh /tmp/life", seconds=900)
    return f"apt and dpkg {debian_version('dpkg')} in a fresh Debian 12"


def systemd():
    """systemd reads the units and reckons how exposed they are."""
    exposed = []
    for unit in ("chard-worker@.service", "chard-keep.service", "chard-gateway.service"):
        told = run("systemd-analyze", "security", "--offline=yes", "--threshold=15", ROOT / "deploy/systemd" / unit).stdout
        exposed.append(re.search(r"exposure level for \S+: (\S+)", told)[1])
    return f"systemd {debian_version('systemd')}: exposure {', '.join(exposed)} of 10"


def allowed():
    """The system calls that the units leave: @system-service without @privileged, as systemd expands them."""
    groups = {}
    for line in run("systemd-analyze", "syscall-filter").stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            groups[name] = set()
        elif line.startswith("    ") and not line.strip().startswith("#"):
            groups[name].add(line.strip())

    def expand(group):
        return {call for one in groups[group] for call in (expand(one) if one.startswith("@") else [one])}

    return expand("@system-service") - expand("@privileged")


def system_calls():
    """A worker that does a job and ends makes no call that its unit would refuse."""
    with tempfile.TemporaryDirectory() as folder:
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []  # SQLite does more as root
        os.chmod(folder, 0o777)
        env = {"PATH": "/usr/bin:/bin", "CHARD_AI_PROVIDER": "offline", "CHARD_BROKER_URL": f"embedded:{folder}/chard.db", "CHARD_STORE_URL": f"sqlite:{folder}/chard.db"}
        run(*nobody, ROOT / "build/chard", "migrate", env=env)
        run(*nobody, ROOT / "build/chard", "topology", "apply", env=env)
        log = f"{folder}/calls"
        with subprocess.Popen([*nobody, "strace", "-f", "-qq", "-e", "signal=none", "-o", log, ROOT / "build/chard", "worker"], env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
            done = run(*nobody, ROOT / "build/chard", "submit", "chat", "user_id=u1", "lang=en", "text=a milk carton", "--wait", "60", env=env, check=False)
            pid = int(run("pgrep", "-P", str(worker.pid)).stdout)
            os.kill(pid, signal.SIGTERM)
            assert worker.wait(60) == 0 and done.returncode == 0, done.stderr
        with open(log) as file:
            made = set(re.findall(r"^\d+\s+(?:<\.\.\. )?([a-z_0-9]+)(?:\(| resumed)", file.read(), re.M))
    refused = made - allowed() - {"execve"}
    assert not refused, f"the units refuse {' '.join(sorted(refused))}"
    return f"strace {debian_version('strace')}: {len(made)} system calls, all left by the filter"


STEPS = [("Debian packages", "no error, no warning", lintian), ("Debian packages", "install, upgrade, remove, purge", fresh_root),
         ("systemd units", "understood, hardened", systemd), ("systemd units", "leave the system calls that a worker makes", system_calls)]
