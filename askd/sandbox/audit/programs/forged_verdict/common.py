"""What several of these programs share."""

from askd.sandbox.program import FunctionTests

PASSES = "verdict passed, though the task is not solved"

BELIEVED = "what a program prints or writes counts as a verdict"

ANSWERED = "an answer that belongs to no call, or is none, counts as right"

PATCHED = "what a program patches in its own process reaches the tests"

LISTS = FunctionTests(
    "for given in ([3, 1, 2], [], [5, 5, 4]):\n"
    "    wanted = sorted(given)\n"
    "    assert order(given) == wanted\n",
    "order",
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

# Says what it likes on the channel to the tests.
REPLY = r"""
import json, os
def frame(body):
    return len(body).to_bytes(4, "big") + body
def reply(message, descriptor=4):
    body = message.encode() if isinstance(message, str) else json.dumps(message).encode()
    os.write(descriptor, frame(body))
"""
