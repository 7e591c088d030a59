# SPDX-License-Identifier: Apache-2.0
"""What all private servers have in common: a guarded process, a folder of their own, free ports, a
user without privileges, and a small file that remembers ports and passwords."""

import json
import os
import pathlib
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

GUARD = pathlib.Path(__file__).with_name("guard.py")
UNPRIVILEGED = "nobody"  # who servers run as when we are root: PostgreSQL refuses to be root


class ServerError(Exception):
    pass


def unprivileged():
    """The user id to give a server, or None to leave it as it is."""
    return pwd.getpwnam(UNPRIVILEGED).pw_uid if os.getuid() == 0 else None


def as_unprivileged():
    """The same for subprocess.run and Popen."""
    uid = unprivileged()
    return {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}


PORTS, BLOCK = range(15000, 32000), 500
_claims = []  # what holds this process's blocks, until it ends
_ports = []  # of them, those that were not given yet


def _claim_block():
    """Ports that no other process of this machine gives meanwhile: a server opens its ports seconds after they were chosen, and two that look
    at the same time find the same ones free. The kernel forgets the claim with the process."""
    for first in random.sample(PORTS[::BLOCK], len(PORTS) // BLOCK):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0chard-ports-{first}")
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return random.sample(range(first, first + BLOCK), BLOCK)
    raise ServerError(f"no ports are left between {PORTS.start} and {PORTS.stop}: other processes have claimed them all")


def free_port():
    """A port of 127.0.0.1 that nobody listens on and that was not given before. It lies below the range
    from which the kernel takes ports for outgoing connections, so it stays free while its server is down."""
    while True:
        if not _ports:
            _ports.extend(_claim_block())
        port = _ports.pop()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def wait_until(condition, seconds, what):
    """Asks `condition` until it says yes."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ServerError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Process:
    """One guarded program. It ends with this process, however that ends."""

    def __init__(self, command, *, env, folder, log, stop=signal.SIGTERM, remove=None):
        self.log = log
        guard = [sys.executable, "-I", "-S", str(GUARD), "--log", str(log), "--stop", str(int(stop))]
        if (uid := unprivileged()) is not None:
            guard += ["--user", str(uid)]
        if remove:
            guard += ["--remove", str(remove)]
        self._guard = subprocess.Popen(guard + ["--"] + [str(word) for word in command], env=env, cwd=folder,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        first = self._guard.stdout.readline()
        self._guard.stdout.close()
        if not first:
            raise ServerError(f"{command[0]} cannot be started")
        self.pid = int(first)

    def alive(self):
        return self._guard.poll() is None

    def signal(self, number):
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass

    def end(self, number, patience):
        """Sends a signal and waits until the program and all that it started are gone; SIGKILL after
        `patience` seconds."""
        self.signal(number)
        try:
            self._guard.wait(patience)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._guard.wait()
        self._guard.stdin.close()

    def tail(self):
        return pathlib.Path(self.log).read_text(errors="replace")[-2000:]


class Server:
    """What RabbitMQ, PostgreSQL and Redis have in common. Used as a context manager, or start() and close().

    With `folder`, data is kept there and the next server on the same folder continues with it, on the
    same ports with the same password; without, the folder is temporary. All of it, passwords included,
    is readable to the server's user only."""

    kind = ""

    def __init__(self, folder=None):
        self.temporary = folder is None
        self.folder = self._folder(folder)
        self.process = None
        self._remembered = self.folder / "server.json"
        self._known = json.loads(self._remembered.read_text()) if self._remembered.exists() else {}

    def _folder(self, folder):
        if folder is None:
            path = pathlib.Path(tempfile.mkdtemp(prefix=f"chard-{self.kind}-"))
        else:
            path = pathlib.Path(folder).resolve()
            path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
        if (uid := unprivileged()) is not None:
            os.chown(path, uid, uid)
            for parent in path.parents:
                status = parent.stat()
                if not status.st_mode & (0o100 if status.st_uid == uid else 0o001):
                    raise ServerError(f"user {UNPRIVILEGED}, who {self.kind} runs as, cannot enter {parent}")
        return path

    def remember(self, name, make):
        """A value that stays the same as long as the folder exists."""
        if name not in self._known:
            self._known[name] = make()
            self._remembered.write_text(json.dumps(self._known))
            self._remembered.chmod(0o600)
        return self._known[name]

    def port_for(self, name):
        """The remembered port `name`; a new one if somebody else has taken it since."""
        if self._known.get(name) and not is_free(self._known[name]):
            del self._known[name]
        return self.remember(name, free_port)

    def password(self):
        return self.remember("password", lambda: secrets.token_hex(12))

    def write(self, name, text, mode=0o600):
        """Writes a file for the server to read."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        if (uid := unprivileged()) is not None:
            os.chown(path, uid, uid)
        return path

    def make_folder(self, name):
        path = self.folder / name
        path.mkdir(exist_ok=True)
        if (uid := unprivileged()) is not None:
            os.chown(path, uid, uid)
        return path

    def launch(self, command, env, stop=signal.SIGTERM):
        remove = self.folder if self.temporary else None
        self.process = Process(command, env=env, folder=self.folder, log=self.log, stop=stop, remove=remove)

    def wait_ready(self, ready, seconds):
        def check():
            if not self.process.alive():
                raise ServerError(f"{self.kind} ended while starting:\n{self.process.tail()}")
            return ready()

        wait_until(check, seconds, f"{self.kind} ready to serve")

    @property
    def log(self):
        return self.folder / f"{self.kind}.log"

    def running(self):
        return self.process is not None and self.process.alive()

    def end(self, number, patience):
        if self.process:
            self.process.end(number, patience)
            self.process = None

    def start(self):
        """Starts it, or starts it again on the same data, and returns when it serves."""
        if not self.running():
            self._start()

    def kill(self):
        """As if its power failed: SIGKILL to all of its processes. start() brings it back."""
        self.end(signal.SIGKILL, 10)

    def close(self):
        """Ends it, and removes its folder if that is temporary."""
        if self.temporary:
            self.kill()
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self.stop()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()


def plain_environment(folder, **more):
    """Nothing of the caller's environment but what any program needs."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "HOME": str(folder)} | {
        name: str(value) for name, value in more.items()
    }
