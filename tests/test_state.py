import multiprocessing
import time

import pytest

from askd.state import resumable


def test_state_stays_after_a_failure_and_goes_after_success(tmp_path):
    state = tmp_path / "run/state"
    with pytest.raises(RuntimeError), resumable(state, {"a": 1}) as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    with resumable(state, {"a": 1}) as folder:
        assert (folder / "half").read_text() == "x"
    assert not state.exists()


def test_state_of_something_else_is_emptied(tmp_path):
    state = tmp_path / "state"
    with pytest.raises(RuntimeError), resumable(state, {"seed": 0}) as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    with resumable(state, {"seed": 1}) as folder:
        assert not (folder / "half").exists()


def test_state_without_fingerprint_is_emptied(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "half").write_text("x")
    with resumable(state, 1) as folder:
        assert not (folder / "half").exists()


def _hold(state, held, seconds):
    with resumable(state, 1):
        held.set()
        time.sleep(seconds)
        (state.parent / "left").write_text("")


def test_second_process_waits(tmp_path, capfd):
    context = multiprocessing.get_context("fork")
    held = context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "state", held, 1.0))
    other.start()
    assert held.wait(30)
    with resumable(tmp_path / "state", 1):
        assert (tmp_path / "left").exists()  # the other one is through before this one enters
        other.join(30)
        assert other.exitcode == 0
    assert "waiting" in capfd.readouterr().err
