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


INSTALLED = ["bin/chard", "include/chard.h", "include/chard/base.h", "include/chard/plugin.h", "include/chard/producer.h", "lib/libchard.a", "lib/libchard.so.VERSION", "lib/pkgconfig/chard.pc",
             "lib/pkgconfig/libchard.pc", "share/man/man1/chard.1", "share/man/man3/libchard.3"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder in which everything is installed; its name is the prefix."""
    folder = tmp_path_factory.mktemp("prefix")
    run("make", "install", f"prefix={folder}", check=True)
    return folder


def test_install_under_a_prefix(tmp_path):
    run("make", "install", f"DESTDIR={tmp_path}", "prefix=/opt/chard", check=True)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink())
    version = run("env", f"PKG_CONFIG_PATH={tmp_path}/opt/chard/lib/pkgconfig", "pkg-config", "--modversion", "chard", check=True).stdout.strip()
    assert found == [f"opt/chard/{name.replace('VERSION', version)}" for name in INSTALLED]
    assert run(tmp_path / "opt/chard/bin/chard", "version", check=True).stdout == f"chard {version}\n"
    run("make", "uninstall", f"DESTDIR={tmp_path}", "prefix=/opt/chard", check=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() or path.is_symlink() or path.name == "chard" and path.parent.name == "include"]


def test_the_stripped_program_is_small(tmp_path):
    run("strip", "-o", tmp_path / "chard", ROOT / "build/chard", check=True)
    assert (tmp_path / "chard").stat().st_size < 2_000_000


def pkg_config(folder, *words):
    return run("env", f"PKG_CONFIG_PATH={folder}/lib/pkgconfig", "pkg-config", *words, check=True).stdout.split()


@pytest.mark.parametrize("header", ["base.h", "plugin.h", "producer.h"])
def test_each_header_stands_alone(installed, tmp_path, header):
    (tmp_path / "a.c").write_text(f"#include <chard/{header}>\n#include <chard.h>\n#include <chard/{header}>\nint made;\n")
    run("cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-c", "-o", tmp_path / "a.o", tmp_path / "a.c",
        *pkg_config(installed, "--cflags", "libchard"), check=True)


@pytest.mark.parametrize("static", [False, True])
def test_the_producer_builds_with_what_is_installed(installed, tmp_path, static):
    flags = pkg_config(installed, "--cflags", "--libs", *(["--static"] if static else []), "libchard")
    flags = [f"{installed}/lib/libchard.a" if static and flag == "-lchard" else flag for flag in flags]
    run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", tmp_path / "producer", ROOT / "examples/c-producer/producer.c", *flags, check=True)
    done = run("env", f"LD_LIBRARY_PATH={installed}/lib", tmp_path / "producer", "amqp://127.0.0.1:1/", "rpc://", "a.b")
    assert done.returncode == 1 and done.stderr.startswith("producer: unreachable: "), done.stderr


def test_the_plugin_builds_with_what_is_installed(installed, tmp_path):
    plugin = tmp_path / "text_tasks.so"
    run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", plugin, ROOT / "examples/plugin/text_tasks.c",
        *pkg_config(installed, "--cflags", "libchard"), check=True)
    shown = run(installed / "bin/chard", "topology", "show", "--tasks", plugin, check=True).stdout
    assert "text.summary.dead" in shown


def test_the_header_serves_cxx(installed, tmp_path):
    source = tmp_path / "a.cc"
    source.write_text('#include <chard.h>\nint main() { chard_options o = CHARD_OPTIONS_INIT; return o.size == sizeof o && *chard_version() ? 0 : 1; }\n')
    run("clang++", "-Wall", "-Wextra", "-Werror", "-o", tmp_path / "a", source, *pkg_config(installed, "--cflags", "--libs", "libchard"), check=True)
    run("env", f"LD_LIBRARY_PATH={installed}/lib", tmp_path / "a", check=True)


def test_only_public_symbols_are_seen(installed):
    declared = set(re.findall(r"^CHARD_API [^(]*?\b\*?(chard_\w+)\(", (installed / "include/chard/producer.h").read_text(), re.M))
    listed = run("nm", "-D", "--defined-only", "--with-symbol-versions", installed / "lib/libchard.so", check=True).stdout
    shared = dict(re.findall(r" T (\w+)@@(\w+\.\w+)$", listed, re.M))
    static = set(re.findall(r" [A-TV-Z] (\w+)$", run("nm", "-g", "--defined-only", installed / "lib/libchard.a", check=True).stdout, re.M))
    assert declared == set(shared) == static
    assert set(shared.values()) == {"CHARD_0.1"}


def test_the_library_manual_names_every_function():
    page = (ROOT / "docs/man/libchard.3").read_text()
    for name in re.findall(r"^        (chard_\w+);", (ROOT / "lib/libchard.map").read_text(), re.M):
        assert name in page, f"the manual does not know {name}"


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
