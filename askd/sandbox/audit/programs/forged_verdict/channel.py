"""Programs that speak on the channel to their tests."""

from askd.sandbox.audit.case import Case
from askd.sandbox.audit.programs.forged_verdict.common import ANSWERED, LISTS, REPLY
from askd.sandbox.program import FunctionTests

IN_PLACE = FunctionTests(
    "given = [3, 1, 2]\nwanted = [1, 2, 3]\nassert order(given) is None\nassert given == wanted\n",
    "order",
)


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


CASES = [
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
]
