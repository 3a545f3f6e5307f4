"""Programs that break their own interpreter."""

from askd.sandbox.audit.case import Case
from askd.sandbox.program import StdioTests

BREAKS = "the harness breaks, or the end counts as a pass"
SCRIPT = StdioTests(("1 2\n", "3 4\n"), ("3\n", "7\n"))


def _in_call(body: str, imports: str) -> str:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"import {imports}\ndef add(a, b):\n{lines}    return None\n"


CASES = [
    Case("crash_null", _in_call("ctypes.string_at(0)", "ctypes"), "fail", BREAKS),
    Case("crash_on_import", "import ctypes\nctypes.string_at(0)\n", "fail", BREAKS),
    Case("crash_write", _in_call("ctypes.memset(id(None), 0, 64)", "ctypes"), "fail", BREAKS),
    Case("crash_abort", _in_call("os.abort()", "os"), "fail", BREAKS),
    Case(
        "crash_bytecode",
        "def add(a, b):\n    exec(add.__code__.replace(co_code=bytes(range(2, 250)) * 2))\n",
        "fail",
        BREAKS,
    ),
    Case("crash_signal", _in_call("signal.raise_signal(signal.SIGSEGV)", "signal"), "fail", BREAKS),
    Case("crash_alarm", _in_call("signal.alarm(1)\ntime.sleep(5)", "signal, time"), "fail", BREAKS),
    Case("crash_close_all", _in_call("os.closerange(0, 256)", "os"), "fail", BREAKS),
    Case("crash_close_channel", _in_call("os.close(4)", "os"), "fail", BREAKS),
    Case("crash_replace_channel", _in_call("os.dup2(1, 4)", "os"), "fail", BREAKS),
    Case(
        "crash_no_streams",
        "import sys\ndel sys.stdout, sys.stderr\ndef add(a, b):\n    return None\n",
        "fail",
        BREAKS,
    ),
    Case(
        "crash_odd_streams",
        "import sys\nsys.stdout = sys.stderr = 3\ndef add(a, b):\n    return None\n",
        "fail",
        BREAKS,
    ),
    Case(
        "crash_finalizer",
        "class D:\n    def __del__(self): raise SystemExit(0)\ndef add(a, b):\n    D()\n",
        "fail",
        BREAKS,
    ),
    Case("crash_shut_down", _in_call("ctypes.pythonapi.Py_FinalizeEx()", "ctypes"), "fail", BREAKS),
    Case("crash_no_builtins", "import builtins\nvars(builtins).clear()\n", "fail", BREAKS),
    Case(
        "crash_no_modules",
        "import sys\nsys.modules.clear()\ndef add(a, b):\n    return None\n",
        "fail",
        BREAKS,
    ),
    Case(
        "crash_unmap",
        _in_call("ctypes.CDLL(None).munmap(id(add) & ~4095, 1 << 30)", "ctypes"),
        "fail",
        BREAKS,
    ),
    Case(
        "crash_stack",
        _in_call(
            "for _ in range(10**6): x = functools.partial(x or add)\nrepr(x)", "functools"
        ).replace("    for _", "    x = None\n    for _"),
        "fail",
        BREAKS,
    ),
    Case(
        "crash_script_after_answer",
        "import ctypes\nprint(sum(map(int, input().split())), flush=True)\nctypes.string_at(0)\n",
        "fail",
        "a right answer before a crash passes",
        SCRIPT,
    ),
    Case(
        "crash_script_error_after_answer",
        "print(sum(map(int, input().split())))\n1 / 0\n",
        "fail",
        "a right answer before an exception passes",
        SCRIPT,
    ),
    Case(
        "crash_kill",
        _in_call("os.kill(os.getpid(), signal.SIGSEGV)", "os, signal"),
        "fail",
        BREAKS,
    ),
    Case(
        "crash_counts",
        _in_call("ctypes.c_ssize_t.from_address(id(None)).value = 1", "ctypes"),
        "fail",
        BREAKS,
    ),
    Case(
        "crash_stack_of_c",
        _in_call("faulthandler.enable()\nfaulthandler._stack_overflow()", "faulthandler"),
        "fail",
        BREAKS,
    ),
    Case(
        "crash_fault_handler_exits",
        _in_call(
            "faulthandler.dump_traceback_later(0.05, exit=True)\ntime.sleep(1)",
            "faulthandler, time",
        ),
        "fail",
        BREAKS,
    ),
    Case(
        "crash_moved_descriptors",
        _in_call("for n in range(3, 16): os.dup2(0, n)", "os"),
        "fail",
        BREAKS,
    ),
    Case(
        "crash_interrupt_later",
        r"""
import threading, _thread
def late():
    for _ in range(1000):
        _thread.interrupt_main()
def add(a, b):
    threading.Thread(target=late).start()
    return None
""",
        "fail",
        BREAKS,
    ),
    Case(
        "crash_thread_exits",
        r"""
import sys, threading
def add(a, b):
    for error in (SystemExit(0), KeyboardInterrupt(), MemoryError()):
        def stop(error=error):
            raise error
        thread = threading.Thread(target=stop)
        thread.start()
        thread.join()
    return a + b
""",
        "pass",
        "the end of a thread counts as that of the program",
    ),
    Case(
        "crash_no_free",
        _in_call("ctypes.CDLL(None).free(ctypes.c_void_p(id(add)))", "ctypes"),
        "fail",
        BREAKS,
    ),
    Case(
        "crash_script_abort_after_answer",
        "import os\nprint(sum(map(int, input().split())), flush=True)\nos.abort()\n",
        "fail",
        "a right answer before a crash passes",
        SCRIPT,
    ),
    Case(
        "crash_script_shuts_down",
        "import ctypes\nprint(sum(map(int, input().split())), flush=True)\n"
        "ctypes.pythonapi.Py_FinalizeEx()\nctypes.string_at(0)\n",
        "fail",
        "a right answer before a crash passes",
        SCRIPT,
    ),
]
