"""What a confined program must neither read, reach nor change, and whether one did."""

from __future__ import annotations

import os
import secrets
import selectors
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path

from askd.sandbox import tiers

ESCAPED = "ESCAPED"
VARIABLE = "ASKD_CANARY"


class Canary:
    """A secret in a file and in the environment, and sockets that listen.

    In a source, `@FOLDER@` is the folder of the secret, `@SECRET_FILE@` the file, `@VARIABLE@` the
    variable, `@PORT@` a TCP port on 127.0.0.1, `@PORT6@` one on ::1 (0 without IPv6), `@UDP@` a UDP
    port, `@SOCKET@` the path of a Unix socket, `@ABSTRACT@` the name of an abstract one,
    `@DATAGRAMS@` of one for datagrams, `@PID@` this process.
    """

    def __init__(self):
        self.secret = secrets.token_hex(16)
        self._stack = ExitStack()
        self._selector = self._stack.enter_context(selectors.DefaultSelector())

    def __enter__(self) -> Canary:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        # Readable and, for others, writable: only the sandbox is in the way.
        self.folder.chmod(0o777)
        self.file = self.folder / "secret.txt"
        self.file.write_text(self.secret, encoding="utf-8")
        self.file.chmod(0o666)
        os.environ[VARIABLE] = self.secret
        self._stack.callback(os.environ.pop, VARIABLE)
        tcp = self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        udp = self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        try:
            tcp6 = self._listen(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)).getsockname()[1]
        except OSError:  # a machine without IPv6
            tcp6 = 0
        path = str(self.folder / "socket")
        self._listen(socket.AF_UNIX, socket.SOCK_STREAM, path)
        os.chmod(path, 0o777)
        # Were they root's, nobody could change their modes and times even without a sandbox.
        if user := tiers.user():
            for owned in (self.folder, self.file, path):
                os.chown(owned, user["user"], user["group"])
        abstract = f"askd-{secrets.token_hex(4)}"
        self._listen(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{abstract}")
        self._listen(socket.AF_UNIX, socket.SOCK_DGRAM, f"\0{abstract}-datagrams")
        self._words = {
            "@FOLDER@": str(self.folder),
            "@SECRET_FILE@": str(self.file),
            "@VARIABLE@": VARIABLE,
            "@PORT@": str(tcp.getsockname()[1]),
            "@PORT6@": str(tcp6),
            "@UDP@": str(udp.getsockname()[1]),
            "@SOCKET@": path,
            "@ABSTRACT@": abstract,
            "@DATAGRAMS@": f"{abstract}-datagrams",
            "@PID@": str(os.getpid()),
        }
        library = Path(os.__file__).parent
        self._watched = [self.folder, library, library / "site-packages"]
        self._watched += [Path(path) for path in tiers.interpreter().hidden]
        self._before = self._state()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def fill(self, source: str | bytes) -> str | bytes:
        """`source` with the words between at-signs replaced."""
        for word, value in self._words.items():
            source = (
                source.replace(word.encode(), value.encode())
                if isinstance(source, bytes)
                else source.replace(word, value)
            )
        return source

    def damage(self, text: str = "") -> list[str]:
        """What happened since the last call, and what `text`, a program's output, gives away."""
        found = [f"something reached the {key.data}" for key in self._reached()]
        after = self._state()
        if after != self._before:
            changed = sorted(set(after.items()) ^ set(self._before.items()))
            found.append(f"files changed: {', '.join(sorted({path for path, _ in changed}))}")
            self._before = after
        if self.secret in text:
            found.append("the secret is in the output")
        if ESCAPED in text:
            line = next(line for line in text.splitlines() if ESCAPED in line)
            found.append(f"the program says {line.strip()[:200]!r}")
        return found

    def _listen(self, family: int, kind: int, address: object) -> socket.socket:
        server = self._stack.enter_context(socket.socket(family, kind))
        server.bind(address)
        if kind == socket.SOCK_STREAM:
            server.listen(16)
        server.setblocking(False)
        self._selector.register(server, selectors.EVENT_READ, f"socket {address!r}")
        return server

    def _reached(self) -> list[selectors.SelectorKey]:
        keys = [key for key, _ in self._selector.select(0)]
        for key in keys:
            if key.fileobj.type == socket.SOCK_STREAM:
                key.fileobj.accept()[0].close()
            else:
                key.fileobj.recv(65536)
        return keys

    def _state(self) -> dict[str, tuple]:
        """Name, mode, size and time of change of what must not change."""
        state = {}
        for folder in self._watched:
            if os.access(folder, os.R_OK | os.X_OK):
                for entry in os.scandir(folder):
                    status = entry.stat(follow_symlinks=False)
                    known = (status.st_mode, status.st_size, status.st_mtime_ns)
                    # Python itself keeps compiled modules in there.
                    state[entry.path] = () if entry.name == "__pycache__" else known
        return state
