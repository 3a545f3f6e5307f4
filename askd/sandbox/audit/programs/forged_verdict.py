"""Programs that want the verdict `passed` without solving the task."""

from askd.sandbox.audit.case import Case
from askd.sandbox.program import FunctionTests, StdioTests

PASSES = "verdict passed, though the task is not solved"
BELIEVED = "what a program prints or writes counts as a verdict"
ANSWERED = "an answer that belongs to no call, or is none, counts as right"
COMPARED = "code of the program takes part in the comparison"
PATCHED = "what a program patches in its own process reaches the tests"

FLOATS = FunctionTests(
    "for n in (1, 2, 5):\n    assert abs(half(n) - n / 2) < 1e-9\nassert half(0) == 0.0\n", "half"
)
TEXTS = FunctionTests("assert shout('a') == 'A'\nassert shout('bc') == 'BC'\n", "shout")
LISTS = FunctionTests(
    "for given in ([3, 1, 2], [], [5, 5, 4]):\n"
    "    wanted = sorted(given)\n"
    "    assert order(given) == wanted\n",
    "order",
)
IN_PLACE = FunctionTests(
    "given = [3, 1, 2]\nwanted = [1, 2, 3]\nassert order(given) is None\nassert given == wanted\n",
    "order",
)
MAPPINGS = FunctionTests(
    "assert count('aab') == {'a': 2, 'b': 1}\nassert count('') == {}\n", "count"
)
ALL = FunctionTests(
    "pairs = [(1, 2), (3, 4), (0, 0)]\n"
    "results = list(map(lambda pair: add(*pair), pairs))\n"
    "assert all(x == sum(pair) for x, pair in zip(results, pairs))\n"
    "assert len(results) == len(pairs)\n",
    "add",
)
POINTS = FunctionTests(
    "assert move(Point(1)) == Point(2)\nassert move(Point(5)) == Point(6)\n",
    "move",
    shared=(
        "class Point:\n"
        "    def __init__(self, x):\n        self.x = x\n"
        "    def __eq__(self, other):\n        return type(other) is Point and self.x == other.x\n"
    ),
)
UNITTEST = FunctionTests(
    "import unittest\n"
    "class Test(unittest.TestCase):\n"
    "    def test(self):\n"
    "        self.assertEqual(add(1, 2), 3)\n"
    "        self.assertIsInstance(add(1, 2), int)\n"
    "result = unittest.TestResult()\n"
    "Test('test').run(result)\n"
    "assert result.wasSuccessful(), result.failures\n",
    "add",
)
SCRIPT = StdioTests(("1 2\n", "3 4\n"), ("3\n", "7\n"))
LINES = StdioTests(("3\n", "2\n"), ("1\n2\n3\n", "1\n2\n"))

# Says what it likes on the channel to the tests.
REPLY = r"""
import json, os
def frame(body):
    return len(body).to_bytes(4, "big") + body
def reply(message, descriptor=4):
    body = message.encode() if isinstance(message, str) else json.dumps(message).encode()
    os.write(descriptor, frame(body))
"""


def _replies(message: str) -> str:
    """A program that answers each call with JSON `message`, and then waits for the next."""
    return (
        f"{REPLY}"
        "def add(a, b):\n"
        "    while True:\n"
        f"        reply({message!r})\n"
        "        size = int.from_bytes(os.read(4, 4), 'big')\n"
        "        if not size:\n"
        "            os._exit(0)\n"
        "        os.read(4, size)\n"
    )


# Answers that are none, or not quite.
MESSAGES = {
    "null": "null",
    "true": "true",
    "number": "3",
    "text": '"passed"',
    "list": '["result", "3"]',
    "empty": "{}",
    "not_json": "passed",
    "nothing": "",
    "verdict": '{"status": "passed", "reason": "correct", "detail": ""}',
    "verdict_as_result": '{"result": "{\\"status\\": \\"passed\\"}"}',
    "loaded_again": '{"loaded": true}',
    "result_no_text": '{"result": 3}',
    "result_null": '{"result": null}',
    "result_list": '{"result": ["int", "3"]}',
    "result_not_json": '{"result": "a + b"}',
    "result_object": '{"result": "{}"}',
    "result_true": '{"result": "true"}',
    "result_nan": '{"result": "NaN"}',
    "result_infinity": '{"result": "[\\"float\\", \\"inf\\"]"}',
    "result_wrong_number": '{"result": "[\\"int\\", \\"three\\"]"}',
    "result_no_tag": '{"result": "[]"}',
    "result_unknown_tag": '{"result": "[\\"code\\", \\"True\\"]"}',
    "result_unknown_class": '{"result": "[\\"object\\", [\\"int\\", [\\"dict\\", []]]]"}',
    "result_unhashable": '{"result": "[\\"set\\", [[\\"list\\", []]]]"}',
    "result_range": '{"result": "[\\"range\\", [0, 9, 0]]"}',
    "result_handle": '{"result": "[\\"handle\\", [0, \\"int\\"]]"}',
    "result_handle_text": '{"result": "[\\"handle\\", [\\"x\\", 3]]"}',
    "result_handle_huge": '{"result": "[\\"handle\\", [1e400, \\"int\\"]]"}',
    "result_deep": '{"result": "' + "[" * 50_000 + '"}',
    "deep": '{"result":' * 50_000,
    "keys_twice": '{"result": "4", "result": "3", "raised": null, "result": "3"}',
    "raised_nothing": '{"raised": null}',
    "raised_no_type": '{"raised": {}}',
    "raised_exit": '{"raised": {"type": "SystemExit", "message": "0", "builtin": true}}',
    "raised_interrupt": '{"raised": {"type": "KeyboardInterrupt", "message": "", "builtin": true}}',
    "raised_stop": '{"raised": {"type": "StopIteration", "message": "", "builtin": true}}',
    "raised_lost": '{"raised": {"type": "Lost", "message": "", "builtin": false}}',
    "raised_eval": '{"raised": {"type": "eval", "message": "exit()", "builtin": true}}',
    "raised_group": '{"raised": {"type": "ExceptionGroup", "message": "", "builtin": true}}',
    "raised_and_result": '{"raised": {"type": "A", "message": ""}, "result": "3"}',
    "changed_number": '{"result": "3", "changed": [[0, "3"]]}',
    "changed_outside": '{"result": "3", "changed": [[7, "[\\"list\\", []]"]]}',
    "changed_name": '{"result": "3", "changed": [["a", "3"]]}',
    "changed_all": '{"result": "3", "changed": true}',
}

# What stands for any value. All of it is an object of the program, which equals nothing.
LIARS = {
    "equal": r"""
class Liar:
    __hash__ = object.__hash__
    def __eq__(self, other): return True
    def __ne__(self, other): return False
def add(a, b): return Liar()
""",
    "metaclass": r"""
class Meta(type):
    __hash__ = type.__hash__
    def __eq__(cls, other): return True
    def __ne__(cls, other): return False
    def __instancecheck__(cls, instance): return True
    def __bool__(cls): return True
class Liar(metaclass=Meta): pass
def add(a, b): return Liar
""",
    "class_property": r"""
class Liar:
    __class__ = property(lambda self: int)
    __hash__ = object.__hash__
    def __eq__(self, other): return isinstance(other, int)
def add(a, b): return Liar()
""",
    "any": r"""
from unittest.mock import ANY
def add(a, b): return ANY
""",
    "mock": r"""
from unittest.mock import MagicMock
def add(a, b):
    m = MagicMock(spec=int)
    m.__eq__.return_value = True
    return m
""",
    "proxy": r"""
class Liar:
    def __getattribute__(self, name):
        return lambda *a, **k: True
    def __getattr__(self, name):
        return lambda *a, **k: True
    def __eq__(self, other): return True
    def __bool__(self): return True
    def __index__(self): return 3
    def __len__(self): return 3
    def __iter__(self): return iter(())
    def __contains__(self, item): return True
def add(a, b): return Liar()
""",
    "int": r"""
class Liar(int):
    __hash__ = int.__hash__
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __sub__(self, other): return 0
    __rsub__ = __sub__
    def __abs__(self): return 0
    def __lt__(self, other): return True
    __gt__ = __le__ = __ge__ = __lt__
def add(a, b): return Liar(-1)
""",
    "int_methods": r"""
class Liar(int):
    def __int__(self): return 3
    __index__ = __pos__ = __trunc__ = __round__ = conjugate = __int__
    def __repr__(self): return "3"
    __str__ = __repr__
    def __format__(self, spec): return "3"
    def __reduce__(self): return int, (3,)
    def __reduce_ex__(self, protocol): return int, (3,)
    def __hash__(self): return hash(3)
def add(a, b): return Liar(-1)
""",
    "bool_int": r"""
import enum
class Liar(enum.IntEnum):
    A = -1
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def add(a, b): return Liar.A
""",
    "number": r"""
from fractions import Fraction
class Liar(Fraction):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0
    __hash__ = Fraction.__hash__
def add(a, b): return Liar(0)
""",
    "encodes_itself": r"""
class Liar:
    def __json__(self): return "3"
    __getstate__ = to_json = toJSON = for_json = encode = __json__
    def __reduce_ex__(self, protocol): return eval, ("True",)
    def __eq__(self, other): return True
def add(a, b): return Liar()
""",
    "module": r"""
import sys, types
class Liar(types.ModuleType):
    def __eq__(self, other): return True
    __hash__ = types.ModuleType.__hash__
def add(a, b): return Liar("tests")
""",
}

# Objects that can only be called or looked at.
OBJECTS = {
    "closure": "lambda: a + b",
    "lambda_equal": "type('F', (), {'__call__': lambda s: 3, '__eq__': lambda s, o: True})()",
    "generator_function": "(lambda: (yield 3))",
    "iterator": "iter([3])",
    "ellipsis": "...",
    "not_implemented": "NotImplemented",
    "type": "int",
    "builtin": "print",
    "exception": "AssertionError('passed')",
    "object": "object()",
    "slice": "slice(3)",
    "memory": "memoryview(bytes([3]))",
    "itself": "add",
    "module": "__import__('sys')",
    "nested": "[add, (object(), ...)]",
    "namespace": "globals()",
    "frame": "__import__('sys')._getframe()",
    "code": "add.__code__",
}

CASES = [
    # --- printed and written verdicts
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
    # --- the channel
    Case(
        "forged_answers_ahead",
        REPLY
        + r"""
reply({"loaded": True})
for _ in range(5):
    reply({"result": "3"})
def add(a, b): pass
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_answers_ahead_without_function",
        REPLY
        + r"""
import time
reply({"loaded": True})
for _ in range(9):
    reply({"result": "null"})
time.sleep(0.1)
raise SystemExit(0)
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_loads_then_leaves",
        REPLY
        + r"""
reply({"loaded": True})
reply({"status": "passed"})
os._exit(0)
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_loaded_is_no_object",
        REPLY
        + r"""
reply(["loaded", True])
def add(a, b): pass
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_loaded_without_type",
        REPLY
        + r"""
reply({"failed": "load"})
def add(a, b): pass
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_loaded_passed",
        REPLY
        + r"""
reply({"failed": "", "loaded": True, "status": "passed", "reason": "correct", "detail": ""})
def add(a, b): pass
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_replies_twice",
        REPLY
        + r"""
def add(a, b):
    reply({"result": "3"})
    reply({"result": "0"})
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_replies_and_exits",
        REPLY
        + r"""
def add(a, b):
    reply({"result": "3"})
    os._exit(0)
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_replies_from_thread",
        REPLY
        + r"""
import threading
def late():
    while True:
        try:
            reply({"result": "3"})
        except OSError:
            return
def add(a, b):
    threading.Thread(target=late, daemon=True).start()
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_replies_later",
        REPLY
        + r"""
import threading, time
def late():
    time.sleep(0.05)
    reply({"result": "3"})
threading.Thread(target=late).start()
def add(a, b):
    time.sleep(0.1)
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_serves_itself",
        REPLY
        + r"""
reply({"loaded": True})
while True:
    size = int.from_bytes(os.read(4, 4), "big")
    if not size:
        break
    request = json.loads(os.read(4, size))
    # The arguments as they came, or an empty answer: whatever the tests compare with.
    reply({"result": request["args"], "expected": request["args"], "equal": True})
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_asks_the_tests",
        REPLY
        + r"""
def add(a, b):
    reply({"target": None, "path": ["check"], "args": '["tuple", []]', "named": '["dict", []]'})
    return None
""",
        "fail",
        "the tests' process serves calls of the program",
    ),
    Case(
        "forged_reads_ahead",
        r"""
import socket
def add(a, b):
    channel = socket.socket(fileno=4)
    try:
        # The next call, before this one is answered, would give away what is compared.
        return channel.recv(65536, socket.MSG_DONTWAIT | socket.MSG_PEEK)
    except OSError:
        return None
    finally:
        channel.detach()
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_length_too_large",
        r"""
import os
def add(a, b): os.write(4, b"\xff\xff\xff\xff" + b'{"result": "3"}')
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_length_zero",
        r"""
import os
def add(a, b): os.write(4, b"\0" * 64)
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_length_wrong",
        r"""
import os
def add(a, b): os.write(4, b"\0\0\0\x0f" + b'{"result": "3"}{"result": "3"}')
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_cut",
        r"""
import os
def add(a, b):
    os.write(4, b"\0\0\0\xff" + b'{"result": "3"}')
    os._exit(0)
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_by_bytes",
        REPLY
        + r"""
def add(a, b):
    for byte in frame(b'{"result": "3"}'):
        os.write(4, bytes([byte]))
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_not_utf8",
        REPLY
        + r"""
def add(a, b): os.write(4, frame(b'{"result": "\xff\xfe3"}'))
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_utf16",
        REPLY
        + r"""
def add(a, b): os.write(4, frame('{"result": "3"}'.encode("utf-16")))
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_huge",
        REPLY
        + r"""
def add(a, b): os.write(4, frame(b'{"result": "' + b"3" * (20 << 20) + b'"}'))
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_exhausts_tests",
        REPLY
        + r"""
def add(a, b):
    reply("[" + "[]," * 5_000_000 + "[]]")
    os.read(4, 1)
""",
        "fail",
        "the tests run out of memory and are blamed for it, which ends the grading of all",
    ),
    Case(
        "forged_closes_channel",
        r"""
import os
def add(a, b): os.close(4)
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_shuts_channel",
        REPLY
        + r"""
import socket
def add(a, b):
    reply({"result": "3"})
    socket.socket(fileno=4).shutdown(socket.SHUT_RDWR)
""",
        "fail",
        ANSWERED,
    ),
    Case(
        "forged_other_channel",
        r"""
import os, socket
here, there = socket.socketpair()
os.dup2(there.fileno(), 4)
there.send(b"\0\0\0\x0f" + b'{"result": "3"}')
def add(a, b): pass
""",
        "fail",
        ANSWERED,
    ),
    *(
        Case(f"forged_answer_{name}", _replies(message), "fail", ANSWERED)
        for name, message in MESSAGES.items()
    ),
    Case(
        "forged_changed_type",
        REPLY
        + r"""
def order(xs):
    reply({"result": "null", "changed": [[0, '["tuple", [1, 2, 3]]']]})
""",
        "fail",
        "an argument changes its type",
        IN_PLACE,
    ),
    Case(
        "forged_changed_to_handle",
        REPLY
        + r"""
def order(xs):
    reply({"result": "null", "changed": [[0, '["handle", [0, "list"]]']]})
""",
        "fail",
        "an object of the program takes the place of an argument",
        IN_PLACE,
    ),
    Case(
        "forged_changed_other",
        REPLY
        + r"""
def order(xs):
    old = json.dumps(["list", xs])
    reply({"result": "null", "changed": [[1, old], [-2, old], ["wanted", old], [None, old]]})
""",
        "fail",
        "what is no argument changes",
        IN_PLACE,
    ),
    Case(
        "forged_changed_to_expected",
        r"""
def order(xs):
    xs.clear()
    return xs
""",
        "fail",
        "the expected value changes along with the argument",
        LISTS,
    ),
    # --- patches of its own process
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
    # --- lying values
    *(Case(f"forged_liar_{name}", source, "fail", COMPARED) for name, source in LIARS.items()),
    Case("forged_liar_unittest", LIARS["int"] + "# as in unittest\n", "fail", COMPARED, UNITTEST),
    Case("forged_any_unittest", LIARS["any"] + "# as in unittest\n", "fail", COMPARED, UNITTEST),
    Case(
        "forged_class_unittest", LIARS["class_property"] + "# again\n", "fail", COMPARED, UNITTEST
    ),
    Case(
        "forged_liar_float",
        r"""
class Liar(float):
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    def __abs__(self): return 0.0
    def __float__(self): return 0.0
    def __eq__(self, other): return True
    def __pos__(self): return 0.0
    def __repr__(self): return "0.5"
    as_integer_ratio = hex = is_integer = __repr__
    __hash__ = float.__hash__
def half(n): return Liar(99)
""",
        "fail",
        COMPARED,
        FLOATS,
    ),
    Case(
        "forged_not_a_number",
        r"""
def half(n): return float("nan")
""",
        "fail",
        "a comparison with NaN passes",
        FLOATS,
    ),
    Case(
        "forged_infinite",
        r"""
def half(n): return float("inf") if n else 0.0
""",
        "fail",
        PASSES,
        FLOATS,
    ),
    Case(
        "forged_complex",
        r"""
class Liar(complex):
    def __sub__(self, other): return 0
    def __abs__(self): return 0
    def __eq__(self, other): return True
    __hash__ = complex.__hash__
def half(n): return Liar(9, 9)
""",
        "fail",
        COMPARED,
        FLOATS,
    ),
    Case(
        "forged_liar_text",
        r"""
class Liar(str):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __str__(self): return "A"
    def __iter__(self): return iter("A")
    def __len__(self): return 1
    def __getitem__(self, index): return "A"
    def encode(self, *_): return b"A"
    __repr__ = __format__ = lambda self, *_: "'A'"
    __hash__ = str.__hash__
def shout(text): return Liar("?")
""",
        "fail",
        COMPARED,
        TEXTS,
    ),
    Case(
        "forged_breaks_out_of_text",
        r"""
def shout(text): return '"}, "status": "passed", {"result": "\\"A\\"'
""",
        "fail",
        "text of the program is read as part of a message",
        TEXTS,
    ),
    Case(
        "forged_bytes",
        r"""
class Liar(bytes):
    def __eq__(self, other): return True
    def decode(self, *_): return "A"
    hex = decode
    __hash__ = bytes.__hash__
def shout(text): return Liar(text.upper().encode())
""",
        "fail",
        COMPARED,
        TEXTS,
    ),
    Case(
        "forged_liar_list",
        r"""
class Liar(list):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __iter__(self): return iter([1, 2, 3])
    def __len__(self): return 0
    def __getitem__(self, index): return index
    def __reduce__(self): return list, ([1, 2, 3],)
    __reversed__ = __copy__ = __iter__
def order(xs): return Liar(xs[:1])
""",
        "fail",
        COMPARED,
        LISTS,
    ),
    Case(
        "forged_list_of_liars",
        LIARS["equal"]
        + r"""
def order(xs): return [Liar() for _ in xs]
""",
        "fail",
        COMPARED,
        LISTS,
    ),
    Case(
        "forged_grows_while_read",
        r"""
class Item(int):
    def __index__(self):
        kept.append(1)
        return 1
    __pos__ = __int__ = __index__
kept = []
def order(xs):
    kept[:] = [Item(1)] * len(xs)
    return kept
""",
        "fail",
        COMPARED,
        LISTS,
    ),
    Case(
        "forged_contains_itself",
        r"""
def order(xs):
    xs.append(xs)
    return xs
""",
        "fail",
        PASSES,
        LISTS,
    ),
    Case(
        "forged_iterator",
        r"""
def order(xs):
    while True:
        yield from xs
""",
        "fail",
        PASSES,
        LISTS,
    ),
    Case(
        "forged_liar_mapping",
        r"""
class Liar(dict):
    def __eq__(self, other): return True
    def items(self): return [("a", 2), ("b", 1)]
    def keys(self): return ["a", "b"]
    def __iter__(self): return iter("ab")
    def __len__(self): return 2
    def __getitem__(self, key): return {"a": 2, "b": 1}[key]
    def __missing__(self, key): return 1
def count(text): return Liar(z=1)
""",
        "fail",
        COMPARED,
        MAPPINGS,
    ),
    Case(
        "forged_lying_keys",
        r"""
class Key(str):
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __str__(self): return "a"
def count(text): return {Key("x"): 2, Key("y"): 1} if text else {}
""",
        "fail",
        COMPARED,
        MAPPINGS,
    ),
    Case(
        "forged_default_mapping",
        r"""
from collections import ChainMap, Counter, defaultdict
class Liar(defaultdict, Counter):
    def __eq__(self, other): return True
def count(text): return Liar(int)
""",
        "fail",
        COMPARED,
        MAPPINGS,
    ),
    Case(
        "forged_shared_class",
        r"""
Point.__eq__ = lambda self, other: True
Point.__hash__ = lambda self: 0
def move(point): return point
""",
        "fail",
        COMPARED,
        POINTS,
    ),
    Case(
        "forged_shared_subclass",
        r"""
class Liar(Point):
    def __eq__(self, other): return True
Liar.__name__ = Liar.__qualname__ = "Point"
Liar.__module__ = "shared"
def move(point): return Liar(point.x)
""",
        "fail",
        COMPARED,
        POINTS,
    ),
    Case(
        "forged_shared_attributes",
        r"""
class Any:
    def __eq__(self, other): return True
def move(point):
    point.x = Any()
    point.__eq__ = lambda other: True
    return point
""",
        "fail",
        COMPARED,
        POINTS,
    ),
    Case(
        "forged_shared_replaced",
        r"""
def move(point):
    point.__dict__ = {"x": point.x, "__class__": object, "__dict__": {}, "__eq__": None}
    return point
""",
        "fail",
        COMPARED,
        POINTS,
    ),
    Case(
        "forged_shared_method",
        r"""
def move(point):
    point.same = lambda other: True
    return point
""",
        "fail",
        "a method of the shared class is replaced by one of the program, which sees the expected",
        FunctionTests(
            "assert move(Point(1)).same(Point(2))\nassert move(Point(5)).same(Point(6))\n",
            "move",
            shared=(
                "class Point:\n"
                "    def __init__(self, x):\n        self.x = x\n"
                "    def same(self, other):\n        return self.x == other.x\n"
            ),
        ),
    ),
    *(
        Case(f"forged_returns_{name}", f"def add(a, b):\n    return {value}\n", "fail", PASSES)
        for name, value in OBJECTS.items()
    ),
    Case(
        "forged_false_object",
        r"""
class No:
    def __bool__(self): return False
def add(a, b): return No()
""",
        "fail",
        "an object that is false counts as true",
        FunctionTests("assert add(1, 2)\nassert add(3, 4)\n", "add"),
    ),
    Case(
        "forged_returns_coroutine",
        r"""
import types
@types.coroutine
def add(a, b):
    yield a + b
    return a + b
""",
        "fail",
        PASSES,
    ),
    # --- exceptions
    Case(
        "forged_raises_passed",
        r"""
class Passed(Exception):
    status = kind = "passed"
    def __str__(self): return "passed"
    __repr__ = __str__
def add(a, b):
    raise Passed
""",
        "fail",
        "an exception counts as a pass",
    ),
    Case(
        "forged_raises_lost",
        r"""
import sys
def add(a, b):
    checker = sys.modules["askd.sandbox.inside.checker"]
    raise checker.NoPlainArgument("the tests are at fault")
""",
        "fail",
        "the program says that the tests are at fault",
    ),
    Case(
        "forged_raises_own_skip",
        r"""
import unittest
def add(a, b):
    raise unittest.SkipTest("not today")
""",
        "fail",
        "a skipped test counts as a pass",
        UNITTEST,
    ),
    Case(
        "forged_raises_expected_failure",
        r"""
class SkipTest(Exception):
    pass
class _ShouldStop(Exception):
    pass
def add(a, b):
    raise _ShouldStop from SkipTest()
""",
        "fail",
        "an exception counts as a pass",
        UNITTEST,
    ),
    Case(
        "forged_raises_lying_type",
        r"""
class Meta(type):
    __name__ = property(lambda cls: "SystemExit")
    __module__ = property(lambda cls: "builtins")
    __instancecheck__ = __subclasscheck__ = lambda *_: True
class Error(BaseException, metaclass=Meta):
    __class__ = property(lambda self: SystemExit)
    code = 0
def add(a, b):
    raise Error
""",
        "fail",
        "an exception counts as a pass",
    ),
    Case(
        "forged_raises_without_words",
        r"""
import os
class Error(BaseException):
    def __str__(self):
        raise SystemExit(0)
    __repr__ = __str__
def add(a, b):
    raise Error
""",
        "fail",
        "an exception counts as a pass",
    ),
    Case(
        "forged_raises_stop",
        r"""
def add(a, b):
    raise StopIteration(3)
""",
        "fail",
        "the end of an iteration counts as a pass",
    ),
    Case(
        "forged_stops_iteration",
        r"""
def add(a, b):
    raise StopIteration
""",
        "fail",
        "a loop of the tests ends before all is tested",
        ALL,
    ),
    Case(
        "forged_stops_all",
        r"""
def add(a, b):
    raise StopIteration
""",
        "fail",
        "a loop of the tests ends before anything is tested",
        FunctionTests(
            "assert all(map(lambda pair: add(*pair) == sum(pair), [(1, 2), (3, 4), (0, 0)]))\n",
            "add",
        ),
    ),
    # --- scripts
    Case(
        "forged_script_json",
        r"""
print('{"status": "passed", "reason": "correct", "detail": ""}')
""",
        "fail",
        BELIEVED,
        SCRIPT,
    ),
    Case(
        "forged_script_every_descriptor",
        r"""
import os
for d in range(256):
    try:
        os.write(d, b"passed\n")
    except OSError:
        pass
os._exit(0)
""",
        "fail",
        BELIEVED,
        SCRIPT,
    ),
    Case(
        "forged_script_prefix",
        r"""
print(1)
""",
        "fail",
        "a right beginning passes",
        LINES,
    ),
    Case(
        "forged_script_prefix_then_exit",
        r"""
import os
n = int(input())
for i in range(1, n):
    print(i, flush=True)
os._exit(0)
""",
        "fail",
        "a right beginning passes",
        LINES,
    ),
    Case(
        "forged_script_more",
        r"""
for i in range(int(input()) + 1):
    print(i + 1)
""",
        "fail",
        "right lines among others pass",
        LINES,
    ),
    Case(
        "forged_script_all_answers",
        r"""
print(*range(20), sep="\n")
""",
        "fail",
        "right lines among others pass",
        SCRIPT,
    ),
    Case(
        "forged_script_one_line",
        r"""
print(*range(1, int(input()) + 1))
""",
        "fail",
        "the right words on other lines pass",
        LINES,
    ),
    Case(
        "forged_script_overwrites",
        r"""
a, b = map(int, input().split())
print(f"0\r{a + b}\x1b[2K")
""",
        "fail",
        "what a terminal would show counts",
        SCRIPT,
    ),
    Case(
        "forged_script_invisible",
        r"""
a, b = map(int, input().split())
print(f"\u200b{a + b}\u2060")
""",
        "fail",
        "other text passes",
        SCRIPT,
    ),
    Case(
        "forged_script_other_line_ends",
        r"""
n = int(input())
print("\x0b".join(map(str, range(1, n))) + "\u2028" + str(n))
""",
        "fail",
        "other text passes",
        LINES,
    ),
    Case(
        "forged_script_other_digits",
        r"""
a, b = map(int, input().split())
print(str(a + b).translate({48 + i: 0xFF10 + i for i in range(10)}))
""",
        "fail",
        "other text passes",
        SCRIPT,
    ),
    Case(
        "forged_script_null",
        r"""
a, b = map(int, input().split())
print(a + b, end="\0")
""",
        "fail",
        "other text passes",
        SCRIPT,
    ),
    Case(
        "forged_script_not_utf8",
        r"""
import os
os.write(1, b"3\xff\n")
""",
        "fail",
        "other text passes",
        SCRIPT,
    ),
    Case(
        "forged_script_error_stream",
        r"""
import sys
a, b = map(int, input().split())
print(a + b, file=sys.stderr)
""",
        "fail",
        "the error stream counts as output",
        SCRIPT,
    ),
    Case(
        "forged_script_fails_late",
        r"""
a, b = map(int, input().split())
print(a + b, flush=True)
raise SystemExit(3)
""",
        "fail",
        "a script that fails passes",
        SCRIPT,
    ),
    Case(
        "forged_script_counts_runs",
        r"""
import os, tempfile
folders = [".", tempfile.gettempdir(), os.path.expanduser("~"), "/tmp", "/var/tmp", "/dev/shm"]
seen = False
for folder in folders:
    path = os.path.join(folder, "askd_runs")
    try:
        seen = seen or os.path.exists(path)
        open(path, "w").close()
    except OSError:
        pass
print(7 if seen else 3)
""",
        "fail",
        "a run of a script finds what the run before it left",
        SCRIPT,
    ),
    Case(
        "forged_script_marks_stdin",
        r"""
import fcntl, os
# Flags belong to the open file: they would stay if that were the same for each run.
seen = False
for d in range(3):
    try:
        flags = fcntl.fcntl(d, fcntl.F_GETFL)
        seen = seen or bool(flags & os.O_APPEND)
        fcntl.fcntl(d, fcntl.F_SETFL, flags | os.O_APPEND)
    except OSError:
        pass
print(7 if seen else 3)
""",
        "fail",
        "a run of a script finds what the run before it left",
        SCRIPT,
    ),
    Case(
        "forged_script_patches",
        r"""
import builtins, sys
class Any(str):
    def __eq__(self, other): return True
    def rstrip(self, *_): return self
    strip = splitlines = rstrip
builtins.str = Any
sys.stdout.write(Any("passed\n"))
""",
        "fail",
        PATCHED,
        SCRIPT,
    ),
]
