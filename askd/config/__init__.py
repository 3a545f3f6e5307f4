"""The configuration: every key, its meaning, its bounds, and the references between sections.

`Config` describes a whole run (one scale). The smaller models are also the settings of single
stages: the workflow passes each stage just the sections that it reads, as JSON, so that an edit of
one key reruns only what depends on it.
"""

from askd.config.base import Strict, nearest, validate, validated_json
from askd.config.methods import (
    SIDES,
    AklTerm,
    FullVocabularySkewTerm,
    JsdTerm,
    KlTerm,
    Method,
    MixturePolicy,
    NllTerm,
    Policy,
    PolicyGradientTerm,
    Projection,
    SampledSkewTerm,
    SpeculativePolicy,
    Term,
)
from askd.config.run import Config, schema
from askd.config.sandbox import SandboxLimits, SandboxSettings
from askd.config.stages import (
    Advantage,
    Benchmark,
    Estimators,
    Evaluation,
    Figures,
    Lora,
    Rollout,
    Skewness,
    Sweep,
    Table,
    Training,
    Try,
)
from askd.config.tasks import (
    ArithmeticTask,
    ErrorProcess,
    GeneratedTask,
    InstructionsTask,
    JsonlTask,
    Level,
    Pair,
    PretrainedFromScratch,
    ProgramsTask,
    Task,
)

__all__ = [
    "SIDES",
    "Advantage",
    "AklTerm",
    "ArithmeticTask",
    "Benchmark",
    "Config",
    "ErrorProcess",
    "Estimators",
    "Evaluation",
    "Figures",
    "FullVocabularySkewTerm",
    "GeneratedTask",
    "InstructionsTask",
    "JsdTerm",
    "JsonlTask",
    "KlTerm",
    "Level",
    "Lora",
    "Method",
    "MixturePolicy",
    "NllTerm",
    "Pair",
    "Policy",
    "PolicyGradientTerm",
    "PretrainedFromScratch",
    "ProgramsTask",
    "Projection",
    "Rollout",
    "SampledSkewTerm",
    "SandboxLimits",
    "SandboxSettings",
    "Skewness",
    "SpeculativePolicy",
    "Strict",
    "Sweep",
    "Table",
    "Task",
    "Term",
    "Training",
    "Try",
    "nearest",
    "schema",
    "validate",
    "validated_json",
]
