"""The real toolchain: the shipped demo model compiled, stripped, and proven equal off-device, integer by integer."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import edgekit
from edgekit.binary.bin_format import read_bin
from edgekit.bundle import open_bundle
from edgekit.calibration.pipeline import calibrate
from edgekit.compilation.build import CompileResult, compile_model
from edgekit.compilation.strip import strip_bin
from edgekit.compilation.toolchain.find import Toolchain
from edgekit.compilation.toolchain.install import read_record
from edgekit.compilation.toolchain.run import run_command
from edgekit.deploy.pipeline import deploy
from edgekit.errors import EdgekitError
from edgekit.ops.image import read_image
from edgekit.sim.device import open_sim_device
from edgekit.spec import InputKind, load_spec
from tests.compilation.toolchain.stand_in import alive
from tests.conftest import ROOT
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo
from tests.typed import detections

pytestmark = pytest.mark.toolchain

DEMO_MODEL = ROOT / "edgekit" / "demo" / "demo_seg.onnx"
IMAGES = 20


@dataclass(frozen=True)
class Build:
    yaml_path: Path
    result: CompileResult
    images: Path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_images(folder, IMAGES)
    return folder


@pytest.fixture(scope="module")
def demo_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model as a user has it: a stock export with nothing beside it."""
    return Path(shutil.copyfile(DEMO_MODEL, tmp_path_factory.mktemp("demo") / "demo.onnx"))


@pytest.fixture(scope="module", params=["nv12", "rgb"])
def build(
    request: pytest.FixtureRequest,
    toolchain: Toolchain,
    images: Path,
    demo_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Build:
    """The demo model, calibrated and really compiled at O0 (O3 takes minutes and gives the same integers)."""
    kind: InputKind = request.param
    work = calibrate(demo_model, images, tmp_path_factory.mktemp(kind) / "work", num=IMAGES, input_kind=kind)
    return Build(work.yaml_path, compile_model(work.yaml_path, toolchain="hb_mapper", optimize="O0"), images)


def test_the_install_is_recorded(toolchain: Toolchain) -> None:
    if toolchain.kind == "private":
        assert read_record().complete and read_record().versions["hb_mapper"] == "1.24.3"
    assert toolchain.has("hbdk-sim") and toolchain.versions()["hbdk"]


def test_the_build_is_whole(build: Build) -> None:
    result = build.result
    assert not result.simulated and min(result.output_cosines.values()) > 0.9 and len(result.node_cosines) > 20
    assert all(path.is_file() for path in result.files.values())
    assert {"checker", "makertbin", "makertbin.compile", "strip"} <= set(result.record["seconds"])
    assert any("static estimate" in note for note in result.notes)


def test_exactly_the_box_and_mask_heads_are_stripped(build: Build) -> None:
    spec = load_spec(build.result.files["modified_bin_sidecar"])
    info = read_bin(build.result.files["modified_bin"])
    dtypes = {head.role: head.dtype for head in spec.outputs}
    assert dtypes == {"box": "int32", "mask": "int32", "class": "float32", "proto": "float32"}
    assert len(info.deleted_nodes) == sum(head.role in ("box", "mask") for head in spec.outputs)
    assert {output.name: output.dtype for output in info.outputs} == {head.name: head.dtype for head in spec.outputs}


def test_unchanged_it_is_reused(build: Build) -> None:
    again = compile_model(build.yaml_path, toolchain="hb_mapper", optimize="O0")
    assert again.reused and again.files == build.result.files


def test_the_simulated_device_equals_the_toolchains_own_executor(
    build: Build, toolchain: Toolchain, tmp_path: Path
) -> None:
    """hb_mapper infer runs the quantized graph; its floats are our integers times their scales, to the last bit.

    It converts the image itself where the board takes NV12, so the rgb build is compared, on noise.
    """
    graph, spec = build.result.quantized_path, load_spec(build.result.files["quantized_sidecar"])
    if spec.input.kind != "rgb":
        pytest.skip("compared on the rgb build; the NV12 build goes through the instruction simulator")
    width, height = spec.preprocess.size_wh
    image = np.random.default_rng(5).integers(0, 256, (1, 3, height, width), dtype=np.uint8)
    image.astype(np.float32).tofile(tmp_path / "image.bin")
    arguments = ("infer", "-c", str(build.yaml_path), "--model-file", str(graph), "--model-type", "onnx")
    more = ("--image-file", spec.input.name, "image.bin", "--input-layout", "NCHW", "--output-dir", "theirs")
    finished = run_command(toolchain.command("hb_mapper", *arguments, *more), cwd=tmp_path)
    assert finished.returncode == 0, finished.lines[-5:]
    ours = open_sim_device(graph, raw=[]).infer({spec.input.name: image})
    assert set(ours) == {head.name for head in spec.outputs}
    for name, values in ours.items():
        theirs = np.fromfile(tmp_path / "theirs" / f"{name}.bin", np.float32).reshape(values.shape)
        assert np.array_equal(theirs, values), name


def test_the_simulated_device_equals_the_instruction_simulator(
    build: Build, toolchain: Toolchain, tmp_path: Path
) -> None:
    """What the compiled binary itself computes: every integer of every output, before dequantisation."""
    spec = load_spec(build.result.files["bin_sidecar"])
    width, height = spec.preprocess.size_wh
    rng = np.random.default_rng(6)
    if spec.input.kind == "nv12":
        image = rng.integers(0, 256, height * width * 3 // 2, dtype=np.uint8)
        image.tofile(tmp_path / "image.yuv")
        given: tuple[str, ...] = ("-i", "image.yuv", "--yuv-size", f"{height}x{width}")
    else:
        image = rng.integers(0, 256, (1, 3, height, width), dtype=np.uint8)
        (image ^ 0x80).tofile(tmp_path / "image.bin")  # the BPU takes pixel - 128 as int8
        given = ("-i", "image.bin")
    theirs = instruction_simulator(build.result.bin_path, toolchain, tmp_path, given)
    ours = integers(build.result.quantized_path, {spec.input.name: image})
    bpu = next(node for node in read_bin(build.result.bin_path).nodes if node.op_type == "BPU")
    behind = {output.integer_name: output.name for output in read_bin(build.result.bin_path).outputs}
    assert len(theirs) == len(ours) == len(bpu.outputs)
    for index, tensor in enumerate(bpu.outputs):
        assert np.array_equal(theirs[index], ours[behind[tensor]].ravel()), tensor


def instruction_simulator(
    model: Path, toolchain: Toolchain, folder: Path, given: tuple[str, ...]
) -> dict[int, npt.NDArray[np.int64]]:
    """Output number -> integers, NHWC, flat."""
    shutil.copyfile(model, folder / "m.bin")
    (folder / "out").mkdir()
    graph = next(node.name for node in read_bin(model).nodes if node.op_type == "BPU")
    extracted = run_command(toolchain.command("hb_extract_hbm", "m.bin"), cwd=folder)
    assert extracted.returncode == 0, extracted.lines[-5:]
    hbm = next(folder.glob("*.hbm")).name  # called after the model inside, not after the file
    simulated = run_command(toolchain.command("hbdk-sim", "-f", hbm, "-n", graph, *given, "-o", "out"), cwd=folder)
    assert simulated.returncode == 0, simulated.lines[-5:]
    found = {}
    for path in (folder / "out").glob("hbdk_output*_elem_int.txt"):
        lines = (line for line in path.read_text().splitlines() if not line.startswith("#"))
        number = re.match(r"hbdk_output(\d+)_", path.name)
        assert number is not None
        found[int(number[1])] = np.array(" ".join(lines).split(), dtype=np.int64)
    return found


def integers(graph: Path, inputs: dict[str, npt.NDArray[np.uint8]]) -> dict[str, npt.NDArray[np.int32]]:
    """Every output of the quantized graph before its Dequantize node."""
    whole = open_sim_device(graph, raw=[]).graph
    nodes = [node.name for node in whole.nodes if node.op_type == "HzDequantize" and node.outputs[0] in whole.outputs]
    return open_sim_device(graph, raw=nodes).infer(dict(inputs))


def test_stripping_all_heads_works_too(build: Build, toolchain: Toolchain, tmp_path: Path) -> None:
    spec = load_spec(build.result.files["bin_sidecar"])
    roles = ("box", "mask", "class", "proto")
    done = strip_bin(build.result.bin_path, spec, toolchain, output=tmp_path / "all.bin", roles=roles)
    assert done.sidecar is not None
    stripped = load_spec(done.sidecar)
    assert all(head.dtype in ("int32", "int16") and head.scale for head in stripped.outputs)


def test_the_scales_of_the_sidecar_are_those_of_the_graph(build: Build) -> None:
    """Read from the .bin, compared with the Dequantize constants of the integer graph."""
    device = open_sim_device(build.result.quantized_path, load_spec(build.result.files["quantized_sidecar"]))
    found = {tensor.name: tensor for tensor in device.outputs}
    for head in load_spec(build.result.files["modified_bin_sidecar"]).outputs:
        if head.dtype != "float32":
            assert (found[head.name].dtype, found[head.name].axis) == (head.dtype, head.axis)
            assert np.array_equal(np.array(found[head.name].scale, np.float32), np.array(head.scale, np.float32))


def test_the_bundle_runs(toolchain: Toolchain, images: Path, demo_model: Path, tmp_path: Path) -> None:
    done = deploy(demo_model, images, tmp_path / "demo", num=IMAGES, toolchain="hb_mapper", optimize="O0")
    assert not open_bundle(done.bundle.archive).simulated
    with edgekit.load(done.bundle.archive) as session:
        results = session.predict(read_image(next(iter(sorted(images.iterdir())))))
    assert session.device.kind == "sim" and detections(results).boxes_xyxy.shape[1] == 4


def tiny_work(folder: Path, images: Path, **options: object) -> Path:
    model = save_tiny_yolo(folder / "tiny.onnx", family="yolov8", task="detect", size_wh=(96, 64), **options)
    return calibrate(model, images, folder / "work", num=4).yaml_path


@pytest.mark.parametrize("stage", ["checker", "calibrate", "quantize", "strip"])
def test_ctrl_c_in_the_real_thing(toolchain: Toolchain, images: Path, tmp_path: Path, stage: str) -> None:
    """Nothing of it runs on, nothing half-written is left, and the next run ends well."""
    yaml_path = tiny_work(tmp_path, images)
    command = [
        sys.executable,
        "-m",
        "edgekit",
        "compile",
        str(yaml_path),
        "--toolchain",
        "hb_mapper",
        "--optimize",
        "O0",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(stage):
            break
    children = _descendants(process.pid)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130 and not any(map(alive, children))
    assert not list((yaml_path.parent / "model_output").glob("*.bin"))
    result = compile_model(yaml_path, toolchain="hb_mapper", optimize="O0")
    assert result.modified_bin_path is not None and result.modified_bin_path.is_file()


def _descendants(pid: int) -> list[int]:
    """All processes below `pid`."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found += [int(stat.parent.name), *_descendants(int(stat.parent.name))]
    return found


def test_a_real_failure_has_its_cause_and_cure(toolchain: Toolchain, images: Path, tmp_path: Path) -> None:
    import onnx

    yaml_path = tiny_work(tmp_path, images)
    heads = next(yaml_path.parent.glob("*_heads.onnx"))
    model = onnx.load(str(heads))
    model.opset_import[0].version = 17
    onnx.save(model, str(heads))
    (yaml_path.parent / "manifest.json").unlink()
    with pytest.raises(EdgekitError, match="opset 17") as caught:
        compile_model(yaml_path, toolchain="hb_mapper")
    assert "opset=11" in caught.value.hint


@pytest.mark.parametrize(("family", "task"), [("yolov8", "pose"), ("yolov8", "obb"), ("yolo11", "detect")])
def test_other_heads_strip_by_their_roles(
    toolchain: Toolchain, images: Path, tmp_path: Path, family: str, task: str
) -> None:
    model = save_tiny_yolo(tmp_path / "tiny.onnx", family=family, task=task, size_wh=(96, 64))
    yaml_path = calibrate(model, images, tmp_path / "work", num=4).yaml_path
    result = compile_model(yaml_path, toolchain="hb_mapper", optimize="O0")
    spec = load_spec(result.files["modified_bin_sidecar"])
    stripped = {head.role for head in spec.outputs if head.dtype != "float32"}
    assert stripped == {head.role for head in spec.outputs} - {"class"}
