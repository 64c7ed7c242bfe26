"""Free memory of NVIDIA GPUs, by nvidia-smi, in the order in which CUDA numbers them; and of this computer."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["GpuMemory", "available_bytes", "gpu_memory"]

QUERY = ("--query-gpu=index,uuid,memory.free,memory.total", "--format=csv,noheader,nounits")
VISIBLE_VARIABLE = "CUDA_VISIBLE_DEVICES"
TIMEOUT_S = 10.0
MAX_GPUS = 64
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """Memory of one GPU in MiB; `index` is CUDA's, as in "cuda:0"."""

    index: int
    free_mib: int
    total_mib: int


def gpu_memory() -> tuple[GpuMemory, ...]:
    """List the GPUs that CUDA shows this process.

    CUDA numbers as nvidia-smi does where all GPUs are of one model, or with CUDA_DEVICE_ORDER=PCI_BUS_ID.

    Returns:
        Empty where nvidia-smi is not installed or fails.
    """
    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    try:
        done = subprocess.run([command, *QUERY], capture_output=True, timeout=TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return visible_gpus(done.stdout.decode("utf-8", "replace"), os.environ.get(VISIBLE_VARIABLE))


def visible_gpus(answer: str, visible: str | None) -> tuple[GpuMemory, ...]:
    """Read nvidia-smi's lines, in the order and selection of CUDA_VISIBLE_DEVICES.

    Args:
        answer: Lines of index, uuid, free and total MiB.
        visible: The variable's value: indices or UUIDs, which end at the first unknown one; None shows all.

    Returns:
        The GPUs, numbered from 0; lines that are none are left out.
    """
    rows = [row for line in answer.splitlines()[:MAX_GPUS] if (row := _row(line)) is not None]
    if visible is not None:
        chosen = []
        for name in (part.strip() for part in visible.split(",")):
            row = next((r for r in rows if name == r[0] or (name.startswith("GPU-") and r[1].startswith(name))), None)
            if row is None:
                break
            chosen.append(row)
        rows = chosen
    return tuple(GpuMemory(index, free, total) for index, (_, _, free, total) in enumerate(rows))


def available_bytes() -> int | None:
    """Return how much memory this computer can still give to programs, in bytes; None where it does not say."""
    try:
        text = MEMINFO.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        digits = value.split()[:1]
        if name == "MemAvailable" and digits and digits[0].isdigit():
            return int(digits[0]) << 10
    return None


def _row(line: str) -> tuple[str, str, int, int] | None:
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != 4 or not (cells[2].isdigit() and cells[3].isdigit()):
        return None
    return cells[0], cells[1], int(cells[2]), int(cells[3])
