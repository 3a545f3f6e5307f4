"""Programs that try to start, reach or disturb processes."""

from askd.sandbox.audit.case import Case

START = "a process is started or outlives the verdict"
TOUCH = "another process is reached"


def _try(body: str, imports: str = "os") -> str:
    """A program that runs `body` and boasts if it got through."""
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return (
        f"import {imports}\n"
        "def add(a, b):\n"
        "    try:\n"
        f"{lines}"
        "        print('ESCAPED process')\n"
        "        return a + b\n"
        "    except Exception:\n"
        "        return None\n"
    )


def _syscall(number: int, *arguments: object) -> str:
    """A program that makes one system call (x86_64) and boasts if it works."""
    words = ", ".join(map(str, (number, *arguments)))
    return _try(f"if ctypes.CDLL(None).syscall({words}) < 0: raise OSError", "ctypes")


CASES = [
    Case("process_fork", _try("if os.fork() == 0: os._exit(0)"), "fail", START),
    Case(
        "process_fork_bomb",
        "import os\ndef add(a, b):\n    for _ in range(1000):\n        try:\n"
        "            os.fork()\n        except OSError:\n            pass\n",
        "fail",
        START,
    ),
    Case(
        "process_daemon",
        _try(
            "if os.fork() == 0:\n    os.setsid()\n    open('@FOLDER@/late', 'w')\n    os._exit(0)"
        ),
        "fail",
        START,
    ),
    Case("process_subprocess", _try("subprocess.run(['/bin/true'])", "subprocess"), "fail", START),
    Case("process_shell", _try("if os.system('true'): raise OSError"), "fail", START),
    Case("process_popen", _try("if not os.popen('echo x').read(): raise OSError"), "fail", START),
    Case("process_spawn", _try("os.posix_spawn('/bin/true', ['true'], {})"), "fail", START),
    Case("process_exec", _try("os.execv('/bin/true', ['true'])"), "fail", START),
    Case(
        "process_exec_self",
        _try("os.execv(sys.executable, ['python', '-c', ''])", "os, sys"),
        "fail",
        START,
    ),
    Case(
        "process_multiprocessing",
        _try("p = multiprocessing.Process(target=print)\np.start()", "multiprocessing"),
        "fail",
        START,
    ),
    Case(
        "process_pool",
        _try(
            "list(ProcessPoolExecutor(1).map(abs, [1]))\n",
            "os\nfrom concurrent.futures import ProcessPoolExecutor",
        ),
        "fail",
        START,
    ),
    Case("process_terminal", _try("pty.fork()", "pty"), "fail", START),
    Case("process_vfork", _syscall(58), "fail", START),
    Case("process_clone", _syscall(56, 17, 0, 0, 0, 0), "fail", START),
    Case("process_clone_namespace", _syscall(56, 0x10000000 | 17, 0, 0, 0, 0), "fail", START),
    Case("process_clone3", _syscall(435, "b'\\0' * 88", 88), "fail", START),
    Case("process_kill_parent", _try("os.kill(os.getppid() or 1, 9)"), "fail", TOUCH),
    Case("process_kill_harness", _try("os.kill(@PID@, 0)"), "fail", TOUCH),
    Case("process_kill_all", _try("os.kill(-1, 9)"), "fail", TOUCH),
    Case("process_kill_group", _try("os.killpg(0, 9)"), "fail", TOUCH),
    Case(
        "process_stop_self", _try("os.kill(os.getpid(), 19)"), "fail", "the harness waits for ever"
    ),
    Case("process_thread_signal", _syscall(234, "@PID@", "@PID@", 0), "fail", TOUCH),
    Case("process_queue_signal", _syscall(129, "@PID@", 0, "b'\\0' * 128"), "fail", TOUCH),
    Case("process_handle", _try("os.pidfd_open(@PID@)"), "fail", TOUCH),
    Case(
        "process_owner_of_signals",
        _try("r, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, @PID@)", "fcntl, os"),
        "fail",
        TOUCH,
    ),
    Case("process_trace", _syscall(101, 16, "@PID@", 0, 0), "fail", TOUCH),
    Case("process_trace_me", _syscall(101, 0, 0, 0, 0), "fail", TOUCH),
    Case("process_read_memory", _syscall(310, "@PID@", 0, 0, 0, 0, 0), "fail", TOUCH),
    Case("process_compare", _syscall(312, "@PID@", "@PID@", 1, 0, 0), "fail", TOUCH),
    Case("process_priority", _try("os.setpriority(os.PRIO_PROCESS, @PID@, 19)"), "fail", TOUCH),
    Case("process_see_priority", _try("os.getpriority(os.PRIO_PROCESS, @PID@)"), "fail", TOUCH),
    Case("process_affinity", _try("os.sched_setaffinity(@PID@, {0})"), "fail", TOUCH),
    Case("process_see_affinity", _try("os.sched_getaffinity(@PID@)"), "fail", TOUCH),
    Case(
        "process_limits",
        _try("resource.prlimit(@PID@, resource.RLIMIT_CPU)", "resource"),
        "fail",
        TOUCH,
    ),
    Case(
        "process_raise_limits",
        _try("resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))", "resource"),
        "fail",
        "a limit is raised",
    ),
    Case("process_group", _try("os.setpgid(0, 0)"), "fail", "it leaves its group"),
    Case("process_session", _try("os.setsid()"), "fail", "it leaves its group"),
    Case("process_see_session", _try("os.getsid(@PID@)"), "fail", TOUCH),
    Case("process_users", _try("os.setuid(0)"), "fail", "it becomes root"),
    Case("process_unshare", _syscall(272, 0x10000000), "fail", "new namespaces"),
    Case("process_mount_space", _syscall(272, 0x20000), "fail", "new namespaces"),
    Case("process_enter_space", _syscall(308, 3, 0), "fail", "other namespaces"),
    Case("process_keys", _syscall(250, 1, 0), "fail", "the keyring"),
    Case("process_bpf", _syscall(321, 0, "b'\\0' * 64", 64), "fail", "BPF"),
    Case("process_ring", _syscall(425, 1, "b'\\0' * 120"), "fail", "io_uring"),
    Case("process_faults", _syscall(323, 0), "fail", "userfaultfd"),
    Case("process_counters", _syscall(298, "b'\\0' * 112", 0, -1, -1, 0), "fail", "perf events"),
    Case("process_personality", _syscall(135, 0x0040000), "fail", "another personality"),
    Case("process_dumpable", _syscall(157, 4, 1, 0, 0, 0), "fail", "it can be traced"),
    Case("process_weaker_filter", _syscall(157, 22, 0, 0, 0, 0), "fail", "the filter"),
    Case("process_reboot", _syscall(169, 0, 0, 0), "fail", "reboot"),
    Case("process_hostname", _try("socket.sethostname('x')", "socket"), "fail", "the host name"),
    Case(
        "process_clock",
        _try("time.clock_settime(time.CLOCK_REALTIME, 0)", "time"),
        "fail",
        "the clock",
    ),
    Case(
        "process_32_bit",
        "import ctypes, mmap\ndef add(a, b):\n"
        "    code = mmap.mmap(-1, 4096, prot=7)\n"
        "    code.write(bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]))\n"
        "    f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))\n"
        "    if f() > 0:\n        print('ESCAPED 32-bit call')\n        return a + b\n",
        "fail",
        "a call of another architecture passes the filter",
    ),
    Case(
        "process_threads_go_on",
        "import threading\ndef spin():\n    while True: pass\ndef add(a, b):\n"
        "    threading.Thread(target=spin).start()\n    return a + b\n",
        "pass",
        "a thread outlives the verdict",
    ),
    Case(
        "process_blocks_signals",
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
        "def add(a, b):\n    return a + b\n",
        "pass",
        "it outlives the verdict",
    ),
]
