"""The tiers of isolation: how the long-lived process of a worker is started in each.

`namespaces`: bubblewrap gives the process namespaces of its own (users, processes, network, mounts,
IPC, host name) in which only Python's library is visible; every program then gets namespaces and an
empty scratch folder of its own. `landlock`: no namespaces; Landlock rules hide the files. In both,
programs run under Landlock, an allow-list of system calls, and resource limits. Root becomes an
unprivileged user first.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from glob import glob
from pathlib import Path

from askd.sandbox import seccomp
from askd.sandbox.inside import candidate, channel, checker, confine, scratch, values, zygote
from askd.sandbox.result import SandboxRefused

TIERS = ("namespaces", "landlock")
NOBODY = 65534
# One order of sets for all; no address space that malloc sets aside for each thread.
ENVIRONMENT = {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1", "PYTHONHASHSEED": "0"}
# The modules of `inside`, under their own names, in an interpreter that has no askd.
BOOT = """
import json, sys, types
sys.path[:] = [path for path in sys.path if path]
with open(int(sys.argv[2]), encoding="utf-8") as file:
    payload = json.load(file)
for name, source in payload["modules"]:
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    exec(compile(source, f"<{name}>", "exec"), module.__dict__)
sys.modules["askd.sandbox.inside.zygote"].serve(int(sys.argv[1]), payload["setup"])
"""
DESCRIBE = """
import json, os, sys, sysconfig
print(json.dumps([sys.version.split()[0], sys.version_info >= (3, 10), sys.base_prefix,
                  sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"),
                  os.path.realpath(sys.executable)]))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that the sandbox's user can run, and what of the file system it needs.

    `hidden` are folders of installed packages within `readable`: a program can read none of their
    files. In tier `landlock` it can list their names.
    """

    path: str
    version: str
    readable: tuple[str, ...]
    hidden: tuple[str, ...]


def user() -> dict:
    """Arguments of `subprocess.Popen` that make root an unprivileged user.

    Empty for others, and for the root of a user namespace that has no second user: that one is an
    ordinary user outside, and its capabilities are dropped with everybody's.
    """
    if os.geteuid() != 0 or not all(_has(f"/proc/self/{kind}_map") for kind in ("uid", "gid")):
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def _has(map_of_numbers: str) -> bool:
    lines = Path(map_of_numbers).read_text(encoding="ascii").splitlines()
    ranges = [(int(line.split()[0]), int(line.split()[2])) for line in lines]
    return any(first <= NOBODY < first + count for first, count in ranges)


def check_kernel() -> None:
    """Raises SandboxRefused where the kernel has no Landlock, which both tiers need."""
    try:
        confine.landlock_version()
    except OSError as error:
        raise SandboxRefused(
            f"the kernel offers no Landlock ({error.strerror.rpartition(': ')[2]}); it takes Linux "
            "5.13 or newer with landlock in /sys/kernel/security/lsm"
        ) from error


@cache
def interpreter() -> Interpreter:
    """The interpreter of the sandbox: this one without its packages, or else the system's.

    Raises:
        SandboxRefused: the sandbox's user can run neither.
    """
    for path in (
        os.path.realpath(sys._base_executable),
        "/usr/bin/python3",
        "/usr/local/bin/python3",
    ):
        try:
            described = subprocess.run(
                [path, "-s", "-S", "-c", DESCRIBE],
                env=ENVIRONMENT,
                cwd="/",
                capture_output=True,
                check=True,
                timeout=30,
                **user(),
            )
        except (OSError, subprocess.SubprocessError):
            continue
        version, recent, prefix, *needed, executable = json.loads(described.stdout)
        if recent:
            folders = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo"]
            folders += needed if prefix == "/usr" else [f"{prefix}/lib", *needed]
            readable = [path for path in dict.fromkeys(folders) if os.path.isdir(path)]
            return Interpreter(
                path=executable,
                version=version,
                readable=tuple(path for path in readable if not _is_below(path, readable)),
                hidden=tuple(
                    path
                    for folder in readable
                    for pattern in ("*-packages", "*/*-packages")
                    for path in glob(f"{folder}/{pattern}")
                    if path.endswith(("/site-packages", "/dist-packages"))
                ),
            )
    raise SandboxRefused(
        "an unprivileged user can run no Python 3.10 or newer here; install one outside of /root "
        "(Debian, Ubuntu: apt install python3)"
    )


def _is_below(path: str, folders: list[str]) -> bool:
    return any(path != folder and path.startswith(f"{folder}/") for folder in folders)


def landlock_paths(python: Interpreter, tier: str = "landlock") -> list[tuple[str, bool]]:
    """Landlock can only allow: the readable folders, split where one has a hidden folder below. The
    second value says whether files may be read, or folders only listed.

    In tier `namespaces` something is mounted over the hidden folders, and nothing is split: each
    program makes the rules anew there, and 270 of them take a quarter of its time.
    """
    paths = [(python.path, True), ("/etc/ld.so.cache", True)]
    paths += [(f"/dev/{name}", True) for name in ("null", "zero", "urandom", "random")]
    hidden = {os.path.realpath(path) for path in python.hidden} if tier == "landlock" else set()

    def add(folder: str) -> None:
        if any(path.startswith(f"{folder}/") for path in hidden):
            paths.append((folder, False))
            for entry in os.scandir(folder):
                if entry.is_symlink() or entry.path in hidden:
                    continue
                if entry.is_dir():
                    add(entry.path)
                else:
                    paths.append((entry.path, True))
        else:
            paths.append((folder, True))

    for folder in dict.fromkeys(os.path.realpath(path) for path in python.readable):
        add(folder)
    return paths


def command(tier: str, python: Interpreter) -> list[str]:
    """The command that starts a worker's process in `tier`.

    Raises:
        SandboxRefused: bubblewrap is not installed.
    """
    start = [python.path, "-s", "-S", "-c", BOOT]
    if tier == "landlock":
        return start
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise SandboxRefused(
            "bubblewrap is not installed (Debian, Ubuntu: apt install bubblewrap; in a conda "
            "environment too)"
        )
    # The capability is one inside the new user namespace: it allows namespaces and a scratch
    # folder for each program, and every program drops it.
    words = [bubblewrap, "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000"]
    words += ["--cap-add", "CAP_SYS_ADMIN", "--as-pid-1", "--hostname", "sandbox"]
    for path in (*python.readable, python.path):
        words += ["--ro-bind", path, path]
    words += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    for name in ("null", "zero", "urandom", "random"):
        words += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for path in python.hidden:
        words += ["--tmpfs", path, "--remount-ro", path]
    return [*words, "--dir", "/tmp", "--remount-ro", "/", "--chdir", "/", *start]


@cache
def modules() -> list[tuple[str, str]]:
    """Names and sources of what runs inside, in the order of import."""
    parents = [("askd", ""), ("askd.sandbox", ""), ("askd.sandbox.inside", "")]
    return parents + [
        (module.__name__, Path(module.__file__).read_text(encoding="utf-8"))
        for module in (channel, values, confine, scratch, candidate, checker, zygote)
    ]


def versions(tier: str) -> dict:
    """What a tier stands on: kernel, its Landlock, libseccomp, bubblewrap, Python."""
    found = {
        "kernel": platform.release(),
        "landlock": confine.landlock_version(),
        "libseccomp": seccomp.version(),
        "python": interpreter().version,
    }
    if tier == "namespaces":
        output = subprocess.run(
            [shutil.which("bwrap"), "--version"], capture_output=True, text=True
        )
        found["bubblewrap"] = output.stdout.split()[-1]
    return found
