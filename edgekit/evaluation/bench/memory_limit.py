"""Where memory ends: a limit at which allocations fail before the computer runs out, and how that looks."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from edgekit.runtime.free_memory import available_bytes

__all__ = ["is_out_of_memory", "memory_limit"]

SHARE = 0.9  # of the available memory that a measurement may take
STATM = Path("/proc/self/statm")
WORDS = re.compile(r"bad.?alloc|out of memory|fail\w* to allocate|cannot allocate|unable to allocate", re.IGNORECASE)


@contextlib.contextmanager
def memory_limit() -> Iterator[None]:
    """Let allocations of this process fail where they would take more than nine tenths of what is available.

    Without it, a batch that is too large has the system end this or another program. Where the system does not say how
    much is available, nothing is limited.
    """
    try:
        import resource
    except ImportError:  # not on Windows
        yield
        return
    available, used = available_bytes(), _address_space()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if available is None or used is None:
        yield
        return
    limit = used + int(SHARE * available)
    ceilings = [value for value in (limit, soft, hard) if value != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(ceilings), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error, or one that it came from, is that no memory is left.

    Args:
        error: Of Python, onnxruntime or edgekit.

    Returns:
        True for MemoryError, and for the words that allocators use.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or WORDS.search(str(cause)):
            return True
        cause = cause.__cause__
    return False


def _address_space() -> int | None:
    """Return the bytes of this process's address space; None where the system does not say."""
    try:
        pages = STATM.read_text(encoding="ascii").split()[0]
    except (OSError, IndexError):
        return None
    import resource

    return int(pages) * resource.getpagesize()
