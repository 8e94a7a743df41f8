"""Keeping memory that a training step has freed for the next one."""

import ctypes
import os
import platform

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_NEVER = -1
_GROW_BY = 256 << 20


def keep_freed_memory() -> bool:
    """Tell the C library not to hand freed memory back to the system while the process lives.

    The layers' outputs are so large that glibc maps each anew in every step and unmaps it
    afterwards; the system then fills it with zeros page by page, which takes as long as the
    computing. What `malloc` is told by the environment (``MALLOC_…``, ``GLIBC_TUNABLES``) stands.

    Returns:
        Whether that was done: not with other C libraries than glibc.
    """
    told = any(name.startswith("MALLOC_") for name in os.environ) or "GLIBC_TUNABLES" in os.environ
    if told or platform.libc_ver()[0] != "glibc":
        return False
    tell = ctypes.CDLL(None).mallopt
    # Not all of them are asked for in one condition: the later ones help without the first, too.
    return all([tell(_MMAP_MAX, 0), tell(_TRIM_THRESHOLD, _NEVER), tell(_TOP_PAD, _GROW_BY)])
