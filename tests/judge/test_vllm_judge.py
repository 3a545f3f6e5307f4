"""SmolLM2 as the judge, behind vLLM's own server, which holds it to the three verdicts."""

from __future__ import annotations

from askd.judge.endpoint import judge_pairs
from askd.judge.position_check import PAIRS
from askd.judge.prompts import Pair

CHOICES = ["[[A]]", "[[B]]", "[[C]]"]


def test_a_real_model_judges_through_a_real_server(vllm_server, settings):
    pairs = [Pair(f"What is {n} + 1?", f"{n + 1}", "I do not know.") for n in range(4)]
    held = settings(
        vllm_server,
        timeout_seconds=120,
        extra_body={"structured_outputs": {"choice": CHOICES}},
        lowest_consistency=0,  # it is too small to judge
    )
    verdicts, about = judge_pairs(pairs, held)
    assert about["calls_paid"] == 2 * (len(pairs) + len(PAIRS)) and about["invalid"] == 0
    assert about["models_replying"] == ["stub"]
    assert about["prompt_tokens_paid"] > 100 * about["calls_paid"]
    again, about = judge_pairs(pairs, held)
    assert again == verdicts and about["calls_paid"] == 0
