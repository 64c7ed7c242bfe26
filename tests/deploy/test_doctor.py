"""The doctor names what is here, what is not, what that costs and how to get it; it never falls over."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from edgekit.cli.main import main
from edgekit.deploy import doctor
from edgekit.deploy.doctor import BROKEN, GAP, OK, Check, as_dict, examine, healthy


def named(checks: tuple[Check, ...], name: str) -> Check:
    return next(check for check in checks if check.name == name)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> dict[str, Exception]:
    """Packages that cannot be imported, by name; fill it in the test."""
    missing: dict[str, Exception] = {}
    real = importlib.import_module

    def import_module(name: str, package: str | None = None) -> ModuleType:
        if name in missing:
            raise missing[name]
        return real(name, package)

    monkeypatch.setattr("importlib.import_module", import_module)
    return missing


def test_everything_is_named(no_toolchain: Path) -> None:
    checks = examine()
    names = [check.name for check in checks]
    assert names[:4] == ["edgekit", "Python", "numpy", "cv2"] and len(set(names)) == len(names)
    assert {"onnx", "onnxruntime", "toolchain", "board"} <= set(names)
    assert healthy(checks) and "CPU" in named(checks, "onnxruntime").value
    assert all(check.cost and check.cure for check in checks if check.state != OK)


def test_a_gap_says_its_cost_and_cure(no_toolchain: Path, without: dict[str, Exception]) -> None:
    without["onnxruntime"] = ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")
    check = named(examine(), "onnxruntime")
    assert (check.state, check.value) == (GAP, "not installed") and "[host]" in check.cure


def test_opencv_without_libgl_names_the_headless_one(no_toolchain: Path, without: dict[str, Exception]) -> None:
    without["cv2"] = ImportError("libGL.so.1: cannot open shared object file")
    checks = examine()
    assert named(checks, "cv2").state == BROKEN and "headless" in named(checks, "cv2").cure and not healthy(checks)


def test_a_library_of_another_machine_is_no_board(no_toolchain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """hobot-dnn-rdkx5 installs on a PC and its import then fails with OSError."""

    def import_module(name: str) -> ModuleType:
        raise OSError("wrong ELF class")

    monkeypatch.setattr("importlib.import_module", import_module)
    monkeypatch.setattr(doctor, "BOARD_NAMES", ())
    assert doctor._board_library() is None
    assert [check.state for check in doctor._board()] == [GAP]


def test_a_board_shows_its_name_library_and_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model").write_text("D-Robotics RDK X5 V1.0\0")
    (tmp_path / "governor").write_text("schedutil\n")
    monkeypatch.setattr(doctor, "BOARD_NAMES", (tmp_path / "model",))
    monkeypatch.setattr(doctor, "GOVERNOR", tmp_path / "governor")
    monkeypatch.setitem(sys.modules, "hbm_runtime", ModuleType("hbm_runtime"))
    checks = tuple(doctor._board())
    assert named(checks, "board").value == "D-Robotics RDK X5 V1.0"
    assert named(checks, "BPU library").state == OK
    assert named(checks, "CPU clock").state == GAP and "performance" in named(checks, "CPU clock").cure


def test_a_board_without_its_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model").write_text("D-Robotics RDK X5")
    monkeypatch.setattr(doctor, "BOARD_NAMES", (tmp_path / "model",))
    checks = tuple(doctor._board())
    assert named(checks, "board").state == OK and "hobot" in named(checks, "BPU library").cure


def test_the_toolchain_and_what_its_simulator_is_good_for(stand_in: object) -> None:
    checks = examine()
    assert named(checks, "toolchain").state == OK and "1.24.3" in named(checks, "toolchain").value
    assert named(checks, "instruction simulator").state == GAP  # the stand-in has none


def test_no_toolchain_is_a_gap_with_the_way_to_one(no_toolchain: Path) -> None:
    check = named(examine(), "toolchain")
    assert check.state == GAP and "edgekit toolchain install" in check.cure


def test_the_command(no_toolchain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    assert "costs:" in capsys.readouterr().out
    assert main(["doctor", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["healthy"] is True and said["checks"][0]["name"] == "edgekit"


def test_the_exit_code_tells_a_broken_base(
    no_toolchain: Path, without: dict[str, Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    without["numpy"] = ModuleNotFoundError("No module named 'numpy'", name="numpy")
    assert main(["doctor"]) == 1
    assert "BROKEN" in capsys.readouterr().out


def test_json_has_every_field() -> None:
    check = Check("a", GAP, "b", "c", "d")
    assert as_dict((check,))["checks"] == [{"name": "a", "state": "gap", "value": "b", "cost": "c", "cure": "d"}]
