import pytest

from askd.judge.verdicts import PairVerdict, rates, read_verdict


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("[[A]]", "first"),
        ("[[B]]", "second"),
        ("[[C]]", "tie"),
        ("I thought of [[A]] first, but B is right.\n[[B]]\n", "second"),
        ("[[B]] no, [[C]]: no, [[A]].", "first"),
        ("", None),
        ("A is better", None),
        ("[A]", None),
        ("[[D]]", None),
        ("[ [A] ]", None),
        ("[[A] ]", None),
        ("[[a]]", None),
    ],
)
def test_the_last_verdict_counts(reply, verdict):
    assert read_verdict(reply) == verdict


@pytest.mark.parametrize(
    ("there", "back", "score", "reason"),
    [
        ("first", "second", 1.0, "win"),
        ("second", "first", 0.0, "loss"),
        ("tie", "tie", 0.5, "tie"),
        ("first", "first", 0.5, "inconsistent"),
        ("tie", "second", 0.5, "inconsistent"),
        (None, "second", 0.5, "invalid"),
        ("first", None, 0.5, "invalid"),
        (None, None, 0.5, "invalid"),
    ],
)
def test_what_a_pair_is_worth(there, back, score, reason):
    pair = PairVerdict(there, back)
    assert (pair.score, pair.reason) == (score, reason)


def test_rates_of_many_pairs():
    pairs = [
        PairVerdict("first", "second"),  # one decided for the first place, one against
        PairVerdict("first", "first"),  # two for it
        PairVerdict("tie", "tie"),
        PairVerdict(None, "second"),
    ]
    assert rates(pairs) == {
        "pairs": 4,
        "inconsistent": 1 / 3,
        "invalid": 1 / 8,
        "first_position": 3 / 5,
    }


def test_rates_of_nothing_are_none():
    assert rates([PairVerdict("tie", "tie")])["first_position"] is None
    assert rates([PairVerdict(None, "tie")])["inconsistent"] is None
