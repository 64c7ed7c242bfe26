"""CNNs that are no YOLO go the whole way: cut, calibrated, compiled by the simulator, run, and near to float."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.calibration.pipeline import calibrate
from edgekit.cli.main import main
from edgekit.compilation.build import compile_model
from edgekit.errors import ConfigError
from edgekit.export import CutOptions
from edgekit.export.input_options import NORMALIZATIONS, InputOptions
from edgekit.ops.image import read_image
from edgekit.output.writer import write_image
from edgekit.results import Classifications, RawOutputs
from edgekit.runtime.session import load
from edgekit.spec import InputKind, load_spec, sidecar_path
from tests.sim.compiler.works import image

IMAGENET = InputOptions(*NORMALIZATIONS["imagenet"], fit="crop", crop_fraction=0.875)


def _save_cnn(path: Path, *, channels: int = 3, outputs: tuple[str, ...] = ("scores",)) -> Path:
    """A stem, a gated residual block, a bilinear map and a classifier, 32 x 32; `outputs` of map and scores."""
    rng = np.random.default_rng(5)
    constants: dict[str, np.ndarray] = {}

    def conv(x: str, y: str, inputs: int, count: int, k: int = 1, **attrs: Any) -> onnx.NodeProto:
        deviation = 1.2 / np.sqrt(inputs * k * k)
        constants[f"{y}_w"] = rng.normal(0, deviation, (count, inputs, k, k)).astype(np.float32)
        constants[f"{y}_b"] = rng.normal(0.2, 0.1, count).astype(np.float32)
        return helper.make_node("Conv", [x, f"{y}_w", f"{y}_b"], [y], y, pads=[k // 2] * 4, **attrs)

    constants["fc"] = rng.normal(0, 0.8, (10, 8)).astype(np.float32)
    constants["factors"] = np.array([1, 1, 2, 2], np.float32)
    constants["roi"] = np.zeros(0, np.float32)
    nodes = [
        conv("pixels", "stem", channels, 8, 3, strides=[2, 2]),
        helper.make_node("HardSigmoid", ["stem"], ["hard"], "hard", alpha=1 / 6, beta=0.5),
        helper.make_node("Mul", ["stem", "hard"], ["swish"], "swish"),
        conv("swish", "inner", 8, 8, 3),
        helper.make_node("GlobalAveragePool", ["inner"], ["squeezed"], "squeeze"),
        conv("squeezed", "gate", 8, 8),
        helper.make_node("Sigmoid", ["gate"], ["open"], "open"),
        helper.make_node("Mul", ["open", "inner"], ["gated"], "gated"),
        helper.make_node("Add", ["gated", "swish"], ["sum"], "sum"),
        helper.make_node("Relu", ["sum"], ["features"], "features"),
        conv("features", "small", 8, 3),
        helper.make_node("Resize", ["small", "roi", "factors"], ["map"], "up", mode="linear"),
        helper.make_node("ReduceMean", ["features"], ["pooled"], "mean", axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["pooled", "fc"], ["scores"], "fc", transB=1),
    ]
    shapes = {"map": [1, 3, 32, 32], "scores": [1, 10]}
    graph = helper.make_graph(
        nodes,
        "cnn",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, channels, 32, 32])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), str(path))
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for seed in range(4):
        write_image(folder / f"{seed}.png", image(seed))
    return folder


def _build(work: Path, model: Path, images: Path, options: CutOptions, kind: InputKind) -> tuple[Path, Path]:
    """Calibrate and compile; returns the .bin and the float heads."""
    made = calibrate(
        model, images, work, num=4, select="first", input_kind=kind, calibration="max", cut_options=options
    )
    return compile_model(made.yaml_path, toolchain="sim").bin_path, made.model_path


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a.ravel() @ b.ravel() / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("kind", ["rgb", "nv12"])
def test_a_classifier_goes_the_whole_way(tmp_path: Path, images: Path, kind: InputKind) -> None:
    model = _save_cnn(tmp_path / "cnn.onnx")
    binary, heads = _build(tmp_path / "work", model, images, CutOptions(inputs=IMAGENET), kind)
    spec = load_spec(sidecar_path(binary))
    preprocess = spec.preprocess
    assert (spec.task, preprocess.fit, preprocess.crop_fraction) == ("classify", "crop", 0.875)
    assert (preprocess.mean, preprocess.std) == NORMALIZATIONS["imagenet"]
    yaml = next((tmp_path / "work").glob("*.yaml")).read_text(encoding="utf-8")
    assert "norm_type: data_mean_and_scale" in yaml
    assert "mean_value: 123.675 116.28 103.53" in yaml
    with load(binary) as ours, load(heads) as reference:
        for path in sorted(images.iterdir()):
            bgr = read_image(path)
            a, b = ours.predict(bgr), reference.predict(bgr)
            assert isinstance(a, Classifications) and isinstance(b, Classifications)
            assert np.abs(a.probabilities - b.probabilities).max() < (0.03 if kind == "rgb" else 0.06)


def test_raw_outputs_keep_their_names_and_are_near(tmp_path: Path, images: Path) -> None:
    model = _save_cnn(tmp_path / "cnn.onnx", outputs=("map", "scores"))
    options = CutOptions(task="raw", inputs=InputOptions(*NORMALIZATIONS["signed"], fit="stretch", color="bgr"))
    binary, heads = _build(tmp_path / "work", model, images, options, "rgb")
    with load(binary) as ours, load(heads) as reference:
        assert reference.spec.input.kind == "bgr"
        for path in sorted(images.iterdir()):
            bgr = read_image(path)
            a, b = ours.predict(bgr), reference.predict(bgr)
            assert isinstance(a, RawOutputs) and isinstance(b, RawOutputs)
            assert {name: v.shape for name, v in a.arrays.items()} == {"map": (1, 32, 32, 3), "scores": (1, 10)}
            assert min(_cosine(a.arrays[name], b.arrays[name]) for name in a.arrays) > 0.99


def test_one_channel(tmp_path: Path, images: Path) -> None:
    model = _save_cnn(tmp_path / "gray.onnx", channels=1)
    options = CutOptions(inputs=InputOptions((120.0,), (60.0,)))
    binary, heads = _build(tmp_path / "work", model, images, options, "gray")
    with load(binary) as ours, load(heads) as reference:
        bgr = read_image(images / "0.png")
        a, b = ours.predict(bgr), reference.predict(bgr)
        assert isinstance(a, Classifications) and isinstance(b, Classifications)
        assert np.abs(a.probabilities - b.probabilities).max() < 0.03


def test_one_channel_takes_no_colours(tmp_path: Path, images: Path) -> None:
    model = _save_cnn(tmp_path / "gray.onnx", channels=1)
    with pytest.raises(ConfigError, match="one channel") as caught:
        _build(tmp_path / "work", model, images, CutOptions(inputs=InputOptions((120.0,), (60.0,))), "nv12")
    assert "--input gray" in caught.value.hint


def test_the_commands_say_that_nothing_is_decoded(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, heads = _save_cnn(tmp_path / "cnn.onnx", outputs=("map", "scores")), tmp_path / "heads.onnx"
    assert main(["cut", str(model), "-o", str(heads), "--task", "raw", "--normalize", "imagenet"]) == 0
    assert "raw, nothing is decoded" in capsys.readouterr().out
    out = tmp_path / "out"
    assert main(["run", "--model", str(heads), "--source", str(images), "-o", str(out)]) == 0
    assert "8 arrays of 4 images (raw outputs, not decoded)" in capsys.readouterr().out
    with np.load(out / "raw" / "0.npz", allow_pickle=False) as arrays:
        assert arrays["map"].shape == (1, 32, 32, 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing says how the pixels"),
        (["--mean", "1,2"], "--mean is '1,2', expected one number or three"),
        (["--mean", "1,2,3"], "--std is missing beside --mean"),
        (["--normalize", "unit", "--mean", "1"], "--normalize unit beside --mean"),
    ],
)
def test_what_is_missing_is_two_lines(
    tmp_path: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = _save_cnn(tmp_path / "cnn.onnx")
    assert main(["cut", str(model), "-o", str(tmp_path / "heads.onnx"), *arguments]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error:", "hint:"))]
    assert len(error) == 2
    assert words in error[0]
    assert not (tmp_path / "heads.onnx").exists()
