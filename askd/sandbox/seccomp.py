"""The system calls that a confined process may make, as a seccomp filter.

An allow-list: what CPython needs for computing, threads and files, and nothing else. Everything not
named here fails with EPERM: new processes, other programs, sockets, signals to anybody, namespaces,
mounts, tracing, keys, BPF, io_uring, memory that no limit counts (memfd, shared memory).

libseccomp compiles the list for the machine's architecture; calls of another one (32-bit, x32) kill
the process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import tempfile
from functools import cache

from askd.sandbox.result import SandboxRefused

FILES = """
    access chdir close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
    fallocate fchdir fdatasync flock fstat fstatfs fsync ftruncate getcwd getdents getdents64
    lseek lstat mkdir mkdirat newfstatat pread64 preadv pwrite64 pwritev read readlink
    readlinkat readv rename renameat renameat2 rmdir sendfile stat statfs statx symlink
    symlinkat umask unlink unlinkat write writev
"""
# Landlock does not cover these, so that they would reach any file of the user. They do nothing and
# say that they did: copying a file should work.
IGNORED = "chmod fchmod fchmodat fchmodat2"
# Likewise, for times that are given; setting them to now is refused, as `pathlib` then makes the
# file that it touches.
TIMES = {"futimesat": 2, "utime": 1, "utimensat": 2, "utimes": 1}
EXTENDED_ATTRIBUTES = "fgetxattr flistxattr getxattr lgetxattr listxattr llistxattr"
WAITING = """
    alarm epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd2
    futex futex_waitv getitimer gettimeofday nanosleep pause pipe pipe2 poll ppoll pselect6
    restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend
    rt_sigtimedwait select setitimer sigaltstack signalfd4 time timerfd_create timerfd_gettime
    timerfd_settime times
"""
OWN_PROCESS = """
    arch_prctl brk exit exit_group get_robust_list getcpu getegid geteuid getgid getgroups
    getpgrp getpid getppid getrandom getresgid getresuid getrlimit getrusage gettid getuid
    madvise membarrier mmap mprotect mremap munmap rseq sched_get_priority_max
    sched_get_priority_min sched_yield set_robust_list set_tid_address setrlimit sysinfo uname
"""
# Of pairs of sockets, which asyncio wakes itself up with. No socket can be named or connected.
SOCKET_PAIRS = "getpeername getsockname getsockopt recvfrom shutdown"

CLONE_THREAD = 0x10000
AF_UNIX = 1
PR_SET_NAME, PR_GET_NAME = 15, 16
# Terminal size and kind, bytes to read, close-on-exec, non-blocking.
IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# Duplicate, flags, locks, pipe size. Not F_SETOWN, which sends signals to any process.
FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)


@cache
def program() -> bytes:
    """The filter as a BPF program for this machine.

    Raises:
        SandboxRefused: the library libseccomp is missing or too old.
    """
    seccomp = _library()
    try:
        rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
        for name in " ".join((FILES, WAITING, OWN_PROCESS, SOCKET_PAIRS)).split():
            rules.add_rule(seccomp.ALLOW, name)
        _add_conditional_rules(seccomp, rules)
        with tempfile.TemporaryFile() as file:
            rules.export_bpf(file)
            file.seek(0)
            return file.read()
    except (OSError, ValueError, RuntimeError) as error:
        raise SandboxRefused(
            f"libseccomp refuses the filter ({error}); install libseccomp 2.5 or newer"
        ) from error


def version() -> str:
    """Version of libseccomp; the Python binding does not offer it."""
    function = ctypes.CDLL("libseccomp.so.2").seccomp_version
    function.restype = ctypes.POINTER(ctypes.c_uint * 3)
    return ".".join(map(str, function().contents))


def _library():
    """The binding of libseccomp; loading it fails where the C library is missing."""
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError) as error:
        raise SandboxRefused(
            f"libseccomp cannot be loaded ({error}); install it (Debian, Ubuntu: apt install "
            "libseccomp2) and the Python package pyseccomp"
        ) from error
    return pyseccomp


def _add_conditional_rules(seccomp, rules) -> None:
    """Calls that are allowed for some arguments only, or must fail in a way of their own."""

    def allow_if(name: str, argument: int, *values: int) -> None:
        for value in values:
            rules.add_rule(seccomp.ALLOW, name, seccomp.Arg(argument, seccomp.EQ, value))

    for name, argument in (("open", 1), ("openat", 2)):
        # Reading that truncates would get past the first versions of Landlock.
        for flags in (os.O_RDONLY, *(mode | cut for mode in (1, 2, 3) for cut in (0, os.O_TRUNC))):
            kind = seccomp.Arg(argument, seccomp.MASKED_EQ, os.O_ACCMODE | os.O_TRUNC, flags)
            rules.add_rule(seccomp.ALLOW, name, kind)
    for name in ("clock_getres", "clock_gettime", "clock_nanosleep"):
        # The clocks of other processes have negative numbers.
        rules.add_rule(seccomp.ALLOW, name, seccomp.Arg(0, seccomp.LT, 16))
    threads = seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_THREAD, CLONE_THREAD)
    rules.add_rule(seccomp.ALLOW, "clone", threads)
    # Its flags lie in memory, where no filter can read them; the C library then uses clone.
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    for name in ("prlimit64", "sched_getaffinity", "sched_getparam", "sched_getscheduler"):
        allow_if(name, 0, 0)  # of the process itself
    for name in ("getpgid", "getsid"):
        allow_if(name, 0, 0)
    allow_if("ioctl", 1, *IOCTLS)
    allow_if("fcntl", 1, *FCNTLS)
    allow_if("prctl", 0, PR_SET_NAME, PR_GET_NAME)
    allow_if("socketpair", 0, AF_UNIX)
    allow_if("sendto", 4, 0)  # to the other end, not to an address
    for name in IGNORED.split():
        rules.add_rule(seccomp.ERRNO(0), name)
    for name, argument in TIMES.items():
        rules.add_rule(seccomp.ERRNO(0), name, seccomp.Arg(argument, seccomp.NE, 0))
    for name in EXTENDED_ATTRIBUTES.split():
        rules.add_rule(seccomp.ERRNO(errno.ENOTSUP), name)  # as of a plain disk
