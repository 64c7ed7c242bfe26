"""Instruction sets that wheels hold kernels for, per machine, and which of them this processor has.

No imports beyond the standard library's and none of edgekit: the build of a wheel reads this file by its path.
"""

from __future__ import annotations

from dataclasses import dataclass

# -fwrapv: signed sums wrap; -fno-strict-aliasing: tensors are read as bytes and as shorts; -ffp-contract=off: the same
# floats on every instruction set.
FLAGS = (
    "-O3", "-std=gnu11", "-fwrapv", "-fno-strict-aliasing", "-ffp-contract=off", "-fno-math-errno", "-shared", "-fPIC",
    "-pthread",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Level:
    """One instruction set: its name, the compiler's flags for it, and the `rank` that `edgekit_cpu_rank()` returns."""

    name: str
    flags: tuple[str, ...]
    rank: int = 0


AVX2 = ("-mavx2", "-mbmi", "-mbmi2", "-mfma", "-mlzcnt", "-mpopcnt")
AVX512 = tuple(f"-mavx512{part}" for part in ("f", "cd", "bw", "dq", "vl", "vbmi", "vnni"))
LEVELS: dict[str, tuple[Level, ...]] = {  # by platform.machine(), best first
    "x86_64": (Level("avx512", (*AVX2, *AVX512), 2), Level("avx2", AVX2, 1), Level("baseline", ())),
    "aarch64": (Level("baseline", ()),),  # NEON is part of it
}
SAME_MACHINES = {"AMD64": "x86_64", "amd64": "x86_64", "arm64": "aarch64"}  # what other systems call them


def machine_name(machine: str) -> str:
    """Return the key of LEVELS for a machine's name as the system, or the compiler's target triple, gives it."""
    return SAME_MACHINES.get(machine, machine)


def library_name(source: str, machine: str, level: str) -> str:
    """Return the file name of a source's library in a wheel, e.g. `bpu-x86_64-avx2.so`."""
    return f"{source}-{machine}-{level}.so"
