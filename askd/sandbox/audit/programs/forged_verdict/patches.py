"""Programs that patch their own process."""

from askd.sandbox.audit.case import Case
from askd.sandbox.audit.programs.forged_verdict.common import BELIEVED, PASSES, PATCHED

CASES = [
    Case(
        "forged_builtins",
        r"""
import builtins
class Never(Exception):
    pass
builtins.AssertionError = Never
builtins.len = lambda *_: 3
builtins.isinstance = lambda *_: True
builtins.all = builtins.any = lambda *_: True
builtins.print = builtins.repr = lambda *_, **__: "passed"
builtins.exec = builtins.eval = builtins.compile = lambda *_, **__: None
def add(a, b): pass
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_json",
        r"""
import json
dumps = json.dumps
def forged(value, **_):
    return '{"result": "3", "status": "passed"}' if "result" in value else dumps(value)
json.dumps = json.encoder.JSONEncoder.encode = forged
json.loads = lambda *_, **__: {"status": "passed"}
def add(a, b): pass
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_modules",
        r"""
import sys, types
class Fake(types.ModuleType):
    def __getattr__(self, name):
        return lambda *_, **__: True
for name in ("tests", "unittest", "pytest", "math", "json", "traceback", "doctest", "numpy"):
    sys.modules[name] = Fake(name)
for name in list(sys.modules):
    if name.startswith("askd"):
        sys.modules[name] = Fake(name)
def add(a, b): pass
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_encoder",
        r"""
import sys
values = sys.modules["askd.sandbox.inside.values"]
values.Encoder.text = lambda self, value: "3"
values.Encoder.encode = lambda self, value, depth: 3
values.Decoder.decode = values.Decoder.value = lambda self, data: 3
def add(a, b): return 3
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_channel",
        r"""
import os, sys
channel = sys.modules["askd.sandbox.inside.channel"].Channel
def send(self, message):
    body = b'{"result": "3"}' if "loaded" not in message else b'{"loaded": true}'
    os.write(self.descriptor, len(body).to_bytes(4, "big") + body)
channel.send = send
def add(a, b): pass
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_server",
        r"""
import sys
server = sys.modules["askd.sandbox.inside.candidate"]._Server
server._answer = lambda self, request: {"result": request["args"], "status": "passed"}
def add(a, b): pass
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_import_hook",
        r"""
import sys
class Hook:
    def find_spec(self, *_):
        raise SystemExit(0)
sys.meta_path.insert(0, Hook())
sys.path_hooks.clear()
sys.excepthook = sys.unraisablehook = sys.displayhook = lambda *_: None
def add(a, b): pass
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_trace",
        r"""
import sys, threading
def trace(frame, event, argument):
    if event == "exception":
        try:
            frame.f_lineno += 1
        except ValueError:
            pass
    return trace
sys.settrace(trace)
sys.setprofile(lambda *_: None)
threading.settrace(trace)
def add(a, b):
    frame = sys._getframe().f_back
    while frame:
        frame.f_trace = trace
        frame = frame.f_back
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_frames",
        r"""
import sys
def add(a, b):
    frame = sys._getframe()
    while frame:
        for scope in (frame.f_locals, frame.f_globals):
            for name in ("result", "results", "outcome", "verdict", "passed", "stat", "details"):
                value = scope.get(name)
                if isinstance(value, list):
                    value[:] = ["passed"]
                elif isinstance(value, dict):
                    value.update(status="passed", reason="correct", detail="", passed=True)
                elif hasattr(value, "value"):
                    value.value = 0
        frame = frame.f_back
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_functions_of_tests",
        r"""
import sys
def good(*_, **__):
    return {"status": "passed", "reason": "correct", "detail": ""}
def add(a, b):
    frame = sys._getframe()
    while frame:
        for name in ("check", "_outcome", "judge", "_explain", "_failed", "test", "run_tests"):
            if name in frame.f_globals:
                frame.f_globals[name] = good
        frame = frame.f_back
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_names",
        r"""
def check(candidate):
    return True
def candidate(*_):
    return True
METADATA = {}
status, reason, passed, __test__, __name__ = "passed", "correct", True, {}, "__main__"
def add(a, b): pass
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_name_in_tests",
        r"""
import sys, types
tests = sys.modules["tests"] = types.ModuleType("tests")
tests.check = lambda candidate: None
for module in list(sys.modules.values()):
    try:
        module.check = module.candidate = tests.check
    except Exception:
        pass
def add(a, b): pass
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_collector",
        r"""
import gc, types
def good(*_, **__):
    return {"status": "passed", "reason": "correct", "detail": ""}
def add(a, b):
    gc.unfreeze()
    for thing in gc.get_objects():
        if isinstance(thing, types.FunctionType) and thing.__name__ in ("check", "_outcome"):
            thing.__code__ = good.__code__
        elif type(thing) is dict and "nonce" in thing:
            thing["status"] = "passed"
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_at_exit",
        r"""
import atexit, os, sys, weakref
def last():
    os.write(1, b'{"status": "passed"}\n')
    os._exit(0)
class Last:
    def __del__(self):
        last()
atexit.register(last)
weakref.finalize(Last, last)
kept = Last()
def add(a, b):
    sys.exit(0)
""",
        "fail",
        BELIEVED,
    ),
    Case(
        "forged_exit_code",
        r"""
import os, sys
def add(a, b):
    sys.stdout.write('{"status": "passed", "reason": "correct", "detail": ""}\n')
    sys.stdout.flush()
    os._exit(0)
""",
        "fail",
        BELIEVED,
    ),
    Case(
        "forged_small_integer",
        r"""
import ctypes, sys
def add(a, b):
    # From now on 3 is 4 here.
    last = sys.getsizeof(1) - 4
    ctypes.memmove(id(3) + last, ctypes.byref(ctypes.c_uint32(4)), 4)
    return 4
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_comparison_of_int",
        r"""
import ctypes
pointer = ctypes.sizeof(ctypes.c_void_p)
kept = []
def add(a, b):
    # All slots of the type int that hold int's own comparison.
    compare = ctypes.PYFUNCTYPE(
        ctypes.py_object, ctypes.py_object, ctypes.py_object, ctypes.c_int
    )(lambda left, right, operation: True)
    kept.append(compare)
    address = ctypes.cast(compare, ctypes.c_void_p)
    slot = id(int) + 25 * pointer  # tp_richcompare
    ctypes.memmove(slot, ctypes.byref(address), pointer)
    return 0
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_true",
        r"""
import ctypes, sys
def add(a, b):
    ctypes.memmove(id(False), id(True), sys.getsizeof(True))
    return False
""",
        "fail",
        PATCHED,
    ),
    Case(
        "forged_machine_code",
        r"""
import ctypes, mmap
def add(a, b):
    # mov eax, 3; ret
    code = mmap.mmap(-1, 4096, prot=7)
    code.write(bytes([0xB8, 3, 0, 0, 0, 0xC3]))
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()
""",
        "fail",
        PASSES,
    ),
]
