"""The page of all results, from small files of the other stages."""

from __future__ import annotations

import copy
import getpass
import json
import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from askd.config import Config, validate, validated_json
from askd.errors import AskdError
from askd.evaluation.gradient_noise import Estimate, Noise
from askd.layout import as_json
from askd.reporting import contrast_text, gradient_variance
from askd.reporting.claims_text import Row, as_csv
from askd.reporting.entries import Cell, TableContent
from askd.reporting.outcomes import METRICS
from askd.reporting.page import words
from askd.reporting.page.page import report
from askd.reporting.page.settings import PageSettings, page_settings
from askd.reporting.render import render
from askd.reporting.sweep_table import SweepTableSettings, sweep_table

VOID = {"meta", "link", "br", "hr", "img", "input", "col", "wbr"}


class Checked(HTMLParser):
    """Reads a page: its tags must be balanced. Keeps ids, references, headings and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.ids, self.references, self.words = [], [], [], []
        # Targets of links, and ids of headings.
        self.links, self.titled = [], []
        self.headings: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        for key, value in attributes:
            if key == "id":
                self.ids.append(value)
            if key in ("href", "src", "srcset", "data", "action", "poster", "xlink:href"):
                self.references.append(value)
            if key in ("aria-labelledby", "aria-describedby"):
                self.references += [f"#{name}" for name in value.split()]
            self.references += re.findall(r"url\((.*?)\)", value or "")
        if tag == "th":
            assert dict(attributes).get("scope")
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")
            self.titled += [value for key, value in attributes if key == "id"]
        if tag == "a":
            self.links += [value[1:] for key, value in attributes if key == "href"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings[-1] += data
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def figure(path) -> None:
    """A picture whose letters and markers are drawn by reference to ids."""
    drawn = Figure(figsize=(2, 1))
    axis = drawn.subplots()
    axis.plot([0, 1], [0, 1], marker="o")
    axis.set_title("Title")
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(path, format="svg")


@pytest.fixture
def plain(configuration, tmp_path) -> dict:
    """The default configuration, with chosen settings, as plain data."""
    plain = copy.deepcopy(configuration)
    plain["results"] = str(tmp_path)
    plain["tuned"] = {
        "qwen2-math": {
            "gkd": {"learning_rate": 0.002, "options": {"tgo": {"beta": 0.75}}},
            "askd": {"learning_rate": 0.008, "options": {"projection": {"beta": 2}}},
        }
    }
    return plain


@pytest.fixture
def settings(plain) -> PageSettings:
    text = as_json(page_settings(validate(Config, plain, "configuration").with_sweep_variants()))
    return validated_json(PageSettings, text)


def table_page() -> str:
    """The page of a small table, as its stage writes it."""
    pairs, columns, systems = ({"one": "Big → Small"}, {"easy": "GSM8K"}, {"askd": "ASKD & co."})
    return render(
        TableContent(
            name="table2",
            title="Reasoning",
            metric_titles={metric: f"{metric} answers" for metric in METRICS},
            pairs=pairs,
            columns=columns,
            systems=systems,
            cells={
                ("one", "askd", "easy", metric): Cell(
                    "one", "askd", "easy", metric, 61.25, 60, 62, 4, 1, None
                )
                for metric in METRICS
            },
            comparisons=[],
            notes=["A note of the table."],
            comparison_notes=["A note of the tests."],
        )
    )[".html"]


@pytest.fixture
def results(settings, tmp_path):
    """Every file that a page reads."""
    root = tmp_path / settings.scale
    page = table_page()
    noise = Noise(**{name: Estimate(0.5, 0.25, float("inf")) for name in Noise._fields})
    files = {
        **{f"tables/{name}.html": page for name in settings.tables},
        "claims.csv": as_csv(
            [
                Row("first", "3.1", "p < q on <all> tokens", verdict="not run", note="A note."),
                Row(
                    "second",
                    "5",
                    "A above B",
                    effect="-1.50",
                    ci_low="-2.00",
                    ci_high="-1.00",
                    p_holm="0.0001",
                    verdict="opposite",
                    seeds_needed="3",
                ),
            ]
        ),
        f"{contrast_text.FILE}.csv": contrast_text.as_csv(
            [
                contrast_text.Row(
                    "comparison",
                    "first",
                    "New against old",
                    "new",
                    "old",
                    "one",
                    "table2",
                    "greedy",
                    "-2.50",
                    "-4.00",
                    "-1.00",
                    "0.0004",
                    "worse",
                ),
                contrast_text.Row("remedy", "age", "stale outputs", "fresh", "stale"),
            ]
        ),
        "figures/captions.md": "**Figure 1.** One & only,\np > q.\n\n**Figure 2.** Another.\n",
        "tables/power.csv": "table,pair,metric,benchmark,items,seeds,comparisons,half_width_median,"
        "half_width_largest,resolved,seeds_needed,items_needed\n"
        "table2,qwen2-math,greedy,average,600,3,7,4.25,6.5,2,12,more seeds\n",
        "tables/answers.csv": "pair,system,metric,benchmark,unread,too_slow,k,pass_at_k,"
        "inconsistent,invalid,first_position,length_controlled\n"
        "qwen2-math,gkd,sampled,arithmetic-easy,1.25,0.50,4,81.25,,,,\n",
        "tables/theory.csv": "id,statement,verdict,numbers,instead,command\n"
        "Eq. 2,It is so,holds,0 < 1,,c\nEq. 3,So it is,does not hold,1 > 0,another,c\n",
        "tables/sandbox_audit.csv": "name,category,expected,status,violations\n"
        "one,early_exit,fail,failed,\ntwo,early_exit,fail,passed,\nthree,good,pass,passed,\n",
        "times.csv": "stage,jobs,seconds,seconds_per_job,largest_memory_mb\n"
        "train,2,5.0,2.5,300\nall,2,5.0,,\n",
        "times.json": '{"jobs": 2, "job_seconds": 150, "wall_clock_seconds": 90, '
        '"jobs_at_once": 2, "cores": 4}',
        "tables/budget.csv": "pair,method,steps,prompts,reference,tgo,sgo,tokens_sampled,"
        "tokens_trained_on\nqwen2-math,gkd,40,16,0,64,64,3456,3400.5\n",
        "models/qwen2-math-student/manifest.json": json.dumps({"model.safetensors": "0123456789"}),
        "tries.csv": "pair,method,learning_rate,options,greedy,sampled,chosen\n"
        "qwen2-math,gkd,0.002,{},1,61.5,True\nqwen2-math,gkd,0.004,{},1,55,False\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    cell = gradient_variance.Cell("tgo", "fixed", "sampled", noise)
    measured = gradient_variance.Measured("untrained", 0.25, 0.5, [cell])
    text = gradient_variance.as_csv("qwen2-math", [measured, measured._replace(student="trained")])
    (root / "tables/gradient_variance.csv").write_text(text)
    curves = [f"curves-{pair}" for pair in settings.estimators.pairs]
    for name in ("figure1", "figure2", *curves):
        figure(root / f"figures/{name}.svg")
    sweep = SweepTableSettings(
        pairs={},
        methods={},
        **{name: getattr(settings, name) for name in ("sweep", "seeds", "rounds", "sections")},
    )
    sweep_table(sweep, [root / "tries.csv"], root / "tables/sweep")
    return root


@pytest.fixture
def write(settings, tmp_path):
    def write(changed: PageSettings = settings) -> str:
        report(changed, tmp_path / "report.html")
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return write


def test_the_page_is_well_formed_and_stands_alone(results, write, settings):
    text = write()
    page = Checked(text)
    assert len(page.ids) == len(set(page.ids))
    # Every reference is to a place on the page, and there is one.
    assert {reference[0] for reference in page.references} == {"#"}
    assert {reference[1:] for reference in page.references} <= set(page.ids)
    assert "@import" not in text and "http" not in text
    assert text.count("<svg") == 2 + len(settings.estimators.pairs)


def test_claims_come_first_and_all_sections_are_linked(results, write):
    page = Checked(write())
    assert page.headings[0].startswith("Results at scale")
    assert page.headings[2:6] == [
        "The paper's claims",
        "New against old",
        "What was run",
        "Tables",
    ]
    assert page.headings[-9:] == [
        "Figures",
        "Training curves",
        "Gradient variance",
        "The paper's statements",
        "Choice of settings",
        "What a training step uses",
        "Audit of the sandbox",
        "Time per stage",
        "Provenance",
    ]
    assert "Not produced" not in page.text
    assert page.links == page.titled


def test_what_was_found_is_shown(results, write, settings):
    text = Checked(write()).text
    for words_ in (
        "Verdicts on the claims",
        "p < q on <all> tokens",
        "−1.50 [−2.00, −1.00]",
        "new against old is worse on 1 of 1 pair (greedy). It is above nowhere.",
        "−2.50 [−4.00, −1.00] < 0.001 worse",
        "age (stale outputs): this run does not have it.",
        "One & only, p > q.",
        "0.5 [0.25, ∞]",
        "Qwen2-Math-1.5B, student untrained: 25.0 %",
        "Qwen2-Math-1.5B, student trained by DistiLLM-2: 25.0 %",
        *(
            f"Training curves on {settings.pairs[pair].label}."
            for pair in settings.estimators.pairs
        ),
        "greedy AVG. 600 7 4.2 6.5 2 of 7 12 more seeds",
        "GKD sampled GSM8K 1.25 0.50 81.25 (k = 4)",
        "61.2 [60.0, 62.0]",
        "A note of the tests.",
        "61.5",
        "1 wrong verdicts",
        "train 2 5.0 2.5 300",
        "Wall-clock time: 1.5 minutes, during which at least one job ran, and at most 2 at once, "
        "on 4 cores.",
        "01234567 89",
        "does not hold 1",
        "Eq. 3 So it is does not hold 1 > 0 c another",
        "ASKD & co.",
        "tgo beta 0.75",
        "GKD 40 16 0 64 64 3456 3400.5",
        *(pair.label for pair in settings.pairs.values()),
        *(method.label for method in settings.methods.values()),
    ):
        assert words_ in text


def test_tables_are_in_the_papers_order_whatever_the_configurations(results, write, settings):
    tables = dict(reversed(settings.tables.items()))
    headings = Checked(write(settings.model_copy(update={"tables": tables}))).headings
    shown = [heading for heading in headings if heading.startswith(("Table ", "Ablation"))]
    assert [heading[:8] for heading in shown[:5]] == [f"Table {number}:" for number in range(1, 6)]
    assert shown[1] == "Table 2: Mathematical reasoning"
    assert shown[5:] and all(heading.startswith("Ablation: ") for heading in shown[5:])


def test_what_the_page_was_made_with_lies_beside_it(results, write, tmp_path):
    write()
    text = (tmp_path / "provenance.md").read_text(encoding="utf-8")
    assert text.startswith("# Provenance\n\n## Code\n")
    assert "01234567 89" in text and "| numpy " in text


def test_equal_files_give_equal_bytes_without_paths_or_names(results, write, tmp_path):
    text = write()
    assert text == write()
    assert str(tmp_path) not in text
    assert not re.search(rf"(?<![a-z-])/(?:home|root|tmp|Users)/|\b{getpass.getuser()}@", text)


def test_what_was_not_produced_is_left_out_and_named(results, write, settings):
    (results / "tables/sweep.csv").unlink()
    (results / "tables/table3.html").unlink()
    page = Checked(write(settings.model_copy(update={"figures_pair": None})))
    assert "Choice of settings" not in page.headings and "Figures" not in page.headings
    absent = page.text.partition("Not produced in this run: ")[2]
    assert absent.startswith("Table 3: Code generation; figures; choice of settings.")


def test_a_configuration_without_extras_has_a_page(plain, write, tmp_path):
    bare = {key: plain[key] for key in plain if key not in ("sweep", "figures", "estimators")}
    bare["tuned"], bare["tables"] = {}, {}
    page = Checked(write(page_settings(validate(Config, bare, "configuration"))))
    assert page.headings[-2:] == ["What was run", "Provenance"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("claims.csv", "id\nx\n"),
        ("claims.csv", ""),
        ("times.json", "{}"),
        (f"{contrast_text.FILE}.csv", "question\nx\n"),
        ("tables/table2.html", "<p>half a page"),
        ("tables/theory.csv", "id,verdict\nx,holds\n"),
        ("tables/gradient_variance.csv", "student,accuracy\nx,y\n"),
        ("tables/sweep.csv", "pair\nx\n"),
        ("tables/budget.csv", "pair,method\nqwen2-math,other\n"),
        ("tables/sandbox_audit.csv", "name\nx\n"),
        ("figures/figure1.svg", "<svg"),
        ("figures/captions.md", "No caption."),
        ("models/qwen2-math-student/manifest.json", "{}"),
    ],
)
def test_a_file_that_its_stage_did_not_write_is_refused(results, write, name, content):
    (results / name).write_text(content)
    with pytest.raises(AskdError, match=re.escape(name.rpartition("/")[2])):
        write()


def test_settings_say_what_was_run(settings, plain):
    runs = {(run.pair, run.method): run for run in settings.runs}
    assert runs["qwen2-math", "gkd"].learning_rate == 0.002
    assert runs["qwen2-math", "gkd"].options == {"tgo.beta": 0.75}
    assert runs["qwen2-math", "askd"].options == {"projection.beta": 2.0}
    assert runs["qwen2.5-math", "askd"].options == {}
    # Neither the tries of the sweep nor pairs that no table shows.
    assert set(settings.methods) <= set(plain["methods"])
    assert "gemma2-instruct" not in settings.pairs
    assert set(settings.pairs) == {pair for pair, _ in runs}


def test_pairs_that_differ_in_a_setting_are_named(plain):
    for pair in plain["pairs"].values():
        pair["settings"] = {}
    plain["training"] |= {"steps_per_round": 40, "prompts_per_step": 16}
    plain["rollout"] |= {"samples_per_prompt": 4}
    plain |= {"rounds": 1, "advantage": {"normalization": "group"}}
    code, words_ = plain["pairs"]["deepseek-coder"], plain["pairs"]["qwen2-instruct"]
    code["settings"] = {
        "training": {"prompts_per_step": 8},
        "advantage": {"normalization": "batch"},
    }
    words_["settings"] = {"advantage": {"normalization": "batch"}}
    settings = page_settings(validate(Config, plain, "configuration"))
    said = words.protocol(settings)
    math = [plain["pairs"][name]["label"] for name in ("qwen2-math", "qwen2.5-math")]
    of_16 = [pair.label for pair in settings.pairs.values() if pair.label != code["label"]]
    assert set(math) < set(of_16)
    budget = "40 optimizer steps (1 round) of {} prompts, with 4 samples for each prompt and side."
    assert [line for line in said if line.startswith("Budget")] == [
        f"Budget ({', '.join(of_16)}): {budget.format(16)}",
        f"Budget ({code['label']}): {budget.format(8)}",
    ]
    rewards = [line.partition("; ")[0] for line in said if line.startswith("Rewards")]
    assert sorted(rewards) == [
        f"Rewards ({code['label']}, {words_['label']}): normalised by batch",
        f"Rewards ({', '.join(math)}): normalised by group",
    ]
    # What all pairs share is said once, without their names.
    assert len([line for line in said if line.startswith("Training: ")]) == 1


def test_every_method_is_put_into_words(methods):
    said = {name: words.terms(method) for name, method in methods.items()}
    assert said["sft"] == "worked answers: negative log-likelihood"
    assert said["distillm2"] == (
        "teacher outputs: skew KL over the full vocabulary, α = 0.9; "
        "student outputs: skew reverse KL over the full vocabulary, α = 0.1, detach mixture"
    )
    assert "student outputs: skew reverse KL from the sampled tokens, α projected" in said["askd"]
    assert "constant drop" in said["askd-no-constant"]
    assert words.sampling(methods["minillm"]) == (
        "mixture sampling with the teacher, teacher weight 0.2"
    )
    assert words.sampling(methods["askd-stale"]) == "student outputs sampled once a round"
    assert words.sampling(methods["askd-beta-2"]) == "projection with beta 2"


def test_the_command_needs_no_torch(results, settings, askd_command, tmp_path):
    result = askd_command(
        *("report", "--settings", as_json(settings), "--output", tmp_path / "page.html"),
        python=("-X", "importtime"),
    )
    assert result.returncode == 0, result.stderr
    assert not any(line.endswith(" torch") for line in result.stderr.splitlines())
    assert (tmp_path / "page.html").is_file()
