# SPDX-License-Identifier: Apache-2.0
"""Names that a test gives addresses to, for one program; and an address that does not answer."""

import contextlib
import pathlib
import re
import socket
import subprocess

SOURCE = pathlib.Path(__file__).with_name("names.c")


class Names:
    """names.environment() makes a program resolve by `names.set(...)`, which may be called again while it runs."""

    def __init__(self, folder):
        self._library, self._file = folder / "names.so", folder / "names"
        subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", self._library, SOURCE, "-ldl"], check=True)
        self.set()

    def set(self, **addresses):
        """set(db=["::1", "127.0.0.1"], other=[]): db.test has two addresses, a look-up of other.test hangs."""
        new = self._file.with_suffix(".new")
        new.write_text("".join(f"{name}.test {' '.join(found)}\n" for name, found in addresses.items()))
        new.rename(self._file)

    def environment(self):
        return {"LD_PRELOAD": str(self._library), "TEST_NAMES": str(self._file)}


def at(url, name):
    """The same URL, at name.test."""
    return re.sub(r"127\.0\.0\.1|localhost", f"{name}.test", url, count=1)


@contextlib.contextmanager
def silent(address, port):
    """On that address and port nothing is refused and nothing answers: its queue of connections is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((address, port))
        yield
