"""How full a scratch folder is, with what was removed from it and is still held."""

import subprocess
import sys

import pytest

from askd.sandbox.inside import scratch

LIMITS = {"scratch_files": 10, "scratch_mib": 2, "file_mib": 1}


def _breaks(folder, source: str) -> bool:
    """Whether the folder breaks its limits once a process in it has run `source`."""
    with subprocess.Popen(
        [sys.executable, "-c", f"import mmap, os\n{source}\nprint(flush=True)\ninput()"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        process.stdout.readline()
        broken = scratch.breaks(str(folder), process.pid, LIMITS)
        process.communicate(b"\n")
    return broken


@pytest.mark.parametrize(("files", "broken"), [(0, False), (9, False), (10, True)])
def test_files_and_folders_are_counted(tmp_path, files, broken):
    source = f"os.mkdir('d')\nfor n in range({files}):\n    os.mknod(f'd/{{n}}')"
    assert _breaks(tmp_path, source) is broken


@pytest.mark.parametrize(("mib", "broken"), [(2, False), (3, True)])
@pytest.mark.parametrize("removal", ["", "os.unlink('f')"])
def test_bytes_count_though_their_file_is_removed(tmp_path, mib, broken, removal):
    source = f"f = open('f', 'wb')\nos.posix_fallocate(f.fileno(), 0, {mib} << 20)\n{removal}"
    assert _breaks(tmp_path, source) is broken


@pytest.mark.parametrize(("files", "broken"), [(2, False), (3, True)])
def test_a_removed_and_mapped_file_counts_as_the_largest_one(tmp_path, files, broken):
    source = (
        f"keep = []\nfor _ in range({files}):\n"
        "    with open('f', 'w+b') as file:\n"
        "        file.truncate(4096)\n"
        "        keep.append(mmap.mmap(file.fileno(), 4096))\n"
        "    os.unlink('f')\nos.closerange(3, 99)"
    )
    assert _breaks(tmp_path, source) is broken
