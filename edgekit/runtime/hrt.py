"""`hrt_model_exec`, the vendor's own measuring tool on the board: run it, read what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import DeviceError

TOOL = "hrt_model_exec"
TIMEOUT_S = 600
HBRT = re.compile(r"\[HBRT\] set log level as \d+\. version = ([\d.]+)\s*$", re.MULTILINE)
DNN = re.compile(r"\[DNN\] Runtime version = ([\d.]+)_")
BUILDER = re.compile(r"The model builder version = ([\d.]+)\s*$", re.MULTILINE)
AVERAGE = re.compile(r"Average\s+latency\s+is: (\d+\.\d+) ms")
RATE = re.compile(r"Frame\s+rate\s+is: (\d+\.\d+) FPS")
COUNT = re.compile(r"Frame count\s*(?:is)?: (\d+)")


@dataclass(frozen=True, slots=True)
class HrtPerf:
    """What `hrt_model_exec perf` measured: the BPU task alone, without preparing and decoding."""

    threads: int
    frames: int | None
    latency_ms: float
    fps: float


@dataclass(frozen=True, slots=True)
class RuntimeVersions:
    """Versions as the board's runtime states them on loading a model; "" where it does not."""

    hbrt: str
    dnn: str
    builder: str


def has_hrt() -> bool:
    """Return whether the tool is on PATH."""
    return shutil.which(TOOL) is not None


def run_hrt_perf(model: Path, *, threads: int, frames: int) -> HrtPerf:
    """Measure a model with the vendor's tool.

    Args:
        model: The .bin.
        threads: Frames in flight.
        frames: How many.

    Returns:
        What the tool reports.

    Raises:
        DeviceError: The tool is absent, fails or prints nothing known.
    """
    options = (f"--thread_num={threads}", f"--frame_count={frames}")
    return parse_hrt_perf(_run("perf", f"--model_file={model}", *options), threads=threads)


def parse_hrt_perf(text: str, *, threads: int) -> HrtPerf:
    """Read the last summary of the tool's output; raises DeviceError if there is none."""
    average, rate, count = AVERAGE.findall(text), RATE.findall(text), COUNT.findall(text)
    if not average or not rate:
        raise DeviceError(
            f"{TOOL} perf printed neither an average latency nor a frame rate", hint=f"run {TOOL} perf by hand"
        )
    return HrtPerf(threads, int(count[-1]) if count else None, float(average[-1]), float(rate[-1]))


def run_hrt_versions(model: Path) -> RuntimeVersions:
    """Return the versions of the board's runtime and of the model's builder, as the tool prints them on loading."""
    return parse_hrt_versions(_run("model_info", f"--model_file={model}"))


def parse_hrt_versions(text: str) -> RuntimeVersions:
    """Read the versions from the tool's output."""
    matches = (pattern.search(text) for pattern in (HBRT, DNN, BUILDER))
    return RuntimeVersions(*(match[1] if match else "" for match in matches))


def _run(*arguments: str) -> str:
    if not has_hrt():
        raise DeviceError(f"{TOOL} is not on PATH", hint="it comes with RDK OS; leave --hrt away elsewhere")
    try:
        done = subprocess.run(
            [TOOL, *arguments], capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{TOOL} {arguments[0]} failed ({error})", hint="run it by hand") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise DeviceError(
            f"{TOOL} {arguments[0]} ended with exit code {done.returncode}: {last[0][:200]}",
            hint="run it by hand; check that the model was compiled for this board",
        )
    return done.stdout + done.stderr
