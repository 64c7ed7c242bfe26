from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.runtime import free_memory
from edgekit.runtime.free_memory import GpuMemory, available_bytes, gpu_memory, visible_gpus

ANSWER = "0, GPU-aaaa, 1000, 24000\n1, GPU-bbbb, 23000, 24000\n2, GPU-cccc, [N/A], 24000\n"


def test_lines_are_read_and_others_left_out() -> None:
    assert visible_gpus(ANSWER, None) == (GpuMemory(0, 1000, 24000), GpuMemory(1, 23000, 24000))
    assert visible_gpus("NVIDIA-SMI has failed", None) == ()


def test_cuda_numbers_what_the_variable_shows() -> None:
    assert visible_gpus(ANSWER, "1,0") == (GpuMemory(0, 23000, 24000), GpuMemory(1, 1000, 24000))
    assert visible_gpus(ANSWER, "GPU-bb") == (GpuMemory(0, 23000, 24000),)
    assert visible_gpus(ANSWER, "1,7,0") == (GpuMemory(0, 23000, 24000),)  # an unknown one ends the list
    assert visible_gpus(ANSWER, "") == () and visible_gpus(ANSWER, "-1") == ()


def program(tmp_path: Path, text: str) -> None:
    path = tmp_path / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_nvidia_smi_is_run_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_memory() == ()
    program(tmp_path, "echo '0, GPU-aaaa, 1000, 24000'")
    assert gpu_memory() == (GpuMemory(0, 1000, 24000),)
    program(tmp_path, "exit 9")
    assert gpu_memory() == ()


def test_this_computers_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  2048 kB\nMemAvailable:  1024 kB\n")
    monkeypatch.setattr(free_memory, "MEMINFO", meminfo)
    assert available_bytes() == 1 << 20
    meminfo.write_text("MemTotal: 2048 kB\n")
    assert available_bytes() is None
    monkeypatch.setattr(free_memory, "MEMINFO", tmp_path / "absent")
    assert available_bytes() is None
