"""Programs that try to change files that are not theirs."""

from askd.sandbox.audit.case import Case, attempt
from askd.sandbox.program import StdioTests

CHANGE = "a file outside the scratch folder appears or changes"


def _quietly(body: str) -> str:
    """A program whose `body` may seem to work; only its effect would tell."""
    return f"import os\ndef add(a, b):\n    {body}\n    return None\n"


CASES = [
    Case("file_write", attempt("open('@FOLDER@/new', 'w').write('x')"), "fail", CHANGE),
    Case("file_append", attempt("open('@SECRET_FILE@', 'a').write('x')"), "fail", CHANGE),
    Case(
        "file_create_os",
        attempt("os.open('@FOLDER@/new', os.O_CREAT | os.O_WRONLY)"),
        "fail",
        CHANGE,
    ),
    Case(
        "file_temporary", attempt("os.open('@FOLDER@', os.O_TMPFILE | os.O_RDWR)"), "fail", CHANGE
    ),
    Case("file_truncate", attempt("os.truncate('@SECRET_FILE@', 0)"), "fail", CHANGE),
    Case("file_remove", attempt("os.remove('@SECRET_FILE@')"), "fail", CHANGE),
    Case("file_rename", attempt("os.rename('@SECRET_FILE@', '@FOLDER@/other')"), "fail", CHANGE),
    Case(
        "file_rename_into", attempt("open('x', 'w')\nos.rename('x', '@FOLDER@/x')"), "fail", CHANGE
    ),
    Case("file_folder", attempt("os.mkdir('@FOLDER@/folder')"), "fail", CHANGE),
    Case("file_remove_folder", attempt("shutil.rmtree('@FOLDER@')", "shutil"), "fail", CHANGE),
    Case("file_symlink", attempt("os.symlink('/etc', '@FOLDER@/link')"), "fail", CHANGE),
    Case("file_hard_link", attempt("os.link('@SECRET_FILE@', '@FOLDER@/link')"), "fail", CHANGE),
    Case("file_pipe", attempt("os.mkfifo('@FOLDER@/pipe')"), "fail", CHANGE),
    Case("file_device", attempt("os.mknod('device', 0o20666, os.makedev(1, 3))"), "fail", CHANGE),
    Case("file_mode", _quietly("os.chmod('@SECRET_FILE@', 0o777)"), "fail", CHANGE),
    Case("file_mode_folder", _quietly("os.chmod('@FOLDER@', 0)"), "fail", CHANGE),
    Case(
        "file_mode_descriptor",
        attempt(
            "d = os.open('@SECRET_FILE@', os.O_PATH)\nos.fchmod(d, 0)\n"
            "if os.stat('@SECRET_FILE@').st_mode & 0o777: raise OSError"
        ),
        "fail",
        CHANGE,
    ),
    Case("file_times", _quietly("os.utime('@SECRET_FILE@', (1, 1))"), "fail", CHANGE),
    Case(
        "file_owner", attempt("os.chown('@SECRET_FILE@', os.getuid(), os.getgid())"), "fail", CHANGE
    ),
    Case("file_attribute", attempt("os.setxattr('@SECRET_FILE@', 'user.x', b'x')"), "fail", CHANGE),
    Case(
        "file_through_link",
        attempt("os.symlink('@FOLDER@', 'here')\nopen('here/new', 'w').write('x')"),
        "fail",
        CHANGE,
    ),
    Case(
        "file_dangling_link",
        attempt("os.symlink('@FOLDER@/new', 'here')\nopen('here', 'w').write('x')"),
        "fail",
        CHANGE,
    ),
    Case(
        "file_library",
        attempt("open(os.path.dirname(os.__file__) + '/askd_probe.py', 'w').write('x')"),
        "fail",
        CHANGE,
    ),
    Case(
        "file_startup",
        attempt("open(os.path.dirname(os.__file__) + '/os.py', 'a').write('x')"),
        "fail",
        CHANGE,
    ),
    Case("file_tmp", attempt("open('/var/tmp/askd_probe', 'w').write('x')"), "fail", CHANGE),
    Case(
        "file_shared_memory", attempt("open('/dev/shm/askd_probe', 'w').write('x')"), "fail", CHANGE
    ),
    Case("file_home", attempt("open('/root/.askd_probe', 'w').write('x')"), "fail", CHANGE),
    Case("file_root", attempt("open('/askd_probe', 'w').write('x')"), "fail", CHANGE),
    Case("file_dev", attempt("open('/dev/askd_probe', 'w').write('x')"), "fail", CHANGE),
    Case("file_disk", attempt("open('/dev/sda', 'r+b').write(b'x')"), "fail", CHANGE),
    Case("file_kernel", attempt("open('/proc/sysrq-trigger', 'w').write('h')"), "fail", CHANGE),
    Case(
        "file_score",
        attempt("open('/proc/self/oom_score_adj', 'w').write('-1000')"),
        "fail",
        CHANGE,
    ),
    Case(
        "file_mount",
        attempt(
            "c = ctypes.CDLL(None)\nif c.mount(b'none', b'.', b'tmpfs', 0, 0): raise OSError",
            "ctypes",
        ),
        "fail",
        CHANGE,
    ),
    Case("file_root_change", attempt("os.chroot('.')"), "fail", "another root"),
    Case(
        "file_late",
        "import threading, time\n"
        "def late():\n    while True:\n        time.sleep(0.05)\n        try:\n"
        "            open('@FOLDER@/late', 'w').write('x')\n        except OSError:\n            pass\n"
        "def add(a, b):\n    threading.Thread(target=late, daemon=True).start()\n    return None\n",
        "fail",
        "a file appears after the verdict",
    ),
    # --- the folder of the secret by way of what the library offers
    *(
        Case(f"file_{name}", attempt(body, imports), "fail", CHANGE)
        for name, imports, body in (
            ("pathlib", "pathlib", "pathlib.Path('@FOLDER@/new').write_text('x')"),
            (
                "touch",
                "pathlib",
                "path = pathlib.Path('@FOLDER@/new')\npath.touch()\nif not path.exists(): raise OSError",
            ),
            ("copy", "os, shutil", "open('x', 'w').close()\nshutil.copy('x', '@FOLDER@/new')"),
            (
                "copy_over",
                "os, shutil",
                "open('x', 'w').close()\nshutil.copyfile('x', '@SECRET_FILE@')",
            ),
            ("move", "os, shutil", "open('x', 'w').close()\nshutil.move('x', '@FOLDER@/new')"),
            ("move_out", "shutil", "shutil.move('@SECRET_FILE@', 'mine')"),
            (
                "copy_tree",
                "os, shutil",
                "os.stat('@FOLDER@')\nos.mkdir('t')\nopen('t/x', 'w').close()\nshutil.copytree('t', '@FOLDER@/t')",
            ),
            ("temporary_library", "tempfile", "tempfile.mkdtemp(dir='@FOLDER@')"),
            ("temporary_file", "tempfile", "tempfile.NamedTemporaryFile(dir='@FOLDER@')"),
            (
                "unzip",
                "zipfile",
                "zipfile.ZipFile('z', 'w').writestr('x', 'x')\nzipfile.ZipFile('@FOLDER@/z', 'w')",
            ),
            (
                "untar",
                "io, os, tarfile",
                "os.stat('@FOLDER@')\nwith tarfile.open('t', 'w') as t:\n"
                "    t.addfile(tarfile.TarInfo('@FOLDER@/new'), io.BytesIO())\n"
                "    t.addfile(tarfile.TarInfo('../' * 30 + '@FOLDER@/new'[1:]), io.BytesIO())\n"
                "tarfile.open('t').extractall('/')",
            ),
            (
                "database",
                "sqlite3",
                "sqlite3.connect('@FOLDER@/base').execute('CREATE TABLE t (x)')",
            ),
            ("shelf", "shelve", "shelve.open('@FOLDER@/shelf')['x'] = 1"),
            ("log", "logging", "logging.FileHandler('@FOLDER@/log').close()"),
            ("in_place", "fileinput", "list(fileinput.input('@SECRET_FILE@', inplace=True))"),
            (
                "compiled",
                "os, py_compile",
                "os.stat('@FOLDER@')\nopen('x.py', 'w').close()\n"
                "py_compile.compile('x.py', '@FOLDER@/x.pyc', doraise=True)",
            ),
            (
                "libc_open",
                "ctypes",
                "if ctypes.CDLL(None).open(b'@FOLDER@/new', 0o101, 0o600) < 0: raise OSError",
            ),
            (
                "libc_creat",
                "ctypes",
                "if ctypes.CDLL(None).creat(b'@FOLDER@/new', 0o600) < 0: raise OSError",
            ),
            (
                "libc_stdio",
                "ctypes",
                "if not ctypes.CDLL(None).fopen(b'@FOLDER@/new', b'w'): raise OSError",
            ),
            # --- by other names of the same place
            ("by_root", "os", "open('/proc/self/root@FOLDER@/new', 'w')"),
            ("by_cwd", "os", "open('/proc/self/cwd/' + '../' * 30 + '@FOLDER@/new'[1:], 'w')"),
            ("by_parents", "os", "open('../' * 30 + '@FOLDER@/new'[1:], 'w')"),
            (
                "by_folder_descriptor",
                "os",
                "d = os.open('@FOLDER@', os.O_PATH)\nos.open('new', os.O_CREAT | os.O_RDWR, dir_fd=d)",
            ),
            (
                "by_change_of_folder",
                "os",
                "home = os.open('.', os.O_RDONLY)\ntry:\n    os.chdir('@FOLDER@')\n"
                "    open('new', 'w')\nfinally:\n    os.fchdir(home)",
            ),
            (
                "by_two_links",
                "os",
                "os.symlink('@FOLDER@', 'one')\nos.symlink('one', 'two')\nos.mkdir('two/new')",
            ),
            (
                "by_temporary_name",
                "os",
                "d = os.open('.', os.O_TMPFILE | os.O_RDWR)\n"
                "os.link(f'/proc/self/fd/{d}', '@FOLDER@/new', follow_symlinks=True)",
            ),
            (
                "by_empty_name",
                "ctypes, os",
                "d = os.open('.', os.O_TMPFILE | os.O_RDWR)\n"
                "if ctypes.CDLL(None).linkat(d, b'', -100, b'@FOLDER@/new', 0x1000): raise OSError",
            ),
            (
                "by_exchange",
                "ctypes",
                "open('x', 'w').close()\n"
                "if ctypes.CDLL(None).renameat2(-100, b'x', -100, b'@SECRET_FILE@', 2): raise OSError",
            ),
            (
                "by_reading",
                "os",
                "os.open('@SECRET_FILE@', os.O_RDONLY | os.O_TRUNC)",
            ),
            ("by_hard_link", "os", "open('x', 'w').close()\nos.link('x', '@FOLDER@/x')"),
            (
                "by_hard_link_inside",
                "os",
                "os.link('@SECRET_FILE@', 'x')\nopen('x', 'a').write('x')",
            ),
            ("folder_renamed", "os", "os.rename('@FOLDER@', 'mine')"),
            ("folder_moved_into", "os", "os.mkdir('d')\nos.rename('d', '@FOLDER@/d')"),
            ("folder_removed", "os", "os.rmdir('@FOLDER@')"),
            ("socket_removed", "os", "os.unlink('@SOCKET@')"),
            ("attribute_removed", "os", "os.removexattr('@SECRET_FILE@', 'user.x')"),
            (
                "open_to_all",
                "os",
                "os.umask(0)\nos.open('@FOLDER@/new', os.O_CREAT | os.O_RDWR, 0o6777)",
            ),
            # --- the library, and what others run
            (
                "library_compiled",
                "os, py_compile",
                "py_compile.compile(os.__file__, doraise=True)",
            ),
            ("library_removed", "os", "os.remove(os.__file__)"),
            ("library_renamed", "os", "os.rename(os.__file__, os.__file__ + '.old')"),
            (
                "library_mapped",
                "mmap, os",
                "d = os.open(os.__file__, os.O_RDONLY)\n"
                "mmap.mmap(d, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ | mmap.PROT_WRITE)",
            ),
            (
                "library_truncated",
                "os",
                "d = os.open(os.__file__, os.O_RDONLY)\nos.ftruncate(d, 0)",
            ),
            (
                "packages",
                "os, site, sysconfig",
                "done = 0\n"
                "paths = [*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()]\n"
                "for path in paths:\n    try:\n        open(f'{path}/askd_probe.pth', 'w')\n        done = 1\n"
                "    except OSError:\n        pass\nif not done: raise OSError",
            ),
            ("interpreter", "sys", "open(sys.executable, 'r+b')"),
            ("loader", "os", "open('/etc/ld.so.preload', 'w')"),
            (
                "jobs",
                "os",
                "for n in ('cron.d/x', 'profile.d/x.sh', 'passwd', 'sudoers.d/x', 'hosts'):\n"
                "    try:\n        open(f'/etc/{n}', 'a')\n        break\n    except OSError:\n        pass\n"
                "else:\n    raise OSError",
            ),
            # --- devices and the kernel
            ("device_zero", "os", "open('/dev/zero', 'wb')"),
            ("device_random", "os", "open('/dev/urandom', 'wb').write(b'x')"),
            (
                "device_block",
                "os",
                "os.mknod('disk', 0o60666, os.makedev(8, 0))\nopen('disk', 'rb')",
            ),
            (
                "devices",
                "os",
                "for n in ('mem', 'kmsg', 'fuse', 'kvm', 'loop-control', 'net/tun', 'vda', 'nvme0n1',\n"
                "          'mapper/control', 'ptmx', 'tty', 'vsock', 'uinput', 'snapshot', 'full'):\n"
                "    try:\n        os.open(f'/dev/{n}', os.O_RDWR | os.O_NONBLOCK)\n        break\n"
                "    except OSError:\n        pass\nelse:\n    raise OSError",
            ),
            (
                "device_calls",
                "fcntl, os",
                "f = open('x', 'wb')\n"
                "for d in (0, 1, f.fileno(), os.open('/dev/null', os.O_RDWR), os.open('.', 0)):\n"
                # Flags of a file, a copy by reference, quotas, freezing, a disk read anew, a key.
                "    for n in (0x40086602, 0x40049409, 0x401C5820, 0xC0045877, 0x125F, 0x5412, 0x5423):\n"
                "        try:\n            fcntl.ioctl(d, n, bytes(64))\n        except OSError:\n"
                "            continue\n        raise SystemExit(print('ESCAPED', d, hex(n)))\nraise OSError",
            ),
            (
                "descriptor_calls",
                "fcntl, os",
                "open('x', 'w').close()\n"
                "for d in (0, 1, os.open('x', os.O_RDONLY), os.open('.', 0), os.pipe()[1]):\n"
                # A lease, news of a folder, a larger pipe, seals, a hint, a signal.
                "    for n in (1024, 1026, 1031, 1033, 1036, 10):\n"
                "        try:\n            fcntl.fcntl(d, n, 1 << 20 if n == 1031 else 1)\n"
                "        except (OSError, OverflowError):\n            continue\n"
                "        raise SystemExit(print('ESCAPED', d, n))\nraise OSError",
            ),
            (
                "kernel_settings",
                "os",
                "for n in ('proc/sys/kernel/core_pattern', 'proc/sys/vm/drop_caches', 'proc/self/comm',\n"
                "          'proc/self/uid_map', 'proc/self/setgroups', 'proc/self/attr/current',\n"
                "          'proc/self/loginuid', 'proc/self/clear_refs', 'proc/self/coredump_filter',\n"
                "          'sys/kernel/mm/ksm/run', 'sys/power/state', 'sys/fs/cgroup/cgroup.procs'):\n"
                "    try:\n        open(f'/{n}', 'w').write('1')\n        break\n    except OSError:\n"
                "        pass\nelse:\n    raise OSError",
            ),
            (
                "mount_bind",
                "ctypes",
                "if ctypes.CDLL(None).mount(b'@FOLDER@', b'.', None, 4096, None): raise OSError",
            ),
            (
                "mount_over",
                "ctypes",
                "if ctypes.CDLL(None).mount(b'.', b'@FOLDER@', None, 4096, None): raise OSError",
            ),
            (
                "mount_writable",
                "ctypes",
                "if ctypes.CDLL(None).mount(None, b'/', None, 32, None): raise OSError",
            ),
            (
                "mount_gone",
                "ctypes, os",
                "if ctypes.CDLL(None).umount2(os.getcwd().encode(), 2): raise OSError",
            ),
            (
                "mount_new_calls",
                "ctypes",
                "c = ctypes.CDLL(None)\n"
                "calls = [c.syscall(430, b'tmpfs', 0), c.syscall(428, -100, b'/', 1),\n"
                "         c.syscall(442, -100, b'/', 0, bytes(32), 32), c.syscall(433, -100, b'/', 0)]\n"
                "if max(calls) < 0: raise OSError",
            ),
            (
                "root_other_calls",
                "ctypes, os",
                "c = ctypes.CDLL(None)\nos.mkdir('d')\n"
                "calls = [c.syscall(155, b'.', b'd'), c.swapon(b'/x', 0), c.swapoff(b'/x'), c.acct(b'x'), c.vhangup()]\n"
                "if max(calls) == 0: raise SystemExit(print('ESCAPED', calls))\nraise OSError",
            ),
        )
    ),
    Case(
        "file_everywhere",
        r"""
import os
NAMES = '''
    / /tmp /var/tmp /dev/shm /dev/mqueue /run /run/lock /run/user /var/lock /var/crash /var/mail
    /var/lib /var/log /var/cache /var/spool /etc /usr /usr/lib /usr/local /usr/local/lib /usr/share
    /home /root /srv /opt /mnt /media /boot /sys /proc /dev /proc/self .. ../.. ../tests ../program
    @FOLDER@
'''
def add(a, b):
    home = os.path.realpath(".")
    for folder in [*NAMES.split(), os.path.dirname(os.__file__), os.path.expanduser("~root")]:
        if os.path.realpath(folder) != home:
            for create in (os.mkdir, lambda path: os.symlink("/", path), lambda path: open(path, "w")):
                try:
                    create(os.path.join(folder, "askd_probe"))
                except OSError:
                    continue
                print("ESCAPED", folder)
                return a + b
""",
        "fail",
        CHANGE,
    ),
    # --- changes that the sandbox pretends to make: only a second look tells
    *(
        Case(
            f"file_{name}",
            "import ctypes, os, sys\nTARGETS = '@FOLDER@', '@SECRET_FILE@', '@SOCKET@', os.__file__\n"
            "def look():\n    seen = []\n    for target in TARGETS:\n        try:\n"
            "            s = os.stat(target, follow_symlinks=False)\n"
            "            seen.append((s.st_mode, s.st_uid, s.st_gid, s.st_size, s.st_mtime_ns))\n"
            "        except OSError:\n            seen.append(None)\n    return seen\n"
            "def add(a, b):\n    before = look()\n    for target in TARGETS:\n        try:\n"
            f"            {body}\n"
            "        except OSError:\n            pass\n"
            "    if look() != before:\n        print('ESCAPED changed')\n        return a + b\n",
            "fail",
            CHANGE,
        )
        for name, body in (
            ("mode_all", "os.chmod(target, 0o777)"),
            ("mode_set_user", "os.chmod(target, 0o6777)"),
            ("mode_opened", "os.fchmod(os.open(target, os.O_RDONLY), 0)"),
            ("mode_relative", "os.chmod('.' + '/..' * 30 + target, 0)"),
            ("mode_libc", "ctypes.CDLL(None).fchmodat(-100, target.encode(), 0, 0)"),
            ("mode_new_call", "ctypes.CDLL(None).syscall(452, -100, target.encode(), 0, 0)"),
            ("times_all", "os.utime(target, ns=(1, 1))"),
            ("times_now", "os.utime(target)"),
            ("times_libc", "ctypes.CDLL(None).utimes(target.encode(), None)"),
            ("owner_all", "os.chown(target, os.getuid(), os.getgid(), follow_symlinks=False)"),
            ("owner_opened", "os.fchown(os.open(target, os.O_RDONLY), 0, 0)"),
            ("size_grown", "os.truncate(target, 1 << 20)"),
            ("size_reserved", "os.posix_fallocate(os.open(target, os.O_RDWR), 0, 1 << 20)"),
            ("flags", "os.open(target, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW)"),
        )
    ),
    # --- the scratch folder: what others may do with it afterwards
    Case(
        "file_links_left_behind",
        r"""
import os
os.makedirs("d/e/f", exist_ok=True)
for path in ("link", "d/link", "d/e/f/link"):
    os.symlink("@FOLDER@", path)
    os.symlink("@SECRET_FILE@", f"{path}.txt")
os.symlink("/", "d/root")
os.symlink("..", "d/e/up")
os.symlink("loop", "loop")
def add(a, b):
    return None
""",
        "fail",
        "whoever empties the scratch folder follows a link out of it",
    ),
    Case(
        "file_links_that_change",
        r"""
import os, threading, time
stop = time.monotonic() + 5
def swap():
    while time.monotonic() < stop:
        try:
            os.mkdir("d")
            open("d/secret.txt", "w").close()
            os.rename("d", "old")
            os.symlink("@FOLDER@", "d")
            os.unlink("d")
            os.unlink("old/secret.txt")
            os.rmdir("old")
        except OSError:
            pass
def add(a, b):
    # Goes on until the process is killed.
    threading.Thread(target=swap, daemon=True).start()
    time.sleep(0.1)
""",
        "fail",
        "whoever empties the scratch folder follows a link that was a folder a moment ago",
    ),
    Case(
        "file_links_for_results",
        r"""
import os
for name in ("result", "result.json", "verdict", "stdout", "stderr", "output", "job", "program.py"):
    os.symlink("@FOLDER@/written", name)
def add(a, b):
    print(a + b)
""",
        "fail",
        "the harness writes through a link",
    ),
    Case(
        "file_race_with_link",
        r"""
import os, sys, threading, time
stop = time.monotonic() + 0.15
def swap():
    while time.monotonic() < stop:
        os.symlink("@FOLDER@", "new")
        os.rename("new", "link")
        os.unlink("link")
        os.mkdir("link")
        try:
            os.unlink("link/x")
        except OSError:
            pass
        try:
            os.rmdir("link")
        except OSError:
            pass
def add(a, b):
    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=swap)
    thread.start()
    while time.monotonic() < stop:
        try:
            with open("link/x", "w") as file:
                file.write("x")
        except OSError:
            pass
    thread.join()
""",
        "fail",
        CHANGE,
    ),
    Case(
        "file_late_threads",
        r"""
import os, threading, time
def late(number):
    while True:
        time.sleep(0.02)
        for path in (f"@FOLDER@/late{number}", f"../late{number}", f"late{number}"):
            try:
                with open(path, "w") as file:
                    file.write("x")
            except OSError:
                pass
def add(a, b):
    if threading.active_count() == 1:
        for number in range(4):
            threading.Thread(target=late, args=(number,), daemon=True).start()
    return a + b
""",
        "pass",
        "a file appears after the verdict",
    ),
    Case(
        "file_late_at_exit",
        r"""
import atexit, os, sys, weakref
def late():
    try:
        open("@FOLDER@/late", "w")
        os.write(1, b"ESCAPED late\n")
    except OSError:
        pass
class Last:
    def __del__(self):
        late()
kept = Last()
atexit.register(late)
weakref.finalize(Last, late)
def add(a, b):
    sys.stdout.close()
    return a + b
""",
        "pass",
        "a file appears after the verdict",
    ),
    Case(
        "file_deep_long_names",
        r"""
import os
home = os.open(".", os.O_RDONLY)
def add(a, b):
    # Longer than any path may be, and closed at its end.
    try:
        for _ in range(20):
            os.mkdir("d" * 250)
            os.chdir("d" * 250)
        os.mkdir("closed", 0)
        os.symlink("@FOLDER@", "link")
    finally:
        os.fchdir(home)
""",
        "fail",
        "the sandbox breaks, or a folder stays behind",
    ),
    Case(
        "file_closed_inside",
        r"""
import os
os.makedirs("e/e/e")
os.umask(0o777)
for folder in (".", "e", "e/e/e"):
    for n in range(9):
        os.mkdir(f"{folder}/d{n}")
        os.close(os.open(f"{folder}/f{n}", os.O_CREAT | os.O_WRONLY))
os.mkdir("half", 0o100)
def add(a, b):
    return a + b
""",
        "pass",
        "the sandbox breaks, or a folder stays behind",
    ),
    Case(
        "file_odd_names",
        r"""
import os
NAMES = (b"\n", b" ", b"-rf", b"*", b"\xff\xfe", b"a" * 255, b"...", b"~", b"$HOME", b"\x1b[2J", b"\xed\xa0\x80")
for name in NAMES:
    os.mkdir(name)
    open(os.path.join(name, name), "w").close()
    os.symlink(name, os.path.join(name, b"link"))
def add(a, b):
    return a + b
""",
        "pass",
        "the sandbox breaks, or a file stays behind",
    ),
    Case(
        "file_scratch_removed",
        r"""
import os
def add(a, b):
    home = os.getcwd()
    for change in (
        lambda: os.rmdir(home),
        lambda: os.rename(home, home + "2"),
        lambda: os.rename(home, os.path.join(os.path.dirname(home), "tests")),
        lambda: os.symlink("@FOLDER@", os.path.join(os.path.dirname(home), "other")),
    ):
        try:
            change()
        except OSError:
            continue
        print("ESCAPED the scratch folder is another")
        return a + b
""",
        "fail",
        "the place of the scratch folder changes",
    ),
    Case(
        "file_scratch_is_empty",
        r"""
import os, tempfile
def add(a, b):
    for folder in (".", os.getcwd(), os.environ["HOME"], tempfile.gettempdir()):
        if os.listdir(folder):
            print("ESCAPED", folder, os.listdir(folder))
            return None
    return a + b
""",
        "pass",
        "what a program before it left is there",
    ),
    Case(
        "file_refused_but_right",
        r"""
import os
def refused(change):
    try:
        change()
    except OSError:
        return True
    print("ESCAPED changed")
    return False
def add(a, b):
    with open(os.devnull, "w") as file:
        file.write("here one may write")
    with open("mine", "w") as file:
        file.write("and here")
    os.replace("mine", "yours")
    os.remove("yours")
    tried = (
        refused(lambda: open("@FOLDER@/new", "w")),
        refused(lambda: os.remove("@SECRET_FILE@")),
        refused(lambda: os.mkdir("../new")),
    )
    return a + b if all(tried) else None
""",
        "pass",
        CHANGE,
    ),
    Case(
        "file_script",
        r"""
import os
a, b = map(int, input().split())
for path in ("@FOLDER@/new", "../new", "/etc/new"):
    try:
        open(path, "w").close()
        print("ESCAPED", path)
    except OSError:
        pass
try:
    os.remove("@SECRET_FILE@")
    print("ESCAPED removed")
except OSError:
    print(a + b)
""",
        "pass",
        CHANGE,
        StdioTests(("1 2\n", "3 4\n"), ("3\n", "7\n")),
    ),
]
