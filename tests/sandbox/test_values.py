"""What crosses between a program and its tests, and what does not."""

from __future__ import annotations

import collections
import itertools
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askd.sandbox.inside.values import Decoder, Encoder, NotPlain

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(4300, 5000).map(lambda digits: 10**digits + 7)  # longer than int() reads
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters())
    | st.binary()
)
hashable = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner), max_leaves=5
)
plain = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.sets(hashable)
        | st.dictionaries(hashable, inner)
    ),
    max_leaves=20,
)


def crossed(value):
    return Decoder().value(Encoder().text(value))


def same(one, other) -> bool:
    """Equal, and of the same types all the way down."""
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, dict):
        return all(same(a, b) for a, b in zip(one.items(), other.items(), strict=True))
    if isinstance(one, list | tuple):
        return all(same(a, b) for a, b in zip(one, other, strict=True))
    return not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other)


@settings(deadline=None)
@given(plain)
def test_plain_data_cross_unchanged(value):
    assert same(crossed(value), value)


def test_not_a_number_crosses():
    assert math.isnan(crossed(float("nan")))
    assert math.isnan(crossed([complex(math.nan, 1)])[0].real)


@pytest.mark.parametrize("value", [bytearray(b"\x00\xff"), range(2, 9, 3), "\ud800", -0.0])
def test_other_values(value):
    assert same(crossed(value), value)


def test_subclasses_lose_what_they_override():
    class Lying(int):
        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

        def __add__(self, other):
            return 1000

        def __pos__(self):
            return 1000

        def __repr__(self):
            return "1000"

        __index__ = __int__ = lambda self: 1000

    class Text(str):
        def __str__(self):
            return "a lie"

        def __iter__(self):
            return iter("a lie")

    class Items(list):
        def __iter__(self):
            return iter([1, 2, 3])

        def __len__(self):
            return 3

    class Mapping(dict):
        def items(self):
            return {"a": 1}.items()

    values = [Lying(5), Text("truth"), Items([9]), Mapping(b=2)]
    assert crossed(values) == [5, "truth", [9], {"b": 2}]
    assert [type(value) for value in crossed(values)] == [int, str, list, dict]
    assert crossed(Lying(5)) != 6


def test_containers_of_the_library_become_their_base():
    point = collections.namedtuple("point", "x y")(1, 2)
    assert same(crossed(point), (1, 2))
    assert same(crossed(collections.Counter("aab")), {"a": 2, "b": 1})
    assert same(crossed({1: 2}.keys()), [1])
    assert list(crossed(x * x for x in range(3))) == [0, 1, 4]
    assert list(crossed(map(str, [1]))) == ["1"]


@pytest.mark.parametrize(
    "value",
    [
        object(),
        lambda: 1,
        type,
        [object()],
        {1: {2: {3, object}}},
        itertools.count(),
        (x for x in itertools.count()),
        "x" * (17 << 20),
        b"x" * (17 << 20),
        [0] * 400_000,
    ],
)
def test_what_cannot_cross_is_said(value):
    with pytest.raises(NotPlain):
        Encoder().text(value)


def test_a_list_that_holds_itself_is_too_deep():
    cycle: list = []
    cycle.append(cycle)
    with pytest.raises(NotPlain, match="deeply nested"):
        Encoder().text(cycle)


def test_other_objects_become_handles():
    objects = []

    def handle(value):
        objects.append(value)
        return len(objects) - 1

    text = Encoder(handle=handle).text([1, len])
    assert objects == [len]
    assert Decoder(remote=lambda number, name: (number, name)).value(text) == [
        1,
        (0, "builtin_function_or_method"),
    ]


def test_instances_of_shared_classes_cross_by_value():
    class Node:
        def __init__(self, value, following=None):
            self.value = value
            self.following = following

    class Slots:
        __slots__ = ("x",)

    shared = {"Node": Node, "Slots": Slots}
    slots = Slots()
    slots.x = 3
    text = Encoder(shared).text([Node(1, Node(2)), slots])
    node, other = Decoder(shared).value(text)
    assert (node.value, node.following.value, node.following.following) == (1, 2, None)
    assert other.x == 3
    with pytest.raises(ValueError):
        Decoder().value(text)


def test_an_object_brings_no_behaviour_with_it():
    class Node:
        def same(self, other):
            return False

    def decode(attributes):
        decoder = Decoder({"Node": Node}, remote=lambda number, name: lambda *_: True)
        return decoder.value(json.dumps(["object", ["Node", ["dict", attributes]]]))

    assert vars(decode([["x", 1]])) == {"x": 1}
    for attributes in ([["same", 1]], [["__class__", 1]], [["x", ["handle", [0, "function"]]]]):
        with pytest.raises(ValueError):
            decode(attributes)


@pytest.mark.parametrize(
    "data",
    [
        ["int", 5],
        ["int", "zz"],
        ["float", []],
        ["complex", ["1"]],
        ["bytes", "xyz"],
        ["set", [["list", []]]],
        ["dict", [[["list", []], 1]]],
        ["dict", [1]],
        ["list", 5],
        ["range", [1, 2, 3, 4]],
        ["range", ["a"]],
        ["handle", [0, "x"]],
        ["object", ["Node", ["dict", []]]],
        ["unknown", 1],
        [["list", []], 1],
        ["list"],
        [],
        {"a": 1},
        [1, 2, 3],
    ],
)
def test_forged_data_are_refused(data):
    with pytest.raises(ValueError):
        Decoder().value(json.dumps(data))


@pytest.mark.parametrize("text", ["", "nonsense", "[" * 100_000, "1" * 10_000, '"' * (17 << 20)])
def test_forged_text_is_refused(text):
    with pytest.raises(ValueError):
        Decoder().value(text)
