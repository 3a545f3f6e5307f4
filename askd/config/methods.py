"""Methods: which outputs are trained on, with which divergence, and who samples them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, model_validator

from askd.config.base import Fraction, Strict


class _Term(Strict):
    # The module of askd.objectives that holds the divergence.
    objective: ClassVar[str]
    # Whether it sums over the vocabulary, so that training loads the teacher.
    full_vocabulary: ClassVar[bool] = False
    # Whether it reads the teacher's log-probabilities of the sampled tokens.
    sampled: ClassVar[bool] = False

    weight: PositiveFloat = Field(default=1.0, description="Weight of this term in the loss.")

    @property
    def reads_rewards(self) -> bool:
        """Whether the term reads rewards of its samples."""
        return False


class NllTerm(_Term):
    """Negative log-likelihood of the tokens."""

    objective: ClassVar[str] = "likelihood"
    divergence: Literal["nll"] = Field(description="Negative log-likelihood.")


class KlTerm(_Term):
    """Forward KL over the full vocabulary."""

    objective: ClassVar[str] = "kullback_leibler"
    full_vocabulary: ClassVar[bool] = True
    divergence: Literal["kl"] = Field(description="Forward KL, teacher to student.")


class AklTerm(_Term):
    """Adaptive KL: forward and reverse KL over the full vocabulary, mixed at each prefix."""

    objective: ClassVar[str] = "adaptive_kl"
    full_vocabulary: ClassVar[bool] = True
    divergence: Literal["akl"] = Field(description="Adaptive KL.")
    head_mass: Fraction = Field(
        default=0.5, description="Largest teacher mass of the head, whose gap weighs forward KL."
    )


class JsdTerm(_Term):
    """Generalized Jensen-Shannon divergence over the full vocabulary."""

    objective: ClassVar[str] = "jensen_shannon"
    full_vocabulary: ClassVar[bool] = True
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

    @property
    def reads_rewards(self) -> bool:
        """Whether the term reads rewards of its samples."""
        return self.skewness == "projected" or self.clip_correct


class FullVocabularySkewTerm(_SkewTerm):
    """Skew divergence with the exact sum over the vocabulary at each prefix."""

    objective: ClassVar[str] = "skew"
    full_vocabulary: ClassVar[bool] = True
    estimator: Literal["full_vocabulary"] = Field(description="Exact sum over the vocabulary.")
    detach_mixture: bool = Field(
        default=False, description="Stop the gradient through the mixture (DistiLLM-2's SRKL)."
    )
    outcome: Literal["none", "leave_one_out"] = Field(
        default="none",
        description="Add what the whole answer is worth beside the others to its prompt, which "
        "the sampled estimator holds and the sum over the vocabulary does not (ASKD+).",
    )

    @model_validator(mode="after")
    def _only_the_reverse_mixture_detaches(self) -> FullVocabularySkewTerm:
        if self.detach_mixture and self.divergence == "skl":
            raise ValueError("detach_mixture goes with srkl: a detached skl has no gradient")
        return self

    @model_validator(mode="after")
    def _outcomes_come_from_rewards(self) -> FullVocabularySkewTerm:
        if self.outcome != "none" and self.skewness != "projected":
            raise ValueError("outcome needs skewness: projected; a number is worth the same to all")
        return self


class SampledSkewTerm(_SkewTerm):
    """Skew divergence estimated from the sampled tokens alone (Eqs. 8-11)."""

    objective: ClassVar[str] = "sampled"
    sampled: ClassVar[bool] = True
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
    advantage_factor: bool = Field(
        default=False, description="Multiply the coefficient by the sample's advantage (GRPO)."
    )

    @property
    def reads_rewards(self) -> bool:
        """Whether the term reads rewards of its samples."""
        return super().reads_rewards or self.advantage_factor


class PolicyGradientTerm(_Term):
    """Reverse KL of sequences by policy gradient, and of each step over the full vocabulary."""

    objective: ClassVar[str] = "policy_gradient"
    full_vocabulary: ClassVar[bool] = True
    sampled: ClassVar[bool] = True
    divergence: Literal["rkl"] = Field(description="Reverse KL, student to teacher.")
    estimator: Literal["policy_gradient"] = Field(description="PPO on returns (MiniLLM).")
    discount: Fraction = Field(default=0.95, description="Discount of later tokens' rewards.")
    reward_scale: PositiveFloat = Field(
        default=0.5, description="The log-ratio of a token is divided by it."
    )
    reward_limit: PositiveFloat = Field(
        default=100.0, description="Largest magnitude of a token's reward."
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
    | Annotated[KlTerm, Tag("kl")]
    | Annotated[AklTerm, Tag("akl")]
    | Annotated[JsdTerm, Tag("jsd")]
    | Annotated[PolicyGradientTerm, Tag("rkl")]
    | Annotated[FullVocabularySkewTerm, Tag("skew full_vocabulary")]
    | Annotated[SampledSkewTerm, Tag("skew sampled")],
    Discriminator(
        _term_kind,
        custom_error_type="unknown_term",
        custom_error_message="a term needs `divergence`: nll, kl, akl, jsd, rkl, skl or srkl, "
        "and for skl and srkl `estimator`: full_vocabulary or sampled",
    ),
]


class MixturePolicy(Strict):
    """Each token comes from a mixture of the two models' probabilities."""

    kind: Literal["mixture"] = Field(description="Mixture of probabilities (MiniLLM).")
    teacher_weight: Fraction = Field(description="Weight of the teacher in the mixture.")


class SpeculativePolicy(Strict):
    """The student draws each token; the teacher replaces those that it ranks too low."""

    kind: Literal["speculative"] = Field(description="Interleaved sampling (Speculative KD).")
    top_k: PositiveInt = Field(
        default=25, description="A drawn token stays if it is among so many first of the teacher's."
    )


Policy = Annotated[MixturePolicy | SpeculativePolicy, Field(discriminator="kind")]

SIDES = ("reference", "tgo", "sgo")


class Projection(Strict):
    """A method's own way from rewards to skewness, where it differs from the configuration's."""

    normalization: Literal["group", "batch"] | None = Field(
        default=None, description="Normalisation of rewards; null: as `advantage` says."
    )
    beta: PositiveFloat | None = Field(
        default=None, description="Scale of the projection; null: as `skewness` says."
    )


class Method(Strict):
    """A row of the tables: which outputs are trained on, with which divergence."""

    label: str = Field(description="The method's name in tables.")
    reference: Term | None = Field(default=None, description="Term on the fixed data set.")
    tgo: Term | None = Field(default=None, description="Term on teacher-generated outputs.")
    sgo: Term | None = Field(default=None, description="Term on student-generated outputs.")
    policy: Policy | None = Field(
        default=None,
        description="Sampling of student outputs together with the teacher; null: without it.",
    )
    refresh_every: Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        description="Own interval of fresh student outputs, in steps (0: once a round); null: as "
        "`training` says.",
    )
    projection: Projection | None = Field(
        default=None, description="Own projection of rewards to skewness; null: the common one."
    )
    learning_rate: PositiveFloat | None = Field(
        default=None, description="Peak learning rate, where it differs from the tuned one."
    )
    tuned_as: str | None = Field(
        default=None,
        description="Method whose tuned settings this one shares, but for what its own row says.",
    )

    @model_validator(mode="after")
    def _has_a_term(self) -> Method:
        if not self.terms:
            raise ValueError("a method needs at least one of the terms reference, tgo, sgo")
        return self

    @model_validator(mode="after")
    def _a_policy_samples_student_outputs(self) -> Method:
        if self.policy is not None and self.sgo is None:
            raise ValueError("policy: it samples student outputs, and the method has no term sgo")
        return self

    @model_validator(mode="after")
    def _a_projection_has_a_reader(self) -> Method:
        if self.projection is not None and not self.projects:
            raise ValueError("projection: no term of the method has skewness: projected")
        return self

    @model_validator(mode="after")
    def _a_policy_gradient_is_on_policy(self) -> Method:
        if isinstance(self.tgo, PolicyGradientTerm):
            raise ValueError("tgo: rkl by policy gradient goes with sgo, the student's own outputs")
        return self

    @model_validator(mode="after")
    def _reference_answers_are_no_samples(self) -> Method:
        if self.reference is not None and (self.reference.sampled or self.reference.reads_rewards):
            raise ValueError(
                "reference: the worked answers are samples of no model and have no rewards; give "
                "nll, kl, akl, jsd, or a skew divergence over the full vocabulary with a number"
            )
        return self

    @property
    def terms(self) -> dict[str, Any]:
        """The terms that the method has, by side."""
        return {side: getattr(self, side) for side in SIDES if getattr(self, side) is not None}

    @property
    def samples_alone(self) -> bool:
        """Whether the method's first student outputs differ from those that others share."""
        return self.policy is not None or self.refresh_every is not None

    @property
    def projects(self) -> bool:
        """Whether a term projects rewards to skewness."""
        return any(getattr(term, "skewness", None) == "projected" for term in self.terms.values())

    def uses_rewards(self, side: str) -> bool:
        """Whether the term on `side` reads rewards of its samples."""
        return side in self.terms and self.terms[side].reads_rewards

    def is_sampled(self, side: str) -> bool:
        """Whether the term on `side` reads teacher log-probabilities of the sampled tokens."""
        return side in self.terms and self.terms[side].sampled

    @property
    def objective_modules(self) -> list[str]:
        """The modules of askd.objectives that hold the divergences of the terms."""
        return sorted({f"askd.objectives.{term.objective}" for term in self.terms.values()})

    @property
    def needs_teacher_model(self) -> bool:
        """Whether training loads the teacher: some term sums over the full vocabulary."""
        return any(term.full_vocabulary for term in self.terms.values())

    @property
    def supervision(self) -> str:
        """What the method sees of the true answers, for footnotes of tables."""
        if self.uses_rewards("tgo") or self.uses_rewards("sgo"):
            return "rewards"
        return "worked answers" if self.reference else "none"
