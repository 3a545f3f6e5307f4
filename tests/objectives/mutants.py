"""Errors to plant, one at a time, in the losses and in what they read.

Of each: a module, what it says, and what it is made to say.

`python mutants.py` runs the tests on each mutant and prints its name and pytest's exit code, as a
JSON object per line; first come the tests without a mutant. Each run is a fork of a process that
has imported what takes long, and sees the mutant in place of the module.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The tests of a module; without an entry, those of this folder.
TESTS = {
    "askd.rollout.policies": (
        "tests/rollout/test_policies.py::test_a_mixture_is_of_the_probabilities"
    ),
    "askd.skewness": "tests/test_skewness.py",
    "askd.training.objective": "tests/training/test_objective.py",
    "askd.training.source": "tests/training/test_source.py",
}


@dataclass(frozen=True)
class Mutant:
    """`new` in the place of `old`, which stands in the module once.

    Attributes:
        test: of the module's tests the one that is to fail, where others would take long before
            it; empty for all of them.
    """

    name: str
    module: str
    old: str
    new: str
    test: str = ""

    @property
    def tests(self) -> str:
        """What pytest runs."""
        tests = TESTS.get(self.module, "tests/objectives")
        return f"{tests}::{self.test}" if self.test else tests


def _mutants(module: str, *changes: tuple[str, ...]) -> list[Mutant]:
    return [Mutant(f"{module}: {name}", module, *change) for name, *change in changes]


MUTANTS = [
    *_mutants(
        "askd.objectives.skew",
        (
            "SKL with p and q swapped",
            "teacher_logprobs, student_logprobs, own_weight=1 - student_weight,",
            "student_logprobs, teacher_logprobs, own_weight=1 - student_weight,",
        ),
        (
            "SKL skewed the other way",
            "own_weight=1 - student_weight, detach_mixture=False",
            "own_weight=student_weight, detach_mixture=False",
        ),
        (
            "SRKL with p and q swapped",
            "student_logprobs, teacher_logprobs, own_weight=student_weight,",
            "teacher_logprobs, student_logprobs, own_weight=student_weight,",
        ),
        (
            "SRKL skewed the other way",
            "own_weight=student_weight, detach_mixture=detach_mixture",
            "own_weight=1 - student_weight, detach_mixture=detach_mixture",
        ),
        (
            "mixture not detached",
            "log_mixture = log_mixture.detach()",
            "log_mixture = log_mixture",
        ),
        ("alpha not detached", "weight.detach().unsqueeze(-1)", "weight.unsqueeze(-1)"),
        ("mean over the vocabulary", ").sum(dim=-1)", ").mean(dim=-1)"),
    ),
    *_mutants(
        "askd.objectives.sampled",
        (
            "p and q swapped",
            "return teacher_logprob - student_logprob, alpha",
            "return student_logprob - teacher_logprob, alpha",
        ),
        (
            "mixture skewed the other way",
            "torch.logaddexp(alpha.log(), (1 - alpha).log() + log_c)",
            "torch.logaddexp((1 - alpha).log(), alpha.log() + log_c)",
        ),
        (
            "SKL's share skewed the other way",
            "log_coefficient = alpha.log() -",
            "log_coefficient = (1 - alpha).log() -",
        ),
        (
            "SRKL's share skewed the other way",
            "log_student_share = alpha.log() -",
            "log_student_share = (1 - alpha).log() -",
        ),
        (
            "sign of SRKL's logarithm",
            "coefficient = log_ratio +",
            "coefficient = -log_ratio +",
        ),
        (
            "SKL's coefficient with gradient",
            "@torch.no_grad()\ndef skew_kl_coefficient",
            "def skew_kl_coefficient",
        ),
        (
            "SRKL's coefficient with gradient",
            "@torch.no_grad()\ndef skew_reverse_kl_coefficient",
            "def skew_reverse_kl_coefficient",
        ),
        ("coefficient not detached", "coefficient = coefficient.detach()", "pass"),
        ("sampler not detached", "sampler_logprob.detach()", "sampler_logprob"),
        (
            "sign of the surrogate",
            "return -coefficient * student_logprob",
            "return coefficient * student_logprob",
        ),
        (
            "optimistic clipping",
            "-torch.minimum(coefficient * ratio",
            "-torch.maximum(coefficient * ratio",
        ),
    ),
    *_mutants(
        "askd.objectives.jensen_shannon",
        (
            "weights of the terms swapped",
            "beta * forward + (1 - beta) * reverse",
            "(1 - beta) * forward + beta * reverse",
        ),
        (
            "forward term skewed the other way",
            "forward = skew_kl(student_logprobs, teacher_logprobs, alpha=1 - beta)",
            "forward = skew_kl(student_logprobs, teacher_logprobs, alpha=beta)",
        ),
        (
            "p and q of the forward term swapped",
            "forward = skew_kl(student_logprobs, teacher_logprobs,",
            "forward = skew_kl(teacher_logprobs, student_logprobs,",
        ),
        (
            "reverse term skewed the other way",
            "reverse = skew_reverse_kl(student_logprobs, teacher_logprobs, alpha=1 - beta)",
            "reverse = skew_reverse_kl(student_logprobs, teacher_logprobs, alpha=beta)",
        ),
        (
            "ends exchanged",
            """    if beta == 0:
        return skew_kl(student_logprobs, teacher_logprobs, alpha=1.0)
    if beta == 1:
""",
            """    if beta == 1:
        return skew_kl(student_logprobs, teacher_logprobs, alpha=1.0)
    if beta == 0:
""",
        ),
        (
            "p and q of the reverse term swapped",
            "reverse = skew_reverse_kl(student_logprobs, teacher_logprobs,",
            "reverse = skew_reverse_kl(teacher_logprobs, student_logprobs,",
        ),
    ),
    *_mutants(
        "askd.objectives.kullback_leibler",
        (
            "p and q of the forward KL swapped",
            "skew_kl(student_logprobs, teacher_logprobs, alpha=1.0)",
            "skew_kl(teacher_logprobs, student_logprobs, alpha=1.0)",
        ),
        (
            "p and q of the reverse KL swapped",
            "skew_reverse_kl(student_logprobs, teacher_logprobs, alpha=0.0)",
            "skew_reverse_kl(teacher_logprobs, student_logprobs, alpha=0.0)",
        ),
    ),
    *_mutants(
        "askd.objectives.adaptive_kl",
        (
            "weights of the KLs swapped",
            "weight * forward + (1 - weight) * reverse",
            "(1 - weight) * forward + weight * reverse",
        ),
        (
            "head of the student",
            "teacher, order = teacher_logprobs.exp()",
            "teacher, order = student_logprobs.exp()",
        ),
        (
            "p and q of the forward KL swapped",
            "forward_kl(student_logprobs, teacher_logprobs)",
            "forward_kl(teacher_logprobs, student_logprobs)",
        ),
        (
            "p and q of the reverse KL swapped",
            "reverse_kl(student_logprobs, teacher_logprobs)",
            "reverse_kl(teacher_logprobs, student_logprobs)",
        ),
        ("weight not detached", "@torch.no_grad()\ndef head_share", "def head_share"),
    ),
    *_mutants(
        "askd.objectives.likelihood",
        ("sign", "return -student_logprob", "return student_logprob"),
    ),
    *_mutants(
        "askd.objectives.policy_gradient",
        (
            "p and q of the reward swapped",
            "(teacher_logprob - old_logprob)",
            "(old_logprob - teacher_logprob)",
        ),
        (
            "p and q of the reverse KL swapped",
            "reverse_kl(student_logprobs, teacher_logprobs)",
            "reverse_kl(teacher_logprobs, student_logprobs)",
        ),
        (
            "sign of the advantage",
            "surrogate(logprob, advantage,",
            "surrogate(logprob, -advantage,",
        ),
        ("rewards so far in place of those to go", ".triu()", ".tril()"),
        ("no length normalisation", "decay @ own / (len(own) - steps)", "decay @ own"),
        (
            "rewards with gradient",
            "@torch.no_grad()\ndef log_ratio_rewards",
            "def log_ratio_rewards",
        ),
        (
            "returns with gradient",
            "@torch.no_grad()\ndef normalized_returns",
            "def normalized_returns",
        ),
        ("whitening with gradient", "@torch.no_grad()\ndef whiten", "def whiten"),
    ),
    *_mutants(
        "askd.objectives.outcome",
        ("sign of kappa", "else kappa * (alpha - 1)", "else -kappa * (alpha - 1)"),
        (
            "baseline with the answer itself",
            "value - (sums[group] - value) / (sizes[group] - 1)",
            "value - sums[group] / sizes[group]",
        ),
        (
            "all answers in one group",
            "for value, group in zip(values, groups, strict=True):",
            "for value, group in zip(values, [0] * len(groups), strict=True):",
        ),
        (
            "baselines of one group for all",
            "for value, group in zip(values, groups, strict=True)\n    ]",
            "for value, group in zip(values, [groups[0]] * len(groups), strict=True)\n    ]",
        ),
    ),
    *_mutants(
        "askd.objectives.reduction",
        ("reductions swapped", 'if reduction == "sequence":', 'if reduction == "token":'),
        (
            "mean over the sequences of the micro-batch",
            "1 / (sequences_in_step * lengths.to(dtype))",
            "1 / (sequences * lengths.to(dtype))",
        ),
        ("mean over the tokens of the micro-batch", "1 / tokens_in_step,", "1 / tokens,"),
        (
            "sum over the tokens of a sequence",
            "1 / (sequences_in_step * lengths.to(dtype))",
            "torch.full(lengths.shape, 1 / sequences_in_step, dtype=dtype)",
        ),
    ),
    *_mutants(
        "askd.skewness",
        ("kappa the other way", "np.where(correct, 0.0, 1.0)", "np.where(correct, 1.0, 0.0)"),
        ("skewness the other way", "math.erfc(-x / math", "math.erfc(x / math"),
        ("sign of the advantage", "return deviations /", "return -deviations /"),
    ),
    *_mutants(
        "askd.training.source",
        (
            "outcomes beside the answers to all prompts",
            "leave_one_out(values, [row.prompt_id for row in rows])",
            "leave_one_out(values, [row.side for row in rows])",
        ),
        (
            "outcomes beside no other answers",
            "leave_one_out(values, [row.prompt_id for row in rows])",
            "leave_one_out(values, [(row.prompt_id, row.sample_id) for row in rows])",
        ),
        (
            "outcomes without kappa",
            "outcome_weight(row.side, row.alpha, row.kappa)",
            "outcome_weight(row.side, row.alpha, 1.0)",
        ),
        (
            "kappa where the term does not clip",
            'row["kappa"] if clips else 1.0',
            'row["kappa"]',
            "test_only_a_clipped_term_drops_correct_samples",
        ),
        (
            "no kappa where the term clips",
            'row["kappa"] if clips else 1.0',
            "1.0",
            "test_only_a_clipped_term_drops_correct_samples",
        ),
    ),
    *_mutants(
        "askd.training.objective",
        (
            "kappa left out",
            "term.weight * (weights * kappa * token_loss)",
            "term.weight * (weights * token_loss)",
        ),
        (
            "sign of kappa",
            "term.weight * (weights * kappa * token_loss)",
            "term.weight * (weights * -kappa * token_loss)",
        ),
        (
            "SKL and SRKL swapped",
            'if term.divergence == "skl":\n            coefficient',
            'if term.divergence == "srkl":\n            coefficient',
        ),
        (
            "student and teacher swapped",
            '            logprob,\n            tokens.numbers("teacher"),',
            '            tokens.numbers("teacher"),\n            logprob,',
        ),
        (
            "advantage left out",
            "coefficient = tokens.advantage() * coefficient",
            "pass",
        ),
        (
            "sign of the outcome",
            "side_loss - term.weight * (weights * advantage",
            "side_loss + term.weight * (weights * advantage",
        ),
        (
            "fixed skewness in place of the projected one",
            'if getattr(term, "skewness", None) == "projected":',
            "if False:",
        ),
        (
            "mixture not detached",
            "partial(module.skew_reverse_kl, detach_mixture=term.detach_mixture)",
            "partial(module.skew_reverse_kl, detach_mixture=False)",
        ),
        (
            "p and q swapped over the vocabulary",
            """                return divergence(
                    head_logprobs(self.student, student, self.vocabulary),
                    teacher_logprobs,
""",
            """                return divergence(
                    teacher_logprobs,
                    head_logprobs(self.student, student, self.vocabulary),
""",
        ),
        (
            "SKL in place of SRKL over the vocabulary",
            "return detached, (tokens.alpha(term),)",
            "return module.skew_kl, (tokens.alpha(term),)",
        ),
        (
            "SRKL in place of SKL over the vocabulary",
            "return module.skew_kl, (tokens.alpha(term),)",
            "return module.skew_reverse_kl, (tokens.alpha(term),)",
        ),
        (
            "reduction over the micro-batch",
            "totals.sequences[side], totals.tokens[side]",
            "len(members), int(lengths.sum())",
        ),
        (
            "p and q of MiniLLM's rewards swapped",
            '("old", "teacher")',
            '("teacher", "old")',
            "test_the_loss_is_that_of_a_dense_computation[sequence-minillm]",
        ),
        (
            "MiniLLM's moments of the micro-batch",
            "returns(tokens.step_rows)",
            "returns(tokens.rows)",
            "test_the_loss_is_that_of_a_dense_computation[sequence-minillm]",
        ),
        (
            "graph of the teacher's hidden states",
            "with torch.no_grad():\n                teacher_hidden",
            "if True:\n                teacher_hidden",
            "test_no_gradient_is_kept_for_the_teacher[kd]",
        ),
        (
            "gradient of the teacher's head",
            "with torch.no_grad():\n                    teacher_logprobs",
            "if True:\n                    teacher_logprobs",
            "test_no_gradient_is_kept_for_the_teacher[kd]",
        ),
    ),
    *_mutants(
        "askd.rollout.policies",
        (
            "weights of the mixture swapped",
            "[1 - teacher_weight, teacher_weight]",
            "[teacher_weight, 1 - teacher_weight]",
        ),
    ),
]


def source(mutant: Mutant) -> str:
    """The mutated source of the module.

    Raises:
        ValueError: what it exchanges does not stand there once.
    """
    path = ROOT / f"{mutant.module.replace('.', '/')}.py"
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: {mutant.old!r} stands {text.count(mutant.old)} times")
    return text.replace(mutant.old, mutant.new)


class _Loader(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds the mutant in the place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, name: str, path: object, target: object = None) -> object:
        if name == self.mutant.module:
            return importlib.util.spec_from_loader(name, self)
        return None

    def get_source(self, name: str) -> str:
        return source(self.mutant)


def exit_code(mutant: Mutant | None) -> int:
    """Pytest's exit code in a fork: 0 if all tests pass, 1 if one fails."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    import pytest

    if mutant is None:
        tests = ["tests/objectives", *TESTS.values()]
    else:
        sys.meta_path.insert(0, _Loader(mutant))
        tests = [mutant.tests]
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        # This very test would go on without end.
        code = pytest.main([*options, "--ignore", "tests/objectives/test_mutants.py", *tests])
    os._exit(int(code))


def main() -> None:
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for module in ("torch", "pytest", "pyarrow.parquet", "scipy.stats", "transformers"):
        importlib.import_module(module)
    importlib.import_module("transformers.models.qwen2.modeling_qwen2")
    for mutant in (None, *MUTANTS):
        name = "" if mutant is None else mutant.name
        print(json.dumps({"name": name, "exit_code": exit_code(mutant)}), flush=True)


if __name__ == "__main__":
    main()
