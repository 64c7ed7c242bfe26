from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import DeviceError
from edgekit.runtime.system import check_march, describe_machine, governor, read_board, read_sample
from tests.decode.scenes import make_spec

SPEC = replace(make_spec(), march="bayes-e")


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    "model, name, march",
    [
        ("D-Robotics RDK X5 V1.0\0", "rdk_x5", "bayes-e"),
        ("D-Robotics RDK X3\n", "rdk_x3", "bernoulli2"),
        ("Hobot X3 PI V2.1", "rdk_x3", "bernoulli2"),
        ("RDK Ultra", "rdk_ultra", "bayes"),
        ("D-Robotics RDK S100P", "rdk_s100p", "nash-m"),
        ("D-Robotics RDK S100 V1", "rdk_s100", "nash-e"),
        ("Raspberry Pi 5", "", ""),
        ("RDK X57", "", ""),
        ("", "", ""),
    ],
)
def test_boards_by_their_device_tree(tmp_path: Path, model: str, name: str, march: str) -> None:
    board = read_board(put(tmp_path, {"proc/device-tree/model": model, "etc/version": "3.1.1\n"}))
    assert (board.name, board.march) == (name, march)
    assert board.model == model.strip("\0\n")
    assert board.os_version == ("3.1.1" if name else "")


def test_sensors(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "sys/devices/system/bpu/bpu0/ratio": "87\n",
            "sys/class/hwmon/hwmon0/temp1_input": "51200",
            "sys/class/hwmon/hwmon0/temp2_input": "56000",
            "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1800000",
            "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "schedutil\n",
        },
    )
    sample = read_sample(tmp_path)
    assert (sample.bpu_percent, sample.cpu_mhz) == (87.0, 1800.0)
    assert sample.temperatures_c == {"ddr": 51.2, "bpu": 56.0}
    assert governor(tmp_path) == "schedutil"


def test_what_is_absent_is_absent(tmp_path: Path) -> None:
    sample = read_sample(tmp_path)
    assert (sample.bpu_percent, sample.cpu_mhz, sample.temperatures_c) == (None, None, {})
    machine = describe_machine(tmp_path)
    assert machine["board"] is None
    assert machine["governor"] is None
    assert machine["python"]


def test_junk_in_a_sensor_is_no_number(tmp_path: Path) -> None:
    assert read_sample(put(tmp_path, {"sys/devices/system/bpu/bpu0/ratio": "n/a"})).bpu_percent is None


def test_march(tmp_path: Path) -> None:
    x3 = read_board(put(tmp_path, {"proc/device-tree/model": "D-Robotics RDK X3"}))
    with pytest.raises(DeviceError, match="m.bin was compiled for march 'bayes-e', expected 'bernoulli2'"):
        check_march(SPEC, x3, location="m.bin")
    check_march(replace(SPEC, march=""), x3, location="m.bin")
    check_march(SPEC, read_board(tmp_path / "nothing"), location="m.bin")
