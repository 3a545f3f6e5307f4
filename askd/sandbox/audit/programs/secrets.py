"""Programs that look for what is none of their business."""

from askd.sandbox.audit.case import Case

READ = "a secret, a file of the user, or the environment is read"


def _read(body: str, imports: str = "os") -> str:
    """A program whose `body` computes `found`, what it could read."""
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return (
        f"import {imports}\n"
        "def add(a, b):\n"
        "    try:\n"
        f"{lines}"
        "    except Exception:\n"
        "        found = None\n"
        "    if not found:\n"
        "        return None\n"
        "    print('ESCAPED read', str(found)[:200])\n"
        "    return a + b\n"
    )


CASES = [
    Case("secret_variable", _read("found = os.environ.get('@VARIABLE@')"), "fail", READ),
    Case(
        "secret_variable_libc",
        _read(
            "c = ctypes.CDLL(None)\nc.getenv.restype = ctypes.c_char_p\nfound = c.getenv(b'@VARIABLE@')",
            "ctypes",
        ),
        "fail",
        READ,
    ),
    Case(
        "secret_environment",
        _read(
            "found = [n for n in os.environ if n not in ('LANG', 'MALLOC_ARENA_MAX', 'PWD', "
            "'PYTHONHASHSEED', 'HOME', 'TMPDIR', 'LC_CTYPE')]"
        ),
        "fail",
        READ,
    ),
    Case("secret_file", _read("found = open('@SECRET_FILE@').read()"), "fail", READ),
    Case(
        "secret_file_os",
        _read("found = os.read(os.open('@SECRET_FILE@', os.O_RDONLY), 99)"),
        "fail",
        READ,
    ),
    Case(
        "secret_file_io", _read("found = io.FileIO('@SECRET_FILE@').readall()", "io"), "fail", READ
    ),
    Case(
        "secret_file_libc",
        _read(
            "c = ctypes.CDLL(None)\nd = c.open(b'@SECRET_FILE@', 0)\n"
            "b = ctypes.create_string_buffer(99)\nfound = c.read(d, b, 99) > 0 and b.value",
            "ctypes",
        ),
        "fail",
        READ,
    ),
    Case(
        "secret_file_mmap",
        _read("import mmap\nd = os.open('@SECRET_FILE@', os.O_RDWR)\nfound = mmap.mmap(d, 0)[:]"),
        "fail",
        READ,
    ),
    Case(
        "secret_file_link",
        _read("os.symlink('@SECRET_FILE@', 'link')\nfound = open('link').read()"),
        "fail",
        READ,
    ),
    Case(
        "secret_folder_link",
        _read("os.symlink('@FOLDER@', 'folder')\nfound = open('folder/secret.txt').read()"),
        "fail",
        READ,
    ),
    Case(
        "secret_file_hard_link",
        _read("os.link('@SECRET_FILE@', 'hard')\nfound = open('hard').read()"),
        "fail",
        READ,
    ),
    Case(
        "secret_file_renamed",
        _read("os.rename('@SECRET_FILE@', 'mine')\nfound = open('mine').read()"),
        "fail",
        READ,
    ),
    Case(
        "secret_file_by_root",
        _read("found = open('/proc/self/root@SECRET_FILE@').read()"),
        "fail",
        READ,
    ),
    Case(
        "secret_file_by_parents",
        _read("found = open('../' * 30 + '@SECRET_FILE@'[1:]).read()"),
        "fail",
        READ,
    ),
    Case(
        "secret_file_by_descriptor",
        _read("d = os.open('/', os.O_PATH)\nfound = os.open('@SECRET_FILE@'[1:], 0, dir_fd=d)"),
        "fail",
        READ,
    ),
    Case(
        "secret_file_copied",
        _read("shutil.copy('@SECRET_FILE@', 'copy')\nfound = open('copy').read()", "shutil"),
        "fail",
        READ,
    ),
    Case(
        "secret_file_by_handle",
        _read(
            "c = ctypes.CDLL(None, use_errno=True)\nh = ctypes.create_string_buffer(200)\nh[0] = 128\n"
            "m = ctypes.c_int()\nfound = c.syscall(303, -100, b'@SECRET_FILE@', h, ctypes.byref(m), 0) == 0",
            "ctypes",
        ),
        "fail",
        READ,
    ),
    Case("secret_listing", _read("found = os.listdir('@FOLDER@')"), "fail", READ),
    Case("secret_root", _read("found = os.listdir('/')"), "fail", READ),
    Case(
        "secret_homes",
        _read("found = [p for p in ('/root', '/home', '/srv', '/opt', '/mnt') if _list(p)]")
        + "def _list(p):\n    try:\n        return os.listdir(p)\n    except OSError:\n        return []\n",
        "fail",
        READ,
    ),
    Case("secret_users", _read("found = open('/etc/passwd').read()"), "fail", READ),
    Case("secret_users_pwd", _read("found = pwd.getpwall()", "pwd"), "fail", READ),
    Case("secret_shadow", _read("found = open('/etc/shadow').read()"), "fail", READ),
    Case(
        "secret_keys",
        _read("found = os.listdir(os.path.expanduser('~root') + '/.ssh')"),
        "fail",
        READ,
    ),
    Case("secret_processes", _read("found = os.listdir('/proc')"), "fail", READ),
    Case(
        "secret_parent", _read("found = open(f'/proc/{os.getppid()}/environ').read()"), "fail", READ
    ),
    Case("secret_harness", _read("found = open('/proc/@PID@/cmdline').read()"), "fail", READ),
    Case("secret_own_maps", _read("found = open('/proc/self/maps').read()"), "fail", READ),
    Case(
        "secret_words",
        _read("found = [w for w in sys.argv[1:] if not w.isdigit()]", "sys"),
        "fail",
        READ,
    ),
    Case(
        "secret_packages",
        _read(
            "import glob, sys\n"
            "for v in ('python3', 'python3.10', 'python3.11', 'python3.12', 'python3.13'):\n"
            "    for p in ('/usr/lib', '/usr/local/lib', sys.base_prefix + '/lib'):\n"
            "        sys.path += [f'{p}/{v}/site-packages', f'{p}/{v}/dist-packages']\n"
            "found = []\n"
            "for name in ('torch', 'numpy', 'pydantic', 'yaml', 'apt', 'pip'):\n"
            "    try:\n"
            "        found.append(__import__(name))\n"
            "    except ImportError:\n"
            "        pass"
        ),
        "fail",
        "the packages of the training environment are imported",
    ),
    Case(
        "secret_keyring",
        _read("found = ctypes.CDLL(None).syscall(250, 0, -4, 0) >= 0", "ctypes"),
        "fail",
        READ,
    ),
    Case(
        "secret_messages",
        _read("found = ctypes.CDLL(None).klogctl(3, b'x' * 99, 99) > 0", "ctypes"),
        "fail",
        READ,
    ),
]
