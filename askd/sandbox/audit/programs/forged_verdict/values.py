"""Programs whose results lie."""

from askd.sandbox.audit.case import Case
from askd.sandbox.audit.programs.forged_verdict.common import LISTS, PASSES, UNITTEST
from askd.sandbox.program import FunctionTests

COMPARED = "code of the program takes part in the comparison"

FLOATS = FunctionTests(
    "for n in (1, 2, 5):\n    assert abs(half(n) - n / 2) < 1e-9\nassert half(0) == 0.0\n", "half"
)

TEXTS = FunctionTests("assert shout('a') == 'A'\nassert shout('bc') == 'BC'\n", "shout")

MAPPINGS = FunctionTests(
    "assert count('aab') == {'a': 2, 'b': 1}\nassert count('') == {}\n", "count"
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
]
