"""The empirical claims of the paper, as kept in config/claims.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from askd.config.base import Name, Strict


class ClaimedComparison(Strict):
    """`method` is claimed to be above each of `against`, on each pair and each benchmark."""

    method: Name = Field(description="The system that is claimed to be the better one.")
    against: list[Name] = Field(min_length=1, description="The systems below it.")
    pairs: list[Name] = Field(default=[], description="Pairs; none: all of the paper's table.")
    benchmarks: list[Name] = Field(
        default=[],
        description="Benchmarks, or `average`; none: all of the paper's table but that.",
    )
    effect: PositiveFloat | None = Field(
        default=None,
        description="Difference in points that the words state; none: that of the paper's table.",
    )
    items: Literal["all", "teacher-wrong"] = Field(
        default="all", description="All items, or those that the teacher's greedy answer fails."
    )


class ClaimedFact(Strict):
    """A share that the figures stage measures is claimed to be all, or most."""

    name: str = Field(description="Row of figures/facts.csv.")
    share: Literal["all", "most"] = Field(description="A share of 1, or above one half.")


class Claim(Strict):
    """One empirical statement; `comparisons`, `fact` or `untested` says how it is decided."""

    id: Name = Field(description="Name of the claim.")
    section: str = Field(description="Where the paper states it.")
    words: str = Field(description="What it states, in short.")
    table: Name | None = Field(default=None, description="Table whose runs decide it.")
    comparisons: list[ClaimedComparison] = Field(
        default=[], description="All of these have to hold."
    )
    fact: ClaimedFact | None = Field(default=None, description="A measured share decides it.")
    untested: str | None = Field(default=None, description="Why no run decides it.")
    note: str = Field(default="", description="What a reader should know beside the verdict.")

    @model_validator(mode="after")
    def _one_way_to_decide(self) -> Claim:
        ways = [bool(self.comparisons), self.fact is not None, self.untested is not None]
        if sum(ways) != 1:
            raise ValueError(f"claim {self.id!r} needs one of: comparisons, fact, untested")
        if bool(self.comparisons) != (self.table is not None):
            raise ValueError(f"claim {self.id!r}: `table` and `comparisons` go together")
        return self


class Claims(Strict):
    """The file."""

    items: dict[Name, PositiveInt] = Field(
        description="Items that the paper's accuracies are over, by benchmark."
    )
    claims: list[Claim] = Field(min_length=1, description="In the order of the paper.")

    @model_validator(mode="after")
    def _ids_differ(self) -> Claims:
        ids = [claim.id for claim in self.claims]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"claim {name!r} occurs twice; keep one")
        return self
