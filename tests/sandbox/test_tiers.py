"""Which tier is used on which machine, and what a refusal says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from askd.sandbox import Sandbox, SandboxRefused, SandboxSettings, tiers

ROOT = Path(__file__).resolve().parents[2]
USE = """
import logging, sys
from askd.sandbox import Sandbox, SandboxRefused, SandboxSettings
logging.basicConfig(format="%(message)s")
try:
    with Sandbox(SandboxSettings(lowest_tier=sys.argv[1])) as sandbox:
        print(sandbox.tier)
except SandboxRefused as error:
    print(f"error: {error}")
    sys.exit(1)
"""
# A kernel without Landlock, as far as this process and its children can tell.
NO_LANDLOCK = """
import errno, pyseccomp
rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "landlock_create_ruleset")
rules.load()
"""
NO_NAMESPACES = [
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"',
    "sh",
]


def use(lowest: str, before: str = "", prefix: tuple = (), **environment: str):
    """Run USE in a process of its own."""
    return subprocess.run(
        [*prefix, sys.executable, "-c", before + USE, lowest],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def no_namespaces() -> list[str]:
    if subprocess.run([*NO_NAMESPACES, "true"], capture_output=True).returncode:
        pytest.skip("user namespaces are switched off here already")
    return NO_NAMESPACES


def test_the_strongest_tier_is_used(sandbox):
    used = use(sandbox.tier)
    assert used.returncode == 0, used.stdout
    strongest = use("landlock").stdout
    assert used.stdout == strongest
    assert "is used, since" not in used.stderr or strongest.strip() == "landlock"


def test_without_namespaces_the_weaker_tier_is_used_if_it_is_allowed(no_namespaces):
    refused = use("namespaces", prefix=no_namespaces)
    assert refused.returncode == 1
    assert "tier namespaces: bwrap: " in refused.stdout
    assert "are user namespaces switched off?" in refused.stdout
    assert refused.stdout.endswith("To allow a weaker tier, set sandbox.lowest_tier: landlock.\n")
    used = use("landlock", prefix=no_namespaces)
    assert used.stdout == "landlock\n"
    assert "tier landlock is used, since tier namespaces: bwrap: " in used.stderr


def test_without_bubblewrap_the_refusal_says_what_to_install():
    refused = use("namespaces", PATH="/nowhere")
    assert refused.returncode == 1
    assert "bubblewrap is not installed (Debian, Ubuntu: apt install bubblewrap" in refused.stdout
    used = use("landlock", PATH="/nowhere")
    assert used.stdout == "landlock\n"
    assert "bubblewrap is not installed" in used.stderr


def test_with_neither_tier_there_is_no_sandbox(no_namespaces):
    for prefix in ((), no_namespaces):
        refused = use("landlock", before=NO_LANDLOCK, prefix=prefix)
        assert refused.returncode == 1
        assert refused.stdout.startswith("error: no sandbox for programs that a model wrote: ")
        assert refused.stdout.count("the kernel offers no Landlock") == 2
        assert "Linux 5.13 or newer" in refused.stdout
        assert "To allow a weaker tier" not in refused.stdout


def test_a_tier_below_the_lowest_is_not_tried(monkeypatch):
    tried = []

    def start(self, tier):
        tried.append(tier)
        raise SandboxRefused("no")

    monkeypatch.setattr(Sandbox, "_start", start)
    with pytest.raises(SandboxRefused):
        Sandbox(SandboxSettings(lowest_tier="namespaces"))
    assert tried == ["namespaces"]
    with pytest.raises(SandboxRefused):
        Sandbox(SandboxSettings(lowest_tier="landlock"))
    assert tried == ["namespaces", "namespaces", "landlock"]


# In each, one call that confines is exchanged for one that does nothing.
WEAKNESSES = {
    "no filter of system calls": "confine.PR_SET_SECCOMP = 3",
    "no rules for files": "confine.LANDLOCK_RESTRICT_SELF = 39",
}


@pytest.mark.parametrize("weakness", WEAKNESSES)
def test_the_self_test_finds_what_is_broken(sandbox, weakness, monkeypatch):
    if sandbox.tier == "namespaces" and weakness == "no rules for files":
        pytest.skip("namespaces hide the files without Landlock's help")
    broken = [
        (name, f"{source}\n{WEAKNESSES[weakness]}\n" if name.endswith("zygote") else source)
        for name, source in tiers.modules()
    ]
    monkeypatch.setattr(tiers, "modules", lambda: broken)
    with pytest.raises(SandboxRefused, match=r"a test program (was not|could)"):
        Sandbox(sandbox.settings, sandbox.tier)


def test_the_self_test_finds_an_environment_that_is_handed_on(sandbox, monkeypatch):
    monkeypatch.setattr(tiers, "ENVIRONMENT", {**tiers.ENVIRONMENT, "HF_TOKEN": "x"})
    with pytest.raises(SandboxRefused, match="see the environment"):
        Sandbox(sandbox.settings, sandbox.tier)


def test_nothing_of_the_installed_packages_is_in_sight():
    python = tiers.interpreter()
    paths = {path for path, with_files in tiers.landlock_paths(python) if with_files}
    assert paths
    assert not any("-packages" in path for path in paths)
    for path in paths:
        for hidden in python.hidden:
            assert not os.path.realpath(hidden).startswith(f"{os.path.realpath(path)}/")


def test_root_becomes_an_unprivileged_user(sandbox):
    for pid in sandbox.pids():
        status = Path(f"/proc/{pid}/status").read_text()
        assert "Uid:\t0\t" not in status


def test_no_variable_of_the_environment_is_handed_on(sandbox):
    for pid in sandbox.pids():
        text = Path(f"/proc/{pid}/environ").read_text()
        assert {item.partition("=")[0] for item in text.split("\0") if item} <= {
            *tiers.ENVIRONMENT,
            "PWD",
        }


def test_without_a_python_for_the_user_the_refusal_says_so(monkeypatch):
    monkeypatch.setattr(tiers.subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(OSError()))
    tiers.interpreter.cache_clear()
    try:
        with pytest.raises(SandboxRefused, match="an unprivileged user can run no Python"):
            tiers.interpreter()
    finally:
        tiers.interpreter.cache_clear()


def test_command_line_check(askd_command):
    checked = askd_command("sandbox", "--check", "--settings", '{"lowest_tier": "landlock"}')
    assert checked.returncode == 0, checked.stderr
    assert "landlock: works (kernel " in checked.stdout
    assert "limits: wall_seconds 10.0, cpu_seconds 3, " in checked.stdout
    if shutil.which("bwrap") is None:
        assert "namespaces: refused. " in checked.stdout


def test_command_line_run(askd_command, tmp_path):
    program, tests = tmp_path / "program.py", tmp_path / "tests.py"
    program.write_text("def double(x):\n    print('\\x1b[31mhello')\n    return 2 * x\n")
    tests.write_text("assert double(4) == 8\n")
    words = ["sandbox", "--settings", '{"lowest_tier": "landlock"}', "--entry-point", "double"]
    files = ["--program", program, "--tests", tests]
    result = askd_command(*words, *files)
    assert (result.returncode, result.stdout) == (0, "passed: correct\n[31mhello\n")
    tests.write_text("assert double(4) == 9\n")
    result = askd_command(*words, *files)
    assert result.returncode == 1
    assert result.stdout.startswith("failed: wrong answer (assert double(4) == 9)\n")
    tests.write_text("assert double(4) ==\n")
    result = askd_command(*words, *files)
    assert result.returncode == 1
    assert result.stderr.startswith(
        f"error: {program}: the tests are at fault: they do not compile"
    )
    assert "give --check, or --program" in askd_command("sandbox").stderr
    missing = askd_command(*words, "--program", program, "--tests", tmp_path / "none")
    assert missing.stderr.endswith("none: cannot be read (No such file or directory).\n")
