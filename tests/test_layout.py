import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import yaml

from askd.config import Config, validate
from askd.layout import Layout, one_of

RAW = {
    **yaml.safe_load(Path("config/methods.yaml").read_text()),
    **yaml.safe_load(Path("config/config.yaml").read_text()),
}


def layout(**changes) -> Layout:
    return Layout(validate(Config, {**RAW, **changes}, "test").with_sweep_variants())


def job(**wildcards) -> SimpleNamespace:
    return SimpleNamespace(**{"pair": "qwen2-math", "seed": "0", **wildcards})


def test_one_of_takes_whole_names_and_nothing_for_none():
    pattern = re.compile(one_of(["askd", "askd-wo-1", "qwen2.5"]))
    assert pattern.fullmatch("askd-wo-1")
    assert pattern.match("askd-wo-1").group() == "askd-wo-1"
    assert not pattern.fullmatch("qwen2x5")
    assert not re.compile(one_of([])).match("")


def test_first_round_reads_what_all_methods_share():
    tables = layout().train_tables(job(method="askd", round="1"))
    shared = "results/nano/qwen2-math/shared/seed0/round0"
    assert tables == {
        "teacher_rollouts": f"{shared}/teacher/rollouts.parquet",
        "teacher_rewards": f"{shared}/teacher/rewards.parquet",
        "teacher_skewness": f"{shared}/teacher/skewness.parquet",
        "student_rollouts": f"{shared}/student/rollouts.parquet",
        "student_scores": f"{shared}/student/scores.parquet",
        "student_rewards": f"{shared}/student/rewards.parquet",
        "student_skewness": f"{shared}/student/skewness.parquet",
    }


def test_later_rounds_read_the_methods_own_student_outputs():
    tables = layout().train_tables(job(method="gkd", round="2"))
    assert tables == {
        "teacher_rollouts": "results/nano/qwen2-math/shared/seed0/round1/teacher/rollouts.parquet",
        "student_rollouts": "results/nano/qwen2-math/gkd/seed0/round1/student/rollouts.parquet",
    }


def test_a_policy_has_outputs_of_its_own_and_needs_the_teacher():
    paths = layout()
    first = paths.train_tables(job(method="speculative-kd", round="1"))
    own = "results/nano/qwen2-math/speculative-kd/seed0"
    assert first == {"student_rollouts": f"{own}/round0/student/rollouts.parquet"}
    run = job(run="speculative-kd", round="0")
    assert paths.sampling_student(run) == "results/nano/models/qwen2-math-student"
    assert paths.policy_teacher(run) == ["results/nano/models/qwen2-math-teacher/manifest.json"]
    words = shlex.split(paths.policy_options(run))
    assert words[::2] == ["--policy", "--teacher"]
    assert json.loads(words[1]) == {"kind": "speculative", "top_k": 3}
    assert words[3] == "results/nano/models/qwen2-math-teacher"
    assert set(paths.train_tables(job(method="minillm", round="1"))) == {
        "student_rollouts",
        "student_scores",
    }
    for other in ("shared", "askd", "imitkd"):
        assert paths.policy_teacher(job(run=other)) == []
        assert paths.policy_options(job(run=other)) == ""


def test_methods_without_outputs_read_none():
    for method in ("sft", "kd", "akl"):
        assert layout().train_tables(job(method=method, round="1")) == {}


def test_methods_read_the_tables_of_their_sides_alone():
    shared = "results/nano/qwen2-math/shared/seed0/round0"
    read = {
        "seqkd": {"teacher_rollouts": f"{shared}/teacher/rollouts.parquet"},
        "imitkd": {"student_rollouts": f"{shared}/student/rollouts.parquet"},
    }
    for method, tables in read.items():
        assert layout().train_tables(job(method=method, round="1")) == tables
    everything = layout().train_tables(job(method="askd", round="1"))
    assert layout().train_tables(job(method="grpo", round="1")) == everything
    ablation = layout().train_tables(job(method="askd-wo-2", round="1"))
    assert everything.keys() - ablation.keys() == {"teacher_rewards", "teacher_skewness"}


def test_warped_teacher_outputs_are_scored():
    warped = layout(rollout={**RAW["rollout"], "temperature": 0.8})
    assert "teacher_scores" in warped.train_tables(job(method="askd", round="1"))
    assert "teacher_scores" not in warped.train_tables(job(method="gkd", round="1"))


def test_pooled_moments_read_the_other_side():
    training = {**RAW["training"], "refresh_every": 0}
    joint = layout(advantage={"sides": "joint"}, training=training)
    teacher, student = job(side="teacher"), job(side="student")
    assert joint.pooled_rewards(teacher) == joint.own_rewards(student)
    assert joint.pooled_rewards(student) == joint.own_rewards(teacher)
    assert layout().pooled_rewards(teacher) == []
    tables = joint.train_tables(job(method="askd", round="2"))
    own = "results/nano/qwen2-math/askd/seed0/round1"
    assert tables["teacher_skewness"] == f"{own}/teacher/skewness.parquet"


def test_models_of_each_system():
    paths = layout()
    assert paths.evaluated_model(job(system="teacher")) == "results/nano/models/qwen2-math-teacher"
    assert paths.evaluated_model(job(system="student")) == "results/nano/models/qwen2-math-student"
    trained = "results/nano/qwen2-math/askd/seed0/round2/model"
    assert paths.evaluated_model(job(system="askd")) == trained
    begin = paths.beginning_student(job(method="askd", round="1"))
    assert begin == "results/nano/models/qwen2-math-student"


def test_untrained_systems_are_evaluated_once():
    items = layout().table_items(SimpleNamespace(table="table2"))
    assert sum("/teacher/" in path for path in items) == 2 * 2
    assert sum("/askd/" in path for path in items) == 2 * 2 * RAW["seeds"]
    assert len(items) == len(set(items))


def test_tuned_rates_are_used_and_tries_have_their_own():
    paths = layout(tuned={"qwen2-math": {"askd": 0.5}})

    def rate(method):
        return json.loads(paths.train_settings(job(method=method)))["learning_rate"]

    assert rate("askd") == 0.5
    assert rate("gkd") == RAW["training"]["learning_rate"]
    assert rate("askd@0.002") == 0.002


def test_sweep_reads_validation_items_of_its_own_seeds():
    for path in layout().sweep_items():
        assert "-validation/" in path
        assert "/seed1000/" in path


def test_programs_are_run_in_the_configured_sandbox_and_others_in_none():
    levels = {"easy": {"operations": [2], "train": 9, "validation": 9, "test": 9}}
    programs = {"kind": "programs", "levels": levels}
    pair = {
        "label": "x",
        "teacher": "qwen2-math-teacher",
        "student": "qwen2-math-student",
        "task": "programs",
    }
    own = layout(
        tasks={**RAW["tasks"], "programs": programs},
        pairs={**RAW["pairs"], "code": pair},
        sandbox={"lowest_tier": "landlock"},
    )
    assert own.grade_options(job()) == "--grader arithmetic"
    options = shlex.split(own.grade_options(job(pair="code")))
    assert options[:3] == ["--grader", "code", "--sandbox"]
    assert json.loads(options[3])["lowest_tier"] == "landlock"
    assert own.sandbox_of("arithmetic") is None
    assert own.table_audit(job(table="table2")) == []
    benchmark = {"task": "programs", "level": "easy", "label": "x"}
    table = {**RAW["tables"]["table2"], "benchmarks": ["code-easy"]}
    shown = layout(
        tasks={**RAW["tasks"], "programs": programs},
        benchmarks={**RAW["benchmarks"], "code-easy": benchmark},
        tables={"table3": table},
    )
    assert shown.table_audit(job(table="table3")) == ["results/nano/tables/sandbox_audit.csv"]
