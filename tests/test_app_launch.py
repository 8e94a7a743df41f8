"""How the app starts and stops."""

import errno
import io
import signal
import sys

import pytest

from hangtag.app import launch

if not hasattr(signal, "SIGHUP"):
    pytest.skip("this system has no SIGHUP", allow_module_level=True)


@pytest.fixture(autouse=True)
def handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class ClosedTerminal(io.StringIO):
    def write(self, text):
        raise OSError(errno.EIO, "Input/output error")


def test_a_closed_terminal_ends_the_app_as_sigterm_does(monkeypatch):
    ended = []

    def end(*_):
        print("Stopping")
        ended.append(True)

    monkeypatch.setattr(sys, "stdout", ClosedTerminal())
    monkeypatch.setattr(sys, "stderr", ClosedTerminal())
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    launch._end_when_hung_up()
    signal.signal(signal.SIGTERM, end)
    signal.raise_signal(signal.SIGHUP)
    assert ended == [True]


def test_nohup_keeps_the_app_running():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    launch._end_when_hung_up()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
