"""The memory of a process that has started: what stays is not looked at again, what was freed is used again."""

import ctypes
import gc
from typing import Final

GC_THRESHOLD: Final = (10_000, 10, 10)
"""Pages and batches make many short-lived objects; the default threshold would look for cycles every few records."""

KEPT_BYTES: Final = 16 * 1024 * 1024
"""Freed memory at the end of the heap that the C library keeps."""
MAPPED_BYTES: Final = 4 * 1024 * 1024
"""Blocks from this size on are given back as soon as they are freed."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


def settle() -> None:
    """Say once that the process has started: modules and settings stay, bodies of pages come and go.

    By itself glibc gives the kernel back what the last page took, and takes it again for the next, page by page of 4 KB
    and cleared: 5 % of the normalizer's processor time. Where there is another C library, its own ways stay.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
