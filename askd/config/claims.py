"""The empirical claims of the paper, as kept in config/claims.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from askd.config.base import Name, Strict


class ClaimedComparison(Strict):
    """`method` is claimed to be above each of `against`, on each pair and each benchmark."""

    method: Name = Field(description="The system that is claimed to be the better one.")
    against: list[Name] = Field(
        default=[],
        description="The systems below it; none: all others of the paper's table that are trained.",
    )
    table: Name | None = Field(default=None, description="Table; none: that of the claim.")
    pairs: list[Name] = Field(default=[], description="Pairs; none: all of the paper's table.")
    benchmarks: list[Name] = Field(
        default=[],
        description="Benchmarks, or `average`; none: all of the paper's table but that.",
    )
    than: Name | None = Field(
        default=None,
        description="Benchmark on which the difference is claimed to be smaller, so that two "
        "differences are compared.",
    )
    effect: PositiveFloat | None = Field(
        default=None,
        description="Difference in points that the words state; none: that of the paper's table.",
    )
    items: Literal["all", "teacher-wrong"] = Field(
        default="all", description="All items, or those that the teacher's greedy answer fails."
    )

    @model_validator(mode="after")
    def _two_benchmarks(self) -> ClaimedComparison:
        if self.than is not None and (
            not self.benchmarks or {"average", self.than} & set(self.benchmarks)
        ):
            raise ValueError("`than` needs other `benchmarks` that are named, and no average")
        return self


class ClaimedFact(Strict):
    """A number that the figures stage measures is claimed to be so large, or so small."""

    name: str = Field(description="Row of figures/facts.csv.")
    share: Literal["all", "most"] | None = Field(
        default=None, description="A share of 1, or above one half."
    )
    above: float | None = Field(default=None, description="A number above this one.")
    below: float | None = Field(default=None, description="A number below this one.")

    @model_validator(mode="after")
    def _one_bound(self) -> ClaimedFact:
        if sum(bound is not None for bound in (self.share, self.above, self.below)) != 1:
            raise ValueError(f"fact {self.name!r} needs one of: share, above, below")
        return self


class ClaimedNoise(Strict):
    """Gradients at one kind of skewness are claimed to be noisier than at others."""

    skewness: str = Field(description="Column `skewness` of tables/gradient_variance.csv.")
    against: list[str] = Field(min_length=1, description="The kinds that are less noisy.")
    estimator: str = Field(default="sampled", description="Column `estimator`, of all of them.")


class Claim(Strict):
    """One empirical statement, and the one way in which it is decided."""

    id: Name = Field(description="Name of the claim.")
    section: str = Field(description="Where the paper states it.")
    words: str = Field(description="What it states, in short.")
    table: Name | None = Field(default=None, description="Table whose runs decide it.")
    comparisons: list[ClaimedComparison] = Field(
        default=[], description="All of these have to hold."
    )
    fact: ClaimedFact | None = Field(default=None, description="A measured number decides it.")
    theory: list[str] = Field(
        default=[], description="Rows of tables/theory.csv that decide it; all have to hold."
    )
    noise: ClaimedNoise | None = Field(
        default=None, description="The measured noise of gradients decides it."
    )
    note: str = Field(default="", description="What a reader should know beside the verdict.")

    @model_validator(mode="after")
    def _one_way_to_decide(self) -> Claim:
        if sum(map(bool, (self.comparisons, self.fact, self.theory, self.noise))) != 1:
            raise ValueError(f"claim {self.id!r} needs one of: comparisons, fact, theory, noise")
        own = [comparison.table or self.table for comparison in self.comparisons]
        if None in own or (self.table is not None and self.table not in own):
            raise ValueError(f"claim {self.id!r}: `table` and `comparisons` go together")
        return self


class Against(Strict):
    """Systems that a summary compares on the average over benchmarks, pair by pair."""

    name: Name = Field(description="Name of the question.")
    words: str = Field(description="What is compared, or what might be the cause, in short.")
    method: Name = Field(description="The system whose advantage is measured.")
    against: list[Name] = Field(min_length=1, description="The systems that it is compared with.")


class Cause(Against):
    """A possible cause of the outcome: what changes without it, or where it is at work."""

    table: Name | None = Field(
        default=None, description="Table of the run; none: all that have both systems."
    )
    kind: Literal["remedy", "condition", "pairs"] = Field(
        default="remedy",
        description="remedy: `method` is without the cause that `against` has; condition: pairs "
        "differ in which of the two is better, and the outcome is told apart by that; pairs: the "
        "pairs of `table` differ in the cause.",
    )


class Summary(Strict):
    """One method against another over the whole run, and what may be the cause."""

    comparisons: list[Against] = Field(
        min_length=1, description="On all pairs of the paper's tables; causes are of the first."
    )
    causes: list[Cause] = Field(default=[], description="Possible causes, each with its numbers.")

    @model_validator(mode="after")
    def _names_differ(self) -> Summary:
        names = [question.name for question in (*self.comparisons, *self.causes)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name!r} occurs twice; keep one")
        return self


class Claims(Strict):
    """The file."""

    items: dict[Name, PositiveInt] = Field(
        description="Items that the paper's accuracies are over, by benchmark."
    )
    claims: list[Claim] = Field(min_length=1, description="In the order of the paper.")
    summary: Summary | None = Field(
        default=None, description="One method against another, over all tables of a run."
    )

    @model_validator(mode="after")
    def _ids_differ(self) -> Claims:
        ids = [claim.id for claim in self.claims]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"claim {name!r} occurs twice; keep one")
        return self
