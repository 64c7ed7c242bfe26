"""Inner tensors of the float model: those that were asked for, by name, however they are portioned."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgekit.graph import float_runner
from edgekit.graph.float_runner import FloatRunner, portions
from tests.sim.compiler.graphs import HEIGHT, WIDTH, FloatModel


@pytest.fixture
def path(tmp_path: Path) -> Path:
    model = FloatModel()
    model.head(model.swish(model.conv("images", 3, 4, name="first")))
    return model.save(tmp_path / "tiny.onnx")


def test_only_what_was_asked_for_is_given(path: Path) -> None:
    x = np.ones((1, 3, HEIGHT, WIDTH), np.float32)
    assert [name for name, _ in FloatRunner(path, ["first_out0"], {}).run(x)] == ["first_out0"]
    assert list(FloatRunner(path, ["images"], {}).run(x)) == []  # the input is known already
    assert list(FloatRunner(path, [], {}).run(x)) == []


def test_portions_give_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).random((1, 3, HEIGHT, WIDTH), np.float32)
    names, shapes = ["first_out0", "output_0"], {"first_out0": (1, 4, HEIGHT, WIDTH), "output_0": (1, 4, HEIGHT, WIDTH)}
    whole = dict(FloatRunner(path, names, shapes).run(x))
    assert len(portions(names, shapes, limit=1)) == 2
    monkeypatch.setattr(float_runner, "portions", partial(portions, limit=1))
    parts = dict(FloatRunner(path, names, shapes).run(x))
    assert list(parts) == names and all(np.array_equal(parts[name], whole[name]) for name in names)
