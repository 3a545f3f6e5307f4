"""Pairs that would train on nonsense are refused with their sentence; good ones pass."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from askd.artifacts import PROMPTS, table_from_rows, write_table
from askd.models.folder import save
from askd.models.preflight.likelihood import compare_likelihood
from askd.models.preflight.report import Report
from askd.models.tokenizer import character_tokenizer


def verdicts(report) -> dict[str, tuple[str, str]]:
    return {finding.check: (finding.verdict, finding.says) for finding in report.findings}


def refusal(report) -> str:
    """The only refusal of a report, in one line."""
    sentences = [f.says for f in report.findings if f.verdict == "refused"]
    assert len(sentences) == 1, report.lines()
    assert "\n" not in sentences[0] and sentences[0].endswith(".")
    return sentences[0]


def edit_json(path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def edit_weights(folder, change) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def retokenize(folder, change) -> None:
    tokenizer = character_tokenizer(64)
    change(tokenizer)
    tokenizer.save_pretrained(folder)


# --- good pairs --------------------------------------------------------------------------------


def test_a_good_pair_passes_every_check(learnt, run_check):
    report = run_check(learnt)
    assert report.refused == []
    assert {finding.verdict for finding in report.findings} == {"ok"}
    assert report.as_json()["verdict"] == "ok"
    nats = report.numbers["teacher: likelihood"]
    assert nats["own answers"] < 0.6 < 4.6 < nats["prose"]


def test_folders_without_a_manifest_pass(pair, run_check):
    report = run_check(pair)
    assert report.refused == []
    assert "without manifest.json" in verdicts(report)["student: files"][1]


def test_heads_that_are_padded_to_different_widths_pass_and_it_is_said(pair, run_check):
    """152064 against 151936 rows for 151646 tokens, in miniature."""
    for folder, width in ((pair.teacher, 152), (pair.student, 136)):
        model = AutoModelForCausalLM.from_pretrained(folder)
        model.resize_token_embeddings(width)
        model.save_pretrained(folder)
    report = run_check(pair)
    assert report.refused == []
    verdict, says = verdicts(report)["heads"]
    assert verdict == "note"
    assert "152 wide in the teacher and 136 in the student" in says and "the 102 tokens" in says


def test_weights_in_shards_pass_and_a_missing_shard_is_refused(pair, run_check):
    model = AutoModelForCausalLM.from_pretrained(pair.teacher)
    (pair.teacher / "model.safetensors").unlink()
    model.save_pretrained(pair.teacher, max_shard_size="8KB")
    shards = sorted(pair.teacher.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert run_check(pair).refused == []
    shards[-1].unlink()
    assert f"{shards[-1]}: missing" in refusal(run_check(pair))


# --- tokenizers --------------------------------------------------------------------------------


def test_different_vocabularies_are_refused(pair, run_check):
    retokenize(pair.student, lambda tokenizer: tokenizer.add_tokens(["<|new|>"]))
    model = AutoModelForCausalLM.from_pretrained(pair.student)
    model.resize_token_embeddings(103)
    model.save_pretrained(pair.student)
    assert "token '<|new|>' has number None" in refusal(run_check(pair))


def test_permuted_tokens_are_refused(pair, run_check):
    def swap(content):
        vocabulary = content["model"]["vocab"]
        vocabulary["1"], vocabulary["2"] = vocabulary["2"], vocabulary["1"]

    edit_json(pair.student / "tokenizer.json", swap)
    says = refusal(run_check(pair))
    assert "token '1' has number" in says and "give both the same tokenizer" in says


def test_another_end_of_sequence_is_refused(pair, run_check):
    edit_json(
        pair.student / "tokenizer_config.json", lambda content: content.update(eos_token="<|pad|>")
    )
    report = run_check(pair)
    assert (
        "eos_token is '<|end|>' in the teacher's and '<|pad|>' in the student's"
        in (verdicts(report)["tokenizers: special tokens"][1])
    )
    assert "the student will not stop" in verdicts(report)["ends of responses"][1]


def test_a_student_that_stops_at_fewer_tokens_is_refused(pair, run_check):
    edit_json(
        pair.teacher / "generation_config.json",
        lambda content: content.update(eos_token_id=[1, 3]),
    )
    says = refusal(run_check(pair))
    assert "'<|end|>' or '<|system|>'" in says and "generation_config.json" in says


def test_a_beginning_of_sequence_in_one_tokenizer_only_is_refused(pair, run_check):
    def begin(content):
        content["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "<|pad|>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {"<|pad|>": {"id": "<|pad|>", "ids": [0], "tokens": ["<|pad|>"]}},
        }

    edit_json(pair.student / "tokenizer.json", begin)
    assert "read 'Hello  world' as different tokens" in refusal(run_check(pair))


def test_different_templates_are_refused(pair, run_check):
    path = pair.student / "chat_template.jinja"
    path.write_text(path.read_text().replace("<|assistant|>", "<|system|>"))
    assert "chat templates differ" in refusal(run_check(pair))


def test_a_template_that_raises_is_refused(pair, run_check):
    for folder in (pair.teacher, pair.student):
        path = folder / "chat_template.jinja"
        path.write_text("{{ raise_exception('no such turn') }}" + path.read_text())
    says = refusal(run_check(pair))
    assert "cannot render messages of the roles user (no such turn)" in says


def test_a_template_without_system_turns_is_a_note_unless_prompts_have_them(
    pair, run_check, prompt_rows, tmp_path
):
    guard = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    for folder in (pair.teacher, pair.student):
        path = folder / "chat_template.jinja"
        path.write_text(guard + path.read_text())
    report = run_check(pair)
    assert report.refused == []
    assert any("no system" in f.says and f.verdict == "note" for f in report.findings)

    system = {"role": "system", "content": "Add."}
    rows = [{**prompt_rows[0], "messages": [system, *prompt_rows[0]["messages"]]}, *prompt_rows[1:]]
    write_table(tmp_path / "own.parquet", table_from_rows(rows, PROMPTS), PROMPTS)
    assert "roles system, user (no system)" in refusal(
        run_check(pair, prompts=tmp_path / "own.parquet")
    )


def test_a_template_that_closes_an_answer_with_no_end_is_refused(pair, run_check):
    for folder in (pair.teacher, pair.student):
        path = folder / "chat_template.jinja"
        path.write_text(path.read_text().replace("<|end|>", "."))
    says = refusal(run_check(pair))
    assert "closes an answer with '.'" in says and "would run on" in says


def test_a_generation_config_without_the_end_of_sequence_is_a_note(pair, run_check):
    for name in ("generation_config.json", "config.json"):
        edit_json(pair.student / name, lambda content: content.pop("eos_token_id"))
    report = run_check(pair)
    assert report.refused == []
    verdict, says = verdicts(report)["student: generation config"]
    assert verdict == "note" and "lacks the tokenizer's end of sequence '<|end|>'" in says


# --- weights -----------------------------------------------------------------------------------


def test_pickle_weights_are_refused_and_it_is_said_how_to_convert_them(pair, run_check):
    (pair.teacher / "model.safetensors").rename(pair.teacher / "pytorch_model.bin")
    report = run_check(pair)
    says = refusal(report)
    assert "only pickle weights (pytorch_model.bin)" in says and "save_pretrained" in says
    assert report.findings[-1].check == "all else"


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_torn_weights_are_refused(pair, run_check, kept):
    path = pair.student / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    assert refusal(run_check(pair)).startswith(f"{path}: torn (")


def test_a_file_that_the_manifest_does_not_list_is_refused(learnt, run_check, tmp_path, pair):
    shutil.copy(learnt.student / "manifest.json", pair.student)
    assert run_check(pair).refused == []
    path = pair.student / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    assert f"{path}: not the file that manifest.json lists" in refusal(run_check(pair))


def test_weights_that_lack_a_layer_are_refused(pair, run_check):
    edit_weights(pair.student, lambda weights: weights.pop("model.norm.weight"))
    assert "the weights lack 1 tensors of the model, model.norm.weight" in refusal(run_check(pair))


def test_quantised_weights_are_refused(pair, run_check):
    edit_weights(
        pair.student,
        lambda weights: weights.update({"model.norm.weight": torch.ones(16, dtype=torch.int8)}),
    )
    assert "the weights are quantised (F32, I8); dequantise" in refusal(run_check(pair))


def test_another_type_than_the_stored_one_is_a_note(pair, run_check):
    report = run_check(pair, dtype="bfloat16")
    assert report.refused == []
    assert verdicts(report)["teacher: dtype"] == ("note", "stored as F32, loaded as bfloat16.")


def test_a_head_narrower_than_the_tokenizer_is_refused(pair, make_model, run_check):
    make_model(24, vocabulary=90).save_pretrained(pair.teacher)
    says = refusal(run_check(pair))
    assert "102 tokens but the model only 90" in says and "use the tokenizer" in says


@pytest.mark.parametrize("deviation", [0.02, 0.25])
def test_a_teacher_with_random_weights_is_refused(pair, run_check, deviation):
    def forget(weights):
        torch.manual_seed(0)
        for tensor in weights.values():
            if tensor.ndim > 1:
                tensor.normal_(0, deviation)

    edit_weights(pair.teacher, forget)
    report = run_check(pair)
    assert "where a uniform model has 102; it knows nothing" in refusal(report)
    assert verdicts(report)["student: likelihood"][0] == "ok"


def test_a_student_with_random_weights_is_a_note(learnt, folders, run_check):
    report = run_check(SimpleNamespace(teacher=learnt.teacher, student=folders.student))
    assert report.refused == []
    assert "it has learnt nothing yet" in verdicts(report)["student: likelihood"][1]


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_weights_that_are_not_numbers_are_refused(pair, run_check, role):
    edit_weights(
        getattr(pair, role), lambda weights: weights["model.norm.weight"].fill_(float("nan"))
    )
    assert "are not finite; the weights are broken" in refusal(run_check(pair))


def test_gaps_between_teacher_and_student_are_told_by_text(learnt, run_check):
    """Between the very tokens, not between means: those may agree where no token does."""
    report = run_check(learnt)
    agreement = report.numbers["teacher against student"]
    assert agreement.keys() == {"prose", "sums", "code", "chat", "own answers"}
    assert all(found["gap"] > 0 and abs(found["correlation"]) <= 1 for found in agreement.values())
    itself = run_check(SimpleNamespace(teacher=learnt.teacher, student=learnt.teacher))
    for found in itself.numbers["teacher against student"].values():
        assert found == {"gap": 0.0, "correlation": pytest.approx(1.0)}

    crossed = Report()
    ours, theirs = torch.tensor([-1.0, -3.0, -2.0]), torch.tensor([-3.0, -1.0, -2.0])
    compare_likelihood(
        crossed,
        {"sums": ours, "code": torch.zeros(1)},
        {"sums": theirs, "code": -torch.ones(1)},
    )
    assert crossed.numbers["teacher against student"] == {
        "sums": {"gap": pytest.approx(4 / 3), "correlation": pytest.approx(-1.0)},
        "code": {"gap": 1.0, "correlation": None},
    }
    (finding,) = crossed.findings
    assert "1.33 nats and -1.00 on sums, 1.00 nats on code." in finding.says


def test_a_student_that_knows_every_text_better_than_its_teacher_is_a_note():
    teacher = {"sums": torch.tensor([-2.0]), "code": torch.tensor([-3.0])}
    for code, verdict in ((-2.0, "note"), (-4.0, "ok")):
        report = Report()
        compare_likelihood(
            report, teacher, {"sums": torch.tensor([-1.0]), "code": torch.tensor([code])}
        )
        (finding,) = report.findings
        assert finding.verdict == verdict and ("swapped" in finding.says) == (verdict == "note")


# --- the work ----------------------------------------------------------------------------------


def test_a_prompt_longer_than_the_context_is_refused(pair, run_check, prompt_rows, tmp_path):
    long = {"role": "user", "content": "1+" * 24 + "1"}
    rows = [*prompt_rows[1:], {**prompt_rows[0], "messages": [long]}]
    write_table(tmp_path / "own.parquet", table_from_rows(rows, PROMPTS), PROMPTS)
    report = run_check(pair, prompts=tmp_path / "own.parquet", rollout={"max_new_tokens": 12})
    assert report.refused == []
    report = run_check(pair, prompts=tmp_path / "own.parquet", rollout={"max_new_tokens": 13})
    assert report.refused == ["teacher: context", "student: context"]
    says = verdicts(report)["student: context"][1]
    assert "52 tokens of the longest prompt and 13 new ones exceed its context of 64" in says


def test_a_prompt_that_vllm_keeps_no_room_for_is_refused(learnt, run_check):
    """Else the rollout would fail, once models are there."""

    def found(**vllm):
        return run_check(learnt, rollout={"engine": "vllm", "vllm": vllm})

    # The longest prompt has 10 tokens.
    report = found(max_model_length=22)
    assert report.refused == []
    assert "10 tokens of the longest prompt and 12 new ones" in verdicts(report)["room in vLLM"][1]
    says = refusal(found(max_model_length=21))
    assert "exceed rollout.vllm.max_model_length of 21" in says and "longest_prompt" in says
    assert "room in vLLM" not in verdicts(found())


def test_of_many_prompts_that_with_most_tokens_counts(learnt, run_check, prompt_rows, tmp_path):
    """Not that with most characters: here every letter is a token, and no accent is."""
    texts = ["é" * 20 + "1" * 4, *("1" * length for length in range(1, 31))]
    rows = [
        {**prompt_rows[0], "prompt_id": f"p{number}", "messages": [{"role": "user", "content": t}]}
        for number, t in enumerate(texts)
    ]
    write_table(tmp_path / "own.parquet", table_from_rows(rows, PROMPTS), PROMPTS)
    report = run_check(learnt, prompts=tmp_path / "own.parquet")
    assert verdicts(report)["teacher: context"][1].startswith("33 tokens of the longest prompt")


def test_what_a_server_runs_and_what_samples_together_is_said(learnt, run_check):
    servers = {"teacher": {"base_url": "http://localhost/v1", "model": "served"}}
    report = run_check(
        learnt, rollout={"engine": "openai", "openai": {"servers": servers}}, mixes=True
    )
    found = verdicts(report)
    assert found["teacher: memory of sampling"] == ("ok", "that of its server.")
    assert "KV cache" in found["student: memory of sampling"][1]
    assert "teacher's weights" in found["memory of sampling together"][1]


def test_nothing_is_loaded_where_the_pair_is_refused_already(pair, run_check, monkeypatch):
    monkeypatch.setattr("askd.models.preflight.check.load", None)
    report = run_check(pair, rollout={"max_new_tokens": 1000})
    assert verdicts(report)["likelihood"][1].startswith("not measured")


# --- the command -------------------------------------------------------------------------------


def test_the_command_prints_a_line_per_check_and_writes_the_report(
    askd_command, learnt, prompts_path, tmp_path
):
    output = tmp_path / "report.json"
    result = askd_command(
        *("check", learnt.teacher, learnt.student, "--prompts", prompts_path),
        *("--max-new-tokens", 12, "--output", output),
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(output.read_text())
    assert report["verdict"] == "ok" and report["teacher"] == str(learnt.teacher)
    lines = result.stdout.splitlines()
    assert len(lines) == len(report["findings"])
    for line, finding in zip(lines, report["findings"], strict=True):
        assert line.startswith(finding["verdict"]) and line.endswith(finding["says"])


def test_the_command_ends_with_code_1_where_a_check_refuses(askd_command, pair, tmp_path):
    save(
        AutoModelForCausalLM.from_pretrained(pair.student),
        _without_end(character_tokenizer(64)),
        tmp_path / "endless",
    )
    output = tmp_path / "report.json"
    result = askd_command("check", pair.teacher, tmp_path / "endless", "--output", output)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: ") and "are no pair to train: tokenizers: special tokens" in last
    assert "student: end of sequence" in last
    assert json.loads(output.read_text())["verdict"] == "refused"


def _without_end(tokenizer):
    tokenizer.eos_token = None
    return tokenizer
