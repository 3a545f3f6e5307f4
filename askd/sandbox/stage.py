"""The sandbox on the command line."""

from __future__ import annotations

from pathlib import Path

from askd.config import SandboxSettings
from askd.errors import AskdError
from askd.sandbox import tiers
from askd.sandbox.program import FunctionTests, Program
from askd.sandbox.result import SandboxRefused
from askd.sandbox.sandbox import Sandbox


def check_tiers(settings: SandboxSettings) -> None:
    """Print each tier and whether it works here.

    Raises:
        SandboxRefused: none works that `settings` allow.
    """
    for tier in tiers.TIERS:
        try:
            with Sandbox(settings, tier) as sandbox:
                about = dict(sandbox.about)
        except SandboxRefused as error:
            print(f"{tier}: refused. {error}")
            continue
        limits = about.pop("limits")
        versions = ", ".join(f"{name} {about[name]}" for name in about if name != "tier")
        print(f"{tier}: works ({versions})")
    with Sandbox(settings) as sandbox:
        print(f"used with lowest_tier {settings.lowest_tier}: {sandbox.tier}")
    print("limits: " + ", ".join(f"{name} {value}" for name, value in limits.items()))


def run_file(settings: SandboxSettings, program: Path, tests: Path, entry_point: str) -> bool:
    """Print the verdict on the program in a file; whether it passed."""
    texts = {}
    for path in (program, tests):
        try:
            texts[path] = path.read_bytes()
        except OSError as error:
            raise AskdError(f"{path}: cannot be read ({error.strerror}).") from error
    with Sandbox(settings) as sandbox:
        questions = FunctionTests(texts[tests].decode("utf-8", "replace"), entry_point)
        result = sandbox.run(Program(texts[program], questions, str(program)))
    print(f"{result.status}: {result.reason}{f' ({result.detail})' if result.detail else ''}")
    # Not trusted: no character that a terminal obeys.
    print("".join(c for c in result.output if c.isprintable() or c in "\n\t"), end="")
    return result.passed
