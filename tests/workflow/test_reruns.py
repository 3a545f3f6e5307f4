import pytest


def trained_methods(project) -> set[str]:
    return {job.split(", ")[1] for job in project.planned("Train")}


@pytest.mark.parametrize(
    ("module", "methods"),
    [
        ("objectives/sampled.py", {"minillm", "askd"}),
        ("objectives/skew.py", {"gkd", "minillm", "speculative-kd", "distillm2"}),
        ("objectives/jensen_shannon.py", {"gkd"}),
        ("objectives/policy_gradient.py", {"minillm"}),
        (
            "objectives/reduction.py",
            {"sft", "gkd", "minillm", "speculative-kd", "distillm2", "askd"},
        ),
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


def test_edit_of_one_key_reruns_just_what_reads_it(finished):
    path = finished.folder / "config/methods.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("beta: 0.5}", "beta: 0.4}"))
        assert trained_methods(finished) == {"gkd"}
        assert finished.planned("Pretrain") == set()
    finally:
        path.write_text(text)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--config", "trainig={}"], "unknown key 'trainig'; did you mean 'training'?"),
        (["--config", "'sweep={learning_rate: [1]}'"], "did you mean 'learning_rates'?"),
        (["--config", "seeds=0"], "seeds: Input should be greater than 0"),
    ],
)
def test_bad_configuration_is_one_sentence(finished, arguments, sentence):
    result = finished.make(*arguments)
    assert result.returncode != 0
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert sentence in lines[0]
    assert "Traceback" not in result.stderr
