from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekit.cores import cores
from edgekit.errors import ConfigError, DeviceError, EdgekitError, ModelError
from edgekit.evaluation.bench.grid import Cell, make_grid


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    for name in ("a.onnx", "b.bin"):
        (tmp_path / name).write_bytes(b"x")
    return [tmp_path / "a.onnx", tmp_path / "b.bin"]


def test_every_model_at_every_size_on_every_device_with_every_number_of_threads(models: list[Path]) -> None:
    cells = make_grid(models, sizes_hw=[(64, 96), (32, 32)], devices=["auto", "cpu"], threads=[1, 2])
    assert len(cells) == len(set(cells)) == 2 * 2 * 2 * 2
    assert cells[0] == Cell(models[0], (64, 96), "auto", 1) and cells[-1] == Cell(models[1], (32, 32), "cpu", 2)
    assert cells[1].label == "a.onnx 64x96 on auto, 2 threads"


def test_what_is_left_out_is_one_cell_and_what_is_named_twice_as_well(models: list[Path]) -> None:
    assert make_grid([models[0]]) == (Cell(models[0], None, "auto", 0),)
    assert len(make_grid([models[0], models[0]], devices=["cpu", "cpu"], threads=[1, 1])) == 1


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        ({"threads": [0]}, ConfigError, "--threads has 0, expected 1..64"),
        ({"threads": [65]}, ConfigError, "--threads has 65"),
        ({"devices": ["gpu"]}, ConfigError, "'gpu' is unknown, expected one of auto, bpu"),
        ({"devices": ["auto", "bpu"]}, DeviceError, "'bpu' is not here"),
        ({"devices": ["cann"]}, DeviceError, "'cann' is not here"),
        ({"sizes_hw": [(32, 32 * i) for i in range(1, 60)], "threads": range(1, 60)}, ConfigError, "3481 combinations"),
    ],
)
def test_what_can_be_known_to_be_wrong_is_refused(
    models: list[Path], wrong: dict[str, Any], kind: type[EdgekitError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        make_grid([models[0]], **wrong)


def test_an_absent_device_says_which_are_here(models: list[Path]) -> None:
    with pytest.raises(DeviceError) as caught:
        make_grid(models, devices=["bpu"])
    assert "on this machine: auto, sim" in caught.value.hint and "cpu" in caught.value.hint


def test_a_file_that_is_not_there_is_refused(models: list[Path]) -> None:
    with pytest.raises(ModelError, match="none.onnx does not exist"):
        make_grid([*models, Path("none.onnx")])


def test_there_are_cores() -> None:
    assert cores() >= 1
