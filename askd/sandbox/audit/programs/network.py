"""Programs that try to reach something over a network."""

from askd.sandbox.audit.case import Case, attempt
from askd.sandbox.program import StdioTests

REACH = "a connection, a packet, or a listening socket"


def _try(imports: str, body: str) -> str:
    return attempt(body, imports, "network")


CASES = [
    Case(
        "net_tcp",
        _try("socket", "socket.create_connection(('127.0.0.1', @PORT@), 1)"),
        "fail",
        REACH,
    ),
    Case(
        "net_tcp6", _try("socket", "socket.create_connection(('::1', @PORT6@), 1)"), "fail", REACH
    ),
    Case(
        "net_any", _try("socket", "socket.create_connection(('0.0.0.0', @PORT@), 1)"), "fail", REACH
    ),
    Case(
        "net_name",
        _try("socket", "socket.create_connection(('localhost', @PORT@), 1)"),
        "fail",
        REACH,
    ),
    Case(
        "net_udp",
        _try(
            "socket",
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.sendto(b'x', ('127.0.0.1', @UDP@))",
        ),
        "fail",
        REACH,
    ),
    Case(
        "net_unix_path",
        _try("socket", "s = socket.socket(socket.AF_UNIX)\ns.connect('@SOCKET@')"),
        "fail",
        REACH,
    ),
    Case(
        "net_abstract",
        _try("socket", "s = socket.socket(socket.AF_UNIX)\ns.connect(chr(0) + '@ABSTRACT@')"),
        "fail",
        REACH,
    ),
    Case(
        "net_pair_to_abstract",
        _try(
            "socket",
            "s, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
            "s.sendto(b'x', chr(0) + '@DATAGRAMS@')",
        ),
        "fail",
        REACH,
    ),
    Case(
        "net_pair_message",
        _try(
            "socket",
            "s, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
            "s.sendmsg([b'x'], [], 0, chr(0) + '@DATAGRAMS@')",
        ),
        "fail",
        REACH,
    ),
    Case(
        "net_pass_descriptor",
        _try("os, socket", "s, _ = socket.socketpair()\nsocket.send_fds(s, [b'x'], [0])"),
        "fail",
        "a descriptor that is passed on",
    ),
    Case(
        "net_reconnect_pair",
        _try("socket", "s, _ = socket.socketpair()\ns.connect('@SOCKET@')"),
        "fail",
        REACH,
    ),
    Case(
        "net_rebind_pair",
        _try("socket", "s, _ = socket.socketpair()\ns.bind('mine')\ns.listen()"),
        "fail",
        REACH,
    ),
    Case(
        "net_outside",
        _try("socket", "socket.create_connection(('192.0.2.1', 80), 0.2)"),
        "fail",
        REACH,
    ),
    Case("net_lookup", _try("socket", "socket.getaddrinfo('localhost', 80)"), "fail", REACH),
    Case(
        "net_lookup_outside", _try("socket", "socket.gethostbyname('example.com')"), "fail", REACH
    ),
    Case(
        "net_url",
        _try("urllib.request", "urllib.request.urlopen('http://127.0.0.1:@PORT@', timeout=1)"),
        "fail",
        REACH,
    ),
    Case(
        "net_asyncio",
        _try("asyncio", "asyncio.run(asyncio.open_connection('127.0.0.1', @PORT@))"),
        "fail",
        REACH,
    ),
    Case("net_listen", _try("socket", "socket.create_server(('127.0.0.1', 0))"), "fail", REACH),
    Case(
        "net_netlink",
        _try("socket", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"),
        "fail",
        REACH,
    ),
    Case(
        "net_raw",
        _try("socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"),
        "fail",
        REACH,
    ),
    Case(
        "net_packet",
        _try("socket", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
        "fail",
        REACH,
    ),
    Case(
        "net_syscall",
        _try("ctypes", "if ctypes.CDLL(None).syscall(41, 2, 1, 0) < 0: raise OSError"),
        "fail",
        REACH,
    ),
    Case(
        "net_vsock",
        _try("socket", "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)"),
        "fail",
        REACH,
    ),
    # A datagram to a stream socket always fails: only the kind of failure tells.
    *(
        Case(
            f"net_pair_passes_filter_{name}",
            "import errno, socket\n"
            "def add(a, b):\n"
            "    s, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
            "    try:\n"
            f"        {body}\n"
            "    except OSError as error:\n"
            "        if error.errno == errno.EPERM:\n"
            "            return None\n"
            "    print('ESCAPED an address passes')\n"
            "    return a + b\n",
            "fail",
            "an address reaches the kernel",
        )
        for name, body in (
            ("to", "s.sendto(b'x', b'\\0' + b'@ABSTRACT@')"),
            ("message", "s.sendmsg([b'x'], [], 0, b'\\0' + b'@ABSTRACT@')"),
            ("connect", "s.connect(b'\\0' + b'@ABSTRACT@')"),
        )
    ),
    Case(
        "net_families",
        r"""
import socket
def add(a, b):
    made = []
    for family in range(50):
        for kind in range(1, 11):
            for protocol in (0, 1, 17, 255):
                try:
                    socket.socket(family, kind, protocol).close()
                except OSError:
                    continue
                made.append((family, kind, protocol))
    if made:
        print("ESCAPED sockets", made[:9])
        return a + b
""",
        "fail",
        REACH,
    ),
    Case(
        "net_pair_families",
        r"""
import socket
def add(a, b):
    for family in (2, 10, 16, 17, 30, 31, 38, 40, 44):
        for kind in (1, 2, 3, 5):
            try:
                socket.socketpair(family, kind)
            except OSError:
                continue
            print("ESCAPED a pair", family, kind)
            return a + b
""",
        "fail",
        "a pair of another family than Unix",
    ),
    Case(
        "net_udp_connected",
        _try(
            "os, socket",
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "s.connect(('127.0.0.1', @UDP@))\n"
            "os.write(s.fileno(), b'x')",
        ),
        "fail",
        REACH,
    ),
    Case(
        "net_log",
        _try(
            "logging.handlers",
            "h = logging.handlers.SysLogHandler(('127.0.0.1', @UDP@))\n"
            "h.socket.sendto(b'x', ('127.0.0.1', @UDP@))",
        ),
        "fail",
        REACH,
    ),
    Case(
        "net_server_asyncio",
        _try(
            "asyncio",
            "server = asyncio.run(asyncio.start_server(print, '127.0.0.1', 0))\n"
            "if not server.sockets: raise OSError",
        ),
        "fail",
        REACH,
    ),
    Case(
        "net_client",
        _try(
            "multiprocessing.connection",
            "multiprocessing.connection.Client('@SOCKET@', 'AF_UNIX')",
        ),
        "fail",
        REACH,
    ),
    Case(
        "net_script",
        r"""
import socket
socket.create_connection(("127.0.0.1", @PORT@), 1)
print(sum(map(int, input().split())))
""",
        "fail",
        REACH,
        StdioTests(("1 2\n",), ("3\n",)),
    ),
    Case(
        "net_refused_but_right",
        r"""
import socket, urllib.request
def add(a, b):
    for reach in (
        lambda: socket.create_connection(("127.0.0.1", @PORT@), 1),
        lambda: socket.getaddrinfo("example.com", 80),
        lambda: urllib.request.urlopen("http://127.0.0.1:@PORT@", timeout=1),
    ):
        try:
            reach()
            print("ESCAPED network")
        except OSError:
            pass
    return a + b
""",
        "pass",
        "the verdict is that of a wrong program",
    ),
    Case(
        "net_event_loop",
        r"""
import asyncio
async def send(queue, numbers):
    for number in numbers:
        await asyncio.sleep(0.001)
        await queue.put(number)
async def main(a, b):
    queue = asyncio.Queue(1)
    task = asyncio.create_task(send(queue, (a, b)))
    first = await asyncio.wait_for(queue.get(), 1)
    second = await queue.get()
    await task
    return (await asyncio.gather(asyncio.to_thread(int.__add__, first, second)))[0]
def add(a, b):
    return asyncio.run(main(a, b))
""",
        "pass",
        "a good program fails",
    ),
]
