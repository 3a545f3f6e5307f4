"""Programs that try to reach something over a network."""

from askd.sandbox.audit.case import Case

REACH = "a connection, a packet, or a listening socket"


def _try(imports: str, body: str) -> str:
    """A program that runs `body` and boasts if it got through."""
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return (
        f"import {imports}\n"
        "def add(a, b):\n"
        "    try:\n"
        f"{lines}"
        "        print('ESCAPED network')\n"
        "        return a + b\n"
        "    except Exception:\n"
        "        return None\n"
    )


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
            "s.sendto(b'x', chr(0) + '@ABSTRACT@')",
        ),
        "fail",
        REACH,
    ),
    Case(
        "net_pair_message",
        _try(
            "socket",
            "s, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
            "s.sendmsg([b'x'], [], 0, chr(0) + '@ABSTRACT@')",
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
]
