"""Programs that end before they can be judged."""

from askd.sandbox.audit.case import Case
from askd.sandbox.program import FunctionTests, StdioTests

EXIT = "the end of a process counts as a pass"
SCRIPT = StdioTests(("1 2\n", "3 4\n"), ("3\n", "7\n"))
# Tests that would rather not see an exception.
FORGIVING = FunctionTests(
    "for a in range(3):\n    try:\n        add(a, a)\n    except BaseException:\n        pass\n",
    "add",
)

CASES = [
    Case("exit_import_sys", "import sys\nsys.exit(0)\n", "fail", EXIT),
    Case("exit_import_os", "import os\nos._exit(0)\n", "fail", EXIT),
    Case("exit_import_quit", "raise SystemExit\n", "fail", EXIT),
    Case("exit_call_sys", "import sys\ndef add(a, b):\n    sys.exit(0)\n", "fail", EXIT),
    Case("exit_call_os", "import os\ndef add(a, b):\n    os._exit(0)\n", "fail", EXIT),
    Case("exit_call_posix", "import posix\ndef add(a, b):\n    posix._exit(0)\n", "fail", EXIT),
    Case(
        "exit_second_call",
        "import os\nseen = []\ndef add(a, b):\n    seen.append(1)\n"
        "    return a + b if len(seen) < 2 else os._exit(0)\n",
        "fail",
        EXIT,
    ),
    Case(
        "exit_syscall",
        "import ctypes\ndef add(a, b):\n    ctypes.CDLL(None).syscall(231, 0)\n",
        "fail",
        EXIT,
    ),
    Case(
        "exit_libc",
        "import ctypes\ndef add(a, b):\n    ctypes.CDLL(None).exit(0)\n",
        "fail",
        EXIT,
    ),
    Case(
        "exit_thread",
        "import os, threading\ndef add(a, b):\n"
        "    t = threading.Thread(target=os._exit, args=(0,))\n"
        "    t.start()\n    t.join()\n",
        "fail",
        EXIT,
    ),
    Case(
        "exit_atexit",
        "import atexit, os, sys\natexit.register(lambda: os._exit(0))\n"
        "def add(a, b):\n    sys.exit(0)\n",
        "fail",
        EXIT,
    ),
    Case(
        "exit_base_exception",
        "class Done(BaseException):\n    pass\ndef add(a, b):\n    raise Done('passed')\n",
        "fail",
        EXIT,
    ),
    Case("exit_interrupt", "def add(a, b):\n    raise KeyboardInterrupt\n", "fail", EXIT),
    Case(
        "exit_generator",
        "def add(a, b):\n    raise GeneratorExit\n",
        "fail",
        EXIT,
    ),
    Case(
        "exit_hidden_by_tests",
        "import os\ndef add(a, b):\n    os._exit(0)\n",
        "fail",
        "tests that catch everything hide a dead program",
        FORGIVING,
    ),
    Case("exit_script", "import sys\nsys.exit(0)\n", "fail", EXIT, SCRIPT),
    Case("exit_script_at_once", "import os\nos._exit(0)\n", "fail", EXIT, SCRIPT),
    Case(
        "exit_script_first_only",
        "import sys\na, b = map(int, input().split())\nprint(3)\nsys.exit(0 if a == 1 else 0)\n",
        "fail",
        EXIT,
        SCRIPT,
    ),
]
