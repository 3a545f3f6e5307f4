"""Programs that look for the tests, and answer from them."""

from askd.sandbox.audit.case import Case

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
]
