"""What the machine says of itself: which board, its clocks, BPU load, temperatures; what it does not say stays open."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgekit.cores import cores
from edgekit.errors import DeviceError
from edgekit.spec import March, ModelSpec

ROOT = Path("/")  # tests put a folder of their own here
MODEL_FILE = "proc/device-tree/model"
BOARD_ID_FILE = "sys/class/socinfo/board_id"
SOM_NAME_FILE = "sys/class/socinfo/som_name"
OS_VERSION_FILE = "etc/version"  # RDK OS; not verified on every release
CPUFREQ = "sys/devices/system/cpu/cpufreq"
GOVERNOR_FILE = f"{CPUFREQ}/policy0/scaling_governor"
CLOCK_FILE = f"{CPUFREQ}/policy0/scaling_cur_freq"  # kHz
BOOST_FILE = f"{CPUFREQ}/boost"
BPU_RATIO_FILE = "sys/devices/system/bpu/bpu0/ratio"  # percent
TEMPERATURES = {  # thousandths of a degree
    "ddr": "sys/class/hwmon/hwmon0/temp1_input",
    "bpu": "sys/class/hwmon/hwmon0/temp2_input",
    "cpu": "sys/class/hwmon/hwmon0/temp3_input",
}
BOARD_NAME = re.compile(r"\b(?:RDK[ _-]?(X3|X5|Ultra|S100P?|S600)|(X3)[ _-]PI)\b", re.IGNORECASE)
MARCH_OF_BOARD: dict[str, March] = {
    "rdk_x3": "bernoulli2",
    "rdk_ultra": "bayes",
    "rdk_x5": "bayes-e",
    "rdk_s100": "nash-e",
    "rdk_s100p": "nash-m",
    "rdk_s600": "nash-p",
}
MAX_PERFORMANCE = (
    "sudo sh -c 'echo 1 > /sys/devices/system/cpu/cpufreq/boost; "
    "echo performance > /sys/devices/system/cpu/cpufreq/policy0/scaling_governor'"
)


@dataclass(frozen=True, slots=True)
class Board:
    """The board that this machine is: `name` ("rdk_x5") and `march` are "" where it is none that we know."""

    name: str
    march: Literal[March, ""]
    model: str
    board_id: str
    som_name: str
    os_version: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What the sensors said at one moment; None and missing keys are what the machine does not offer."""

    bpu_percent: float | None
    cpu_mhz: float | None
    temperatures_c: dict[str, float]


def read_board(root: Path | None = None) -> Board:
    """Identify this machine from its device tree and socinfo."""
    model = read_text(MODEL_FILE, root)
    match = BOARD_NAME.search(model)
    name = f"rdk_{(match[1] or match[2]).lower()}" if match else ""
    return Board(
        name,
        MARCH_OF_BOARD.get(name, ""),
        model,
        read_text(BOARD_ID_FILE, root),
        read_text(SOM_NAME_FILE, root),
        read_text(OS_VERSION_FILE, root) if match else "",
    )


def check_march(spec: ModelSpec, board: Board, *, location: str) -> None:
    """Raise DeviceError if the model at `location` was compiled for another march than this board's.

    An unknown board or a sidecar without a march says nothing, so nothing is refused.
    """
    if spec.march and board.march and spec.march != board.march:
        raise DeviceError(
            f"{location} was compiled for march {spec.march!r}, expected {board.march!r} on this board ({board.model})",
            hint=f"compile it again with march {board.march} (edgekit calibrate --march {board.march})",
        )


def read_sample(root: Path | None = None) -> Sample:
    """Read BPU load, CPU clock and temperatures now."""
    milli = {name: _number(path, root) for name, path in TEMPERATURES.items()}
    khz = _number(CLOCK_FILE, root)
    return Sample(
        _number(BPU_RATIO_FILE, root),
        None if khz is None else khz / 1000,
        {name: value / 1000 for name, value in milli.items() if value is not None},
    )


def governor(root: Path | None = None) -> str:
    """Return the CPU's frequency governor, "" if there is none."""
    return read_text(GOVERNOR_FILE, root)


def describe_machine(root: Path | None = None) -> dict[str, str | None]:
    """Describe board, operating system, Python, CPU and governor as plain JSON values; None is "not available"."""
    board = read_board(root)
    values: dict[str, Callable[[], str]] = {
        "board": lambda: board.name,
        "march": lambda: board.march,
        "model": lambda: board.model,
        "board_id": lambda: board.board_id,
        "som_name": lambda: board.som_name,
        "rdk_os": lambda: board.os_version,
        "machine": platform.machine,
        "cpus": lambda: str(cores()),
        "python": platform.python_version,
        "governor": lambda: governor(root),
        "boost": lambda: read_text(BOOST_FILE, root),
    }
    return {key: value() or None for key, value in values.items()}


def read_text(path: str, root: Path | None = None) -> str:
    """Read a file of the system, without white space and zero bytes around it; "" if it cannot be read."""
    try:
        with ((root or ROOT) / path).open("rb") as stream:
            return stream.read(4096).decode("utf-8", "replace").strip("\0 \t\r\n")
    except OSError:
        return ""


def _number(path: str, root: Path | None) -> float | None:
    try:
        return float(read_text(path, root))
    except ValueError:
        return None
