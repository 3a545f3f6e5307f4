"""A language model as the judge: a tiny one with random weights, behind a real endpoint."""

from __future__ import annotations

import json
import re

import pytest

from askd.artifacts import PROMPTS, table_from_rows, write_table
from askd.config import validate
from askd.errors import AskdError
from askd.evaluation.evaluate import EvaluateSettings, evaluate
from askd.judge.endpoint import judge_pairs
from askd.judge.position_check import PAIRS
from askd.judge.prompts import Pair, both_orders
from askd.judge.verdicts import PairVerdict, read_verdict

CHOICES = ("[[A]]", "[[B]]", "[[C]]")
CONTEXT = 4096


@pytest.fixture(scope="module")
def judge_model():
    """A model and its tokenizer; it reads the whole prompt and prefers by its random weights."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from askd.models.tokenizer import character_tokenizer

    tokenizer = character_tokenizer(CONTEXT)
    torch.manual_seed(3)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        initializer_range=0.5,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen2ForCausalLM(config).eval(), tokenizer


def generated(judge_model, messages: list[dict], constrained: bool) -> str:
    """What the model says; constrained, only one of the verdicts, as servers with structured
    output offer it."""
    import torch

    model, tokenizer = judge_model
    tokens = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    begin = tokens["input_ids"].shape[1]
    choices = [[*tokenizer.encode(choice), tokenizer.eos_token_id] for choice in CHOICES]

    def allowed(_, ids) -> list[int]:
        said = ids[begin:].tolist()
        return [choice[len(said)] for choice in choices if choice[: len(said)] == said]

    with torch.inference_mode():
        output = model.generate(
            **tokens,
            do_sample=False,
            max_new_tokens=12,
            prefix_allowed_tokens_fn=allowed if constrained else None,
        )
    return tokenizer.decode(output[0, begin:], skip_special_tokens=True)


@pytest.fixture
def endpoint(serve, judge_model, settings):
    def start(constrained: bool, **changes):
        server = serve(lambda messages: generated(judge_model, messages, constrained))
        random = {"lowest_consistency": 0, **changes}
        return settings(server.url, concurrency=2, timeout_seconds=60, **random)

    return start


def test_verdicts_are_those_of_the_model_itself(judge_model, endpoint):
    pairs = [Pair(f"{n}+1", f"{n + 1}", "x" * (n % 4)) for n in range(6)]
    verdicts, about = judge_pairs(pairs, endpoint(constrained=True))
    assert verdicts == [
        PairVerdict(*(read_verdict(generated(judge_model, m, True)) for m in both_orders(pair)))
        for pair in pairs
    ]
    assert len({pair.answer_first for pair in verdicts}) > 1  # it does read the answers
    assert about["invalid"] == 0 and about["calls_paid"] == 2 * (6 + len(PAIRS))


def test_a_model_that_cannot_judge_is_refused(endpoint):
    with pytest.raises(AskdError, match="hold no verdict, also when asked again"):
        judge_pairs([Pair("1+1", "2", "3")], endpoint(constrained=False))


def test_an_evaluation_says_how_the_judge_did(endpoint, folders, prompt_rows, tmp_path):
    rows = [{**row, "reference": json.dumps({"baseline": row["response"]})} for row in prompt_rows]
    write_table(tmp_path / "data/test.parquet", table_from_rows(rows, PROMPTS), PROMPTS)
    judge = endpoint(constrained=True)
    chosen = {
        "evaluation": {"samples": 2},
        "rollout": {"max_new_tokens": 6},
        "benchmarks": {"b": {"task": "t", "level": "easy", "split": "test", "label": "B"}},
        "grader": "judge",
        "judges": {"b": judge.model_dump(mode="json")},
    }
    run = validate(EvaluateSettings, chosen, "test")
    evaluate(run, 0, folders.student, tmp_path / "data", tmp_path / "eval")
    summary = json.loads((tmp_path / "eval/b/summary.json").read_text())
    for decoding, samples in (("greedy", 1), ("sampled", 2)):
        judged = summary["judge"][decoding]
        assert judged["pairs"] == samples * len(rows)
        # The first of them pays for the check too.
        assert 0 < judged["calls_paid"] <= 2 * (judged["pairs"] + len(PAIRS))
        assert judged["position_check"]["pairs"] == len(PAIRS)
        assert judged["win_rate"]["mean"] == pytest.approx(summary["reward"][decoding])
        controlled = judged["length_controlled"]
        assert 0 <= controlled["ci_low"] <= controlled["mean"] <= controlled["ci_high"] <= 1
        assert 0 <= judged["inconsistent"] <= 1 and re.fullmatch(r"\w{16}", judged["template"])

    evaluate(run, 0, folders.student, tmp_path / "data", tmp_path / "again")
    again = json.loads((tmp_path / "again/b/summary.json").read_text())["judge"]
    assert {part["calls_paid"] for part in again.values()} == {0}
    assert again["sampled"]["win_rate"] == summary["judge"]["sampled"]["win_rate"]
