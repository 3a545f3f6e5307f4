"""Each error that is planted in a loss fails a test."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).with_name("mutants.py")
spec = importlib.util.spec_from_file_location("mutants", FILE)
mutants = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = mutants
spec.loader.exec_module(mutants)


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_the_mutant_is_another_program(mutant):
    compile(mutants.source(mutant), mutant.module, "exec")


def test_no_mutant_survives():
    result = subprocess.run(
        [sys.executable, FILE],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=900,
    )
    assert result.returncode == 0, result.stderr
    codes = {row["name"]: row["exit_code"] for row in map(json.loads, result.stdout.splitlines())}
    assert codes.pop("") == 0, "the tests fail without a mutant"
    assert [name for name, code in codes.items() if code != 1] == []
    assert len(codes) == len({mutant.name for mutant in mutants.MUTANTS}) == len(mutants.MUTANTS)
