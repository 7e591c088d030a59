# SPDX-License-Identifier: Apache-2.0
"""Starting what is measured, and reading what it used: CPU from wait4() and /proc, memory from /proc."""

import ctypes
import json
import os
import pathlib
import signal
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """A measurement that came to nothing; its text says why."""


def wait_for(condition, seconds, what, every=0.02):
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(every)
    return answer


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def tool(*words, timeout=300, env=None):
    """Runs one of the measuring programs, and returns the JSON object that it prints."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=timeout,
                          env=os.environ | (env or {}), stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)
    if done.returncode:
        raise Failed(f"{pathlib.Path(words[0]).name}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout)


# --- /proc ----------------------------------------------------------------------------------------------

def stat_of(pid):
    """(parent, CPU seconds of the process and of those of its children that it has waited for), or None."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
    except OSError:
        return None
    return int(fields[1]), sum(map(int, fields[11:15])) / TICK


def tree(pid):
    """The process and all below it."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        if found := stat_of(name):
            parents[int(name)] = found[0]
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_of_tree(pid):
    """Seconds of user and system time, in steps of 10 ms, of a process and all below it."""
    return sum(stat[1] for stat in map(stat_of, tree(pid)) if stat)


def rss_of(pid):
    """Megabytes (10^6) in memory."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


def pss_of_tree(pid):
    """Megabytes in memory of a process and all below it, what they share counted once."""
    total = 0
    for one in tree(pid):
        try:
            lines = pathlib.Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6


# --- a worker that is measured --------------------------------------------------------------------------

class Worker:
    """A process that runs until it is ended. Its standard error goes to a file in `folder`."""

    def __init__(self, command, env, folder, name):
        self.log = pathlib.Path(folder, f"{name}.log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.started = time.monotonic()
            self.process = subprocess.Popen([str(word) for word in command], env=os.environ | env, stderr=log,
                                            stdout=log, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)
        self.pid = self.process.pid
        self.ended = False

    def check(self):
        """Raises when it has ended by itself."""
        if not self.ended and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            raise Failed(f"the worker ended by itself:\n{self.tail()}")

    def tail(self):
        return self.log.read_text(errors="replace")[-600:]

    def end(self, patience=60):
        """SIGTERM; the CPU seconds (user and system) of its whole life, and of all that it waited for."""
        os.kill(self.pid, signal.SIGTERM)
        end = time.monotonic() + patience
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                self.kill()
                raise Failed("the worker did not end after SIGTERM")
            time.sleep(0.01)
        self.ended = True
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode not in (0, -signal.SIGTERM):
            raise Failed(f"the worker ended with {self.process.returncode}:\n{self.tail()}")
        return usage.ru_utime + usage.ru_stime

    def kill(self):
        for pid in tree(self.pid) if not self.ended else ():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not self.ended:
            self.process.wait()
            self.ended = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
