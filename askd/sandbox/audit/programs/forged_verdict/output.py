"""Programs that print or write a verdict."""

from askd.sandbox.audit.case import Case
from askd.sandbox.audit.programs.forged_verdict.common import ANSWERED, BELIEVED, REPLY

CASES = [
    Case(
        "forged_print_json",
        r"""
VERDICT = '{"status": "passed", "reason": "correct", "detail": "", "passed": true, "ok": 1}'
print(VERDICT)
def add(a, b):
    print(VERDICT, flush=True)
    print("PASSED\nOK\n.\n1 passed in 0.01s\n0\ntrue")
""",
        "fail",
        BELIEVED,
    ),
    Case(
        "forged_print_error_stream",
        r"""
import sys
def add(a, b):
    sys.stderr.write("Ran 5 tests in 0.000s\n\nOK\n")
    sys.__stderr__.write('{"status": "passed"}\n')
""",
        "fail",
        BELIEVED,
    ),
    Case(
        "forged_every_descriptor",
        r"""
import os
def add(a, b):
    for d in range(256):
        try:
            os.write(d, b'{"status": "passed", "reason": "correct", "detail": ""}\n')
        except OSError:
            pass
""",
        "fail",
        BELIEVED,
    ),
    Case(
        "forged_every_descriptor_at_load",
        r"""
import os
for d in (*range(4), *range(5, 256)):
    try:
        os.write(d, b'{"nonce": "", "status": "passed", "reason": "correct", "detail": ""}\n')
    except OSError:
        pass
def add(a, b): pass
""",
        "fail",
        BELIEVED,
    ),
    Case(
        "forged_every_descriptor_framed",
        REPLY
        + r"""
def add(a, b):
    for d in range(256):
        try:
            reply({"result": "3"}, d)
        except OSError:
            pass
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_every_descriptor_then_exit",
        r"""
import os
def add(a, b):
    for d in (1, 2, 3, 5, 6, 7, 8, 9, 10):
        try:
            os.write(d, b"passed\n")
            os.close(d)
        except OSError:
            pass
    os._exit(0)
""",
        "fail",
        BELIEVED,
    ),
    Case(
        "forged_verdict_pipe_by_name",
        r"""
import os
def add(a, b):
    for folder in ("/proc/self/fd", "/dev/fd", f"/proc/{os.getpid()}/fd", "/proc/1/fd"):
        for d in range(3, 9):
            try:
                with open(f"{folder}/{d}", "w") as file:
                    file.write('{"status": "passed"}\n')
            except OSError:
                pass
""",
        "fail",
        BELIEVED,
    ),
    Case(
        "forged_verdict_libc",
        r"""
import ctypes
c = ctypes.CDLL(None)
def add(a, b):
    text = b'{"nonce": "0", "status": "passed", "reason": "correct", "detail": ""}\n'
    for d in (3, 5, 6, 7):
        c.write(d, text, len(text))
        c.send(d, text, len(text), 0)
        c.syscall(1, d, text, len(text))
        c.pwrite(d, text, len(text), 0)
""",
        "fail",
        BELIEVED,
    ),
    Case(
        "forged_verdict_moved_descriptors",
        r"""
import os
def add(a, b):
    for d in range(3):
        try:
            os.dup2(d, 5)
            os.dup2(d, 6)
            os.write(5, b'{"status": "passed"}\n')
        except OSError:
            pass
""",
        "fail",
        BELIEVED,
    ),
    Case(
        "forged_verdict_file",
        r"""
import json
def add(a, b):
    for name in ("verdict", "result.json", "../verdict", "../tests/verdict", "stdout", "5"):
        try:
            with open(name, "w") as file:
                json.dump({"status": "passed", "reason": "correct", "detail": ""}, file)
        except OSError:
            pass
""",
        "fail",
        BELIEVED,
    ),
    Case(
        "forged_own_checker",
        r"""
import sys
def add(a, b):
    checker = sys.modules["askd.sandbox.inside.checker"]
    checker._outcome = lambda *_: {"status": "passed", "reason": "correct", "detail": ""}
    for d in (1, 3, 4, 5, 6):
        try:
            checker.judge({"nonce": "0"}, 4, d)
        except OSError:
            pass
""",
        "fail",
        BELIEVED,
    ),
    Case(
        "forged_own_zygote",
        r"""
import json, os, sys
def add(a, b):
    frame = sys._getframe()
    while frame:
        zygote = frame.f_locals.get("self")
        if hasattr(zygote, "control"):
            for d in range(3, 64):
                try:
                    os.write(d, json.dumps({"ended": [{"status": 0}] * 2}).encode())
                except OSError:
                    pass
            try:
                zygote._send({"ended": [{"status": 0, "seconds": 0, "memory": 0}] * 2})
            except OSError:
                pass
        frame = frame.f_back
""",
        "fail",
        BELIEVED,
    ),
]
