# SPDX-License-Identifier: Apache-2.0
"""A real terminal: one window of a tmux of its own, that shows what it is told to run."""

import shlex
import subprocess

from .program import die_with_parent
from .waiting import wait_until


class Terminal:
    """Runs `command` in a window of this size until the `with` ends. When it has ended, the window shows `ended STATUS`."""

    def __init__(self, folder, command, env, width=100, height=30):
        self.socket = folder / "tmux"
        # in the foreground, so that it ends with the test; chard then hears that its terminal is gone
        self.server = subprocess.Popen(["tmux", "-D", "-S", self.socket, "-f", "/dev/null"], env=env | {"TERM": "xterm"}, cwd=folder,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        wait_until(lambda: subprocess.run(["tmux", "-N", "-S", self.socket, "show-options", "-g"], capture_output=True).returncode == 0, 20, "tmux listens")
        line = f"{shlex.join(map(str, command))}; echo ended $?; stty -a; exec cat"
        self.ask("new-session", "-d", "-x", width, "-y", height, "sh", "-c", line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ask("kill-server", check=False)
        self.server.wait(20)

    def ask(self, *arguments, check=True):
        done = subprocess.run(["tmux", "-u", "-S", self.socket, *map(str, arguments)], text=True, capture_output=True, timeout=20)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def lines(self):
        return self.ask("capture-pane", "-p").splitlines()

    def press(self, *keys):
        self.ask("send-keys", *keys)

    def resize(self, width, height):
        self.ask("resize-window", "-x", width, "-y", height)

    def wait_for(self, text, deadline=30):
        """The window's lines once one of them holds this text."""
        def shown():
            lines = self.lines()
            assert any(text in line for line in lines), "\n".join(lines)
            return lines

        return wait_until(shown, deadline, text)
