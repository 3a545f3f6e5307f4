"""Gives up what a process could do, for good: files, limits, capabilities, system calls.

Linux only. By ctypes, since it runs in a bare interpreter without packages.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct

_libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID = 0x20000, 0x8000000, 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION_3 = 0x20080522

# The numbers of these calls are the same on all architectures.
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
RULE_PATH_BENEATH = 1
WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE = 1 << 4, 1 << 5
MAKE_DIR, MAKE_REG, MAKE_SYM = 1 << 7, 1 << 8, 1 << 12
REFER, TRUNCATE = 1 << 13, 1 << 14
READ = READ_FILE | READ_DIR
WRITE = WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER | TRUNCATE
OF_A_FILE = READ_FILE | WRITE_FILE | TRUNCATE


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def landlock_version() -> int:
    """The kernel's version of Landlock; raises OSError where there is none."""
    return _check(_libc.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1), "Landlock")


def landlock_rules(readable: list[tuple[str, bool]], writable: list[str]) -> int:
    """The descriptor of a set of rules: folders below `readable` may be listed, and their files be
    read where the second value says so; files and folders below `writable` also be changed. No TCP,
    no abstract sockets, no signals to processes outside."""
    version = landlock_version()
    files = (1 << 13) - 1  # all of version 1
    files |= (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    files |= 1 << 15 if version >= 5 else 0  # calls on devices
    fields = [files]
    if version >= 4:
        fields.append(0b11)  # binding and connecting TCP
    if version >= 6:
        fields.append(0b11)  # abstract sockets, signals
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    rules = _check(
        _libc.syscall(
            LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0)
        ),
        "Landlock",
    )
    for path, with_files in readable:
        _allow(rules, path, READ if with_files else READ_DIR)
    for path in writable:
        _allow(rules, path, (READ | WRITE) & files)
    return rules


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            rights &= OF_A_FILE
        rule = struct.pack("=Qi", rights, descriptor)
        _check(
            _libc.syscall(LANDLOCK_ADD_RULE, rules, RULE_PATH_BENEATH, rule, ctypes.c_uint(0)),
            f"Landlock {path}",
        )
    finally:
        os.close(descriptor)


def new_namespaces() -> None:
    """Processes to come, mounts and System V objects of one's own."""
    _check(_libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID), "unshare")


def mount_scratch(path: str, size: int, files: int) -> None:
    """An empty folder in memory over `path`."""
    options = f"size={size},nr_inodes={files},mode=700".encode()
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    _check(_libc.mount(b"tmpfs", path.encode(), b"tmpfs", flags, options), "mount")


def end_with_parent() -> None:
    """Be killed when the process that forked this one ends."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def drop_capabilities() -> None:
    """All of them."""
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, bytes(24)), "capset")


def limit(limits: dict, count_threads: bool) -> None:
    """Set the resource limits; a breach of the CPU limit kills."""
    values = {
        resource.RLIMIT_AS: limits["memory_mib"] << 20,
        resource.RLIMIT_CPU: limits["cpu_seconds"],
        resource.RLIMIT_FSIZE: limits["file_mib"] << 20,
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_STACK: 64 << 20,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: 64,
    }
    if count_threads:
        values[resource.RLIMIT_NPROC] = limits["threads"]
    for name, value in values.items():
        hard = resource.getrlimit(name)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(name, (value, value))


def lock(rules: int, filter_program: bytes) -> None:
    """Enter the Landlock rules and the seccomp filter. There is no way back."""
    _check(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    _check(_libc.syscall(LANDLOCK_RESTRICT_SELF, rules, ctypes.c_uint(0)), "Landlock")
    os.close(rules)
    buffer = ctypes.create_string_buffer(filter_program, len(filter_program))
    # struct sock_fprog: the number of instructions of 8 bytes, and their address.
    header = struct.pack("@HP", len(filter_program) // 8, ctypes.addressof(buffer))
    _check(_libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0), "seccomp")
