"""Adapters: their gradients, checkpoints and merging; bfloat16 and gradient checkpointing."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from askd.config import Lora, Training, validate
from askd.errors import AskdError
from askd.models.folder import load
from askd.models.logprobs import collate, head_logprobs, response_hidden_states
from askd.training.lora import adapt, merge
from askd.training.objective import Objective, Totals
from askd.training.trainer import DistillationTrainer

LORA = {"rank": 2, "alpha": 6.0}
METHODS = ["askd", "gkd", "sft"]
TOKENS = torch.tensor([[3, 20, 30, 40, 41, 42], [5, 6, 7, 8, 9, 1]])


class Killed(Exception):
    pass


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def adapters(model) -> dict[str, torch.nn.Module]:
    """The adapted layers by their path in the model without adapters."""
    return {path: module for path, module in model.named_modules() if hasattr(module, "lora_A")}


def product(module) -> torch.Tensor:
    """alpha / rank * B A of an adapted layer."""
    return (
        module.scaling["default"]
        * module.lora_B["default"].weight
        @ module.lora_A["default"].weight
    )


@pytest.fixture
def adapted(make_model):
    """A model in double precision whose adapters are no longer zero, and one like it without."""
    plain = make_model(16, seed=2).double()
    model = copy.deepcopy(plain)
    torch.manual_seed(0)
    peft_model = adapt(model, Lora(**LORA), "the run")
    for module in adapters(model).values():
        torch.nn.init.normal_(module.lora_B["default"].weight, std=0.1)
    return plain, model, peft_model


# --- the adapters ------------------------------------------------------------------------------


def test_adapters_begin_without_an_effect(make_model):
    plain = make_model(16, seed=2)
    model = copy.deepcopy(plain)
    adapt(model, Lora(**LORA), "the run")
    with torch.no_grad():
        assert torch.equal(model(TOKENS).logits, plain(TOKENS).logits)


@pytest.mark.parametrize(
    ("targets", "names"),
    [
        ("all-linear", "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj"),
        (["q_proj", "down_proj"], "q_proj down_proj"),
    ],
)
def test_adapters_lie_on_the_target_modules(make_model, targets, names):
    model = make_model(16)
    adapt(model, Lora(target_modules=targets), "the run")
    assert {path.rsplit(".", 1)[1] for path in adapters(model)} == set(names.split())


@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_the_full_gradient_projected(adapted, make_model, make_rows, methods, method):
    """d/dB = scale dW A^T and d/dA = scale B^T dW, with dW the gradient of the summed weights."""
    plain, model, _ = adapted
    method = methods[method]
    rows = make_rows(method)
    teacher = make_model(24, seed=1).double() if method.needs_teacher_model else None

    def gradients(student) -> float:
        objective = Objective(method, student, teacher, 102, 0, "sequence", 7)
        loss, _ = objective(rows, Totals(rows))
        loss.backward()
        return float(loss.detach())

    weights = dict(plain.named_modules())
    with torch.no_grad():
        for path, module in adapters(model).items():
            weights[path].weight += product(module)
    assert gradients(model) == pytest.approx(gradients(plain), rel=1e-12)
    for path, module in adapters(model).items():
        a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
        full, scale = weights[path].weight.grad, LORA["alpha"] / LORA["rank"]
        assert full.abs().max() > 1e-4
        assert torch.allclose(b.grad, scale * full @ a.T, rtol=1e-9, atol=1e-14)
        assert torch.allclose(a.grad, scale * b.T @ full, rtol=1e-9, atol=1e-14)


def test_a_merged_model_computes_what_the_adapted_one_did(adapted):
    plain, model, peft_model = adapted
    with torch.no_grad():
        before = model(TOKENS).logits
        merged = merge(peft_model)
        after = merged(TOKENS).logits
        assert (before - plain(TOKENS).logits).abs().max() > 0.1
    assert merged is model and not adapters(merged)
    assert after.dtype == torch.float32
    assert (before - after).abs().max() < 1e-5
    assert {name for name, _ in merged.named_parameters()} == {
        name for name, _ in plain.named_parameters()
    }


def test_merging_does_not_round_small_updates_of_frozen_bfloat16_weights_away(make_model):
    frozen = make_model(16).bfloat16()
    before = {name: value.clone() for name, value in frozen.named_parameters()}
    peft_model = adapt(frozen, Lora(**LORA), "the run")
    for module in adapters(frozen).values():
        torch.nn.init.constant_(module.lora_B["default"].weight, 1e-5)
    updates = {path: product(module).detach() for path, module in adapters(frozen).items()}
    assert all(update.dtype == torch.float32 for update in updates.values())
    merged = dict(merge(peft_model).named_parameters())
    for path, update in updates.items():
        moved = merged[f"{path}.weight"] - before[f"{path}.weight"].float()
        assert update.abs().max() > 0
        assert (moved - update).abs().max() < 0.05 * update.abs().max()


@pytest.mark.parametrize(
    ("target", "hint"),
    [("qproj", "did you mean 'q_proj'"), ("lm_head", "known are"), ("embed_tokens", "known are")],
)
def test_a_target_that_matches_no_layer_is_refused_also_beside_one_that_does(
    make_model, target, hint
):
    with pytest.raises(
        AskdError, match=rf"the run: training\.lora\.target_modules.*{target}.*{hint}"
    ):
        adapt(make_model(16), Lora(target_modules=["o_proj", target]), "the run")


@pytest.mark.parametrize(
    "wrong", [{"rank": 0}, {"dropout": 1.0}, {"target_modules": []}, {"target_modules": "linear"}]
)
def test_settings_without_a_meaning_are_refused(wrong):
    with pytest.raises(AskdError, match=f"training: lora.{next(iter(wrong))}"):
        validate(Training, {**steps(), "lora": wrong}, "training")


def steps(**settings) -> dict:
    return {
        "learning_rate": 0.01,
        "steps_per_round": 6,
        "prompts_per_step": 2,
        "warmup_steps": 2,
        **settings,
    }


# --- rounds ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"lora": LORA, "refresh_every": 2},
        {"lora": {**LORA, "dropout": 0.3}, "refresh_every": 0},
        {"lora": {**LORA, "dropout": 0.3}, "dtype": "bfloat16", "gradient_checkpointing": True},
        {"dtype": "bfloat16", "refresh_every": 2},
    ],
    ids=["adapters", "dropout", "bfloat16 adapters", "bfloat16"],
)
def test_an_interrupted_training_resumes_to_the_same_bytes(run_round, die, capsys, settings):
    settings = {"refresh_every": 1, "learning_rate": 0.05, **settings}
    whole = contents(run_round("whole", **settings))
    die(5, **settings)
    capsys.readouterr()
    assert contents(run_round("run", **settings)) == whole
    assert "the run, seed 0: resuming at step 4" in capsys.readouterr().out


@pytest.mark.parametrize("method", METHODS)
def test_a_round_with_adapters_leaves_an_ordinary_model_of_other_target_weights(
    run_round, folders, tmp_path, method
):
    lora = {**LORA, "target_modules": ["v_proj", "up_proj"]}
    run_round("run", method, lora=lora, refresh_every=3, learning_rate=0.05)
    names = {path.name for path in (tmp_path / "run" / "model").iterdir()}
    assert names == {path.name for path in folders.student.iterdir()}
    load(tmp_path / "run" / "model")
    before = load_file(folders.student / "model.safetensors")
    after = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    layer = "model.layers.0"
    assert changed == {f"{layer}.self_attn.v_proj.weight", f"{layer}.mlp.up_proj.weight"}
    rank = torch.linalg.matrix_rank(
        (after[f"{layer}.mlp.up_proj.weight"] - before[f"{layer}.mlp.up_proj.weight"]).double(),
        rtol=1e-3,
    )
    assert rank == LORA["rank"]


def test_checkpoints_hold_the_adapters_only(die, tmp_path):
    die(5, lora=LORA, refresh_every=1)
    checkpoint = tmp_path / "state" / "run" / "checkpoint-4"
    assert {path.name for path in checkpoint.glob("*.safetensors")} == {"adapter_model.safetensors"}
    assert all("lora" in name for name in load_file(checkpoint / "adapter_model.safetensors"))


def test_student_outputs_are_refreshed_with_the_adapters(run_round, monkeypatch):
    """Sampled anew, they carry the log-probabilities of the student as it is then."""
    from askd.training import refresh

    seen = []
    sample = refresh.sample

    def watched(student, wanted, *arguments):
        rows = sample(student, wanted, *arguments)
        prompts = {request.prompt_id: request.prompt for request in wanted}
        batch = collate(
            [(prompts[row["prompt_id"]], row["token_ids"]) for row in rows], 0, student.device
        )
        with torch.no_grad():
            hidden = response_hidden_states(student.model, batch)
            logprobs = head_logprobs(student.model, hidden, student.vocabulary)
        sampled = torch.tensor([value for row in rows for value in row["sampler_logprobs"]])
        own = logprobs.gather(1, batch.targets[:, None])[:, 0]
        size = max(
            float(product(module).detach().abs().max())
            for module in adapters(student.model).values()
        )
        seen.append((float((sampled - own).abs().max()), size))
        return rows

    monkeypatch.setattr(refresh, "sample", watched)
    run_round("run", lora=LORA, refresh_every=3, learning_rate=0.05)
    [(difference, size)] = seen
    assert difference < 1e-4 and size > 1e-2


def test_rounds_draw_adapters_of_their_own(run_round, monkeypatch):
    from askd.training import stage

    drawn = []

    def watched(student, *arguments):
        adapt(student, *arguments)
        drawn.append(next(iter(adapters(student).values())).lora_A["default"].weight.clone())
        raise Killed

    monkeypatch.setattr(stage, "adapt", watched)
    monkeypatch.setattr(stage, "_steps_of_round", lambda *_: [["train-0"]])
    for number, round_number in enumerate((0, 0, 1)):
        with pytest.raises(Killed):
            run_round(f"run{number}", lora=LORA, round_number=round_number)
    assert torch.equal(drawn[0], drawn[1]) and not torch.allclose(drawn[0], drawn[2])


# --- what a step computes in -------------------------------------------------------------------


@pytest.fixture
def one_step(make_model, make_rows, methods, tmp_path):
    """Gradients of one step of a method, by parameter, and the loss."""

    def gradients(
        method: str,
        vocabulary: int | None = None,
        lora: bool = False,
        before: Callable = lambda model: None,
        **settings,
    ):
        method, training = methods[method], Training(**steps(**settings))
        frozen = torch.bfloat16 if lora and training.dtype == "bfloat16" else torch.float32
        model = make_model(16, seed=2, vocabulary=vocabulary).to(frozen)
        torch.manual_seed(0)
        peft_model = adapt(model, Lora(**LORA, dropout=0.5), "the run") if lora else None
        for module in adapters(model).values():
            torch.nn.init.normal_(module.lora_B["default"].weight, std=0.1)
        teacher = make_model(24, seed=1).to(getattr(torch, training.dtype))
        rows = make_rows(method)

        source = SimpleNamespace(
            steps=1, rows_per_step=len(rows), rows=lambda step: before(model) or rows
        )

        class Trainer(DistillationTrainer):
            def training_step(self, *arguments, **keywords):
                loss = super().training_step(*arguments, **keywords)
                self.found = {
                    name: value.grad.clone()
                    for name, value in model.named_parameters()
                    if value.requires_grad
                }
                return loss

        trainer = Trainer(
            peft_model or model,
            source,
            Objective(
                method,
                model,
                teacher if method.needs_teacher_model else None,
                102,
                0,
                "sequence",
                7,
            ),
            training,
            0.01,
            0,
            6,
            tmp_path / str(len(list(tmp_path.iterdir()))),
            "the run",
        )
        _, [log] = trainer.run()
        return trainer.found, log["loss"]

    return gradients


@pytest.mark.parametrize("lora", [False, True], ids=["full", "adapters"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", METHODS)
def test_gradient_checkpointing_gives_the_same_gradients(one_step, method, dtype, lora):
    """With dropout too: what is computed anew drops the same."""
    plain, loss = one_step(method, lora=lora, dtype=dtype)
    checkpointed, same = one_step(method, lora=lora, dtype=dtype, gradient_checkpointing=True)
    assert loss == same
    assert plain.keys() == checkpointed.keys()
    for name, gradient in plain.items():
        assert torch.allclose(gradient, checkpointed[name], rtol=1e-5, atol=1e-9), name


def test_gradient_checkpointing_computes_layers_twice(one_step, monkeypatch):
    from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP

    calls = []
    forward = Qwen2MLP.forward
    monkeypatch.setattr(Qwen2MLP, "forward", lambda *given: calls.append(1) or forward(*given))
    one_step("sft")
    once = len(calls)
    one_step("sft", gradient_checkpointing=True)
    assert len(calls) - once == 2 * once


@pytest.mark.parametrize("lora", [False, True], ids=["full", "adapters"])
@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_bfloat16_point_where_those_of_float32_do(one_step, method, lora):
    """Also with a head that is padded beyond the teacher's; cosine above 0.99."""
    exact, loss = one_step(method, vocabulary=128, lora=lora)
    rounded, near = one_step(method, vocabulary=128, lora=lora, dtype="bfloat16")
    assert loss == pytest.approx(near, rel=0.02) and loss != near
    assert all(gradient.dtype == torch.float32 for gradient in rounded.values())
    one, other = (torch.cat([g.flatten() for g in found.values()]) for found in (exact, rounded))
    assert torch.cosine_similarity(one, other, dim=0) > 0.99
    if not lora:
        assert rounded["model.embed_tokens.weight"][102:].abs().max() == 0


@pytest.mark.parametrize("lora", [False, True], ids=["full", "adapters"])
def test_sampling_before_a_step_in_bfloat16_leaves_its_gradients_alone(one_step, lora):
    """Sampling converts the weights too, without a gradient."""

    def generate(model) -> None:
        model.eval()
        with torch.inference_mode():
            model.generate(TOKENS, max_new_tokens=2, do_sample=False)
        model.train()

    plain, _ = one_step("sft", lora=lora, dtype="bfloat16")
    sampled, _ = one_step("sft", lora=lora, dtype="bfloat16", before=generate)
    for name, gradient in plain.items():
        assert gradient.abs().max() > 0
        assert torch.equal(gradient, sampled[name]), name


def test_log_probabilities_in_bfloat16_are_near_those_in_float32(make_model):
    """Within 0.1 nats, with logits between -7 and 7; the softmax itself is float32."""
    model = make_model(16, seed=2, vocabulary=128)
    batch = collate([([3, 20, 30], [40, 41, 42, 1]), ([5], [6, 7])], 0, torch.device("cpu"))

    def logprobs():
        with torch.no_grad():
            return head_logprobs(model, response_hidden_states(model, batch), 102)

    exact = logprobs()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = logprobs()
    model.bfloat16()
    for found in (mixed, logprobs()):
        assert found.dtype == torch.float32 and found.shape == (6, 102)
        assert torch.allclose(found.exp().sum(1), torch.ones(6), atol=1e-5)
        assert 0 < (found - exact).abs().max() < 0.1


@pytest.mark.parametrize("settings", [{}, {"lora": LORA}], ids=["full", "adapters"])
def test_bfloat16_trains_and_saves_float32(run_round, folders, tmp_path, settings):
    """Steps of a size that bfloat16 weights would lose."""
    run_round("run", "sft", dtype="bfloat16", learning_rate=1e-5, **settings)
    before = load_file(folders.student / "model.safetensors")
    after = load_file(tmp_path / "run" / "model" / "model.safetensors")
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert config["dtype"] == "float32"
    assert all(value.dtype == torch.float32 for value in after.values())
    start = {
        name: value.bfloat16().float() if settings else value for name, value in before.items()
    }
    name = "model.layers.0.mlp.up_proj.weight"
    step = (after[name] - start[name]).abs()
    assert 0 < step.max() < 1e-3
    assert (after[name].bfloat16() == start[name].bfloat16()).float().mean() > 0.9


@pytest.mark.parametrize("settings", [{}, {"lora": LORA}], ids=["full", "adapters"])
def test_a_longer_bfloat16_training_learns(run_round, tmp_path, settings):
    run_round("run", "sft", dtype="bfloat16", learning_rate=0.03, **settings)
    log = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    losses = [entry["loss"] for entry in log]
    assert np.mean(losses[-2:]) < np.mean(losses[:2]) - 0.3


# --- errors ------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_names_its_step(run_round, folders, monkeypatch):
    from askd.training import stage

    def broken(folder, *arguments):
        model = load(folder, *arguments)
        if folder == folders.student:
            model.model.model.layers[0].mlp.up_proj.weight.data[0, 0] = torch.nan
        return model

    monkeypatch.setattr(stage, "load", broken)
    with pytest.raises(AskdError, match="the run, seed 0: the loss is nan at step 0 of this"):
        run_round("run", "sft", lora=LORA)


def test_a_target_without_a_layer_stops_the_stage(run_round, tmp_path):
    with pytest.raises(
        AskdError, match="no linear layer of the student's decoder is called 'query'"
    ):
        run_round("run", "sft", lora={"target_modules": ["query"]})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("method", "side"), [("sft", "reference"), ("seqkd", "tgo")])
def test_a_row_longer_than_the_students_context_is_refused_before_the_first_step(
    run_round, folders, monkeypatch, tmp_path, method, side
):
    from askd.training import stage

    def short(folder, *arguments):
        model = load(folder, *arguments)
        if folder == folders.student:
            model.model.config.max_position_embeddings = 10
        return model

    monkeypatch.setattr(stage, "load", short)
    with pytest.raises(
        AskdError, match=rf"prompt 'train-\d' has \d+ tokens and its {side} answer .* 10 tokens"
    ):
        run_round("run", method)
    assert not (tmp_path / "run").exists()


def test_a_gpu_without_bfloat16_is_refused(make_model, tmp_path, monkeypatch):
    from askd.training import trainer

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(trainer, "is_torch_bf16_gpu_available", lambda: False)
    with pytest.raises(AskdError, match=r"the run: training\.dtype: this GPU does not compute in"):
        DistillationTrainer(
            make_model(16),
            None,
            None,
            Training(**steps(dtype="bfloat16")),
            1,
            0,
            1,
            tmp_path,
            "the run",
        )
