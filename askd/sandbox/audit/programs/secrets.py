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
            "    except (ImportError, OSError):\n"
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
    # --- the secret file by way of what the library offers
    *(
        Case(f"secret_file_{name}", _read(body, imports), "fail", READ)
        for name, imports, body in (
            (
                "by_cwd",
                "os",
                "found = open('/proc/self/cwd/' + '../' * 30 + '@SECRET_FILE@'[1:]).read()",
            ),
            (
                "by_change_of_folder",
                "os",
                "home = os.open('.', os.O_RDONLY)\ntry:\n    os.chdir('@FOLDER@')\n"
                "    found = open('secret.txt').read()\nfinally:\n    os.fchdir(home)",
            ),
            (
                "by_path_descriptor",
                "os",
                "d = os.open('@SECRET_FILE@', os.O_PATH)\n"
                "found = open(f'/proc/self/fd/{d}').read() or open(f'/dev/fd/{d}').read()",
            ),
            (
                "by_folder_descriptor",
                "os",
                "d = os.open('@FOLDER@', os.O_PATH | os.O_DIRECTORY)\n"
                "found = os.read(os.open('secret.txt', os.O_RDONLY, dir_fd=d), 99)",
            ),
            (
                "by_chain_of_links",
                "os",
                "os.symlink('@SECRET_FILE@', 'l0')\n"
                "for n in range(9):\n    os.symlink(f'./l{n}', f'l{n + 1}')\n"
                "found = open('l9').read()",
            ),
            (
                "by_links_to_folders",
                "os",
                "os.symlink('/', 'top')\nos.mkdir('in')\nos.symlink('../top', 'in/top')\n"
                "found = open('in/top@SECRET_FILE@').read()",
            ),
            (
                "sent",
                "os",
                "d = os.open('@SECRET_FILE@', os.O_RDONLY)\no = os.open('o', os.O_RDWR | os.O_CREAT)\n"
                "found = os.sendfile(o, d, 0, 99)",
            ),
            (
                "copied_in_kernel",
                "os",
                "d = os.open('@SECRET_FILE@', os.O_RDONLY)\no = os.open('o', os.O_RDWR | os.O_CREAT)\n"
                "found = os.copy_file_range(d, o, 99)",
            ),
            (
                "exchanged",
                "ctypes, os",
                "open('mine', 'w').write('x')\nc = ctypes.CDLL(None)\n"
                "if c.renameat2(-100, b'mine', -100, b'@SECRET_FILE@', 2) == 0:\n"
                "    found = open('mine').read()\nelse:\n    found = None",
            ),
            ("pathlib", "pathlib", "found = pathlib.Path('@SECRET_FILE@').read_bytes()"),
            ("codecs", "codecs", "found = codecs.open('@SECRET_FILE@', encoding='ascii').read()"),
            ("code", "io", "found = io.open_code('@SECRET_FILE@').read()"),
            ("fileinput", "fileinput", "found = list(fileinput.input('@SECRET_FILE@'))"),
            ("linecache", "linecache", "found = linecache.getlines('@SECRET_FILE@')"),
            (
                "importlib",
                "importlib.machinery",
                "found = importlib.machinery.SourceFileLoader('x', '@SECRET_FILE@').get_data('@SECRET_FILE@')",
            ),
            (
                "finder",
                "importlib.machinery",
                "finder = importlib.machinery.FileFinder('@FOLDER@')\nfinder.find_spec('secret')\n"
                "found = finder._path_cache",
            ),
            (
                "runpy",
                "runpy",
                "try:\n    runpy.run_path('@SECRET_FILE@')\n    found = True\n"
                "except OSError:\n    found = None\nexcept Exception as error:\n    found = repr(error)",
            ),
            (
                "zip",
                "zipfile",
                "try:\n    found = zipfile.ZipFile('@SECRET_FILE@')\n"
                "except zipfile.BadZipFile as error:\n    found = repr(error)",
            ),
            (
                "tar",
                "tarfile",
                "with tarfile.open('t', 'w') as t:\n    t.add('@SECRET_FILE@')\n    t.add('@FOLDER@')\n"
                "found = tarfile.open('t').extractfile(tarfile.open('t').getmembers()[0]).read()",
            ),
            (
                "tar_link",
                "io, tarfile",
                "entry = tarfile.TarInfo('out')\nentry.type, entry.linkname = tarfile.SYMTYPE, '@SECRET_FILE@'\n"
                "with tarfile.open('t', 'w') as t:\n    t.addfile(entry)\n"
                "tarfile.open('t').extractall('.')\nfound = open('out').read()",
            ),
            (
                "sqlite",
                "sqlite3",
                "try:\n    base = sqlite3.connect(':memory:')\n"
                "    base.execute(\"ATTACH '@SECRET_FILE@' AS x\")\n"
                "    found = base.execute('SELECT * FROM x.sqlite_master').fetchall()\n"
                "except sqlite3.OperationalError:\n    found = None\n"
                "except sqlite3.DatabaseError as error:\n    found = repr(error)",
            ),
            (
                "as_library",
                "ctypes",
                "try:\n    found = ctypes.CDLL('@SECRET_FILE@')\n"
                "except OSError as error:\n"
                "    found = str(error) if 'short' in str(error) or 'ELF' in str(error) else None",
            ),
            ("stdio", "ctypes", "found = ctypes.CDLL(None).fopen(b'@SECRET_FILE@', b'r')"),
            (
                "openat2",
                "ctypes",
                "how = (ctypes.c_uint64 * 3)(0, 0, 0)\n"
                "found = ctypes.CDLL(None).syscall(437, -100, b'@SECRET_FILE@', how, 24) >= 0",
            ),
            (
                "watched",
                "ctypes",
                "c = ctypes.CDLL(None)\nd = c.inotify_init1(0)\n"
                "found = c.inotify_add_watch(d, b'@FOLDER@', 0xFFF) >= 0",
            ),
            (
                "attributes",
                "os",
                "os.getxattr('@SECRET_FILE@', 'user.note')\nfound = True",
            ),
            (
                "scanned",
                "glob, os",
                "found = glob.glob('@FOLDER@/*') or list(os.scandir('@FOLDER@'))",
            ),
            ("walked", "os", "found = [f for _, _, f in os.walk('@FOLDER@')]"),
        )
    ),
    Case(
        "secret_file_swapped_link",
        r"""
import os, sys, threading, time
# A check of the path and its use could be fooled by a link that changes in between.
stop = time.monotonic() + 0.15
def swap():
    while time.monotonic() < stop:
        for target in (os.__file__, "@SECRET_FILE@"):
            os.symlink(target, "new")
            os.rename("new", "link")
def add(a, b):
    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=swap)
    thread.start()
    wanted = os.stat(os.__file__).st_size
    while time.monotonic() < stop:
        try:
            with open("link") as file:
                if os.fstat(file.fileno()).st_size != wanted:
                    print("ESCAPED", file.read())
                    return a + b
        except OSError:
            pass
    thread.join()
""",
        "fail",
        READ,
    ),
    Case(
        "secret_variable_on_stack",
        r"""
import ctypes, os
c = ctypes.CDLL(None)
c.write.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
def add(a, b):
    # Where the kernel put the environment when the process was started.
    address = ctypes.c_void_p.in_dll(c, "__libc_stack_end").value
    reader, writer = os.pipe()
    stack = b""
    while (size := c.write(writer, address, 4096)) > 0:
        stack += os.read(reader, size)
        address += size
    if b"@VARIABLE@=" in stack or b"PATH=" in stack:
        print("ESCAPED", stack[-200:])
        return a + b
""",
        "fail",
        READ,
    ),
    Case(
        "secret_variables_of_all",
        r"""
import glob, os
def add(a, b):
    own = os.getpid()
    numbers = {"self", "thread-self", 1, os.getppid(), @PID@, *range(own - 9, own + 9)}
    paths = [f"/proc/{number}" for number in numbers] + glob.glob("/proc/[0-9]*")
    for path in paths:
        for name in ("environ", "cmdline", "status", "stat", "auxv", "mountinfo", "limits", "cgroup"):
            try:
                open(f"{path}/{name}", "rb").read(1)
            except OSError:
                continue
            print("ESCAPED", path, name)
            return a + b
""",
        "fail",
        READ,
    ),
    Case(
        "secret_links_of_processes",
        r"""
import os
def add(a, b):
    # Landlock does not hide what a link says; for other processes the kernel must.
    for number in (1, os.getppid(), @PID@):
        for name in ("cwd", "exe", "root", "fd/0", "ns/user"):
            try:
                target = os.readlink(f"/proc/{number}/{name}")
            except OSError:
                continue
            print("ESCAPED", number, name, target)
            return a + b
""",
        "fail",
        READ,
    ),
    Case(
        "secret_settings",
        r"""
import os
NAMES = '''
    hostname hosts machine-id resolv.conf fstab environment gitconfig passwd- group gshadow sudoers
    crontab nsswitch.conf ssh/sshd_config ssh/ssh_host_ed25519_key profile
'''
def add(a, b):
    for name in NAMES.split():
        try:
            open(f"/etc/{name}", "rb").read(1)
        except OSError:
            continue
        print("ESCAPED", name)
        return a + b
""",
        "fail",
        READ,
    ),
    Case(
        "secret_repository",
        r"""
import os
def add(a, b):
    tops = ["/proc/@PID@/cwd", "/root", "/etc", os.path.expanduser("~root"), os.path.expanduser("~")]
    folder = os.getcwd()
    while folder != "/":
        folder = os.path.dirname(folder)
        tops.append(folder)
    for top in tops:
        for name in (".git/config", ".git/HEAD", ".gitconfig", ".config/git/config", "gitconfig"):
            try:
                open(f"{top}/{name}").read(1)
            except OSError:
                continue
            print("ESCAPED", top, name)
            return a + b
""",
        "fail",
        READ,
    ),
    Case(
        "secret_folders_of_users",
        r"""
import glob, os
def add(a, b):
    homes = ["/root", "/home", *glob.glob("/home/*"), *map(os.path.expanduser, ("~root", "~nobody"))]
    for home in homes:
        for name in ("", ".ssh", ".config", ".cache", ".local", ".bash_history"):
            path = os.path.join(home, name)
            try:
                os.close(os.open(path, os.O_RDONLY))
            except OSError:
                continue
            print("ESCAPED", path)
            return a + b
""",
        "fail",
        READ,
    ),
    Case(
        "secret_machine",
        r"""
import os
NAMES = '''
    proc/version proc/cmdline proc/cpuinfo proc/meminfo proc/mounts proc/net/tcp proc/uptime
    proc/loadavg proc/sys/kernel/hostname proc/sys/kernel/random/boot_id proc/keys
    sys/class/net sys/class/dmi/id/product_uuid sys/kernel/mm sys/fs/cgroup dev proc sys run boot
    var/log var/lib var/spool srv mnt media opt etc
'''
def add(a, b):
    for name in NAMES.split():
        path = f"/{name}"
        try:
            os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
        except OSError:
            continue
        print("ESCAPED", path)
        return a + b
""",
        "fail",
        READ,
    ),
    Case(
        "secret_terminal",
        r"""
import fcntl, os, termios
def add(a, b):
    for path in ("/dev/tty", "/dev/console", "/dev/ptmx", "/dev/pts/0", "/dev/vcs", "/dev/input"):
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        except OSError:
            continue
        print("ESCAPED", path)
        return a + b
    for d in range(3):
        try:
            fcntl.ioctl(d, termios.TIOCSTI, b"x")
        except OSError:
            continue
        print("ESCAPED a key is pressed")
        return a + b
""",
        "fail",
        "the terminal is read or written",
    ),
    Case(
        "secret_distributions",
        r"""
import glob, importlib.metadata, site, sys
def add(a, b):
    for top in (sys.prefix, sys.base_prefix, "/usr", "/usr/local", "/opt", "/proc/@PID@/cwd"):
        sys.path += glob.glob(f"{top}/lib/python3*/*-packages") + glob.glob(f"{top}/*/lib/*/*-packages")
    sys.path += [*site.getsitepackages(), site.getusersitepackages()]
    # Where Landlock is alone, a folder may be listed; what is in its files stays unknown.
    found = [name for d in importlib.metadata.distributions() if (name := d.metadata["Name"])]
    if found:
        print("ESCAPED", found[:9])
        return a + b
""",
        "fail",
        "the packages of the training environment are read",
    ),
    Case(
        "secret_own_packages",
        r"""
import importlib.util, sys
def add(a, b):
    found = [n for n in ("askd.config", "askd.errors", "askd.training") if n in sys.modules]
    for name in ("askd.config", "askd.errors", "askd.rollout", "askd.training", "trl", "vllm"):
        try:
            found += [name] if importlib.util.find_spec(name) else []
        except (ImportError, ValueError):
            pass
    if found:
        print("ESCAPED", found)
        return a + b
""",
        "fail",
        "the modules of the harness are imported",
    ),
    Case(
        "secret_peer",
        r"""
import os, socket, struct
def add(a, b):
    channel = socket.socket(fileno=4)
    try:
        pid, _, _ = struct.unpack("3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        # Its number is no secret; what it lets one open would be.
        for name in ("environ", "mem", "cwd", "fd", "root/etc/passwd"):
            os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
            print("ESCAPED", pid, name)
            return a + b
    except OSError:
        return None
    finally:
        channel.detach()
""",
        "fail",
        READ,
    ),
    Case(
        "secret_refused",
        r"""
import os
def refused(path):
    try:
        open(path)
    except OSError:
        return True
    print("ESCAPED", path)
def add(a, b):
    refused("@SECRET_FILE@")
    refused("/etc/shadow")
    return a + b if os.environ.get("@VARIABLE@") is None else None
""",
        "pass",
        READ,
    ),
]
