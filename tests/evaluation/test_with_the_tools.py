"""What needs lm-eval or evalplus, run in the environment that has them."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEED_THEM = [
    f"tests/evaluation/test_{name}.py"
    for name in (
        "agreement",
        "lm_eval_agreement",
        "lm_eval_tasks",
        "math_style",
        "evalplus_agreement",
        "evalplus_benchmarks",
    )
]


def test_nothing_is_skipped_and_all_pass(evaluate_python):
    result = subprocess.run(
        [evaluate_python, "-m", "pytest", "-p", "no:cacheprovider", *NEED_THEM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert result.returncode == 0, result.stdout
    assert "skipped" not in result.stdout
