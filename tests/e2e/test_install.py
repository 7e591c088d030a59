# SPDX-License-Identifier: Apache-2.0
"""What a user does first: install it, read its manual, run it."""

import os
import re
import signal
import subprocess

import pytest
from support.program import ROOT, plain_environment


def run(*command, **options):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, env=plain_environment(), **options)


def test_install_under_a_prefix(tmp_path):
    run("make", "install", f"DESTDIR={tmp_path}", "prefix=/opt/chard", check=True)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert found == ["opt/chard/bin/chard", "opt/chard/lib/pkgconfig/chard.pc", "opt/chard/share/man/man1/chard.1"]
    assert run(tmp_path / "opt/chard/bin/chard", "version", check=True).stdout.startswith("chard ")
    version = run("env", f"PKG_CONFIG_PATH={tmp_path}/opt/chard/lib/pkgconfig", "pkg-config", "--modversion", "chard", check=True).stdout.strip()
    assert f"chard {version}\n" == run(tmp_path / "opt/chard/bin/chard", "version").stdout
    run("make", "uninstall", f"DESTDIR={tmp_path}", "prefix=/opt/chard", check=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_manual_is_sound_and_names_every_command():
    page = (ROOT / "docs/man/chard.1").read_text()
    listed = re.findall(r"^  (\w+) ", run(ROOT / "build/chard", "help").stdout, re.M)
    assert len(listed) >= 8
    for name in listed:
        assert re.search(rf"\b{name}\b", page), f"the manual does not know {name}"


def test_the_settings_page_is_what_the_program_says():
    printed = run(ROOT / "build/chard", "help", "settings", "--markdown").stdout
    assert printed in (ROOT / "docs/settings.md").read_text(), "write it anew: build/chard help settings --markdown"


def children_of_mine(mark):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if mark.encode() in file.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


@pytest.mark.parametrize("how", [[], ["--servers"]], ids=["one-file", "servers"])
def test_the_main_job_and_what_it_leaves(wait_until, how):
    """`make run` and `make run-servers` without a terminal: finished documents and events, exit 0, nothing left."""
    environment = plain_environment() | {"RUN_MARK": f"mark-{os.getpid()}"}
    done = subprocess.run([ROOT / "scripts/run", *how], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for text in ("provider: offline", "scan.vision SUCCESS", "RewardGranted", "ChatAnswered", "ProfileUpdated", "\"user_answer\"", "페트"):
        assert text in done.stdout, text
    wait_until(lambda: not children_of_mine(f"mark-{os.getpid()}"), 10)


def test_ctrl_c_leaves_nothing_running(wait_until):
    environment = plain_environment() | {"RUN_MARK": f"stop-{os.getpid()}"}
    process = subprocess.Popen([ROOT / "scripts/run", "--servers"], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                               start_new_session=True)
    for line in process.stdout:
        if "2. jobs" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    process.stdout.read()
    assert process.wait(60) == 130
    wait_until(lambda: not children_of_mine(f"stop-{os.getpid()}"), 10)
