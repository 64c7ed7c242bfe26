"""The sidecar against the model on the board, and a model without one."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import edgekit
from edgekit.errors import DeviceError, ModelError
from edgekit.files import write_bytes
from edgekit.runtime import system
from edgekit.runtime.board import assume_spec, fit_to_device
from edgekit.runtime.device import TensorInfo, board_input
from edgekit.runtime.pyeasy import PyeasyDevice
from edgekit.runtime.system import Board
from edgekit.spec import HeadSpec, ModelSpec, save_spec
from tests.decode.scenes import make_heads, make_spec
from tests.runtime.fake_vendor import fake_pyeasy

SPEC = make_spec(dtype="int32", classes=5)
NV12 = replace(SPEC, stage="bin", march="bayes-e", input=replace(SPEC.input, kind="nv12"))
X5 = Board("rdk_x5", "bayes-e", "D-Robotics RDK X5 V1.0", "", "", "")


def device(spec: ModelSpec = NV12, **options: object) -> PyeasyDevice:
    return PyeasyDevice(Path("m.bin"), module=fake_pyeasy(spec, **options))  # type: ignore[arg-type]


def with_head(spec: ModelSpec, index: int, **changes: object) -> ModelSpec:
    heads = list(spec.outputs)
    heads[index] = replace(heads[index], **changes)  # type: ignore[arg-type]
    return replace(spec, outputs=tuple(heads))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda s: replace(s, input=replace(s.input, name="pixels")), "inputs images, its sidecar says 'pixels'"),
        (lambda s: replace(s, preprocess=replace(s.preprocess, width=128)), "its sidecar says 128x64"),
        (lambda s: replace(s, input=replace(s.input, kind="gray")), "takes nv12 images, its sidecar says gray"),
        (lambda s: with_head(s, 0, name="other"), "its sidecar says 'other'"),
        (lambda s: with_head(s, 0, shape=(1, 8, 12, 32), scale=(0.1,)), "sidecar says \\(1, 8, 12, 32\\) int32"),
        (lambda s: with_head(s, 1, dtype="float32", scale=()), "int32, its sidecar says .* float32"),
        (lambda s: with_head(s, 1, scale=(9.0,) * 5), "scale 0.00[0-9]+ in channel [0-4], its sidecar says 9"),
    ],
)
def test_a_sidecar_of_another_model_is_refused_before_the_first_frame(change, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ModelError, match=message) as caught:
        fit_to_device(change(NV12), device(), location="m.bin")
    assert "m.bin" in caught.value.message
    assert "sidecar" in caught.value.hint


def test_scales_that_the_library_does_not_state_come_from_the_sidecar() -> None:
    assert fit_to_device(NV12, device(scales=False), location="m.bin").outputs == NV12.outputs


def test_a_model_without_a_sidecar_is_read_by_names_and_shapes() -> None:
    spec = assume_spec(device(), location="m.bin", board=X5)
    assert (spec.task, spec.march, spec.input.kind, spec.reg_max) == ("segment", "bayes-e", "nv12", 16)
    assert spec.names == tuple(f"class {i}" for i in range(5))
    assert spec.preprocess.size_wh == (96, 64)
    found = {h.name: (h.role, h.stride, h.dtype) for h in spec.outputs}
    assert found == {h.name: (h.role, h.stride, h.dtype) for h in NV12.outputs}
    assert any("box_8 box 8" in note for note in spec.notes)
    np.testing.assert_allclose(spec.head("box", 8).scale, NV12.head("box", 8).scale, rtol=1e-6)


def test_what_names_and_shapes_leave_open_is_refused() -> None:
    same = make_spec(dtype="int32", classes=64)  # as many classes as box channels
    numbered = tuple(replace(h, name=str(400 + i)) for i, h in enumerate(same.outputs))
    unclear = replace(same, outputs=numbered, input=replace(same.input, kind="nv12"))
    with pytest.raises(ModelError, match="ambiguous by name and shape"):
        assume_spec(device(unclear), location="m.bin", board=X5)
    with pytest.raises(ModelError, match="neither the library nor a sidecar says its scale"):
        assume_spec(device(scales=False), location="m.bin", board=X5)
    with pytest.raises(ModelError, match="does not say what its inputs \\(images\\) take"):
        assume_spec(device(kind="float32"), location="m.bin", board=X5)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board: the vendor's library, a device tree, and a model without a sidecar in `tmp_path`."""
    for name, module in {"hobot_dnn": ModuleType("hobot_dnn"), "hobot_dnn.pyeasy_dnn": fake_pyeasy(NV12)}.items():
        monkeypatch.setitem(sys.modules, name, module)
    root = tmp_path / "root"
    tree = root / "proc" / "device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_bytes(b"D-Robotics RDK X5 V1.0\0")
    monkeypatch.setattr(system, "ROOT", root)
    write_bytes(tmp_path / "m.bin", b"\x0a\x10real")
    return tmp_path


def test_without_a_sidecar_it_runs_and_says_what_was_assumed(here: Path) -> None:
    session = edgekit.load(here / "m.bin")
    assert len(session.predict(np.full((48, 80, 3), 90, np.uint8))) > 0
    assert "assumed by names and shapes: segment" in session.notes[0]


def test_a_model_for_another_march_is_refused_on_this_board(here: Path) -> None:
    save_spec(here / "m.json", replace(NV12, march="bernoulli2"))
    with pytest.raises(DeviceError, match="march 'bernoulli2', expected 'bayes-e' on this board") as caught:
        edgekit.load(here / "m.bin")
    assert "bayes-e" in caught.value.hint


def test_a_frame_of_another_size_is_refused(here: Path) -> None:
    save_spec(here / "m.json", NV12)
    session = edgekit.load(here / "m.bin")
    with pytest.raises(edgekit.errors.ImageError, match="expected 13824 of uint8"):
        session.prepare_nv12(np.zeros(9216, np.uint8), (96, 96))


def test_pixels_are_moved_by_128_for_an_int8_input() -> None:
    moved = board_input(np.array([0, 127, 128, 255], np.uint8), TensorInfo("x", (4,), "int8"))
    assert moved.dtype == np.int8
    assert moved.tolist() == [-128, -1, 0, 127]
    assert board_input(np.array([7], np.uint8), TensorInfo("x", (1,), "uint8")).tolist() == [7]


def test_integer_heads_decode_as_their_floats_on_the_board(here: Path) -> None:
    """A head whose scale is one number for all channels."""
    flat = replace(NV12, outputs=tuple(_one_scale(h) for h in NV12.outputs))
    assert fit_to_device(flat, device(flat), location="m.bin") == flat
    assert set(make_heads(flat)) == {h.name for h in flat.outputs}


def _one_scale(head: HeadSpec) -> HeadSpec:
    return replace(head, scale=head.scale[:1])
