"""Whether a server can have its port, asked before anything is started."""

import socket

from hangtag.errors import HangtagError


def check_port(host: str, port: int) -> None:
    """Find out early, and in one line, that nothing can listen there.

    Args:
        host: IPv4 or IPv6 address, or a name of this machine.
        port: TCP port.

    Raises:
        HangtagError: The port is taken, or the address isn't this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise HangtagError(
            f"{host}:{port}: {error.strerror or error}; choose another --port or --host"
        ) from error
