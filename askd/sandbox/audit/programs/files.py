"""Programs that try to change files that are not theirs."""

from askd.sandbox.audit.case import Case

CHANGE = "a file outside the scratch folder appears or changes"


def _try(body: str, imports: str = "os") -> str:
    """A program that runs `body` and boasts if it got through."""
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return (
        f"import {imports}\n"
        "def add(a, b):\n"
        "    try:\n"
        f"{lines}"
        "        print('ESCAPED changed')\n"
        "        return a + b\n"
        "    except Exception:\n"
        "        return None\n"
    )


def _quietly(body: str) -> str:
    """A program whose `body` may seem to work; only its effect would tell."""
    return f"import os\ndef add(a, b):\n    {body}\n    return None\n"


CASES = [
    Case("file_write", _try("open('@FOLDER@/new', 'w').write('x')"), "fail", CHANGE),
    Case("file_append", _try("open('@SECRET_FILE@', 'a').write('x')"), "fail", CHANGE),
    Case(
        "file_create_os", _try("os.open('@FOLDER@/new', os.O_CREAT | os.O_WRONLY)"), "fail", CHANGE
    ),
    Case("file_temporary", _try("os.open('@FOLDER@', os.O_TMPFILE | os.O_RDWR)"), "fail", CHANGE),
    Case("file_truncate", _try("os.truncate('@SECRET_FILE@', 0)"), "fail", CHANGE),
    Case("file_remove", _try("os.remove('@SECRET_FILE@')"), "fail", CHANGE),
    Case("file_rename", _try("os.rename('@SECRET_FILE@', '@FOLDER@/other')"), "fail", CHANGE),
    Case("file_rename_into", _try("open('x', 'w')\nos.rename('x', '@FOLDER@/x')"), "fail", CHANGE),
    Case("file_folder", _try("os.mkdir('@FOLDER@/folder')"), "fail", CHANGE),
    Case("file_remove_folder", _try("shutil.rmtree('@FOLDER@')", "shutil"), "fail", CHANGE),
    Case("file_symlink", _try("os.symlink('/etc', '@FOLDER@/link')"), "fail", CHANGE),
    Case("file_hard_link", _try("os.link('@SECRET_FILE@', '@FOLDER@/link')"), "fail", CHANGE),
    Case("file_pipe", _try("os.mkfifo('@FOLDER@/pipe')"), "fail", CHANGE),
    Case("file_device", _try("os.mknod('device', 0o20666, os.makedev(1, 3))"), "fail", CHANGE),
    Case("file_mode", _quietly("os.chmod('@SECRET_FILE@', 0o777)"), "fail", CHANGE),
    Case("file_mode_folder", _quietly("os.chmod('@FOLDER@', 0)"), "fail", CHANGE),
    Case(
        "file_mode_descriptor",
        _try(
            "d = os.open('@SECRET_FILE@', os.O_PATH)\nos.fchmod(d, 0)\n"
            "if os.stat('@SECRET_FILE@').st_mode & 0o777: raise OSError"
        ),
        "fail",
        CHANGE,
    ),
    Case("file_times", _quietly("os.utime('@SECRET_FILE@', (1, 1))"), "fail", CHANGE),
    Case("file_owner", _try("os.chown('@SECRET_FILE@', os.getuid(), os.getgid())"), "fail", CHANGE),
    Case("file_attribute", _try("os.setxattr('@SECRET_FILE@', 'user.x', b'x')"), "fail", CHANGE),
    Case(
        "file_through_link",
        _try("os.symlink('@FOLDER@', 'here')\nopen('here/new', 'w').write('x')"),
        "fail",
        CHANGE,
    ),
    Case(
        "file_dangling_link",
        _try("os.symlink('@FOLDER@/new', 'here')\nopen('here', 'w').write('x')"),
        "fail",
        CHANGE,
    ),
    Case(
        "file_library",
        _try("open(os.path.dirname(os.__file__) + '/askd_probe.py', 'w').write('x')"),
        "fail",
        CHANGE,
    ),
    Case(
        "file_startup",
        _try("open(os.path.dirname(os.__file__) + '/os.py', 'a').write('x')"),
        "fail",
        CHANGE,
    ),
    Case("file_tmp", _try("open('/var/tmp/askd_probe', 'w').write('x')"), "fail", CHANGE),
    Case("file_shared_memory", _try("open('/dev/shm/askd_probe', 'w').write('x')"), "fail", CHANGE),
    Case("file_home", _try("open('/root/.askd_probe', 'w').write('x')"), "fail", CHANGE),
    Case("file_root", _try("open('/askd_probe', 'w').write('x')"), "fail", CHANGE),
    Case("file_dev", _try("open('/dev/askd_probe', 'w').write('x')"), "fail", CHANGE),
    Case("file_disk", _try("open('/dev/sda', 'r+b').write(b'x')"), "fail", CHANGE),
    Case("file_kernel", _try("open('/proc/sysrq-trigger', 'w').write('h')"), "fail", CHANGE),
    Case(
        "file_score", _try("open('/proc/self/oom_score_adj', 'w').write('-1000')"), "fail", CHANGE
    ),
    Case(
        "file_mount",
        _try(
            "c = ctypes.CDLL(None)\nif c.mount(b'none', b'.', b'tmpfs', 0, 0): raise OSError",
            "ctypes",
        ),
        "fail",
        CHANGE,
    ),
    Case("file_root_change", _try("os.chroot('.')"), "fail", "another root"),
    Case(
        "file_late",
        "import threading, time\n"
        "def late():\n    while True:\n        time.sleep(0.05)\n        try:\n"
        "            open('@FOLDER@/late', 'w').write('x')\n        except OSError:\n            pass\n"
        "def add(a, b):\n    threading.Thread(target=late, daemon=True).start()\n    return None\n",
        "fail",
        "a file appears after the verdict",
    ),
]
