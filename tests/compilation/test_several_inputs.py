"""Networks with several inputs, or with none that is an image, go the whole way: int8 agrees with float."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest

from edgekit.calibration.calibration_set import CalibrationSet
from edgekit.calibration.pipeline import calibrate
from edgekit.cli.main import main
from edgekit.compilation.build import compile_model
from edgekit.errors import ConfigError, DataError, EdgekitError, ModelError, OutputError
from edgekit.evaluation.compare import compare_models
from edgekit.export import CutOptions, cut_graph
from edgekit.export.input_options import NORMALIZATIONS, InputOptions
from edgekit.graph.onnx_graph import load_model, open_session
from edgekit.output.writer import write_image
from edgekit.ptq import load_config
from edgekit.results import RawOutputs
from edgekit.runtime.array_source import open_samples
from edgekit.runtime.board import fit_to_device
from edgekit.runtime.pyeasy import PyeasyDevice
from edgekit.runtime.session import Session, load
from edgekit.sim import pyeasy_dnn
from edgekit.spec import InputKind, load_spec, sidecar_path
from tests.sim.compiler.works import image
from tests.tiny_inputs import NETS, gray

IMAGENET = InputOptions(*NORMALIZATIONS["imagenet"], fit="stretch")
SAMPLES = 5


def sample(net: str, seed: int) -> dict[str, np.ndarray]:
    """Arrays for a network of `tests.tiny_inputs`, by input name."""
    rng = np.random.default_rng(seed)
    if net == "image_and_vector":
        return {"image": image(seed), "state": rng.normal(0, 1, (1, 12)).astype(np.float32)}
    if net == "two_images":
        return {"left": image(seed), "right": image(seed + 50)}
    return {"features": rng.normal(0, 2, (1, 6, 16, 16)).astype(np.float32)}


def save_samples(folder: Path, net: str) -> Path:
    """A folder of .npz; returns it."""
    folder.mkdir()
    for seed in range(SAMPLES):
        arrays = sample(net, seed)
        np.savez(folder / f"{seed}.npz", **arrays)  # type: ignore[arg-type]  # allow_pickle is no parameter of numpy 1
    return folder


def options(net: str) -> CutOptions:
    """How the network takes its images, where it takes any."""
    return CutOptions(task="raw", inputs=InputOptions() if net == "featuremap" else IMAGENET)


def make(folder: Path, net: str, kind: InputKind = "rgb", num: int = SAMPLES) -> CalibrationSet:
    """Calibrate a network on its samples."""
    model = NETS[net](folder / f"{net}.onnx")
    data = save_samples(folder / "data", net)
    return calibrate(
        model, data, folder / "work", num=num, input_kind=kind, calibration="max", cut_options=options(net)
    )


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Of two arrays."""
    return float(a.ravel() @ b.ravel() / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("net", NETS)
def test_the_cut_gives_the_numbers_of_the_export(tmp_path: Path, net: str) -> None:
    model = load_model(NETS[net](tmp_path / "net.onnx"))
    cut = cut_graph(model, options(net))
    rng = np.random.default_rng(9)
    shapes = {item.name: item.shape for item in cut.spec.inputs}
    feeds = {name: rng.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    before, after = open_session(model)(feeds), open_session(cut.model)(feeds)
    for head in cut.spec.outputs:
        expected = before[head.name]
        expected = expected.transpose(0, 2, 3, 1) if expected.ndim == 4 else expected
        np.testing.assert_allclose(after[head.name], expected, atol=1e-4)
    assert {node.op_type for node in cut.model.graph.node}.isdisjoint({"Gemm", "MatMul"})


@pytest.mark.parametrize(("net", "kind"), [("image_and_vector", "rgb"), ("featuremap", "nv12"), ("two_images", "rgb")])
def test_int8_agrees_with_float(tmp_path: Path, net: str, kind: InputKind) -> None:
    made = make(tmp_path, net, kind)
    binary = compile_model(made.yaml_path, toolchain="sim").bin_path
    with load(binary) as ours, load(made.model_path) as reference:
        for seed in range(20, 23):  # none of the calibration samples
            fed = sample(net, seed)
            a, b = ours.predict(fed), reference.predict(fed)
            assert isinstance(a, RawOutputs) and isinstance(b, RawOutputs)
            assert list(a.arrays) == list(b.arrays)
            assert min(cosine(a.arrays[name], b.arrays[name]) for name in a.arrays) > 0.995


@pytest.mark.parametrize("net", NETS)
def test_the_boards_library_takes_every_input(tmp_path: Path, net: str) -> None:
    made = make(tmp_path, net, "nv12")
    binary = compile_model(made.yaml_path, toolchain="sim").bin_path
    device = PyeasyDevice(binary, module=cast(Any, pyeasy_dnn))
    spec = fit_to_device(load_spec(sidecar_path(binary)), device, location="m.bin")
    with load(binary) as expected, Session(spec, device) as session:
        a, b = session.predict(sample(net, 30)), expected.predict(sample(net, 30))
        assert isinstance(a, RawOutputs) and isinstance(b, RawOutputs)
        for name, values in b.arrays.items():
            np.testing.assert_array_equal(a.arrays[name], values)
    other = replace(spec, input=replace(spec.input, name="other"))
    with pytest.raises(ModelError, match="its sidecar says 'other'"):
        fit_to_device(other, device, location="m.bin")


def test_the_yaml_describes_every_input_with_its_own_folder(tmp_path: Path) -> None:
    made = make(tmp_path, "image_and_vector", "nv12")
    config = load_config(made.yaml_path)
    kinds = [(item.name, item.type_rt, item.type_train, item.norm_type, item.shape) for item in config.inputs]
    assert kinds == [
        ("image", "nv12", "rgb", "data_mean_and_scale", (1, 3, 32, 32)),
        ("state", "featuremap", "featuremap", "no_preprocess", (1, 12)),
    ]
    assert [item.layout_rt for item in config.inputs] == ["", "NCHW"]
    assert (config.inputs[1].mean, config.inputs[1].cal_data_type) == (None, "float32")
    for item, bytes_each in zip(config.inputs, (3 * 32 * 32 * 4, 12 * 4), strict=True):
        files = sorted((made.folder / item.cal_data_dir).iterdir())
        assert [path.stat().st_size for path in files] == [bytes_each] * SAMPLES
    first = np.fromfile(made.folder / config.inputs[1].cal_data_dir / "000_0.f32", "<f4")
    np.testing.assert_array_equal(first, sample("image_and_vector", 0)["state"].ravel())


def test_the_same_call_is_reused_and_another_refused(tmp_path: Path) -> None:
    made = make(tmp_path, "featuremap")
    model, data = tmp_path / "featuremap.onnx", tmp_path / "data"
    again = calibrate(
        model, data, made.folder, num=SAMPLES, input_kind="rgb", calibration="max", cut_options=options("featuremap")
    )
    assert (made.reused, again.reused) == (False, True)
    assert again.names == tuple(map(str, range(SAMPLES)))
    with pytest.raises(EdgekitError, match="holds the set of another call"):
        calibrate(
            model, data, made.folder, num=2, input_kind="rgb", calibration="max", cut_options=options("featuremap")
        )


@pytest.mark.parametrize("net", ["image_and_vector", "featuremap"])
def test_a_foreign_file_among_the_samples_is_refused(tmp_path: Path, net: str) -> None:
    """The compiler would take it for a sample, and pair what lies behind it wrongly."""
    made = make(tmp_path, net)
    folder = sorted(path for path in made.data_dir.rglob("*") if path.is_file())[-1].parent
    (folder / "001_copy.bin").write_bytes(b"")
    with pytest.raises(OutputError, match="001_copy.bin, which is none of its 5 calibration files"):
        calibrate(
            tmp_path / f"{net}.onnx", tmp_path / "data", tmp_path / "work",
            num=SAMPLES, input_kind="rgb", calibration="max", cut_options=options(net),
        )  # fmt: skip


def test_sidecars_say_what_each_input_takes(tmp_path: Path) -> None:
    made = make(tmp_path, "two_images", "nv12")
    binary = compile_model(made.yaml_path, toolchain="sim").bin_path
    spec = load_spec(sidecar_path(binary))
    assert [(item.name, item.kind, item.shape) for item in spec.inputs] == [
        ("left", "nv12", (1, 3, 32, 32)),
        ("right", "nv12", (1, 3, 16, 16)),
    ]
    assert spec.preprocess_of(spec.inputs[1]).size_wh == (16, 16)
    with load(binary) as session:
        inputs, letterbox = session.prepare(sample("two_images", 3))
        assert {name: array.shape for name, array in inputs.items()} == {"left": (1536,), "right": (384,)}
        assert letterbox.source_wh == (120, 80)


def test_a_folder_per_input(tmp_path: Path) -> None:
    spec = cut_graph(load_model(NETS["image_and_vector"](tmp_path / "net.onnx")), options("image_and_vector")).spec
    for name in ("image", "state"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for seed in range(3):
        arrays = sample("image_and_vector", seed)
        write_image(tmp_path / "data" / "image" / f"{seed}.png", arrays["image"])
        np.save(tmp_path / "data" / "state" / f"{seed}.npy", arrays["state"][0])
    samples = open_samples(tmp_path / "data", spec.inputs)
    assert [item.name for item in samples] == ["0", "1", "2"]
    np.testing.assert_array_equal(samples[1].read()["image"], sample("image_and_vector", 1)["image"])
    (tmp_path / "data" / "state" / "1.npy").unlink()
    with pytest.raises(DataError, match="has no file '1'"):
        open_samples(tmp_path / "data", spec.inputs)


def test_run_and_perf_take_arrays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make(tmp_path, "image_and_vector")
    binary, data = str(compile_model(made.yaml_path, toolchain="sim").bin_path), tmp_path / "data"
    out = tmp_path / "out"
    assert main(["run", "--model", binary, "--source", str(data), "-o", str(out)]) == 0
    assert "10 arrays of 5 images" in capsys.readouterr().out
    with np.load(out / "raw" / "3.npz", allow_pickle=False) as arrays:
        assert {name: arrays[name].shape for name in arrays.files} == {"map": (1, 16, 16, 6), "scores": (1, 5)}
    rows = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert "edgekit.run/1" in rows["schema"]
    assert main(["perf", "--model", binary, "--source", str(data), "--frames", "3", "--threads", "1"]) == 0
    assert main(["perf", "--model", binary, "--frames", "3", "--threads", "1", "--json"]) == 0
    assert '"stage"' not in capsys.readouterr().err


def test_a_bundle_runs_on_samples(tmp_path: Path) -> None:
    model, data = NETS["image_and_vector"](tmp_path / "net.onnx"), save_samples(tmp_path / "data", "image_and_vector")
    bundle, out = tmp_path / "bundle", tmp_path / "out"
    arguments = ["--task", "raw", "--normalize", "imagenet", "--toolchain", "sim", "--num", "3"]
    assert main(["deploy", str(model), "--images", str(data), "-o", str(bundle), *arguments]) == 0
    archive = str(bundle.with_name("bundle.tar.gz"))
    assert main(["run", "--model", archive, "--source", str(data / "2.npz"), "-o", str(out)]) == 0
    assert (out / "raw" / "2.npz").is_file() and (out / "2.jpg").is_file()


def test_int16_featuremaps(tmp_path: Path) -> None:
    made = make(tmp_path, "featuremap")
    text = made.yaml_path.read_text(encoding="utf-8")
    wide = text.replace("  calibration_type: max", "  calibration_type: max\n  optimization: set_all_nodes_int16")
    made.yaml_path.write_text(wide, encoding="utf-8")
    built = compile_model(made.yaml_path, toolchain="sim")
    nodes = {node.op_type: node for node in onnx.load(built.quantized_path).graph.node}
    assert {a.name: a.i for a in nodes["HzQuantize"].attribute} == {"bits": 16}  # as in the vendor's graphs
    with load(built.bin_path) as ours, load(made.model_path) as reference:
        a, b = ours.predict(sample("featuremap", 8)), reference.predict(sample("featuremap", 8))
        assert isinstance(a, RawOutputs) and isinstance(b, RawOutputs)
        assert cosine(a.arrays["map"], b.arrays["map"]) > 0.999  # weights stay int8


def test_npy_files_feed_a_single_featuremap(tmp_path: Path) -> None:
    made = make(tmp_path, "featuremap")
    folder = tmp_path / "npy"
    folder.mkdir()
    np.save(folder / "one.npy", sample("featuremap", 7)["features"])
    out = tmp_path / "out"
    assert main(["run", "--model", str(made.model_path), "--source", str(folder), "-o", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["raw", "results.json"]  # there is nothing to draw on
    assert (out / "raw" / "one.npz").is_file()


def test_compare_takes_samples_layer_by_layer(tmp_path: Path) -> None:
    made = make(tmp_path, "image_and_vector")
    built = compile_model(made.yaml_path, toolchain="sim")
    result = compare_models(made.model_path, built.quantized_path, tmp_path / "data", num=2)
    assert result.images == 2 and result.passes
    assert set(result.heads) == {"map", "scores"}
    assert {layer.node for layer in result.layers} >= {"stem_linear", "gated", "map_linear"}
    log = built.log_path.read_text(encoding="utf-8")
    assert "HZ_PREPROCESS_FOR_image" in log and "state_HzQuantize" not in log  # as the vendor's table


def test_commands_that_measure_on_images_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make(tmp_path, "featuremap")
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    assert main(["tune", str(made.model_path), "--images", data, "-o", out]) == 2
    assert "takes more than one image, or none" in capsys.readouterr().err
    assert main(["run", "--model", str(made.model_path), "--source", data, "-o", out, "--record"]) == 2
    assert "--record is for models that take one image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--task", "raw"], "nothing says how the pixels of input 'image'"),
        (["--normalize", "unit"], "the graph has 2 inputs (image, state), expected one image"),
        (["--task", "raw", "--normalize", "unit", "--featuremap", "x"], "--featuremap names 'x'"),
        (["--task", "raw", "--normalize", "unit", "--imgsz", "64"], "--imgsz 64,64 is for one image"),
        (
            ["--task", "raw", "--normalize", "unit", "--featuremap", "image,state"],
            "is no image, expected no --normalize",
        ),
    ],
)
def test_what_cannot_be_cut_is_two_lines(
    tmp_path: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = NETS["image_and_vector"](tmp_path / "net.onnx")
    assert main(["cut", str(model), "-o", str(tmp_path / "heads.onnx"), *arguments]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error:", "hint:"))]
    assert len(error) == 2 and words in error[0]


def test_an_image_can_be_declared_a_featuremap(tmp_path: Path) -> None:
    model = load_model(NETS["two_images"](tmp_path / "net.onnx"))
    cut = cut_graph(model, CutOptions(task="raw", inputs=InputOptions(*NORMALIZATIONS["unit"], featuremaps=("right",))))
    assert [(item.name, item.kind) for item in cut.spec.inputs] == [("left", "rgb"), ("right", "featuremap")]
    with pytest.raises(ConfigError, match="which this model was cut to take as an image"):
        InputOptions(featuremaps=("left",)).applied(cut.spec)


@pytest.mark.parametrize(
    ("fed", "error", "words"),
    [
        ({"image": image(0)}, ModelError, "input 'state' is missing"),
        ({"image": image(0), "state": np.zeros(11)}, ModelError, r"expected numbers of \[1, 12\]"),
        ({"image": image(0), "state": np.full(12, np.nan)}, ModelError, "not finite"),
        ({"image": np.zeros((4, 4, 3)), "state": np.zeros(12)}, EdgekitError, "expected an image"),
        (image(0), ModelError, "the model takes image, state, expected arrays"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, fed: object, error: type[EdgekitError], words: str) -> None:
    made = make(tmp_path, "image_and_vector", num=1)
    with load(made.model_path) as session, pytest.raises(error, match=words):
        session.predict(fed)  # type: ignore[arg-type]


def test_samples_of_other_inputs_are_named(tmp_path: Path) -> None:
    model = NETS["image_and_vector"](tmp_path / "net.onnx")
    np.savez(tmp_path / "a.npz", image=image(0))
    with pytest.raises(DataError, match="has no array 'state'"):
        calibrate(model, tmp_path / "a.npz", tmp_path / "work", cut_options=options("image_and_vector"))
    assert not (tmp_path / "work" / "manifest.json").exists()


def test_a_yaml_of_other_inputs_is_refused(tmp_path: Path) -> None:
    made = make(tmp_path, "image_and_vector", num=2)
    text = made.yaml_path.read_text(encoding="utf-8")
    made.yaml_path.write_text(text.replace("image;state", "image;other"), encoding="utf-8")
    with pytest.raises(ConfigError, match="input_name has 'other'"):
        compile_model(made.yaml_path, toolchain="sim")
    made.yaml_path.write_text(text, encoding="utf-8")
    next((made.data_dir / "state").iterdir()).unlink()
    (made.folder / "manifest.json").unlink()
    with pytest.raises(DataError, match="'state' has 1 calibration files, 'image' has 2"):
        compile_model(made.yaml_path, toolchain="sim")


def test_an_integer_input_is_refused(tmp_path: Path) -> None:
    model = load_model(NETS["image_and_vector"](tmp_path / "net.onnx"))
    model.graph.input[1].type.tensor_type.elem_type = onnx.TensorProto.INT64
    with pytest.raises(ModelError, match="input 'state' is INT64, expected FLOAT"):
        cut_graph(model, options("image_and_vector"))


def test_one_channel_by_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = gray(tmp_path / "gray.onnx")
    images = tmp_path / "images"
    images.mkdir()
    for seed in range(3):
        write_image(images / f"{seed}.png", image(seed))
    work, out = tmp_path / "work", tmp_path / "out"
    arguments = ["--task", "raw", "--mean", "120", "--std", "60", "--input", "gray", "--num", "3"]
    assert main(["calibrate", "--model", str(model), "--images", str(images), "-o", str(work), *arguments]) == 0
    (yaml,) = work.glob("*.yaml")
    assert main(["compile", str(yaml), "--toolchain", "sim"]) == 0
    (binary,) = work.glob("model_output/*gray.bin")
    assert main(["run", "--model", str(binary), "--source", str(images), "-o", str(out)]) == 0
    assert main(["perf", "--model", str(binary), "--frames", "2", "--threads", "1"]) == 0
    assert "3 arrays of 3 images" in capsys.readouterr().out
    with load(binary) as ours, load(next(work.glob("*_heads.onnx"))) as reference:
        a, b = ours.predict(image(7)), reference.predict(image(7))
        assert isinstance(a, RawOutputs) and isinstance(b, RawOutputs)
        assert cosine(a.arrays["map"], b.arrays["map"]) > 0.995


@pytest.mark.parametrize("kind", ["nv12", "rgb"])
def test_images_of_any_input_hold_what_nv12_can(tmp_path: Path, kind: InputKind) -> None:
    """Single pixels of saturated colours are left alone where the board feeds RGB."""
    model, data = NETS["two_images"](tmp_path / "net.onnx"), tmp_path / "data"
    spec = cut_graph(load_model(model), options("two_images")).spec
    width, height = spec.preprocess.size_wh
    noise = np.random.default_rng(0).choice([0, 255], (height, width, 3)).astype(np.uint8)
    data.mkdir()
    np.savez(data / "0.npz", left=noise, right=np.full_like(noise, 90))
    cut_options = options("two_images")
    work = calibrate(model, data, tmp_path / "work", num=1, input_kind=kind, cut_options=cut_options).yaml_path.parent
    left, right = (
        np.fromfile(next((work / "calibration_data" / name).iterdir()), np.float32) for name in ("left", "right")
    )
    assert (right == 90).all()
    assert (np.unique(left).tolist() == [0, 255]) == (kind == "rgb")
