"""How many cores this process may use: those it may run on, and what its container grants it."""

import math
import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def available_cores(cgroups: Path = _CGROUPS) -> int:
    """Cores that threads can keep busy, at least one.

    A container's share of processor time (``docker run --cpus 2``) shows in no list of cores: more
    threads than it pays for are only held up.

    Args:
        cgroups: Where Linux tells the limits of the process's control group.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return min(cores, math.ceil(_granted(cgroups) or cores))


def _granted(cgroups: Path) -> float | None:
    """Processor seconds a second, by version 2 of control groups or else 1; None for no limit."""
    try:
        if (both := cgroups / "cpu.max").is_file():
            quota, period = both.read_text().split()
        else:
            quota = (cgroups / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (cgroups / "cpu" / "cpu.cfs_period_us").read_text()
        return float(quota) / float(period) if float(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        # No control groups, or no limit: the quota is then called "max".
        return None
