# SPDX-License-Identifier: Apache-2.0
"""The Debian packages, judged by lintian and put into a Debian that has nothing of ours."""

import os
import re
import shutil
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


def fresh_root():
    """apt installs them into a Debian 12 that was made for it, with all that they need; they are upgraded, removed, purged."""
    packages = built(ROOT / "build/deb")
    work = tempfile.mkdtemp(prefix="chard-root-")
    try:
        root = f"{work}/root"
        run("mmdebstrap", "--variant=apt", "--mode=auto", "bookworm", root, "/etc/apt/sources.list.d/debian.sources", seconds=600)
        for path in packages.values():
            shutil.copy(path, f"{root}/tmp/")
        newer = f"{work}/newer"
        run("dpkg-deb", "--raw-extract", packages["chard"], newer)
        run("sed", "-i", "s/^Version: .*/&+1/", f"{newer}/DEBIAN/control")
        run("dpkg-deb", "--root-owner-group", "--build", newer, f"{root}/tmp/newer.deb")

        def inside(script):
            return run("unshare", "--mount", "--propagation", "private", "sh", "-ec",
                       f"mount --rbind /proc {root}/proc; mount --rbind /dev {root}/dev; exec chroot {root} sh -exc '{script}'", seconds=900).stdout

        inside("export DEBIAN_FRONTEND=noninteractive; apt-get install -qy --no-install-recommends /tmp/chard_*.deb /tmp/libchard0_*.deb; "
               "chard version; getent passwd chard; test -r /etc/chard/chard.env")
        inside("echo CHARD_SLOTS=7 >>/etc/chard/chard.env; DEBIAN_FRONTEND=noninteractive dpkg -i /tmp/newer.deb; grep -x CHARD_SLOTS=7 /etc/chard/chard.env; chard version")
        inside("apt-get remove -qy chard libchard0; ! test -e /usr/bin/chard; test -e /etc/chard/chard.env; apt-get purge -qy chard; ! test -e /etc/chard; dpkg --audit")
        return f"apt and dpkg {debian_version('dpkg')} in a fresh Debian 12"
    finally:
        shutil.rmtree(work, ignore_errors=True)


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
        env = {"PATH": "/usr/bin:/bin", "CHARD_AI_PROVIDER": "offline", "CHARD_BROKER_URL": f"embedded:{folder}/chard.db", "CHARD_STORE_URL": f"sqlite:{folder}/chard.db"}
        run(ROOT / "build/chard", "migrate", env=env)
        log = f"{folder}/calls"
        with subprocess.Popen(["strace", "-f", "-qq", "-e", "signal=none", "-o", log, ROOT / "build/chard", "worker"], env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
            done = run(ROOT / "build/chard", "submit", "chat", "user_id=u1", "lang=en", "text=a milk carton", "--wait", "60", env=env, check=False)
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
