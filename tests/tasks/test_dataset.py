"""Adapters of public data sets, on small files with the same columns."""

import gzip
import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from askd.artifacts import PROMPTS, read_table
from askd.config import (
    AdapterName,
    DatasetSource,
    DatasetTask,
    SandboxSettings,
    Task,
    validate,
)
from askd.errors import AskdError
from askd.rewards.grade import grade
from askd.tasks.adapters import ADAPTERS, NotGradable
from askd.tasks.dataset import read
from askd.tasks.prompts import build
from askd.tasks.sources import rows_of

TURNS = [
    {"role": "user", "content": "Name a river."},
    {"role": "assistant", "content": "The Elbe."},
    {"role": "user", "content": "Another."},
]
CHECK = "def check(candidate):\n    assert candidate(2, 3) == 5\n\ncheck(add)"
ADD = 'def add(a, b):\n    """Add."""\n'
BODY = "    return a + b\n"
# A row of each set, with the columns that the set has.
ROWS = {
    "ultrachat": {"prompt": "Name a river.", "prompt_id": "a1", "messages": TURNS},
    "alpaca-eval": {
        "dataset": "own",
        "instruction": "Name a river.",
        "output": "The Elbe.",
        "generator": "text_davinci_003",
    },
    "evol-instruct": {"prompt": "Name a river.", "generated_text": "The Elbe."},
    "ultrafeedback": {"prompt": "Name a river.", "generated_text": "The Elbe."},
    "metamathqa": {
        "type": "GSM_Rephrased",
        "query": "What is 2 + 3?",
        "original_question": "2 + 3?",
        "response": "2 + 3 = 5\n#### 5\nThe answer is: 5",
    },
    "gsm8k": {"question": "What is 2 + 3?", "answer": "It is 2+3=<<2+3=5>>5.\n#### 5"},
    "math": {
        "problem": "What is $2 + 3$?",
        "level": "Level 1",
        "type": "Algebra",
        "solution": r"It is $2+3=\boxed{5}$.",
    },
    "code-r1": {
        "data_source": "code",
        "prompt": [
            {"role": "system", "content": "Think in tags."},
            {"role": "user", "content": "Write add(a, b)."},
        ],
        "ability": "coding",
        "reward_model": {"style": "rule", "ground_truth": json.dumps({"functional": CHECK})},
        "extra_info": {"split": "train", "index": 0, "reference": ADD + BODY, "prompt": ""},
    },
    "humaneval": {
        "task_id": "HumanEval/900",
        "prompt": ADD,
        "canonical_solution": BODY,
        "test": CHECK.split("\n\n")[0],
        "entry_point": "add",
    },
    "mbpp": {
        "task_id": 900,
        "text": "Add two numbers.",
        "code": ADD + BODY,
        "test_list": ["assert add(2, 3) == 5"],
        "test_setup_code": "",
        "challenge_test_list": [],
    },
    "evalplus": {
        "task_id": "Mbpp/9000",
        "prompt": ADD,
        "canonical_solution": BODY,
        "entry_point": "add",
        "base_input": [[2, 3]],
        "plus_input": [[0, 0]],
        "atol": 0,
        "contract": "",
    },
}
ROWS["evalplus-plus"] = ROWS["evalplus"]
GRADER = {
    **dict.fromkeys(("ultrachat", "alpaca-eval", "evol-instruct", "ultrafeedback"), "judge"),
    **dict.fromkeys(("metamathqa", "gsm8k", "math"), "math"),
    **dict.fromkeys(("code-r1", "humaneval", "mbpp", "evalplus", "evalplus-plus"), "code"),
}


@pytest.fixture
def written(tmp_path):
    def write(rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(path)

    return write


def source(adapter, path, **options):
    return validate(DatasetSource, {"adapter": adapter, "path": path, **options}, "source")


def refusal(call, *arguments):
    with pytest.raises(AskdError) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_adapter_of_the_configuration_exists_and_is_tested():
    assert set(ADAPTERS) == set(AdapterName.__args__) == set(ROWS) == set(GRADER)


@pytest.mark.parametrize("adapter", ROWS)
def test_a_row_becomes_a_prompt_that_its_grader_can_grade(adapter, written):
    path = written([ROWS[adapter]])
    (row,) = read(source(adapter, path), "test", GRADER[adapter])
    assert row["prompt_id"] == f"test-{adapter}-000000" and row["level"] == adapter
    (message,) = row["messages"]
    assert message["role"] == "user"
    assert any(word in message["content"] for word in ("river", "2 + 3", "add"))
    if GRADER[adapter] == "judge":
        reference = json.loads(row["reference"])
        assert reference["baseline"] == "The Elbe."
        assert ("davinci" in reference["model"]) == (adapter == "alpaca-eval")


@pytest.mark.parametrize("adapter", [name for name in ROWS if GRADER[name] != "judge"])
def test_worked_answers_are_right_and_others_wrong(adapter, written):
    """What the grader reads of a row is what the row means."""
    (row,) = read(source(adapter, written([ROWS[adapter]])), "test", GRADER[adapter])
    wrong = row["response"].replace("+ b", "- b") if GRADER[adapter] == "code" else "#### 6"
    assert wrong != row["response"]
    rollouts = [
        {"prompt_id": row["prompt_id"], "sample_id": number, "text": text, "finish_reason": "stop"}
        for number, text in enumerate((row["response"], wrong))
    ]
    rewards = grade(rollouts, [row], GRADER[adapter], SandboxSettings(lowest_tier="landlock"))
    assert rewards.column("correct").to_pylist() == [True, False]


def test_what_the_adapters_take_of_their_rows(written):
    def example(adapter):
        return ADAPTERS[adapter](ROWS[adapter])

    assert example("ultrachat").response == "The Elbe."
    assert example("gsm8k").reference == "5"
    assert example("gsm8k").response == "It is 2+3=5.\n#### 5"
    assert example("metamathqa").reference == "5"
    assert example("math").reference == ROWS["math"]["solution"]
    with_answer = {**ROWS["math"], "answer": r"\frac{1}{2}"}
    assert ADAPTERS["math"](with_answer).reference == r"\frac{1}{2}"
    assert example("code-r1").prompt == "Write add(a, b)."
    assert "assert add(2, 3) == 5" in example("mbpp").prompt
    sanitized = {**ROWS["mbpp"], "prompt": "Sum them."}
    del sanitized["text"]
    assert "Sum them." in ADAPTERS["mbpp"](sanitized).prompt
    assert json.loads(example("evalplus").reference)["base_input"] == [[2, 3]]
    assert "plus_input" not in json.loads(example("evalplus").reference)
    assert json.loads(example("evalplus-plus").reference)["plus_input"] == [[0, 0]]


def test_plus_is_stricter_than_base(written):
    """The extra inputs tell a program from a right one that the base ones do not."""
    text = "def add(a, b):\n    return a + b if a else None\n"
    correct = {}
    for adapter in ("evalplus", "evalplus-plus"):
        (row,) = read(source(adapter, written([ROWS[adapter]])), "test", "code")
        rollout = {"prompt_id": row["prompt_id"], "sample_id": 0, "finish_reason": "stop"}
        rewards = grade([rollout | {"text": text}], [row], "code")
        correct[adapter] = rewards.column("correct").to_pylist()
    assert correct == {"evalplus": [True], "evalplus-plus": [False]}


@pytest.mark.parametrize(
    ("adapter", "changes", "reason"),
    [
        ("ultrachat", {"messages": TURNS[:1]}, "does not begin with a user and an assistant"),
        ("ultrachat", {"messages": TURNS[1:]}, "does not begin with a user and an assistant"),
        ("alpaca-eval", {"output": " "}, "output is empty"),
        ("evol-instruct", {"prompt": None}, "prompt is empty"),
        ("metamathqa", {"response": "2 + 3 = 5"}, "does not end with an answer"),
        ("gsm8k", {"answer": "5"}, "no ####"),
        ("math", {"solution": "5"}, "no box"),
        ("code-r1", {"reward_model": {"ground_truth": ""}}, "no tests"),
        ("code-r1", {"prompt": []}, "no message of a user"),
        ("mbpp", {"test_list": []}, "no tests"),
    ],
)
def test_rows_that_cannot_be_graded_are_left_out_and_counted(
    adapter, changes, reason, written, capsys
):
    bad = {**ROWS[adapter], **changes}
    with pytest.raises(NotGradable, match=reason):
        ADAPTERS[adapter](bad)
    (row,) = read(source(adapter, written([bad, ROWS[adapter]])), "train", GRADER[adapter])
    assert row["prompt_id"].endswith("-000001")
    printed = capsys.readouterr().out
    assert "left out: 1 (" in printed and reason in printed


@pytest.mark.parametrize(
    ("adapter", "changes"),
    [
        ("gsm8k", {"answer": "#### ?"}),
        ("math", {"solution": r"\boxed{}"}),
        ("code-r1", {"reward_model": {"ground_truth": '{"functional": "def check(: pass"}'}}),
        ("humaneval", {"test": "def check(candidate: pass"}),
    ],
)
def test_a_reference_that_does_not_parse_fails_with_the_id_of_its_row(adapter, changes, written):
    path = written([ROWS[adapter], {**ROWS[adapter], **changes}])
    message = refusal(read, source(adapter, path), "train", GRADER[adapter])
    assert message.startswith(f"{path}: grader {GRADER[adapter]!r} cannot read the references of 1")
    assert f"train-{adapter}-000001: " in message
    allowed = source(adapter, path, bad_references=1)
    assert len(read(allowed, "train", GRADER[adapter])) == 1


def test_many_bad_references_are_named_in_one_sentence(written):
    path = written([{**ROWS["gsm8k"], "answer": "####"}] * 9)
    message = refusal(read, source("gsm8k", path), "train", "math")
    assert "of 9 rows" in message and message.count("train-gsm8k-") == 5 and "4 more" in message


@pytest.mark.parametrize("adapter", ROWS)
def test_a_row_of_another_set_is_refused_with_its_number(adapter, written):
    message = refusal(
        read, source(adapter, written([ROWS[adapter], {"other": 1}])), "train", GRADER[adapter]
    )
    assert f"row 1 is not of the form that adapter {adapter!r} reads" in message


def sums(count):
    return [{"question": f"What is {n} + 1?", "answer": f"#### {n + 1}"} for n in range(count)]


def test_a_subset_is_drawn_by_size_and_seed(written):
    path = written(sums(50))

    def ids(**options):
        return [row["prompt_id"] for row in read(source("gsm8k", path, **options), "t", "math")]

    assert len(ids()) == 50
    drawn = ids(size=10, seed=3)
    assert len(set(drawn)) == 10 and drawn == sorted(drawn) == ids(size=10, seed=3)
    assert drawn != ids(size=10, seed=4)
    # Rows that follow those of the same seed are other ones; all together are all.
    rest = ids(size=40, seed=3, skip=10)
    assert sorted(drawn + rest) == ids()
    message = refusal(read, source("gsm8k", path, size=41, skip=10), "t", "math")
    assert "50 of 50 rows can be used" in message and "(10 and 41)" in message


def test_prompts_that_are_too_long_are_passed_over_and_counted(written, capsys):
    """With the instruction, which adds 8 characters."""
    lengths = (5, 20, 6, 21, 7, 8)
    path = written([{**ROWS["ultrafeedback"], "prompt": "x" * length} for length in lengths])
    options = {"longest_prompt": 15, "instruction": "Short."}

    def kept(**more):
        rows = read(source("ultrafeedback", path, **options, **more), "train", "judge")
        return sorted(len(row["messages"][0]["content"]) - 8 for row in rows)

    assert kept() == [5, 6, 7]
    assert "left out: 3 (prompt of more than 15 characters)" in capsys.readouterr().out
    # They do not count as drawn, nor as passed over.
    assert sorted(kept(size=2) + kept(size=1, skip=2)) == [5, 6, 7]
    message = refusal(read, source("ultrafeedback", path, **options, size=4), "train", "judge")
    assert "3 of 6 rows can be used" in message


def test_an_instruction_stands_below_each_prompt(written):
    (row,) = read(source("gsm8k", written(sums(1)), instruction="Box it."), "t", "math")
    assert row["messages"][0]["content"] == "What is 0 + 1?\n\nBox it."


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet", "jsonl.gz"])
def test_files_of_each_format_give_the_same_rows(ending, tmp_path):
    rows, path = sums(3), tmp_path / f"rows.{ending}"
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    match ending:
        case "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        case "json":
            path.write_text(json.dumps(rows))
        case "jsonl.gz":
            path.write_bytes(gzip.compress(lines, mtime=0))
        case _:
            path.write_bytes(lines)
    assert rows_of(source("gsm8k", str(path))) == rows


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a"', "is the file torn?"),
        ("a.jsonl", b"\xff\xfe", "is the file torn?"),
        ("a.parquet", b"PAR1", "is the file torn?"),
        ("a.jsonl.gz", gzip.compress(b"{}", mtime=0)[:-4], "is the file torn?"),
        ("a.jsonl", b"", "there are no rows"),
        ("a.json", b'{"a": 1}', "expected a list of objects"),
        ("a.csv", b"a,b", "the format is not known by the ending"),
        ("a", b"a,b", "the format is not known by the ending"),
    ],
)
def test_a_bad_file_is_refused(name, content, reason, tmp_path):
    (tmp_path / name).write_bytes(content)
    message = refusal(rows_of, source("gsm8k", str(tmp_path / name)))
    assert message.startswith(str(tmp_path / name)) and reason in message


def test_a_missing_file_is_refused(tmp_path):
    assert "gone.jsonl: cannot be read (No such file" in refusal(
        rows_of, source("gsm8k", str(tmp_path / "gone.jsonl"))
    )


def test_a_local_file_must_have_its_digest(written):
    path = written(sums(2))
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    assert rows_of(source("gsm8k", path, sha256=digest)) == sums(2)
    written(sums(3))
    message = refusal(rows_of, source("gsm8k", path, sha256=digest))
    assert message.startswith(f"{path}: the file's SHA-256 is ") and f"not {digest}" in message


@pytest.fixture
def server():
    content = json.dumps(sums(2)).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path.startswith("/rows.json")
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(content if found else b"")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", hashlib.sha256(content).hexdigest()
        http.shutdown()
        thread.join()


def web(url, **options):
    return validate(DatasetSource, {"adapter": "gsm8k", "url": url, **options}, "source")


def test_a_file_on_the_web_must_have_its_digest(server):
    url, digest = server
    assert rows_of(web(f"{url}/rows.json", sha256=digest)) == sums(2)
    assert rows_of(web(f"{url}/rows.json?download=1")) == sums(2)
    message = refusal(rows_of, web(f"{url}/rows.json", sha256="0" * 64))
    assert f"SHA-256 is {digest}, not {'0' * 64}" in message
    assert "404" in refusal(rows_of, web(f"{url}/gone.json"))


HUB = {"adapter": "gsm8k", "dataset": "openai/gsm8k", "revision": "abc", "split": "train"}


def hub(**options):
    return validate(DatasetSource, {**HUB, **options}, "source")


def test_a_set_of_the_hub_is_loaded_at_its_revision(monkeypatch):
    calls = []

    def load_dataset(*arguments, **options):
        calls.append((arguments, options))
        return sums(2)

    module = ModuleType("datasets")
    module.load_dataset = load_dataset
    module.concatenate_datasets = lambda parts: [row for part in parts for row in part]
    monkeypatch.setitem(sys.modules, "datasets", module)
    assert rows_of(hub()) == sums(2)
    assert calls == [(("openai/gsm8k", None), {"split": "train", "revision": "abc"})]
    assert rows_of(hub(subsets=["main", "socratic"])) == sums(2) * 2
    assert [arguments[1] for arguments, _ in calls[1:]] == ["main", "socratic"]

    def offline(*_, **__):
        raise ConnectionError("no route\nto the hub")

    module.load_dataset = offline
    message = refusal(rows_of, hub())
    assert message.startswith(
        "openai/gsm8k@abc, train: cannot be loaded (ConnectionError: no route)"
    )


def test_without_the_library_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "pip install --editable '.[hub]'" in refusal(rows_of, hub())


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"adapter": "gsm8k"}, "give one of dataset, url, path (given: none)"),
        ({**HUB, "path": "a.jsonl"}, "(given: dataset, path)"),
        ({"adapter": "gsm8k", "path": "a.jsonl", "revision": "abc"}, "revision goes with dataset"),
        ({"adapter": "gsm8k", "path": "a.jsonl", "subsets": ["a"]}, "subsets goes with dataset"),
        (
            {
                **{"adapter": "gsm8k", "dataset": "openai/gsm8k", "split": "test"},
                **{"revision": "abc", "sha256": "0" * 64},
            },
            "sha256 goes with url or path",
        ),
        ({key: HUB[key] for key in ("adapter", "dataset")}, "dataset needs revision and split"),
        ({"adapter": "gsm9k", "path": "a.jsonl"}, "adapter: Input should be 'ultrachat'"),
        ({"adapter": "gsm8k", "pth": "a.jsonl"}, "did you mean 'path'?"),
        ({"adapter": "gsm8k", "url": "ftp://a"}, "url: String should match"),
    ],
)
def test_a_source_that_contradicts_itself_is_refused(value, reason):
    assert reason in refusal(validate, DatasetSource, value, "source")


def task_of(path, **splits):
    task = {"kind": "dataset", "grader": "math"}
    for split in ("train", "validation", "test"):
        task[split] = splits.get(split, [{"adapter": "gsm8k", "path": path}])
    return validate(Task, task, "task")


def test_the_stage_writes_splits_without_common_prompts(written, tmp_path, capsys):
    path = written(sums(20))
    drawn = {"adapter": "gsm8k", "path": path, "seed": 1}
    task = task_of(
        path,
        test=[{**drawn, "size": 5, "level": "easy"}, {**drawn, "size": 3, "skip": 5}],
        validation=[{**drawn, "size": 4, "skip": 8}],
        train=[drawn],
    )
    assert isinstance(task, DatasetTask) and task.files == [path]
    build(task, tmp_path / "data")
    tables = {
        split: read_table(tmp_path / "data" / f"{split}.parquet", PROMPTS)
        for split in ("train", "validation", "test")
    }
    assert {split: table.num_rows for split, table in tables.items()} == {
        "train": 8,
        "validation": 4,
        "test": 8,
    }
    assert tables["test"].column("level").to_pylist() == ["easy"] * 5 + ["gsm8k"] * 3
    texts = [row[0]["content"] for t in tables.values() for row in t.column("messages").to_pylist()]
    assert sorted(texts) == sorted(row["question"] for row in sums(20))
    assert "train: 12 prompts left out: held out as well" in capsys.readouterr().out


def test_a_task_whose_training_prompts_are_all_held_out_is_refused(written, tmp_path):
    path = written(sums(2))
    message = refusal(build, task_of(path), tmp_path / "data")
    assert "all validation prompts are held-out prompts" in message
    assert not (tmp_path / "data").exists()
