import socket

import pytest

from hangtag.errors import HangtagError
from hangtag.port import check_port

ADDRESSES = [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]


@pytest.mark.parametrize(("host", "family"), ADDRESSES)
def test_a_free_port_can_be_had_and_a_taken_one_is_refused(host, family):
    try:
        taken = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    port = taken.getsockname()[1]
    with taken, pytest.raises(HangtagError, match=f"{host}:{port}: .*--port"):
        check_port(host, port)
    check_port(host, port)


def test_an_address_of_another_machine_is_refused_in_one_line():
    with pytest.raises(HangtagError, match=r"192\.0\.2\.1:.*--host"):
        check_port("192.0.2.1", 5000)
