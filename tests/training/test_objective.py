"""The loss of a method: equal to a dense computation, however the step is laid out."""

from __future__ import annotations

import dataclasses
import random
import statistics
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml

from askd.config import Method, validate
from askd.models.logprobs import collate
from askd.objectives import skew_kl, skew_reverse_kl
from askd.training.objective import Objective, Totals

CONFIG = Path(__file__).resolve().parents[2] / "config" / "methods.yaml"
ALL = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["methods"]
SIDES = ("reference", "tgo", "sgo", "policy")
# The first method of each loss; the others differ in what is before it (projection, staleness).
SHIPPED = {
    name: value
    for number, (name, value) in enumerate(ALL.items())
    if all(
        any(value.get(side) != other.get(side) for side in SIDES)
        for other in list(ALL.values())[:number]
    )
}
SKL = {"divergence": "skl", "estimator": "sampled", "skewness": "projected"}
SRKL = {**SKL, "divergence": "srkl", "clip_correct": True}
# Options that no shipped method uses.
OTHERS = {
    "three sides": {"reference": {"divergence": "nll"}, "tgo": {**SKL, "weight": 3}, "sgo": SRKL},
    "sequence mixture": {"tgo": {**SKL, "form": "sequence_mixture"}},
    "reward to go": {"sgo": {**SRKL, "returns": "reward_to_go", "constant": "drop"}},
    "ratio": {"sgo": {**SRKL, "importance": "ratio"}},
    "clipped": {"sgo": {**SRKL, "importance": "clipped"}},
}
METHODS = {
    **{name: validate(Method, value, name) for name, value in SHIPPED.items()},
    **{name: validate(Method, {**value, "label": name}, name) for name, value in OTHERS.items()},
}
every_method = pytest.mark.parametrize("name", METHODS)
every_reduction = pytest.mark.parametrize("reduction", ["sequence", "token"])


@pytest.fixture(scope="module")
def models(make_model):
    """Student and teacher in double precision, so that only the head rounds."""
    return make_model(16, seed=2).double(), make_model(24, seed=1).double()


@pytest.fixture
def evaluate(models):
    """Loss, gradient and log of a step that is split into batches."""

    def evaluate(method, batches, rows=None, reduction="sequence", head_chunk=10_000, pad=0):
        student, teacher = models
        objective = Objective(
            method,
            student,
            teacher if method.needs_teacher_model else None,
            102,
            pad,
            reduction,
            head_chunk,
        )
        totals = Totals(rows or [row for batch in batches for row in batch])
        student.zero_grad()
        loss, logs = 0.0, []
        for batch in batches:
            part, log = objective(batch, totals)
            part.backward()
            loss += part.item()
            logs.append(log)
        return loss, gradient(student), logs

    return evaluate


def gradient(model) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten().clone() for parameter in model.parameters()])


def assert_equal(one, other, tolerance: float = 1e-6) -> None:
    """Relative to the loss, and to the largest entry of the gradient."""
    assert one[0] == pytest.approx(other[0], rel=tolerance)
    assert other[1].abs().max() > 0
    assert (one[1] - other[1]).abs().max() <= tolerance * other[1].abs().max()


def split(rows, size):
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def shuffled(rows, seed=1):
    return random.Random(seed).sample(rows, len(rows))


@every_method
@every_reduction
def test_micro_batches_padding_and_order_do_not_matter(evaluate, make_rows, name, reduction):
    """Splits put the long row beside short ones, or leave it alone."""
    rows = make_rows(METHODS[name])
    whole = evaluate(METHODS[name], [rows], reduction=reduction)
    for size in (1, 2, 3):
        parts = split(shuffled(rows, seed=size), size)
        assert_equal(evaluate(METHODS[name], parts, rows, reduction), whole)
    assert_equal(evaluate(METHODS[name], [shuffled(rows)], reduction=reduction), whole)


@every_method
@every_reduction
def test_chunks_of_the_head_do_not_matter(evaluate, make_rows, name, reduction):
    rows = make_rows(METHODS[name])
    whole = evaluate(METHODS[name], [rows], reduction=reduction, head_chunk=10_000)
    for chunk in (1, 5):
        part = evaluate(METHODS[name], [rows], reduction=reduction, head_chunk=chunk)
        assert_equal(part, whole)


@every_method
def test_the_padding_token_does_not_matter(evaluate, make_rows, name):
    rows = make_rows(METHODS[name])
    whole = evaluate(METHODS[name], [rows])
    assert_equal(evaluate(METHODS[name], [rows], pad=77), whole)


def padded_on_the_left(rows, pad_token_id, device):
    """The batch of `collate`, with every sequence moved to the right end."""
    batch = collate(rows, pad_token_id, device)
    moves = batch.input_ids.shape[1] - batch.attention_mask.sum(1)
    move = zip(batch.input_ids, batch.attention_mask, moves.tolist(), strict=True)
    tokens, masks = zip(*((ids.roll(n), mask.roll(n)) for ids, mask, n in move), strict=True)
    assert moves.max() > 0
    return dataclasses.replace(
        batch,
        input_ids=torch.stack(tokens),
        attention_mask=torch.stack(masks),
        predictor=batch.predictor + moves[batch.sequence],
    )


@every_method
@every_reduction
def test_the_side_of_the_padding_does_not_matter(evaluate, make_rows, monkeypatch, name, reduction):
    """Training pads on the right; positions are relative, so that either side gives one loss."""
    rows = make_rows(METHODS[name])
    right = evaluate(METHODS[name], [rows], reduction=reduction)
    monkeypatch.setattr("askd.training.objective.collate", padded_on_the_left)
    assert_equal(evaluate(METHODS[name], [rows], reduction=reduction), right)


@pytest.mark.parametrize(
    "name", ["askd", "askd-plus", "askd-wo-1", "three sides", "reward to go", "clipped"]
)
@every_reduction
def test_clipped_rows_may_be_left_out_of_the_batch(evaluate, make_rows, name, reduction):
    rows = make_rows(METHODS[name])
    kept = [row for row in rows if row.counts]
    assert len(kept) < len(rows)
    whole = evaluate(METHODS[name], [rows], rows, reduction)
    assert_equal(evaluate(METHODS[name], [kept], rows, reduction), whole)
    # They still count in the mean.
    fewer = evaluate(METHODS[name], [kept], kept, reduction)
    assert (fewer[1] - whole[1]).abs().max() > 0.01 * whole[1].abs().max()


def log_softmax(model, row) -> torch.Tensor:
    """[n, V] of a row by itself: no padding, no chunks, all positions at once."""
    logits = model(torch.tensor([[*row.prompt, *row.response]])).logits[0, :, :102].float()
    start = len(row.prompt) - 1
    return logits.log_softmax(-1)[start : start + len(row.response)]


def generalized_jsd(logq, logp):
    """GKD at beta = 1/2, term by term."""
    log_mixture = ((logq.exp() + logp.exp()) / 2).log()
    forward = (logp.exp() * (logp - log_mixture)).sum(-1)
    reverse = (logq.exp() * (logq - log_mixture)).sum(-1)
    return (forward + reverse) / 2


def likelihood(row, logq, logp=None):
    return -logq.gather(1, torch.tensor(row.response)[:, None])[:, 0]


def kl(one, other):
    """KL(one || other) over the vocabulary."""
    return (one.exp() * (one - other)).sum(-1)


def adaptive_kl(logq, logp):
    """AKL at mu = 1/2, token by token: the head of p weighs the forward KL."""
    losses = []
    for q, p in zip(logq, logp, strict=True):
        mass, head = 0.0, []
        for token in p.argsort(descending=True).tolist():
            mass += p[token].exp().item()
            if head and mass > 0.5:
                break
            head.append(token)
        gap = (p.exp() - q.detach().exp()).abs()
        weight = gap[head].sum() / gap.sum()
        losses.append(weight * kl(p, q) + (1 - weight) * kl(q, p))
    return torch.stack(losses)


def sampled(
    reverse: bool,
    alpha: float | None = None,
    by_advantage: bool = False,
    constant: bool = True,
    to_go: bool = False,
    clipped: bool = False,
):
    """Eqs. 8 and 9 at the sampled tokens, in probabilities; the rows' own alpha for None."""

    def losses(row, logq, logp):
        weight = row.alpha if alpha is None else alpha
        chosen = -likelihood(row, logq)
        q, p = chosen.detach().exp(), torch.tensor(row.teacher_logprobs).exp()
        mixture = (1 - weight) * p + weight * q
        share = weight * q / mixture
        logarithm = (mixture / q).log()
        if to_go:
            logarithm = torch.stack([logarithm[t:].sum() for t in range(len(logarithm))])
        coefficient = logarithm + share - (1 if constant else weight) if reverse else share
        if clipped:
            ratio = (chosen - torch.tensor(row.sampler_logprobs)).exp()
            return -torch.minimum(coefficient * ratio, coefficient * ratio.clamp(0.8, 1.2))
        return -coefficient * chosen * (row.advantage if by_advantage else 1)

    return losses


def skew(row, logq, logp):
    return skew_kl(logq, logp, row.alpha)


def skew_reverse(row, logq, logp):
    return skew_reverse_kl(logq, logp, row.alpha)


def mixed_policy_gradient(rows, row, logq, logp):
    """MiniLLM, token by token, with the moments of all `rows`."""

    def returns(row) -> list[float]:
        ratios = zip(row.teacher_logprobs, row.student_logprobs, strict=True)
        rewards = [max(-100.0, min(100.0, (p - q) / 0.5)) for p, q in ratios]
        length = len(rewards)
        return [
            sum(0.95 ** (i - t) * rewards[i] for i in range(t, length)) / (length - t)
            for t in range(length)
        ]

    everything = [value for other in rows for value in returns(other)]
    mean, deviation = statistics.mean(everything), statistics.stdev(everything)
    advantage = (torch.tensor(returns(row)) - mean) / deviation
    # rho w = q / q_old * q_old / m.
    ratio = (-likelihood(row, logq) - torch.tensor(row.sampler_logprobs)).exp()
    clipped = torch.maximum(-advantage * ratio, -advantage * ratio.clamp(0.8, 1.2))
    return clipped + kl(logq, logp)


DENSE = {
    "sft": {"reference": likelihood},
    "kd": {"reference": lambda row, q, p: kl(p, q)},
    "seqkd": {"tgo": likelihood},
    "imitkd": {"sgo": lambda row, q, p: kl(p, q)},
    "gkd": dict.fromkeys(("tgo", "sgo"), lambda row, q, p: generalized_jsd(q, p)),
    "akl": {"reference": lambda row, q, p: adaptive_kl(q, p)},
    "minillm": {"sgo": mixed_policy_gradient},
    "speculative-kd": {"sgo": lambda row, q, p: kl(p, q)},
    "distillm2": {
        "tgo": lambda row, q, p: skew_kl(q, p, 0.9),
        "sgo": lambda row, q, p: skew_reverse_kl(q, p, 0.1, detach_mixture=True),
    },
    "askd": {"tgo": sampled(reverse=False), "sgo": sampled(reverse=True)},
    "askd-plus": {"tgo": skew, "sgo": skew_reverse},
    "askd-wo-1": {"tgo": skew, "sgo": skew_reverse},
    "askd-wo-2": {"tgo": sampled(False, 0.9), "sgo": sampled(True, 0.1)},
    "askd-wo-3": {"tgo": sampled(reverse=False), "sgo": sampled(reverse=True)},
    "askd-wo-2-3": {"tgo": sampled(False, 0.9), "sgo": sampled(True, 0.1)},
    "askd-wo-1-2-3": {
        "tgo": lambda row, q, p: skew_kl(q, p, 0.9),
        "sgo": lambda row, q, p: skew_reverse_kl(q, p, 0.1),
    },
    "grpo": {"tgo": sampled(False, 0.5, by_advantage=True), "sgo": sampled(True, 0.1)},
    "askd-no-constant": {
        "tgo": sampled(reverse=False),
        "sgo": sampled(reverse=True, constant=False),
    },
    "askd-reward-to-go": {
        "tgo": sampled(reverse=False),
        "sgo": sampled(reverse=True, to_go=True),
    },
    "askd-stale-ratio": {
        "tgo": sampled(reverse=False),
        "sgo": sampled(reverse=True, clipped=True),
    },
}
CLIPS = {name for name in SHIPPED if getattr(METHODS[name].sgo, "clip_correct", False)}
OUTCOMES = {"askd-plus"}
PROJECTED = {name for name in SHIPPED if METHODS[name].projects}


def test_which_methods_clip_project_and_weigh_outcomes():
    ablations = {"askd-no-constant", "askd-reward-to-go", "askd-stale-ratio"}
    clip = {"askd", "askd-plus", "askd-wo-1", "askd-wo-2", "grpo", *ablations}
    assert clip == CLIPS
    assert {"askd", "askd-plus", "askd-wo-1", "askd-wo-3", *ablations} == PROJECTED
    for name, method in METHODS.items():
        for term in method.terms.values():
            assert (getattr(term, "outcome", "none") != "none") == (name in OUTCOMES)


def test_every_shipped_method_has_a_dense_computation():
    assert set(DENSE) == set(SHIPPED)


@pytest.mark.parametrize("name", DENSE)
@every_reduction
def test_the_loss_is_that_of_a_dense_computation(evaluate, models, make_rows, name, reduction):
    """Response tokens of each side alone enter, each with its weight; prompts and padding never."""
    student, teacher = models
    rows = make_rows(METHODS[name])
    result = evaluate(METHODS[name], split(rows, 4), rows, reduction, head_chunk=7)
    student.zero_grad()
    loss = torch.zeros((), dtype=torch.float64)
    for side, divergence in DENSE[name].items():
        own = [row for row in rows if row.side == side]
        for row in own:
            with torch.no_grad():
                logp = log_softmax(teacher, row)
            if divergence is mixed_policy_gradient:
                divergence = partial(divergence, own)
            logq = log_softmax(student, row)
            losses = row.kappa * divergence(row, logq, logp).double()
            assert row.kappa == 1 or (name in CLIPS and side == "sgo")
            if name in OUTCOMES:
                losses = losses + row.outcome * likelihood(row, logq).double()
            if reduction == "sequence":
                loss = loss + losses.mean() / len(own)
            else:
                loss = loss + losses.sum() / sum(len(row.response) for row in own)
    loss.backward()
    assert_equal(result, (loss.item(), gradient(student)), tolerance=1e-5)


def test_a_padded_student_head_is_cropped_to_the_shared_vocabulary(make_model, make_rows):
    wide, method = make_model(16, seed=2, vocabulary=130).double(), METHODS["sft"]
    wide.lm_head.weight = torch.nn.Parameter(wide.lm_head.weight.clone())
    rows = make_rows(method)
    loss, _ = Objective(method, wide, None, 102, 0, "token", 7)(rows, Totals(rows))
    loss.backward()
    assert (wide.lm_head.weight.grad[102:] == 0).all()
    expected = [
        -log_softmax(wide, row).gather(1, torch.tensor(row.response)[:, None]) for row in rows
    ]
    assert loss.item() == pytest.approx(torch.cat(expected).mean().item(), rel=1e-5)


def with_alpha(rows, number, alpha):
    return [
        dataclasses.replace(row, alpha=alpha) if position == number else row
        for position, row in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("name", "used"),
    [
        *((name, name in PROJECTED) for name in SHIPPED),
    ],
)
def test_the_alpha_of_a_row_matters_only_where_skewness_is_projected(
    evaluate, make_rows, name, used
):
    rows = make_rows(METHODS[name])
    before = evaluate(METHODS[name], [rows])
    for number in (0, len(rows) - 2):
        after = evaluate(METHODS[name], [with_alpha(rows, number, 0.99)])
        assert (abs(after[0] - before[0]) > 1e-4 * abs(before[0])) == used
        assert torch.equal(after[1], before[1]) != used


def with_outcomes(rows, outcome):
    return [dataclasses.replace(row, outcome=outcome(row)) for row in rows]


@pytest.mark.parametrize("name", METHODS)
def test_the_outcome_of_a_row_matters_only_where_the_term_says_so(evaluate, make_rows, name):
    rows = with_outcomes(make_rows(METHODS[name]), lambda row: 0.0)
    before = evaluate(METHODS[name], [rows])
    after = evaluate(METHODS[name], [with_outcomes(rows, lambda row: 0.5)])
    assert torch.equal(after[1], before[1]) != (name in OUTCOMES)
    assert (after[0] == before[0]) != (name in OUTCOMES)


@every_reduction
def test_an_outcome_is_the_constant_weight_of_the_answers_log_likelihood(
    evaluate, models, make_rows, reduction
):
    """What ASKD+ adds to "w/o (1)", also for clipped rows: no gradient of the outcome itself."""
    plus, without = METHODS["askd-plus"], METHODS["askd-wo-1"]
    rows = make_rows(plus)
    assert any(row.kappa == 0 and row.outcome for row in rows)
    one, other = (evaluate(method, split(rows, 3), rows, reduction) for method in (plus, without))
    student, _ = models
    student.zero_grad()
    added = torch.zeros((), dtype=torch.float64)
    for side in ("tgo", "sgo"):
        own = [row for row in rows if row.side == side]
        tokens = sum(len(row.response) for row in own)
        for row in own:
            answer = -row.outcome * -likelihood(row, log_softmax(student, row)).double().sum()
            sequence = len(own) * len(row.response)
            added = added + answer / (sequence if reduction == "sequence" else tokens)
    added.backward()
    assert_equal((one[0] - other[0], one[1] - other[1]), (added.item(), gradient(student)), 1e-5)


def test_the_weight_of_a_term_holds_for_its_outcomes(evaluate, make_rows):
    term = SHIPPED["askd-plus"]["sgo"]
    single, triple = (
        validate(Method, {"label": "x", "sgo": {**term, "weight": weight}}, "x")
        for weight in (1, 3)
    )
    rows = make_rows(single)
    loss, slope, _ = evaluate(single, [rows])
    assert_equal(evaluate(triple, [rows]), (3 * loss, 3 * slope))


@pytest.mark.parametrize("name", SHIPPED)
def test_the_advantage_of_a_row_matters_only_where_it_is_a_factor(evaluate, make_rows, name):
    """And there a negative one pushes down, with the same magnitude."""
    rows = make_rows(METHODS[name])
    side = rows[0].side
    own = [row for row in rows if row.side == side]
    alone = Method(label="alone", **{side: METHODS[name].terms[side]})
    before = evaluate(alone, [own])
    opposite = [dataclasses.replace(row, advantage=-row.advantage) for row in own]
    after = evaluate(alone, [opposite])
    sign = -1 if name == "grpo" else 1
    assert_equal(after, (sign * before[0], sign * before[1]))


def test_a_sample_of_average_quality_has_no_gradient_under_grpo(models, make_rows):
    """Where all samples of a prompt are equally good, the factor is zero; a projection is not."""
    for name, nothing in (("grpo", True), ("askd", False)):
        method = Method(label="alone", tgo=METHODS[name].tgo)
        rows = [dataclasses.replace(row, advantage=0.0, alpha=0.5) for row in make_rows(method)]
        objective = Objective(method, models[0], None, 102, 0, "sequence", 99)
        models[0].zero_grad()
        objective(rows, Totals(rows))[0].backward()
        assert (gradient(models[0]).abs().max() == 0) == nothing


def test_a_fixed_skewness_of_zero_is_zero(evaluate, make_rows):
    term = {**SRKL, "estimator": "full_vocabulary", "skewness": 0, "clip_correct": False}
    zero = validate(Method, {"label": "x", "sgo": term}, "x")
    projected = validate(Method, {"label": "x", "sgo": {**term, "skewness": "projected"}}, "x")
    rows = make_rows(zero)
    at_zero = [dataclasses.replace(row, alpha=0.0) for row in rows]
    assert_equal(evaluate(zero, [rows]), evaluate(projected, [at_zero]))


@pytest.mark.parametrize("name", ["gkd", "askd", "askd-plus", "three sides"])
def test_sides_add_up(evaluate, make_rows, name):
    method = METHODS[name]
    rows = make_rows(method)
    loss, whole, [log] = evaluate(method, [rows])
    parts = []
    for side, term in method.terms.items():
        alone = Method(label="alone", **{side: term})
        parts.append(evaluate(alone, [[row for row in rows if row.side == side]]))
        assert parts[-1][0] == pytest.approx(log[f"{side}_loss"], rel=1e-6)
    assert_equal((sum(p[0] for p in parts), sum(p[1] for p in parts)), (loss, whole))


def test_a_terms_weight_multiplies_it(evaluate, make_rows):
    single, triple = (
        validate(Method, {"label": "x", "tgo": {**SKL, "weight": weight}}, "x") for weight in (1, 3)
    )
    rows = make_rows(single)
    loss, slope, _ = evaluate(single, [rows])
    assert_equal(evaluate(triple, [rows]), (3 * loss, 3 * slope))


def test_fresh_samples_need_no_importance_correction(evaluate, models, make_rows):
    """With the sampler's log-probabilities equal to the student's, the ratio is one."""
    rows = []
    for row in make_rows(METHODS["ratio"]):
        with torch.no_grad():
            logq = log_softmax(models[0], row)
        own = logq.gather(1, torch.tensor(row.response)[:, None])[:, 0].tolist()
        rows.append(dataclasses.replace(row, sampler_logprobs=own))
    plain = evaluate(validate(Method, {"label": "x", "sgo": SRKL}, "x"), [rows])
    for name in ("ratio", "clipped"):
        corrected = evaluate(METHODS[name], [rows])
        assert (corrected[1] - plain[1]).abs().max() < 1e-5 * plain[1].abs().max()


def test_the_logged_coefficient_is_the_mean_weight_of_log_likelihood(evaluate, make_rows):
    rows = make_rows(METHODS["askd"])
    _, _, logs = evaluate(METHODS["askd"], split(rows, 3), rows)
    total = sum(log.get("tgo_coefficient", 0) for log in logs)
    assert 0 < total < 1
    assert not any("coefficient" in key for key in evaluate(METHODS["gkd"], [rows])[2][0])


@pytest.mark.parametrize("name", [name for name in METHODS if METHODS[name].needs_teacher_model])
def test_no_gradient_is_kept_for_the_teacher(evaluate, models, make_rows, name):
    """Nor the graph of its layers, which takes memory even where no gradient reaches it."""
    _, teacher = models
    teacher.zero_grad()
    has_graph = []
    hook = teacher.get_decoder().register_forward_hook(
        lambda *call: has_graph.append(call[-1].last_hidden_state.requires_grad)
    )
    try:
        evaluate(METHODS[name], [make_rows(METHODS[name])], head_chunk=7)
    finally:
        hook.remove()  # the models serve other tests too
    assert has_graph == [False]
    assert all(weights.requires_grad for weights in teacher.parameters())
    kept = [key for key, weights in teacher.named_parameters() if weights.grad is not None]
    assert kept == []
