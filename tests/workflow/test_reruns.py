"""What an edit reruns: the jobs that read what was edited, and no other."""

import pytest

MATHS = {
    *("sft", "gkd", "minillm", "speculative-kd", "distillm2"),
    *("askd", "askd-plus", "askd-batch", "askd-stale"),
}
SAMPLED = {"askd", "askd-batch", "askd-stale"}
PAIRS = {"qwen2-math", "deepseek-coder", "qwen2-instruct"}


def trainings(project) -> set[tuple[str, str]]:
    """Pairs and methods that would be trained."""
    return {tuple(job.split(", ")[:2]) for job in project.planned("Train: ")}


def trained_methods(project) -> set[str]:
    return {method for _, method in trainings(project)}


@pytest.mark.parametrize(
    ("module", "methods"),
    [
        ("objectives/sampled.py", SAMPLED | {"minillm"}),
        ("objectives/skew.py", MATHS - SAMPLED - {"sft"}),
        ("objectives/jensen_shannon.py", {"gkd"}),
        ("objectives/policy_gradient.py", {"minillm"}),
        ("objectives/reduction.py", MATHS),
    ],
)
def test_edit_of_an_objective_reruns_just_its_trainings(finished, module, methods):
    path = finished.folder / "askd" / module
    text = path.read_text()
    try:
        path.write_text(text + "\n\ndef edited() -> int:\n    return 1\n")
        assert trained_methods(finished) == methods
        path.write_text(text + "\n# only a comment\n")
        assert trained_methods(finished) == set()
    finally:
        path.write_text(text)


@pytest.mark.parametrize(
    ("grader", "pair"), [("code", "deepseek-coder"), ("judge", "qwen2-instruct")]
)
def test_edit_of_a_grader_reruns_just_the_pairs_of_its_tasks(finished, grader, pair):
    path = finished.folder / f"askd/rewards/{grader}.py"
    text = path.read_text()
    try:
        path.write_text(text + "\n\ndef edited() -> int:\n    return 1\n")
        assert trainings(finished) == {(pair, "askd")}
    finally:
        path.write_text(text)


def test_edit_of_one_key_reruns_just_what_reads_it(finished):
    path = finished.folder / "config/methods.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("beta: 0.5}", "beta: 0.4}"))
        assert trained_methods(finished) == {"gkd"}
        assert finished.planned("Pretrain") == set()
    finally:
        path.write_text(text)


def test_a_choice_of_settings_reruns_just_the_method_on_the_pairs_that_use_it(finished):
    """What was chosen for ASKD holds for its ablations, and for pairs that are tuned as this one.

    The projection is made anew, and no teacher answers again.
    """
    path = finished.folder / "config/tuned/tiny/qwen2-math.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_text(
            "tuned: {qwen2-math: {askd: {learning_rate: 0.004, options: {projection: {beta: 2}}}}}"
        )
        other = ("deepseek-coder", "askd")
        assert trainings(finished) == {other, *(("qwen2-math", method) for method in SAMPLED)}
        assert finished.planned("Teacher answers") == set()
        # The students of later rounds are other ones.
        assert all("round 1" in job for job in finished.planned("Student answers"))
    finally:
        path.unlink()


def test_a_sweep_plans_each_try_on_the_pairs_whose_tables_show_its_method(finished):
    sweep = "{learning_rates: [0.004], alternatives: {gkd: [{tgo: {beta: 0.9}}]}}"
    result = finished.make("sweep", "--dry-run", "--config", f"'sweep={sweep}'")
    assert result.returncode == 0, result.stdout + result.stderr
    text = result.stdout + result.stderr
    for job, planned in (
        ("Choose settings on validation prompts: qwen2-math\n", True),
        ("Choose settings on validation prompts: qwen2.5-math\n", False),
        ("Train: qwen2-math, gkd@0.004, to round 2", True),
        ("Train: qwen2-math, gkd@0.004@1, to round 2", True),
        ("Train: qwen2-math, askd@0.004, to round 2", True),
        ("Train: qwen2-math, sft@0.004@1, to round 2", False),
        # No table shows them.
        ("Train: qwen2-math, grpo@0.004, to round 2", False),
        ("Train: qwen2.5-math, gkd@0.004, to round 2", False),
    ):
        assert (job in text) == planned, job


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--config", "trainig={}"], "unknown key 'trainig'; did you mean 'training'?"),
        (["--config", "'sweep={learning_rate: [1]}'"], "did you mean 'learning_rates'?"),
        (["--config", "seeds=0"], "seeds: Input should be greater than 0"),
        (
            ["--config", "'sweep={alternatives: {gkd: [{tgo: {bta: 0.9}}]}}'"],
            "unknown key 'bta'; did you mean 'beta'?",
        ),
        (
            [
                "--config",
                "'tuned={qwen2-math: {gkd: {learning_rate: 1, options: {tgo: {bta: 1}}}}}'",
            ],
            "unknown key 'bta'; did you mean 'beta'?",
        ),
    ],
)
def test_bad_configuration_is_one_sentence(finished, arguments, sentence):
    result = finished.make(*arguments)
    assert result.returncode != 0
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert sentence in lines[0]
    assert "Traceback" not in result.stderr
