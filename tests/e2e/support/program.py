# SPDX-License-Identifier: Apache-2.0
"""The program under test."""

import contextlib
import ctypes
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading

from .standing import would_be_the_same
from .waiting import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]
SANITIZER = re.compile(r"ERROR: (Address|Leak|Thread)Sanitizer|WARNING: ThreadSanitizer|runtime error:")
SANITIZER_STATUS = 99  # none of chard's own exit codes
OPTIONS = {
    "ASAN_OPTIONS": f"detect_leaks=1:detect_stack_use_after_return=1:exitcode={SANITIZER_STATUS}",
    "UBSAN_OPTIONS": f"print_stacktrace=1:exitcode={SANITIZER_STATUS}",
    "TSAN_OPTIONS": f"second_deadlock_stack=1:exitcode={SANITIZER_STATUS}",
}
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """Between fork and exec: if the test run is killed, this process is too. (The kernel means the thread
    that started it: start workers from the test's own thread.)"""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def plain_environment():
    """The caller's, without settings of chard that happen to be there."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("CHARD_", "OPENAI_"))}


def no_report(text):
    assert not SANITIZER.search(text), text[-8000:]


class Chard:
    """One build of chard and the settings that its commands get from the environment. `settings` may be
    changed by a test at any time, and counts from the next command on. `standing`: with these the place is prepared."""

    def __init__(self, binary, settings=None, standing=False):
        self.binary = pathlib.Path(os.environ.get("CHARD_TEST_BINARY") or binary)
        self.settings = {"CHARD_NATIVE_DELAY": "no"} | dict(settings or {})  # 28 queues that few tests use: they say "yes"
        self.standing = dict(self.settings) if standing else None
        assert self.binary.exists(), f"{self.binary} is not built"

    def with_settings(self, **settings):
        """The same build with more settings: with_settings(log_level="debug") sets CHARD_LOG_LEVEL."""
        return Chard(self.binary, self.settings | environment_of(settings))

    def environment(self, env=None):
        return plain_environment() | OPTIONS | self.settings | {k: str(v) for k, v in (env or {}).items()}

    def run(self, *arguments, env=None, timeout=60, check=None, input=None):
        """Runs one command to its end. `check` is the exit code it must have; None accepts any."""
        done = subprocess.run([self.binary, *map(str, arguments)], env=self.environment(env), text=True,
                              capture_output=True, timeout=timeout, preexec_fn=die_with_parent,
                              **({"stdin": subprocess.DEVNULL} if input is None else {"input": input}))
        no_report(done.stderr)
        if check is not None:
            assert done.returncode == check, f"{arguments}: exit {done.returncode}, not {check}\n{done.stderr[-4000:]}"
        return done

    def prepare(self):
        """Tables and topology, as an operator makes them before the first worker starts; nothing where the test found them so."""
        if self.standing and would_be_the_same(self.settings, self.standing):
            return self
        self.run("migrate", check=0)
        self.run("topology", "apply", check=0)
        return self

    def start(self, *arguments, env=None):
        """Starts a command that does not end by itself."""
        return Running([self.binary, *map(str, arguments)], self.environment(env))

    @contextlib.contextmanager
    def worker(self, *flags, queues=None, slots=None, name=None, env=None, ready=True, deadline=60, **settings):
        """A worker for the length of a `with`. Entered once it consumes (with `ready`); at the end it gets
        SIGTERM unless it has ended already, and must exit 0 and leave no sanitizer report, unless the test
        says that it expects something else: worker.expected = {-9}, say. Other keywords are settings."""
        arguments = ["worker", *map(str, flags)]
        for flag, value in (("-Q", queues), ("-c", slots), ("-n", name)):
            if value is not None:
                arguments += [flag, str(value)]
        with tempfile.TemporaryDirectory(prefix="chard-worker-") as folder:
            health = pathlib.Path(folder, "health")
            worker = Worker([self.binary, *arguments],
                            self.environment({"CHARD_HEALTH_FILE": health} | environment_of(settings) | (env or {})),
                            health)
            try:
                if ready:
                    worker.wait_ready(deadline)
                yield worker
            except BaseException:
                worker.show()
                worker.kill()
                raise
            worker.finish(deadline)


def environment_of(settings):
    """{"log_level": "debug"} -> {"CHARD_LOG_LEVEL": "debug"}"""
    return {name if name.startswith("OPENAI_") else f"CHARD_{name.upper()}": str(value)
            for name, value in settings.items()}


class Running:
    """A process whose output is collected while it runs."""

    def __init__(self, command, env):
        self.command = [str(word) for word in command]
        self.process = subprocess.Popen(self.command, env=env, text=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, errors="replace",
                                        preexec_fn=die_with_parent)
        self.pid = self.process.pid
        self.out, self.log = [], []
        self._readers = [threading.Thread(target=self._collect, args=pair, daemon=True)
                         for pair in ((self.process.stdout, self.out), (self.process.stderr, self.log))]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _collect(stream, lines):
        for line in stream:
            lines.append(line)

    @property
    def stdout(self):
        return "".join(self.out)

    @property
    def stderr(self):
        return "".join(self.log)

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def terminate(self):
        self.signal(signal.SIGTERM)

    def kill(self):
        self.process.kill()
        return self.wait()

    def wait(self, deadline=60):
        """The exit status, negative for a signal, once it has ended and all of its output is here."""
        try:
            status = self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command[1:]} did not end within {deadline} s") from None
        for reader in self._readers:
            reader.join(10)
        return status

    def wait_log(self, pattern, deadline=30):
        """Waits for a line on stderr that matches, and returns the match."""
        def found():
            return next((match for line in list(self.log) if (match := re.search(pattern, line))), None)

        return wait_until(lambda: found() or self._ended(pattern), deadline, f"/{pattern}/ in the log")

    def _ended(self, pattern):
        if not self.running():
            self.wait()
            if not re.search(pattern, self.stderr):
                raise RuntimeError(f"ended with {self.process.returncode} before /{pattern}/:\n{self.stderr[-4000:]}")
        return None

    def show(self):
        """Prints the end of the log for pytest to show with the failure."""
        print(f"--- log of {' '.join(self.command)} ---\n{self.stderr[-8000:]}", file=sys.stderr)


class Worker(Running):
    def __init__(self, command, env, health):
        super().__init__(command, env)
        self.health_file = health
        self.expected = {0}

    def health(self):
        """What a probe would read now; empty before the first report."""
        try:
            return self.health_file.read_text()
        except FileNotFoundError:
            return ""

    def is_ready(self):
        return self.health().startswith("consuming")

    def wait_ready(self, deadline=60):
        def ready():
            if not self.running():
                self.wait()
                raise RuntimeError(f"the worker ended with {self.process.returncode}:\n{self.stderr[-4000:]}")
            return self.is_ready()

        wait_until(ready, deadline, "the worker consumes")

    def finish(self, deadline):
        if self.running():
            self.terminate()
        try:
            status = self.wait(deadline)
            assert status in self.expected, f"the worker ended with {status}, not {self.expected}"
            no_report(self.stderr)
        except AssertionError:
            self.show()
            self.kill()
            raise
