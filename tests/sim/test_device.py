"""The simulated device: what it takes, what it gives, and a board script that runs on it unchanged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import DeviceError, ModelError
from edgekit.ops.yuv import nv12_to_yuv444
from edgekit.sim import pyeasy_dnn as dnn
from edgekit.sim.container import write_sim_bin
from edgekit.sim.device import open_sim_device
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess
from tests.sim.synthetic import NodeSpec, graph_bytes

HEIGHT, WIDTH = 4, 6
REMOVED = "heads_HzDequantize"


def image_graph(kind: str) -> bytes:
    """An image in, its doubled channels out: NV12 (YUV444 NHWC inside) or rgb NCHW."""
    yuv = kind == "nv12"
    constants = {
        "w": np.eye(3, dtype=np.int8).reshape(3, 1, 1, 3),
        "b": np.zeros(3, np.int32),
        "s": np.zeros(3, np.int8),
    }
    attributes = {
        "input_type": "YUV_BT601_FULL_RANGE_128" if yuv else "RGB_128",
        "right_shift": [0, 0, 0], "scale": [2, 2, 2], "out_shift": [0, 0, 0], "output_bit": 16,
    }  # fmt: skip
    nodes = [] if yuv else [NodeSpec("Transpose", ["images"], ["nhwc"], {"perm": [0, 2, 3, 1]})]
    source = "images" if yuv else "nhwc"
    nodes += [
        NodeSpec("HzSQuantizedPreprocess", [source, *constants], ["p"], attributes, constants),
        NodeSpec("HzDequantize", ["p", "u"], ["heads"], {"axis": 3}, {"u": np.array([0.5], np.float32)}, REMOVED),
    ]
    shape = (1, HEIGHT, WIDTH, 3) if yuv else (1, 3, HEIGHT, WIDTH)
    return graph_bytes(nodes, {"images": ("int8", shape)}, {"heads": ("float32", (1, HEIGHT, WIDTH, 3))})


@pytest.fixture
def quantized(tmp_path: Path) -> Path:
    path = tmp_path / "m_quantized_model.onnx"
    path.write_bytes(image_graph("nv12"))
    return path


@pytest.fixture
def sim_bin(tmp_path: Path) -> Path:
    path = tmp_path / "m_modified.bin"
    write_sim_bin(path, image_graph("nv12"), march="bayes-e", removed=[REMOVED])
    return path


def nv12(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, HEIGHT * WIDTH * 3 // 2).astype(np.uint8)


def doubled(frame: np.ndarray) -> np.ndarray:
    return (nv12_to_yuv444(frame, (WIDTH, HEIGHT)).astype(np.int16) - 128)[None] * 2


def test_nv12_is_spread_and_centred(quantized: Path) -> None:
    device = open_sim_device(quantized)
    assert device.kind == "sim" and device.input_kind == "nv12"
    assert (device.inputs[0].shape, device.inputs[0].dtype) == ((1, 3, HEIGHT, WIDTH), "uint8")
    assert (device.outputs[0].dtype, device.outputs[0].scale) == ("float32", ())
    found = device.infer({"images": nv12()})["heads"]
    assert np.array_equal(found, doubled(nv12()).astype(np.float32) * np.float32(0.5))


def test_removed_nodes_give_integers_with_their_unit(quantized: Path, sim_bin: Path) -> None:
    for device in (open_sim_device(sim_bin), open_sim_device(quantized, raw=[REMOVED])):
        info = device.outputs[0]
        assert (info.name, info.dtype, info.scale, info.axis) == ("heads", "int16", (0.5,), 3)
        found = device.infer({"images": nv12()})["heads"]
        assert found.dtype == np.int16 and np.array_equal(found, doubled(nv12()))


def test_the_sidecar_says_which_outputs_are_integers(quantized: Path) -> None:
    head = HeadSpec("heads", "class", (1, HEIGHT, WIDTH, 3), dtype="int16", scale=(0.5,))
    spec = ModelSpec("classify", ("a", "b", "c"), InputSpec("images", "nv12"), Preprocess(WIDTH, HEIGHT), (head,))
    assert open_sim_device(quantized, spec).outputs[0].dtype == "int16"


def test_rgb_takes_pixels_or_their_integers(tmp_path: Path) -> None:
    path = tmp_path / "m_quantized_model.onnx"
    path.write_bytes(image_graph("rgb"))
    device = open_sim_device(path, raw=[REMOVED])
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, HEIGHT, WIDTH)).astype(np.uint8)
    expected = (pixels.transpose(0, 2, 3, 1).astype(np.int16) - 128) * 2
    for value in (pixels, (pixels.astype(np.int16) - 128).astype(np.int8)):
        assert np.array_equal(device.infer({"images": value})["heads"], expected)


def test_batches_run_frame_by_frame(sim_bin: Path) -> None:
    device = open_sim_device(sim_bin)
    frames = [nv12(seed) for seed in range(3)]
    found = device.infer({"images": np.stack(frames)})["heads"]
    assert found.shape == (3, HEIGHT, WIDTH, 3)
    assert all(np.array_equal(found[i : i + 1], doubled(frame)) for i, frame in enumerate(frames))


@pytest.mark.parametrize("execution", ["fast", "reference"])
def test_any_tensor_on_request(sim_bin: Path, execution: str) -> None:
    device = open_sim_device(sim_bin, execution=execution)
    assert set(device.tensors()) == {"images", "p", "heads"} - {"heads"} | {"heads"}
    found = device.infer({"images": nv12()}, keep=["p"])
    assert np.array_equal(found["p"], found["heads"])
    with pytest.raises(ModelError, match="'q' is no tensor"):
        device.infer({"images": nv12()}, keep=["q"])


@pytest.mark.parametrize(
    "value", [nv12()[:-1], nv12().astype(np.float32), np.zeros((1, 3, 3, 3), np.uint8), np.zeros((0, 36), np.uint8)]
)
def test_inputs_that_do_not_fit_are_refused(sim_bin: Path, value: np.ndarray) -> None:
    with pytest.raises(ModelError, match="input 'images'"):
        open_sim_device(sim_bin).infer({"images": value})


def test_names_and_use_after_close(sim_bin: Path) -> None:
    device = open_sim_device(sim_bin)
    with pytest.raises(ModelError, match="expected \\['images'\\]"):
        device.infer({"image": nv12()})
    device.close()
    with pytest.raises(DeviceError, match="closed"):
        device.infer({"images": nv12()})


def test_raw_names_belong_to_graphs(sim_bin: Path) -> None:
    with pytest.raises(ModelError, match="already says"):
        open_sim_device(sim_bin, raw=[REMOVED])


def test_the_vendors_api(sim_bin: Path) -> None:
    models = dnn.load([str(sim_bin)])
    model = models[0]
    assert model.name == "m_modified"
    properties = model.inputs[0].properties
    assert (properties.tensor_type, properties.layout, properties.shape) == ("NV12", "NCHW", (1, 3, HEIGHT, WIDTH))
    outputs = model.forward(nv12(), core_id=0, priority=1)
    assert outputs[0].name == "heads" and np.array_equal(outputs[0].buffer, doubled(nv12()))
    assert (outputs[0].properties.dtype, outputs[0].properties.scale_data.tolist()) == ("int16", [0.5])
    assert outputs[0].properties.validShape == outputs[0].properties.alignedShape == (1, HEIGHT, WIDTH, 3)
    assert np.array_equal(model.forward([nv12(1)])[0].buffer, doubled(nv12(1)))
    with pytest.raises(ModelError, match="2 inputs were given, expected 1"):
        model.forward([nv12(), nv12()])


def test_load_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        dnn.load(tmp_path / "missing.bin")
    (tmp_path / "real.bin").write_bytes(b"\x08\x05" + bytes(40))
    with pytest.raises(ModelError, match="quantized graph is not beside it"):
        dnn.load(str(tmp_path / "real.bin"))


def test_a_real_bin_runs_through_the_graph_beside_it(quantized: Path) -> None:
    real = quantized.with_name("m_modified.bin")
    real.write_bytes(b"\x08\x05" + bytes(40))
    assert dnn.load(str(real))[0].outputs[0].name == "heads"


BOARD_SCRIPT = """
import sys
import numpy as np
from hobot_dnn import pyeasy_dnn as dnn

models = dnn.load(sys.argv[1])
h, w = models[0].inputs[0].properties.shape[2], models[0].inputs[0].properties.shape[3]
outputs = models[0].forward(np.full(h * w * 3 // 2, 130, np.uint8))
for output in outputs:
    print(output.name, output.properties.shape, output.buffer.reshape(-1)[:3] * output.properties.scale_data[0])
"""


def test_a_users_board_script_runs_unchanged(sim_bin: Path, tmp_path: Path) -> None:
    script = tmp_path / "board.py"
    script.write_text(BOARD_SCRIPT)
    command: list[Any] = [sys.executable, "-m", "edgekit.sim.pyeasy_dnn", script, sim_bin]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"heads (1, {HEIGHT}, {WIDTH}, 3) [2. 2. 2.]\n"
