"""A process that has settled, measured from outside: nothing of it may happen to the tests' own process."""

import platform
import subprocess
import sys

import pytest

from common import memory

ROUNDS = 50
PAGES_OF_4_KB = 10 * 126 * 1024 // 4096
"""What the bodies of ten pages take."""
PROGRAM = f"""
import gc, resource, sys
from common import memory
if "settled" in sys.argv:
    memory.settle()
def a_batch():
    return [b"x" * 126 * 1024 for _ in range(10)]
a_batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({ROUNDS}):
    a_batch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, gc.get_freeze_count() > 1000, gc.get_threshold())
"""


def faults(*arguments: str) -> tuple[int, str]:
    """Return what the program says where nobody's environment says how the C library keeps memory."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={})  # noqa: S603 - our own program
    number, rest = done.stdout.strip().split(maxsplit=1)
    return int(number), rest


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has its own ways")
def test_memory_of_one_batch_is_used_for_the_next_instead_of_being_asked_for_again() -> None:
    before, _ = faults()
    after, _ = faults("settled")
    assert before > ROUNDS * PAGES_OF_4_KB / 2, "there is nothing to gain any more"
    assert after < PAGES_OF_4_KB


def test_what_is_there_at_the_start_is_not_looked_at_by_collections() -> None:
    _, said = faults("settled")
    assert said == f"True {memory.GC_THRESHOLD}"
