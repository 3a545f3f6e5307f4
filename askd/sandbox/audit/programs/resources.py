"""Programs that use more than their share."""

from askd.sandbox.audit.case import Case
from askd.sandbox.program import StdioTests

TIME = "it runs past the time limit"
MEMORY = "more memory is resident than the limit"
DISK = "the scratch folder grows past its limit"
FLOOD = "the harness keeps all output, or blocks"
SCRIPT = StdioTests(("1 2\n",), ("3\n",))
LONG = StdioTests((f"{'9' * 300_000}\n",), ("300000\n",))
LINES = StdioTests(("12345\n" * 50_000,), (f"{12345 * 50_000}\n",))
HIDE = "if n == 0:\n    os.mkdir('hidden', 0o300)\n    os.chdir('hidden')"
FILE_OF_16_MIB = (
    "f = os.open(f'f{n}', os.O_CREAT | os.O_WRONLY)\n"
    "os.posix_fallocate(f, 0, 16 << 20)\n"
    "os.close(f)"
)


def _until_refused(body: str, imports: str = "os") -> str:
    """A program that repeats `body` until it is refused, and boasts if it never is."""
    lines = "".join(f"            {line}\n" for line in body.splitlines())
    return (
        f"import {imports}\n"
        "keep = []\n"
        "def add(a, b):\n"
        "    try:\n"
        "        for n in range(100_000):\n"
        f"{lines}"
        "        print('ESCAPED no limit')\n"
        "        return a + b\n"
        "    except (OSError, MemoryError, RuntimeError):\n"
        "        keep.clear()\n"
    )


def _past_limit(body: str, times: int, imports: str = "os") -> str:
    """A program that does `body` more often than it may, lets whoever looks after the limits do
    so, and boasts if it is still there."""
    lines = "".join(f"            {line}\n" for line in body.splitlines())
    return (
        f"import {imports}, time\n"
        "keep = []\n"
        "def add(a, b):\n"
        "    try:\n"
        f"        for n in range({times}):\n"
        f"{lines}"
        "        time.sleep(0.3)\n"
        "        print('ESCAPED no limit')\n"
        "        return a + b\n"
        "    except (OSError, MemoryError, RuntimeError):\n"
        "        return None\n"
    )


CASES = [
    # Into a time limit.
    Case("resource_loop_import", "while True: pass\ndef add(a, b): return a + b\n", "fail", TIME),
    Case("resource_loop_call", "def add(a, b):\n    while True: pass\n", "fail", TIME),
    Case(
        "resource_loop_regex",
        "import re\ndef add(a, b):\n    re.match('(a*)*b', 'a' * 99)\n",
        "fail",
        TIME,
    ),
    Case("resource_loop_power", "def add(a, b):\n    9 ** 9 ** 9\n", "fail", TIME),
    Case("resource_sleep", "import time\ndef add(a, b):\n    time.sleep(1e6)\n", "fail", TIME),
    Case(
        "resource_sleep_again",
        "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ndef add(a, b):\n"
        "    while True:\n        try:\n            time.sleep(9)\n        except BaseException:\n"
        "            pass\n",
        "fail",
        TIME,
    ),
    Case(
        "resource_wait_for_nothing",
        "import threading\ndef add(a, b):\n    threading.Event().wait()\n",
        "fail",
        TIME,
    ),
    Case(
        "resource_read_for_ever",
        "import os\ndef add(a, b):\n    r, w = os.pipe()\n    os.read(r, 1)\n",
        "fail",
        TIME,
    ),
    Case(
        "resource_steal_question",
        "import os\ndef add(a, b):\n    os.read(4, 1)\n    return None\n",
        "fail",
        TIME,
    ),
    Case(
        "resource_script_sleep",
        "import time\nprint(3, flush=True)\ntime.sleep(1e6)\n",
        "fail",
        TIME,
        SCRIPT,
    ),
    Case(
        "resource_script_thread",
        "import threading, time\nprint(3, flush=True)\n"
        "threading.Thread(target=time.sleep, args=(1e6,)).start()\n",
        "fail",
        TIME,
        SCRIPT,
    ),
    # Memory.
    Case(
        "resource_bytes",
        _until_refused("keep.append(bytearray(b'x') * (16 << 20))"),
        "fail",
        MEMORY,
    ),
    Case("resource_list", _until_refused("keep.append([n] * 1_000_000)"), "fail", MEMORY),
    Case(
        "resource_text",
        "def add(a, b):\n    return len('x' * (1 << 33)) and None\n",
        "fail",
        MEMORY,
    ),
    Case(
        "resource_map",
        _until_refused(
            "m = mmap.mmap(-1, 16 << 20)\nm.write(b'x' * (16 << 20))\nkeep.append(m)", "mmap"
        ),
        "fail",
        MEMORY,
    ),
    Case(
        "resource_map_shared",
        _until_refused(
            "m = mmap.mmap(-1, 16 << 20, flags=mmap.MAP_SHARED)\nm.write(b'x' * (16 << 20))\nkeep.append(m)",
            "mmap",
        ),
        "fail",
        MEMORY,
    ),
    Case(
        "resource_malloc",
        _until_refused(
            "if not ctypes.CDLL(None).calloc(1 << 20, 64): raise MemoryError\nkeep.append(n)",
            "ctypes",
        ),
        "fail",
        MEMORY,
    ),
    Case(
        "resource_memory_file", _until_refused("keep.append(os.memfd_create('x'))"), "fail", MEMORY
    ),
    Case(
        "resource_shared_segments",
        _until_refused(
            "if ctypes.CDLL(None).shmget(0, 1 << 24, 0o1600) < 0: raise OSError", "ctypes"
        ),
        "fail",
        MEMORY,
    ),
    Case(
        "resource_locked",
        _until_refused("if ctypes.CDLL(None).mlockall(3): raise OSError", "ctypes"),
        "fail",
        MEMORY,
    ),
    Case(
        "resource_threads",
        _until_refused(
            "t = threading.Thread(target=time.sleep, args=(0.3,))\nt.start()\nkeep.append(t)",
            "threading, time",
        ),
        "fail",
        "threads without number",
    ),
    Case(
        "resource_past_threads",
        _past_limit(
            "threading.stack_size(32768)\n"
            "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
            1000,
            "threading",
        ),
        "fail",
        "threads without number",
    ),
    # Disk and descriptors.
    Case(
        "resource_large_file",
        _until_refused(
            "keep or keep.append(open('f', 'wb', 0))\n"
            "if keep[0].write(bytes(1 << 20)) < 1 << 20: raise OSError"
        ),
        "fail",
        DISK,
    ),
    Case("resource_files", _until_refused("open(f'f{n}', 'w').write('x' * 4096)"), "fail", DISK),
    Case("resource_folders", _until_refused("os.mkdir(f'd{n}')"), "fail", DISK),
    Case("resource_deep_folders", _until_refused("os.mkdir('d')\nos.chdir('d')"), "fail", DISK),
    Case(
        "resource_closed_folders",
        "import os\ndef add(a, b):\n    for n in range(9):\n        os.mkdir(f'd{n}', 0)\n",
        "fail",
        "a folder stays behind",
    ),
    Case(
        "resource_past_files",
        _past_limit("os.close(os.open(f'f{n}', os.O_CREAT | os.O_WRONLY))", 6000),
        "fail",
        DISK,
    ),
    Case("resource_past_bytes", _past_limit(FILE_OF_16_MIB, 6), "fail", DISK),
    # A folder in which one may work, but that nobody may list.
    Case(
        "resource_past_files_hidden",
        _past_limit(f"{HIDE}\nos.close(os.open(f'f{{n}}', os.O_CREAT | os.O_WRONLY))", 6000),
        "fail",
        DISK,
    ),
    Case("resource_past_bytes_hidden", _past_limit(f"{HIDE}\n{FILE_OF_16_MIB}", 6), "fail", DISK),
    # Removed, but open or mapped.
    Case(
        "resource_past_bytes_unlinked",
        _past_limit(
            "f = os.open('f', os.O_CREAT | os.O_WRONLY)\n"
            "os.posix_fallocate(f, 0, 15 << 20)\n"
            "os.unlink('f')\n"
            "keep.append(f)",
            6,
        ),
        "fail",
        DISK,
    ),
    Case(
        "resource_past_bytes_mapped",
        _past_limit(
            "with open('f', 'w+b') as f:\n"
            "    os.posix_fallocate(f.fileno(), 0, 15 << 20)\n"
            "    keep.append(mmap.mmap(f.fileno(), 4096))\n"
            "os.unlink('f')",
            6,
            "mmap, os",
        ),
        "fail",
        DISK,
    ),
    Case(
        "resource_sparse_file",
        "def add(a, b):\n    try:\n        open('f', 'wb').truncate(1 << 50)\n"
        "        print('ESCAPED size')\n    except OSError:\n        pass\n",
        "fail",
        DISK,
    ),
    Case(
        "resource_open_files",
        _until_refused("keep.append(open('f', 'w'))"),
        "fail",
        "descriptors without number",
    ),
    Case(
        "resource_past_descriptors",
        _past_limit("keep.append(os.dup(0))", 500),
        "fail",
        "descriptors without number",
    ),
    Case(
        "resource_pipes",
        _until_refused("keep.append(os.pipe())"),
        "fail",
        "descriptors without number",
    ),
    Case(
        "resource_socket_pairs",
        _until_refused("keep.append(socket.socketpair())", "socket"),
        "fail",
        "descriptors without number",
    ),
    # Output.
    Case(
        "resource_flood",
        "import os\ndef add(a, b):\n    for _ in range(2000):\n        os.write(1, b'x' * 65536)\n",
        "fail",
        FLOOD,
    ),
    Case(
        "resource_flood_errors",
        "import os\ndef add(a, b):\n    for _ in range(2000):\n        os.write(2, b'x' * 65536)\n",
        "fail",
        FLOOD,
    ),
    Case("resource_script_flood", "while True: print('x' * 4096)\n", "fail", FLOOD, SCRIPT),
    Case("resource_script_padded", "print(3, '\\n' * 999_999)\n", "fail", FLOOD, SCRIPT),
    Case("resource_script_long_input", "print(len(input()))\n", "pass", "verdict failed", LONG),
    Case(
        "resource_exception_text",
        "def add(a, b):\n    raise ValueError('x' * (64 << 20))\n",
        "fail",
        FLOOD,
    ),
    Case(
        "resource_exception_words",
        "class E(Exception):\n    def __str__(self): raise E\n    __repr__ = __str__\n"
        "def add(a, b):\n    raise E\n",
        "fail",
        "the harness breaks",
    ),
    # Results.
    Case("resource_large_result", "def add(a, b):\n    return 'x' * (100 << 20)\n", "fail", MEMORY),
    Case(
        "resource_endless_result",
        "import itertools\ndef add(a, b):\n    return (n for n in itertools.count())\n",
        "fail",
        TIME,
    ),
    Case(
        "resource_cyclic_result",
        "def add(a, b):\n    x = []\n    x.append(x)\n    return x\n",
        "fail",
        "the harness breaks",
    ),
    Case(
        "resource_deep_result",
        "def add(a, b):\n    x = []\n    for _ in range(10**5): x = [x]\n    return x\n",
        "fail",
        "the harness breaks",
    ),
    Case(
        "resource_many_handles",
        "def add(a, b):\n    return [object() for _ in range(10**6)]\n",
        "fail",
        MEMORY,
    ),
    Case("resource_huge_integer", "def add(a, b):\n    return 1 << (1 << 26)\n", "fail", MEMORY),
    Case("resource_range", "def add(a, b):\n    return range(10**12)\n", "fail", MEMORY),
    Case(
        "resource_recursion", "def add(a, b):\n    return add(b, a)\n", "fail", "the harness breaks"
    ),
    Case(
        "resource_recursion_limit",
        "import sys\nsys.setrecursionlimit(10**9)\ndef add(a, b):\n    return add(b, a)\n",
        "fail",
        "the harness breaks",
    ),
    # Alarms and the collector.
    Case(
        "resource_alarm_storm",
        r"""
import signal
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
def add(a, b):
    return None
""",
        "fail",
        "the harness breaks",
    ),
    Case(
        "resource_alarm_raises",
        r"""
import signal, time
def late(*_):
    raise SystemExit(0)
signal.signal(signal.SIGALRM, late)
def add(a, b):
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    return None
""",
        "fail",
        "the end counts as a pass",
    ),
    Case(
        "resource_collector",
        r"""
import gc
keep = []
gc.callbacks.append(lambda *_: keep.append(bytearray(b"x") * (8 << 20)))
def add(a, b):
    for _ in range(100):
        gc.collect()
    keep.clear()
    gc.callbacks.clear()
""",
        "fail",
        MEMORY,
    ),
    Case(
        "resource_come_back",
        r"""
keep = []
class Back:
    def __del__(self):
        keep.append([self, bytearray(b"x") * (8 << 20)])
def add(a, b):
    for _ in range(100):
        Back()
    keep.clear()
""",
        "fail",
        MEMORY,
    ),
    # Memory, once more.
    Case(
        "resource_stacks",
        _until_refused(
            "threading.stack_size(64 << 20)\n"
            "t = threading.Thread(target=time.sleep, args=(0.3,))\nt.start()\nkeep.append(t)",
            "threading, time",
        ),
        "fail",
        MEMORY,
    ),
    Case(
        "resource_memory_refused_but_right",
        r"""
def add(a, b):
    for size in (1 << 34, 1 << 40, 1 << 62):
        try:
            bytearray(size)
            print("ESCAPED memory")
        except (MemoryError, OverflowError):
            pass
    return a + b
""",
        "pass",
        "the verdict is that of a wrong program",
    ),
    Case(
        "resource_long_source",
        f"def add(a, b):\n    return a + b\n# {'x' * (5 << 20)}\n",
        "fail",
        "the harness breaks",
    ),
    # Of buffers in the kernel.
    Case(
        "resource_full_pipes",
        _until_refused(
            "r, w = os.pipe()\nos.set_blocking(w, False)\nkeep.append(os.write(w, bytes(1 << 20)))"
        ),
        "fail",
        MEMORY,
    ),
    Case(
        "resource_full_pairs",
        _until_refused(
            "s, t = socket.socketpair()\n"
            "s.setblocking(False)\n"
            "keep.append((s, t, os.write(s.fileno(), bytes(1 << 22))))",
            "os, socket",
        ),
        "fail",
        MEMORY,
    ),
    # Output.
    Case(
        "resource_flood_print",
        "def add(a, b):\n    for _ in range(100):\n        print('x' * 1_000_000)\n",
        "fail",
        FLOOD,
    ),
    Case(
        "resource_flood_channel",
        r"""
import os
def add(a, b):
    os.set_blocking(4, False)
    try:
        for _ in range(100_000):
            os.write(4, b"\0\0\0\2{}" * 1000)
    except OSError:
        os.set_blocking(4, True)
""",
        "fail",
        "the harness breaks, or believes an answer",
    ),
    Case(
        "resource_script_flood_errors",
        r"""
import os
for _ in range(500):
    os.write(2, b"x" * 65536)
print(sum(map(int, input().split())))
""",
        "pass",
        FLOOD,
        SCRIPT,
    ),
    Case(
        "resource_script_lines",
        "import sys\nprint(sum(map(int, sys.stdin)))\n",
        "pass",
        "verdict failed",
        LINES,
    ),
]
