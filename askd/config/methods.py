"""Methods: which outputs are trained on, with which divergence."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, PositiveFloat, Tag, model_validator

from askd.config.base import Fraction, Strict


class _Term(Strict):
    # The module of askd.objectives that holds the divergence.
    objective: ClassVar[str]

    weight: PositiveFloat = Field(default=1.0, description="Weight of this term in the loss.")


class NllTerm(_Term):
    """Negative log-likelihood of the tokens."""

    objective: ClassVar[str] = "likelihood"
    divergence: Literal["nll"] = Field(description="Negative log-likelihood.")


class JsdTerm(_Term):
    """Generalized Jensen-Shannon divergence over the full vocabulary."""

    objective: ClassVar[str] = "jensen_shannon"
    divergence: Literal["jsd"] = Field(description="Generalized Jensen-Shannon divergence.")
    estimator: Literal["full_vocabulary"] = Field(
        default="full_vocabulary", description="Exact sum over the vocabulary at each prefix."
    )
    beta: Fraction = Field(description="Weight of the teacher in the mixture (0: forward KL).")


class _SkewTerm(_Term):
    divergence: Literal["skl", "srkl"] = Field(description="Skew KL or skew reverse KL.")
    skewness: Literal["projected"] | Fraction = Field(
        description="Weight of the student in the mixture: a number, or projected from rewards."
    )
    clip_correct: bool = Field(
        default=False, description="Drop the samples that are correct (kappa, Eq. 13)."
    )


class FullVocabularySkewTerm(_SkewTerm):
    """Skew divergence with the exact sum over the vocabulary at each prefix."""

    objective: ClassVar[str] = "skew"
    estimator: Literal["full_vocabulary"] = Field(description="Exact sum over the vocabulary.")
    detach_mixture: bool = Field(
        default=False, description="Stop the gradient through the mixture (DistiLLM-2's SRKL)."
    )

    @model_validator(mode="after")
    def _only_the_reverse_mixture_detaches(self) -> FullVocabularySkewTerm:
        if self.detach_mixture and self.divergence == "skl":
            raise ValueError("detach_mixture goes with srkl: a detached skl has no gradient")
        return self


class SampledSkewTerm(_SkewTerm):
    """Skew divergence estimated from the sampled tokens alone (Eqs. 8-11)."""

    objective: ClassVar[str] = "sampled"
    estimator: Literal["sampled"] = Field(description="Monte Carlo over the sampled tokens.")
    form: Literal["token", "sequence_mixture", "product"] = Field(
        default="token", description="Mixture per token, per sequence, or Eqs. 10-11 as printed."
    )
    returns: Literal["myopic", "reward_to_go"] = Field(
        default="myopic", description="The log term of this token, or of this and all later ones."
    )
    constant: Literal["keep", "drop"] = Field(
        default="keep", description="Keep or drop what the srkl coefficient is at q = p: alpha - 1."
    )
    importance: Literal["none", "ratio", "clipped"] = Field(
        default="none", description="Correct for stale samples by the ratio to the sampler."
    )
    clip_range: PositiveFloat = Field(default=0.2, description="Range of the clipped ratio.")


def _term_kind(value: Any) -> str | None:
    if not isinstance(value, dict):
        value = vars(value) if isinstance(value, _Term) else {}
    divergence, estimator = value.get("divergence"), value.get("estimator")
    if divergence in ("skl", "srkl"):
        return f"skew {estimator}"
    return divergence


Term = Annotated[
    Annotated[NllTerm, Tag("nll")]
    | Annotated[JsdTerm, Tag("jsd")]
    | Annotated[FullVocabularySkewTerm, Tag("skew full_vocabulary")]
    | Annotated[SampledSkewTerm, Tag("skew sampled")],
    Discriminator(
        _term_kind,
        custom_error_type="unknown_term",
        custom_error_message="a term needs `divergence`: nll, jsd, skl or srkl, and for skl and "
        "srkl `estimator`: full_vocabulary or sampled",
    ),
]

SIDES = ("reference", "tgo", "sgo")


class Method(Strict):
    """A row of the tables: which outputs are trained on, with which divergence."""

    label: str = Field(description="The method's name in tables.")
    reference: NllTerm | None = Field(default=None, description="Term on the fixed data set.")
    tgo: Term | None = Field(default=None, description="Term on teacher-generated outputs.")
    sgo: Term | None = Field(default=None, description="Term on student-generated outputs.")
    learning_rate: PositiveFloat | None = Field(
        default=None, description="Peak learning rate, where it differs from the tuned one."
    )

    @model_validator(mode="after")
    def _has_a_term(self) -> Method:
        if not self.terms:
            raise ValueError("a method needs at least one of the terms reference, tgo, sgo")
        return self

    @property
    def terms(self) -> dict[str, Any]:
        """The terms that the method has, by side."""
        return {side: getattr(self, side) for side in SIDES if getattr(self, side) is not None}

    def uses_rewards(self, side: str) -> bool:
        """Whether the term on `side` (tgo or sgo) reads rewards of its samples."""
        term = self.terms.get(side)
        return isinstance(term, _SkewTerm) and (term.skewness == "projected" or term.clip_correct)

    def is_sampled(self, side: str) -> bool:
        """Whether the term on `side` reads teacher log-probabilities of the sampled tokens."""
        return isinstance(self.terms.get(side), SampledSkewTerm)

    @property
    def objective_modules(self) -> list[str]:
        """The modules of askd.objectives that hold the divergences of the terms."""
        return sorted({f"askd.objectives.{term.objective}" for term in self.terms.values()})

    @property
    def needs_teacher_model(self) -> bool:
        """Whether training loads the teacher: some term sums over the full vocabulary."""
        return any(
            getattr(term, "estimator", None) == "full_vocabulary" for term in self.terms.values()
        )

    @property
    def supervision(self) -> str:
        """What the method sees of the true answers, for footnotes of tables."""
        if self.uses_rewards("tgo") or self.uses_rewards("sgo"):
            return "rewards"
        return "worked answers" if self.reference else "none"
