"""Memory that a training step freed serves the next one."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from hangtag.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
import numpy as np
def step():
    return [np.ones(4 << 20) for _ in range(8)]
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str, **environment: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_freed_memory_is_not_paged_in_again() -> None:
    assert faults("kept") < faults("as it is") / 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_what_the_user_told_malloc_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    from hangtag.allocator import keep_freed_memory

    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    assert not keep_freed_memory()
