"""How EvalPlus compares an output with the expected one, as test source without NumPy.

After evalplus 0.3.1 (evalplus/eval): equality, or closeness where a tolerance is given or the
expected output is a float or a list of floats, and exceptions for some problems. Its HumanEval/32
is judged as its later versions do; 0.3.1 counts every answer as wrong.
"""

from __future__ import annotations

# Problems of MBPP whose output is a collection without order, and such that only whether there is
# a result counts.
SETS = [
    "similar_elements",
    "find_char_long",
    "common_in_nested_lists",
    "extract_singly",
    "larg_nnum",
    "intersection_array",
    "find_dissimilar",
    "Diff",
]
NOT_NONE = ["check_str", "text_match_three", "text_starta_endb"]

COMPARE = """
import math
from copy import deepcopy

nan, inf = math.nan, math.inf

def is_floats(value):
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, float) for item in value)
    return isinstance(value, float)

def close(output, expected, atol):
    if isinstance(expected, (list, tuple)):
        return len(output) == len(expected) and all(
            close(one, other, atol) for one, other in zip(output, expected)
        )
    if expected in (inf, -inf) or output in (inf, -inf):
        return output == expected
    return abs(output - expected) <= atol + 1e-7 * abs(expected)

def matches(output, expected, arguments, atol):
    if atol == 0 and is_floats(expected):
        atol = 1e-6
    if output == expected:
        return True
    if atol == 0 or type(output) is not type(expected):
        return False
    return close(output, expected, atol)
"""
# By entry point: what replaces `matches`.
SPECIAL = {
    "find_zero": """
def matches(output, expected, arguments, atol):
    (coefficients,) = arguments
    return abs(sum(c * math.pow(output, n) for n, c in enumerate(coefficients))) <= (atol or 1e-6)
""",
    "are_equivalent": """
def matches(output, expected, arguments, atol):
    return True
""",
    "sum_div": """
def matches(output, expected, arguments, atol):
    return output in (expected, 0)
""",
    "surface_Area": """
def matches(output, expected, arguments, atol):
    edge, height = arguments
    slant = math.sqrt((edge / 2) ** 2 + height**2)
    return output == expected or abs(output - round(edge**2 + 2 * edge * slant)) <= atol
""",
    "digit_distance_nums": """
def matches(output, expected, arguments, atol):
    one, other = map(str, arguments)
    width = max(len(one), len(other))
    pairs = zip(one.zfill(width), other.zfill(width))
    return output in (expected, sum(abs(int(a) - int(b)) for a, b in pairs))
""",
}
AS_SETS = """
def matches(output, expected, arguments, atol):
    return set(output) == set(expected)
"""
AS_RESULTS = """
def matches(output, expected, arguments, atol):
    return output == expected if isinstance(output, bool) else expected == (output is not None)
"""


def comparison(entry_point: str, canonical: str, inputs: list, atol: float) -> str:
    """Tests that call `entry_point` with each of `inputs` and compare with the source `canonical`.

    All expected outputs are there before the program is called for the first time.
    """
    source = COMPARE + SPECIAL.get(entry_point, "")
    source += AS_SETS if entry_point in SETS else AS_RESULTS if entry_point in NOT_NONE else ""
    expected = "solve(*deepcopy(arguments))"
    if entry_point in NOT_NONE:
        expected = f"{expected} is not None"
    # A space of its own: a canonical solution that calls itself must not call the program.
    # The program first: its name may be one of those that are used below, as `solve` is.
    return (
        f"program_under_test = {entry_point}\n"
        + source
        + f"""
space = {{}}
exec({canonical!r}, space)
solve = space[{entry_point!r}]
INPUTS = {inputs!r}
EXPECTED = [{expected} for arguments in INPUTS]
for arguments, expected in zip(INPUTS, EXPECTED):
    output = program_under_test(*deepcopy(arguments))
    assert matches(output, expected, arguments, {atol!r}), arguments
"""
    )
