#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one server, and makes sure that it ends.

    guard.py --log FILE [--user UID] [--stop SIGNAL] [--remove FOLDER] -- PROGRAM ARGUMENT...

The guard's standard input is a pipe that only its parent holds open. When that closes, for whatever
reason, SIGKILL included, the guard stops the server, kills whatever the server left behind, and
removes FOLDER. When the guard itself is killed, the kernel kills the server (PR_SET_PDEATHSIG).
The server's process id is printed as the first line; the guard's exit status is the server's.
"""

import argparse
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
REAP_EVERY_MS = 10000  # RabbitMQ leaves two orphans a minute
PATIENCE_S = 5  # for an orderly stop once the parent is gone


def prctl(option, value):
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def launch(options):
    """Starts the server as the wanted user. Python calls preexec_fn after it has changed the user,
    which matters: a change of user forgets the parent-death signal."""
    log = open(options.log, "ab", buffering=0)
    user = {} if options.user is None else {"user": options.user, "group": options.user, "extra_groups": []}
    return subprocess.Popen(options.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                            preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL), **user)


def descendants():
    """Process ids below this one. As the subreaper, it inherits what daemonises or is orphaned."""
    parent = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, ppid = file.read().rpartition(b") ")[2].split()[:2]
        except OSError:
            continue
        if state not in b"ZX":
            parent[int(name)] = int(ppid)
    found = {os.getpid()}
    while new := {pid for pid, ppid in parent.items() if ppid in found} - found:
        found |= new
    return found - {os.getpid()}


def kill_descendants():
    while pids := descendants():
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.01)


def reap(server=None):
    """Takes note of orphans that have ended: those that have so far, while `server` is to be left for its
    own wait(), or all of them, waiting until the last one has."""
    options = os.WEXITED | (os.WNOHANG | os.WNOWAIT if server else 0)
    try:
        while (ended := os.waitid(os.P_ALL, 0, options)) and not (server and ended.si_pid == server.pid):
            if server:
                os.waitpid(ended.si_pid, 0)
    except ChildProcessError:
        pass


def watch(server):
    """Returns when the server has ended (True) or the parent (False)."""
    ended = os.pidfd_open(server.pid)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(sys.stdin.fileno(), select.POLLIN)
    while True:
        ready = [fd for fd, _ in poll.poll(REAP_EVERY_MS)]
        if ended in ready:
            return True
        if ready and os.read(sys.stdin.fileno(), 4096) == b"":
            return False
        reap(server)


def stop(server, stop_signal):
    server.send_signal(stop_signal)
    try:
        server.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", required=True)
    parser.add_argument("--user", type=int)
    parser.add_argument("--stop", type=int, default=int(signal.SIGTERM))
    parser.add_argument("--remove")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the parent decides, not a terminal
        signal.signal(number, signal.SIG_IGN)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    server = launch(options)
    print(server.pid, flush=True)
    os.close(sys.stdout.fileno())
    orphaned = not watch(server)
    if orphaned and not options.remove:
        stop(server, options.stop)
    kill_descendants()
    status = server.wait()
    reap()
    if orphaned and options.remove:
        shutil.rmtree(options.remove, ignore_errors=True)
    os._exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
