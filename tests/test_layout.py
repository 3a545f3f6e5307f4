import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from askd.config import Config, validate
from askd.layout import Layout, of_job, one_of, per_seed

RAW = {
    **yaml.safe_load(Path("config/methods.yaml").read_text()),
    **yaml.safe_load(Path("config/config.yaml").read_text()),
}


def layout(**changes) -> Layout:
    return Layout(validate(Config, {**RAW, **changes}, "test").with_sweep_variants())


def job(**wildcards) -> SimpleNamespace:
    return SimpleNamespace(**{"pair": "qwen2-math", **wildcards})


def test_one_of_takes_whole_names_and_nothing_for_none():
    pattern = re.compile(one_of(["askd", "askd-wo-1", "qwen2.5"]))
    assert pattern.fullmatch("askd-wo-1")
    assert pattern.match("askd-wo-1").group() == "askd-wo-1"
    assert not pattern.fullmatch("qwen2x5")
    assert not re.compile(one_of([])).match("")


def test_first_round_reads_what_all_methods_share():
    tables = layout().train_tables(job(method="askd", round="1"))
    shared = "results/nano/qwen2-math/shared/seed{seed}/round0"
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
    pair = "results/nano/qwen2-math"
    tables = layout().train_tables(job(method="gkd", round="2"))
    assert tables == {
        "teacher_rollouts": f"{pair}/shared/seed{{seed}}/round1/teacher/rollouts.parquet",
        "student_rollouts": f"{pair}/gkd/seed{{seed}}/round1/student/rollouts.parquet",
    }


def test_a_policy_has_outputs_of_its_own_and_needs_the_teacher():
    paths = layout()
    first = paths.train_tables(job(method="speculative-kd", round="1"))
    own = "results/nano/qwen2-math/speculative-kd/seed{seed}"
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
    shared = "results/nano/qwen2-math/shared/seed{seed}/round0"
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
    for run in ("shared", "askd", "askd-batch"):
        teacher = job(side="teacher", run=run, round="1")
        student = job(side="student", run=run, round="1")
        assert joint.pooled_rewards(teacher) == joint.own_rewards(student)
        assert joint.pooled_rewards(student) == joint.own_rewards(teacher)
        assert layout().pooled_rewards(teacher) == []
    tables = joint.train_tables(job(method="askd", round="2"))
    own = "results/nano/qwen2-math/askd/seed{seed}/round1"
    assert tables["teacher_skewness"] == f"{own}/teacher/skewness.parquet"
    assert tables["teacher_rewards"].startswith("results/nano/qwen2-math/shared/seed{seed}/round1/")
    run = job(run="askd", side="teacher", round="1")
    shared = "results/nano/qwen2-math/shared/seed{seed}/round1"
    assert joint.own_rewards(run) == f"{shared}/teacher/rewards.parquet"
    assert joint.pooled_rewards(run) == f"{own}/student/rewards.parquet"


# --- projections ---------------------------------------------------------------------------------


@pytest.mark.parametrize("round_", [1, 2])
def test_a_projection_of_its_own_is_of_the_rewards_that_all_share(round_):
    """Both sides' skewness is the method's own, and nothing else that is not without it."""
    paths = layout()
    own = f"results/nano/qwen2-math/askd-batch/seed{{seed}}/round{round_ - 1}"
    tables = paths.train_tables(job(method="askd-batch", round=str(round_)))
    common = paths.train_tables(job(method="askd", round=str(round_)))
    for model in ("teacher", "student"):
        assert tables.pop(f"{model}_skewness") == f"{own}/{model}/skewness.parquet"
        common.pop(f"{model}_skewness")
        # What the rule that makes this file reads.
        run = job(run="askd-batch", side=model, round=str(round_ - 1))
        assert paths.own_rewards(run) == tables[f"{model}_rewards"]
        assert paths.pooled_rewards(run) == []
    assert tables == {key: path.replace("/askd/", "/askd-batch/") for key, path in common.items()}


def test_a_run_projects_by_the_methods_numbers_where_it_has_any():
    paths = layout(skewness={"beta": 3}, advantage={"normalization": "group", "epsilon": 0.5})
    found = {
        run: (paths.beta_of(job(run=run)), paths.advantage_of(job(run=run)).normalization)
        for run in ("shared", "askd", "askd-beta-0.5", "askd-batch")
    }
    assert found == {
        "shared": (3, "group"),
        "askd": (3, "group"),
        "askd-beta-0.5": (0.5, "group"),
        "askd-batch": (3, "batch"),
    }
    assert paths.advantage_of(job(run="askd-batch")).epsilon == 0.5
    # The train stage projects refreshed outputs with the same numbers.
    for method, (beta, normalization) in found.items():
        if method != "shared":
            settings = json.loads(paths.train_settings(job(method=method)))
            assert settings["skewness"] == {"beta": beta}
            assert settings["advantage"]["normalization"] == normalization


# --- what was chosen for a pair ------------------------------------------------------------------


def chosen(**options: dict) -> dict:
    return {
        "qwen2-math": {
            method.replace("_", "-"): {"learning_rate": 0.5, "options": value}
            for method, value in options.items()
        }
    }


def test_a_chosen_projection_moves_the_skewness_of_that_pair_alone():
    paths = layout(tuned=chosen(askd={"projection": {"beta": 2}}))
    shared = layout().train_tables(job(method="askd", round="1"))
    tables = paths.train_tables(job(method="askd", round="1"))
    own = "results/nano/qwen2-math/askd/seed{seed}/round0"
    assert {key for key in tables if tables[key] != shared[key]} == {
        "teacher_skewness",
        "student_skewness",
    }
    assert tables["teacher_skewness"] == f"{own}/teacher/skewness.parquet"
    assert paths.beta_of(job(run="askd")) == 2
    assert json.loads(paths.train_settings(job(method="askd")))["skewness"] == {"beta": 2}
    elsewhere = job(method="askd", round="1", pair="qwen2.5-math")
    assert paths.train_tables(elsewhere) == layout().train_tables(elsewhere)
    assert paths.beta_of(job(run="askd", pair="qwen2.5-math")) == RAW.get("skewness", {}).get(
        "beta", 1.0
    )


def test_an_ablation_of_a_tuned_method_keeps_its_own_projection():
    paths = layout(tuned=chosen(askd={"projection": {"beta": 2}}))
    assert paths.beta_of(job(run="askd-beta-0.5")) == 0.5
    assert paths.beta_of(job(run="askd-no-constant")) == 2
    own = "results/nano/qwen2-math/askd-no-constant/seed{seed}/round0"
    tables = paths.train_tables(job(method="askd-no-constant", round="1"))
    assert tables["teacher_skewness"] == f"{own}/teacher/skewness.parquet"


def test_a_chosen_policy_samples_with_the_chosen_numbers():
    paths = layout(tuned=chosen(minillm={"policy": {"teacher_weight": 0.5}}))
    words = shlex.split(paths.policy_options(job(run="minillm")))
    assert json.loads(words[1]) == {"kind": "mixture", "teacher_weight": 0.5}
    elsewhere = shlex.split(paths.policy_options(job(run="minillm", pair="qwen2.5-math")))
    assert json.loads(elsewhere[1])["teacher_weight"] == 0.2
    settings = json.loads(paths.train_settings(job(method="minillm")))
    assert settings["method"]["policy"]["teacher_weight"] == 0.5


def test_a_policy_that_is_chosen_gives_outputs_of_its_own():
    policy = {"policy": {"kind": "mixture", "teacher_weight": 0.5}}
    paths = layout(tuned=chosen(imitkd=policy))
    own = "results/nano/qwen2-math/imitkd/seed{seed}/round0/student"
    tables = paths.train_tables(job(method="imitkd", round="1"))
    assert tables == {"student_rollouts": f"{own}/rollouts.parquet"}
    assert paths.policy_teacher(job(run="imitkd")) != []
    assert paths.policy_teacher(job(run="imitkd", pair="qwen2.5-math")) == []


def test_tuned_rates_are_used_and_tries_have_their_own():
    sweep = {**RAW["sweep"], "learning_rates": [0.002]}
    paths = layout(tuned={"qwen2-math": {"askd": {"learning_rate": 0.5}}}, sweep=sweep)

    def rate(method):
        return json.loads(paths.train_settings(job(method=method)))["learning_rate"]

    assert rate("askd") == 0.5
    assert rate("askd-no-constant") == 0.5
    assert rate("gkd") == RAW["training"]["learning_rate"]
    assert rate("askd@0.002") == 0.002


# --- fresh and stale outputs ---------------------------------------------------------------------


def test_outputs_of_another_window_are_the_methods_own():
    paths = layout()
    assert paths.window(job(run="shared")) == RAW["training"]["refresh_every"]
    assert paths.window(job(run="askd")) == RAW["training"]["refresh_every"]
    assert paths.window(job(run="askd-stale")) == RAW["training"]["steps_per_round"]
    tables = paths.train_tables(job(method="askd-stale", round="1"))
    own = "results/nano/qwen2-math/askd-stale/seed{seed}/round0"
    shared = "results/nano/qwen2-math/shared/seed{seed}/round0"
    assert tables["student_rollouts"] == f"{own}/student/rollouts.parquet"
    assert tables["student_skewness"] == f"{own}/student/skewness.parquet"
    assert tables["teacher_skewness"] == f"{shared}/teacher/skewness.parquet"
    assert paths.sampling_student(job(run="askd-stale", round="0")) == (
        "results/nano/models/qwen2-math-student"
    )
    settings = json.loads(paths.train_settings(job(method="askd-stale")))
    assert settings["training"]["refresh_every"] == 0
    settings = json.loads(paths.train_settings(job(method="askd")))
    assert settings["training"]["refresh_every"] == RAW["training"]["refresh_every"]


# --- evaluation ----------------------------------------------------------------------------------


def test_models_of_each_system():
    paths = layout(rounds=2)
    models = "results/nano/models"
    assert paths.evaluated_model(job(system="teacher")) == f"{models}/qwen2-math-teacher"
    assert paths.evaluated_model(job(system="student")) == f"{models}/qwen2-math-student"
    trained = "results/nano/qwen2-math/askd/seed{seed}/round2/model"
    assert paths.evaluated_model(job(system="askd")) == trained
    begin = paths.beginning_student(job(method="askd", round="1"))
    assert begin == "results/nano/models/qwen2-math-student"


def test_inputs_are_of_each_seed_of_a_job():
    paths = layout()
    assert paths.seeds == {"": list(range(RAW["seeds"])), "_sweep": [1000]}
    assert layout(sweep=None).seeds == {"": list(range(RAW["seeds"]))}
    run = job(method="askd", round="2")
    tables = per_seed(paths.train_tables, [0, 7])(run)
    assert tables.keys() == paths.train_tables(run).keys()
    own = "results/nano/qwen2-math/askd"
    assert tables["student_scores"] == [
        f"{own}/seed{seed}/round1/student/scores.parquet" for seed in (0, 7)
    ]
    # What does not depend on the seed is read once.
    assert per_seed(paths.teacher, [0, 7])(run) == ["results/nano/models/qwen2-math-teacher"]
    assert per_seed(paths.pooled_rewards, [0, 7])(job(run="askd", side="teacher", round="1")) == []
    wildcards = {"pair": "qwen2-math", "method": "askd", "round": "1"}
    assert of_job(paths.trained)(wildcards) == f"{own}/seed{{seed}}/round1"


def test_each_evaluation_has_one_job():
    """All items that tables and sweep read are made, and none by two jobs."""
    paths = layout()
    made = []
    for task, split, systems, seeds in paths.evaluations:
        made += [
            paths.items(pair, system, seed, benchmark)
            for pair in paths.pairs_of(task)
            for system in systems
            for seed in seeds
            for benchmark in paths.benchmarks_of(task, split)
        ]
    assert len(made) == len(set(made))
    read = [
        path for table in RAW["tables"] for path in paths.table_items(SimpleNamespace(table=table))
    ]
    assert set(read) <= set(made)
    for pair in RAW["sweep"]["pairs"]:
        assert set(paths.sweep_items(SimpleNamespace(pair=pair))) <= set(made)


def test_validation_items_are_of_the_sweeps_seeds_and_test_items_of_the_tables():
    jobs = {
        (task, split, systems[0]): seeds for task, split, systems, seeds in layout().evaluations
    }
    benchmarks = RAW["benchmarks"].values()
    kinds = {(benchmark["task"], benchmark.get("split", "test")) for benchmark in benchmarks}
    assert set(jobs) == {(*kind, first) for kind in kinds for first in ("teacher", "sft")}
    for (_, split, first), seeds in jobs.items():
        if first == "teacher":
            assert seeds == [0]
        else:
            assert seeds == (list(range(RAW["seeds"])) if split == "test" else [1000])
    without = {(split, systems[0]) for _, split, systems, _ in layout(sweep=None).evaluations}
    assert without == {("test", "teacher"), ("test", "sft"), ("validation", "teacher")}


def test_an_evaluation_is_told_of_its_own_benchmarks_and_grader():
    paths = layout()
    settings = json.loads(paths.evaluate_settings("programs", "test"))
    assert set(settings["benchmarks"]) == {"programs-humaneval", "programs-mbpp"}
    assert settings["grader"] == "code" and settings["sandbox"] is not None
    settings = json.loads(paths.evaluate_settings("arithmetic", "validation"))
    assert all(name.endswith("-validation") for name in settings["benchmarks"])
    assert settings["grader"] == "arithmetic" and settings["sandbox"] is None
    assert paths.pairs_of("programs") == ["deepseek-coder", "qwen2.5-coder"]


def test_untrained_systems_are_evaluated_once():
    items = layout().table_items(SimpleNamespace(table="table2"))
    assert sum("/teacher/" in path for path in items) == 2 * 2
    assert sum("/askd/" in path for path in items) == 2 * 2 * RAW["seeds"]
    assert len(items) == len(set(items))


@pytest.mark.parametrize(
    ("table", "measure"),
    [("table1", "win rate"), ("table2", "pass@1"), ("table3", "pass@1"), ("table4", "pass@1")],
)
def test_a_table_is_told_what_it_counts(table, measure):
    settings = json.loads(layout().table_settings(SimpleNamespace(table=table)))
    assert settings["measure"] == measure
    assert set(settings["methods"]) == set(RAW["tables"][table]["systems"]) - {"teacher", "student"}
    assert set(settings["pairs"]) == set(RAW["pairs"])


def test_a_table_is_told_what_was_chosen_and_whose_worked_answers_know_better():
    tuned = {
        "qwen2-math": {"gkd": {"learning_rate": 0.001, "options": {"tgo": {"beta": 0.75}}}},
        "qwen2.5-math": {"gkd": {"learning_rate": 0.001}},
    }
    settings = json.loads(layout(tuned=tuned).table_settings(SimpleNamespace(table="table2")))
    assert settings["chosen"] == {"qwen2-math": {"gkd": {"tgo.beta": 0.75}}}
    assert settings["misled"] == ["qwen2.5-math"]


def test_worked_answers_with_the_teachers_errors_are_no_oracle():
    config = layout().config
    assert config.misleads("qwen2.5-math") and not config.misleads("qwen2-math")
    systematic = {**RAW["tasks"]["arithmetic"], "errors": {"systematic": 0.6}}
    tasks = {**RAW["tasks"], "arithmetic": systematic}
    assert not layout(tasks=tasks).config.misleads("qwen2.5-math")
    # A teacher with fewer layers has learned what the whole one has.
    models = RAW["models"] | {
        "small": {"prune": {"model": "qwen2.5-math-teacher", "keep_layers": [0]}}
    }
    pairs = RAW["pairs"] | {"qwen2-math": {**RAW["pairs"]["qwen2-math"], "teacher": "small"}}
    assert layout(models=models, pairs=pairs).config.misleads("qwen2-math")


# --- the sweep -----------------------------------------------------------------------------------


def test_sweep_reads_validation_items_of_its_own_seeds():
    for pair in RAW["sweep"]["pairs"]:
        items = layout().sweep_items(SimpleNamespace(pair=pair))
        assert len(items) == len(set(items)) > 0
        for path in items:
            assert "-validation/" in path
            assert f"/{pair}/" in path and "/seed1000/" in path


def test_a_pair_is_tuned_on_the_benchmarks_of_its_task():
    paths = layout()
    for pair in RAW["sweep"]["pairs"]:
        job = SimpleNamespace(pair=pair)
        of_pair = json.loads(paths.tune_settings(job))
        task = RAW["pairs"][pair]["task"]
        assert of_pair["benchmarks"]
        assert all(name.startswith(f"{task}-") for name in of_pair["benchmarks"])
        shown = {
            system
            for table in RAW["tables"].values()
            if pair in table["pairs"]
            for system in table["systems"]
        }
        assert set(of_pair["tries"]) == shown & set(RAW["sweep"]["methods"])
        assert len(paths.sweep_items(job)) == len(of_pair["benchmarks"]) * sum(
            map(len, of_pair["tries"].values())
        )


def test_the_key_of_a_judge_is_needed_where_a_task_asks_one():
    endpoint = {"kind": "endpoint", "base_url": "http://127.0.0.1/v1", "model": "m"}
    keyed = {**endpoint, "key_variable": "JUDGE_KEY"}
    assert layout(judge=keyed).judge_keys == ["JUDGE_KEY"]
    assert layout(judge=endpoint).judge_keys == layout().judge_keys == []
    assert layout(judge=endpoint).server_keys == []
    # A benchmark may have a judge of its own.
    own = {"judge": {**keyed, "model": "other", "key_variable": "OTHER_KEY"}}
    benchmarks = {
        **RAW["benchmarks"],
        "instructions-alpaca": {**RAW["benchmarks"]["instructions-alpaca"], **own},
    }
    paths = layout(judge=endpoint, benchmarks=benchmarks)
    assert paths.judge_keys == ["OTHER_KEY"]
    judges = json.loads(paths.evaluate_settings("instructions", "test"))["judges"]
    assert {name: judge["model"] for name, judge in judges.items()} == {
        "instructions-alpaca": "other",
        "instructions-evol": "m",
        "instructions-ultra": "m",
    }
    assert json.loads(paths.evaluate_settings("arithmetic", "test"))["judges"] == {}
    # Without the judged task and what is made of it.
    sums = RAW["pairs"]["qwen2-math"]
    models = {name: RAW["models"][name] for name in (sums["teacher"], sums["student"])}
    alone = {
        "tasks": {"arithmetic": RAW["tasks"]["arithmetic"]},
        "models": models,
        "pairs": {"qwen2-math": sums},
        **{"benchmarks": {}, "tables": {}, "sweep": None, "figures": None, "estimators": None},
        **{"agreement": None, "lm_eval": None, "tuned": {}, "judge": keyed},
    }
    assert layout(**alone).judge_keys == []


def test_programs_are_run_in_the_configured_sandbox_and_others_in_none():
    paths = layout(sandbox={"lowest_tier": "landlock"})
    assert paths.grade_options(job()) == "--grader arithmetic"
    options = shlex.split(paths.grade_options(job(pair="qwen2-instruct")))
    assert options[:3] == ["--grader", "judge", "--judge"]
    assert json.loads(options[3]) == {"kind": "rule"}
    options = shlex.split(paths.grade_options(job(pair="deepseek-coder")))
    assert options[:3] == ["--grader", "code", "--sandbox"]
    assert json.loads(options[3])["lowest_tier"] == "landlock"
    assert paths.sandbox_of("arithmetic") is None
    assert paths.sandbox_of("programs").lowest_tier == "landlock"
    for table, audit in (
        ("table1", []),
        ("table2", []),
        ("table3", ["results/nano/tables/sandbox_audit.csv"]),
    ):
        assert paths.table_audit(job(table=table)) == audit


def test_evalplus_judges_systems_with_their_seeds_on_files_of_ones_own():
    section = {
        "pairs": ["deepseek-coder"],
        "systems": ["askd", "teacher"],
        "benchmarks": {"humaneval": {}, "mbpp_plus": {"path": "MbppPlus.jsonl.gz"}},
    }
    paths = layout(evalplus=section)
    assert paths.evalplus_systems == [(["teacher"], [0]), (["askd"], [0, 1, 2])]
    files = {name: paths.evalplus_file(job(benchmark=name)) for name in section["benchmarks"]}
    assert files == {"humaneval": [], "mbpp_plus": ["MbppPlus.jsonl.gz"]}
    settings = json.loads(paths.evalplus_settings)
    assert settings["benchmarks"] == list(section["benchmarks"])
    # EvalPlus's longest answer, not that of the trainings.
    assert settings["rollout"]["max_new_tokens"] == 768


def test_lm_eval_loads_weights_in_the_type_of_our_evaluation():
    section = {"pairs": ["qwen2-math"], "systems": ["askd"], "tasks": ["gsm8k"]}

    def dtype(evaluation: dict, **lm_eval) -> str:
        paths = layout(lm_eval={**section, **lm_eval}, evaluation=evaluation)
        return json.loads(paths.lm_eval_settings)["lm_eval"]["dtype"]

    assert dtype({}) == "auto"
    assert dtype({"dtype": "bfloat16"}) == "bfloat16"
    assert dtype({"dtype": "bfloat16"}, dtype="float16") == "float16"
