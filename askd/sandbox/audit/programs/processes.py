"""Programs that try to start, reach or disturb processes."""

from askd.sandbox.audit.case import Case, attempt
from askd.sandbox.program import StdioTests

START = "a process is started or outlives the verdict"
TOUCH = "another process is reached"
FILTER = "a call passes the filter"


def _syscall(number: int, *arguments: object) -> str:
    """A program that makes one system call (x86_64) and boasts if it works."""
    words = ", ".join(map(str, (number, *arguments)))
    return attempt(f"if ctypes.CDLL(None).syscall({words}) < 0: raise OSError", "ctypes")


CASES = [
    Case("process_fork", attempt("if os.fork() == 0: os._exit(0)"), "fail", START),
    Case(
        "process_fork_bomb",
        "import os\ndef add(a, b):\n    for _ in range(1000):\n        try:\n"
        "            os.fork()\n        except OSError:\n            pass\n",
        "fail",
        START,
    ),
    Case(
        "process_daemon",
        attempt(
            "if os.fork() == 0:\n    os.setsid()\n    open('@FOLDER@/late', 'w')\n    os._exit(0)"
        ),
        "fail",
        START,
    ),
    Case(
        "process_subprocess", attempt("subprocess.run(['/bin/true'])", "subprocess"), "fail", START
    ),
    Case("process_shell", attempt("if os.system('true'): raise OSError"), "fail", START),
    Case(
        "process_popen", attempt("if not os.popen('echo x').read(): raise OSError"), "fail", START
    ),
    Case("process_spawn", attempt("os.posix_spawn('/bin/true', ['true'], {})"), "fail", START),
    Case("process_exec", attempt("os.execv('/bin/true', ['true'])"), "fail", START),
    Case(
        "process_exec_self",
        attempt("os.execv(sys.executable, ['python', '-c', ''])", "os, sys"),
        "fail",
        START,
    ),
    Case(
        "process_multiprocessing",
        attempt("p = multiprocessing.Process(target=print)\np.start()", "multiprocessing"),
        "fail",
        START,
    ),
    Case(
        "process_pool",
        attempt(
            "list(ProcessPoolExecutor(1).map(abs, [1]))\n",
            "os\nfrom concurrent.futures import ProcessPoolExecutor",
        ),
        "fail",
        START,
    ),
    Case("process_terminal", attempt("pty.fork()", "pty"), "fail", START),
    Case("process_vfork", _syscall(58), "fail", START),
    Case("process_clone", _syscall(56, 17, 0, 0, 0, 0), "fail", START),
    Case("process_clone_namespace", _syscall(56, 0x10000000 | 17, 0, 0, 0, 0), "fail", START),
    Case("process_clone3", _syscall(435, "b'\\0' * 88", 88), "fail", START),
    Case("process_kill_parent", attempt("os.kill(os.getppid() or 1, 9)"), "fail", TOUCH),
    Case("process_kill_harness", attempt("os.kill(@PID@, 0)"), "fail", TOUCH),
    Case("process_kill_all", attempt("os.kill(-1, 9)"), "fail", TOUCH),
    Case("process_kill_group", attempt("os.killpg(0, 9)"), "fail", TOUCH),
    Case(
        "process_stop_self",
        attempt("os.kill(os.getpid(), 19)"),
        "fail",
        "the harness waits for ever",
    ),
    Case("process_thread_signal", _syscall(234, "@PID@", "@PID@", 0), "fail", TOUCH),
    Case(
        "process_queue_signal",
        _syscall(129, "@PID@", 0, "b'\\0' * 8 + b'\\xff' * 4 + b'\\0' * 116"),
        "fail",
        TOUCH,
    ),
    Case("process_handle", attempt("os.pidfd_open(@PID@)"), "fail", TOUCH),
    Case(
        "process_owner_of_signals",
        attempt("r, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, @PID@)", "fcntl, os"),
        "fail",
        TOUCH,
    ),
    Case("process_trace", _syscall(101, 16, "@PID@", 0, 0), "fail", TOUCH),
    Case("process_trace_me", _syscall(101, 0, 0, 0, 0), "fail", TOUCH),
    Case("process_read_memory", _syscall(310, "@PID@", 0, 0, 0, 0, 0), "fail", TOUCH),
    Case("process_compare", _syscall(312, "@PID@", "@PID@", 1, 0, 0), "fail", TOUCH),
    Case("process_priority", attempt("os.setpriority(os.PRIO_PROCESS, @PID@, 19)"), "fail", TOUCH),
    Case("process_see_priority", attempt("os.getpriority(os.PRIO_PROCESS, @PID@)"), "fail", TOUCH),
    Case("process_affinity", attempt("os.sched_setaffinity(@PID@, {0})"), "fail", TOUCH),
    Case("process_see_affinity", attempt("os.sched_getaffinity(@PID@)"), "fail", TOUCH),
    Case(
        "process_see_clock",
        attempt("time.clock_gettime((~@PID@ << 3) | 2)", "time"),
        "fail",
        TOUCH,
    ),
    Case(
        "process_limits",
        attempt("resource.prlimit(@PID@, resource.RLIMIT_CPU)", "resource"),
        "fail",
        TOUCH,
    ),
    Case(
        "process_raise_limits",
        attempt("resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))", "resource"),
        "fail",
        "a limit is raised",
    ),
    Case("process_group", attempt("os.setpgid(0, 0)"), "fail", "it leaves its group"),
    Case("process_session", attempt("os.setsid()"), "fail", "it leaves its group"),
    Case("process_see_session", attempt("os.getsid(@PID@)"), "fail", TOUCH),
    Case("process_users", attempt("os.setuid(0)"), "fail", "it becomes root"),
    Case("process_unshare", _syscall(272, 0x10000000), "fail", "new namespaces"),
    Case("process_mount_space", _syscall(272, 0x20000), "fail", "new namespaces"),
    Case("process_enter_space", _syscall(308, 3, 0), "fail", "other namespaces"),
    Case("process_keys", _syscall(250, 1, 0), "fail", "the keyring"),
    Case("process_bpf", _syscall(321, 0, "b'\\0' * 64", 64), "fail", "BPF"),
    Case("process_ring", _syscall(425, 1, "b'\\0' * 120"), "fail", "io_uring"),
    Case("process_faults", _syscall(323, 1), "fail", "userfaultfd"),
    Case(
        "process_counters",
        _syscall(298, "b'\\1\\0\\0\\0' + b'\\0' * 36 + b'\\x60' + b'\\0' * 71", 0, -1, -1, 0),
        "fail",
        "perf events",
    ),
    Case("process_personality", _syscall(135, 0x0040000), "fail", "another personality"),
    Case("process_dumpable", _syscall(157, 4, 1, 0, 0, 0), "fail", "it can be traced"),
    Case("process_weaker_filter", _syscall(317, 2, 0, "b'\\0' * 4"), "fail", "the filter"),
    Case("process_reboot", _syscall(169, 0, 0, 0), "fail", "reboot"),
    Case("process_hostname", attempt("socket.sethostname('x')", "socket"), "fail", "the host name"),
    Case(
        "process_clock",
        attempt("time.clock_settime(time.CLOCK_REALTIME, 0)", "time"),
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
    Case(
        "process_double_fork",
        attempt(
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    if os.fork() == 0:\n"
            "        time.sleep(1)\n"
            "        open('@FOLDER@/later', 'w')\n"
            "    os._exit(0)",
            "os, time",
        ),
        "fail",
        START,
    ),
    Case("process_kill_harness_at_once", attempt("os.kill(@PID@, 9)"), "fail", TOUCH),
    Case(
        "process_kill_self",
        "import os\ndef add(a, b):\n    os.kill(os.getpid(), 9)\n    return a + b\n",
        "fail",
        "a signal is sent",
    ),
    Case("process_write_memory", _syscall(311, "@PID@", 0, 0, 0, 0, 0), "fail", TOUCH),
    Case("process_seize", _syscall(101, 0x4206, "@PID@", 0, 0), "fail", TOUCH),
    Case("process_thread_list", _syscall(274, "@PID@", "b'\\0' * 8", "b'\\0' * 8"), "fail", TOUCH),
    Case("process_death_signal", _syscall(157, 1, 9, 0, 0, 0), "fail", "a signal for later"),
    Case("process_orphanage", _syscall(157, 36, 1, 0, 0, 0), "fail", "it adopts processes"),
    # Errors of other kinds mean that the filter let a call through: all arguments are wrong.
    Case(
        "process_calls_refused",
        r"""
import ctypes, errno
# By what they do: sockets, System V, programs and signals, tracing, users, scheduling, mounts,
# the machine, keys and namespaces, memory that no limit counts, the clock, new ways to do these.
CALLS = '''
    41 42 43 46 47 49 50 54 288 299 307
    29 30 31 64 65 66 71 220 240
    59 62 129 200 234 297 322 424 434 438 440 448
    101 310 311 312
    105 106 109 112 113 114 116 117 119 122 123 126
    141 142 144 203 251 252 314 315
    155 161 165 166 167 168 428 429 430 431 432 433 442
    103 153 154 163 169 170 171 172 173 175 176 246 313 320
    248 249 250 272 298 300 308 317 321 323
    149 151 319 325 447
    159 164 227 305
    86 133 206 209 222 237 238 256 259 265 279 303 304 425 426 427
'''
def add(a, b):
    libc = ctypes.CDLL(None, use_errno=True)
    passed = []
    for number in map(int, CALLS.split()):
        ctypes.set_errno(0)
        result = libc.syscall(number, *[ctypes.c_long(-1)] * 6)
        if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
            passed.append((number, result, ctypes.get_errno()))
    if passed:
        print("ESCAPED calls", passed)
        return a + b
""",
        "fail",
        FILTER,
    ),
    Case(
        "process_options_refused",
        r"""
import ctypes, errno
def add(a, b):
    libc = ctypes.CDLL(None, use_errno=True)
    passed = []
    def call(*words):
        ctypes.set_errno(0)
        result = libc.syscall(*[ctypes.c_long(word) for word in words])
        if result != -1 or ctypes.get_errno() != errno.EPERM:
            passed.append((words, result, ctypes.get_errno()))
    for option in {*range(1, 80), 0x59616D61, 0x41555856, 0x53564D41} - {15, 16}:
        call(157, option, -1, -1, -1, -1)
    # Owners of signals, leases, news of a folder, sizes of pipes, seals, hints.
    for command in (8, 9, 10, 11, 15, 16, 1024, 1025, 1026, 1031, 1033, 1034, 1036, 1038):
        call(72, 0, command, -1)
    # Of another process: limits, groups, sessions, schedulers.
    for number in (302, 121, 124, 143, 145, 204):
        call(number, @PID@, -1, -1, -1)
    # Owners of signals, words typed into a terminal.
    for request in (0x8901, 0x8902, 0x5452, 0x5410, 0x5412, 0x540E, 0x541C):
        call(16, 0, request, -1)
    if passed:
        print("ESCAPED options", passed)
        return a + b
""",
        "fail",
        FILTER,
    ),
    Case(
        "process_x32",
        attempt("if ctypes.CDLL(None).syscall(0x40000000 + 39) < 0: raise OSError", "ctypes"),
        "fail",
        "a call of another architecture passes the filter",
    ),
    Case(
        "process_machine_code",
        # mov eax, 57 (fork); syscall; ret: without the C library.
        r"""
import ctypes, mmap, os
def add(a, b):
    code = mmap.mmap(-1, 4096, prot=7)
    code.write(bytes([0xB8, 57, 0, 0, 0, 0x0F, 0x05, 0xC3]))
    fork = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    number = fork()
    if number == 0:
        os._exit(0)
    if number > 0:
        print("ESCAPED forked")
        return a + b
""",
        "fail",
        START,
    ),
    Case(
        "process_script",
        r"""
import subprocess
a, b = input().split()
print(subprocess.check_output(["/bin/sh", "-c", f"echo $(({a} + {b}))"]).decode())
""",
        "fail",
        START,
        StdioTests(("1 2\n",), ("3\n",)),
    ),
    Case(
        "process_refused_but_right",
        r"""
import os, subprocess
def add(a, b):
    for start in (os.fork, lambda: subprocess.run(["/bin/true"]), lambda: os.kill(@PID@, 0)):
        try:
            start()
            print("ESCAPED process")
        except OSError:
            pass
    return a + b
""",
        "pass",
        "the verdict is that of a wrong program",
    ),
    Case(
        "process_sleeps_deaf",
        r"""
import signal, time
def add(a, b):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    time.sleep(0.05)
    return a + b
""",
        "pass",
        "it outlives the verdict",
    ),
    Case(
        "process_good_threads",
        r"""
import queue, threading
from concurrent.futures import ThreadPoolExecutor
def add(a, b):
    results = queue.Queue()
    threads = [threading.Thread(target=results.put, args=(x,)) for x in (a, b)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(int, [results.get(), results.get()]))
""",
        "pass",
        "a good program fails",
    ),
]
