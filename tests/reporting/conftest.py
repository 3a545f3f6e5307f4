"""Two small pairs with hand-made answers and a table over them, and a run of one training."""

import copy

import pytest

from askd.artifacts import ITEMS, table_from_rows, write_table
from askd.config import (
    Benchmark,
    Config,
    Method,
    NllTerm,
    Pair,
    SampledSkewTerm,
    Table,
    validate,
)
from askd.reporting.table import build

PAIRS = {
    "one": Pair(teacher="t", student="s", task="k", label="Big_7B → Small_1B", note="noisy"),
    "two": Pair(teacher="t", student="s", task="k", label="R&D 7B → 100% 1B"),
}
BENCHMARKS = {
    "easy": Benchmark(task="k", level="e", label="GSM8K"),
    "hard": Benchmark(task="k", level="h", label="MATH"),
}
PROJECTED = SampledSkewTerm(divergence="skl", estimator="sampled", skewness="projected")
METHODS = {
    "sft": Method(label="SFT", reference=NllTerm(divergence="nll")),
    "seqkd": Method(label="SeqKD", tgo=NllTerm(divergence="nll")),
    "askd": Method(label="ASKD", tgo=PROJECTED),
}
PAPER = (
    "pair,method,benchmark,value\none,askd,easy,78.92\none,askd,average,62.06\none,akl,hard,40\n"
)

# Greedy answers as right (1) or wrong (0), and the number of right ones among two samples, to the
# four items of `easy` and the two of `hard`, for each seed.
ANSWERS = {
    "teacher": [("1111 2222", "10 21")],
    "student": [("1000 1000", "00 00")],
    "sft": [("1100 1100", "10 10"), ("1000 1111", "00 11")],
    "seqkd": [("1100 2000", "10 20"), ("1000 0000", "00 00")],
    "askd": [("1110 2210", "11 22"), ("1010 2111", "10 22")],
}


class SmallTable:
    """The table, its outcomes below `results`, and ways to change them."""

    pairs = tuple(PAIRS)
    answers = ANSWERS
    methods = METHODS

    def __init__(self, root):
        self.results, self.paper = root / "results", root / "paper.csv"
        self.paper.write_text(PAPER)
        for pair in PAIRS:
            for system, runs in ANSWERS.items():
                for seed, answers in enumerate(runs):
                    self.write_run(pair, system, seed, answers)

    def items_path(self, pair, system, seed, benchmark):
        run = self.results / pair / system / f"seed{seed}"
        return run / "eval" / benchmark / "items.parquet"

    def write_run(self, pair, system, seed, answers):
        for benchmark, text in zip(BENCHMARKS, answers, strict=True):
            greedy, sampled = text.split()
            rows = [
                {
                    "prompt_id": f"{benchmark}-{item}",
                    "decoding": decoding,
                    "sample_id": sample,
                    "correct": sample < int(right),
                    "reward": float(sample < int(right)),
                    "reason": "",
                    "finish_reason": "stop",
                    "response_tokens": 1,
                    "text": "",
                }
                for decoding, digits, count in (("greedy", greedy, 1), ("sampled", sampled, 2))
                for item, right in enumerate(digits)
                for sample in range(count)
            ]
            path = self.items_path(pair, system, seed, benchmark)
            write_table(path, table_from_rows(rows, ITEMS), ITEMS)

    def table(self, **changes):
        """The table as a configuration has it."""
        table = {
            "title": "Reasoning & more",
            "pairs": list(PAIRS),
            "systems": list(ANSWERS),
            "benchmarks": list(BENCHMARKS),
            "compare": "askd",
            "paper": str(self.paper),
        }
        return Table(**{**table, **changes})

    def build(
        self,
        output="tables",
        seeds=2,
        methods=METHODS,
        audit=None,
        measure="pass@1",
        chosen=None,
        misled=(),
        **changes,
    ):
        """Build the table below the folder `output`, and return that."""
        output = self.results.parent / output
        build(
            "table2",
            self.table(**changes),
            measure,
            PAIRS,
            BENCHMARKS,
            methods,
            seeds,
            self.results,
            output,
            audit,
            chosen,
            misled,
        )
        return output


@pytest.fixture
def small(tmp_path):
    return SmallTable(tmp_path)


@pytest.fixture
def tiny_config(configuration):
    """Makes a configuration of one training of one seed; keywords change it."""

    def make(**changes):
        value = copy.deepcopy(configuration)
        value |= {
            "seeds": 1,
            "rounds": 1,
            "sweep": None,
            "figures": None,
            "estimators": None,
            "tuned": {},
        }
        table = {
            **value["tables"]["table2"],
            "pairs": ["qwen2-math"],
            "systems": ["student", "askd"],
        }
        value["tables"] = {"table2": table}
        return validate(Config, value | changes, "test")

    return make
