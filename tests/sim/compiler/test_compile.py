"""A whole build on a tiny model: what lies there, that it runs, that it repeats, that bad input is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

import edgekit
from edgekit.compilation.build import compile_model
from edgekit.errors import ConfigError, DataError, EdgekitError, ModelError
from edgekit.files import sha256_file
from edgekit.logs.lines import read_lines
from edgekit.logs.mapper import parse_mapper
from edgekit.logs.quant_info import read_quant_info
from edgekit.sim.container import read_sim_bin
from edgekit.spec import load_spec, sidecar_path
from tests.sim.compiler.conftest import Compiled
from tests.sim.compiler.works import image, make_work
from tests.typed import detections


def test_every_file_lies_where_it_should(compiled: Compiled) -> None:
    folder = compiled.yaml.parent / "out"
    assert {path.name for path in folder.iterdir()} == {
        "tiny.bin",
        "tiny.json",
        "tiny_modified.bin",
        "tiny_modified.json",
        "tiny_quantized_model.onnx",
        "tiny_quantized_model.json",
        "tiny_quant_info.json",
        "edgekit_sim_compile.log",
        "buildinfo.json",
    }
    assert all(path.is_absolute() and path.exists() for path in compiled.result.files.values())
    assert compiled.result.simulated and not compiled.result.reused


def test_outputs_are_near_the_float_model(compiled: Compiled) -> None:
    assert min(compiled.result.output_cosines.values()) > 0.995
    assert min(compiled.result.node_cosines.values()) > 0.99


def test_sidecars_say_what_the_files_are(compiled: Compiled) -> None:
    result = compiled.result
    assert result.modified_bin_path is not None
    plain, modified = (load_spec(sidecar_path(p)) for p in (result.bin_path, result.modified_bin_path))
    assert plain.simulated and plain.stage == "bin" and plain.march == "bayes-e"
    assert plain.input.kind == "nv12" and plain.preprocess.color_range == "full"
    assert {head.dtype for head in plain.outputs} == {"float32"}
    raw = {head.role: head for head in modified.outputs}
    assert raw["box"].dtype == raw["mask"].dtype == "int32" and raw["class"].dtype == raw["proto"].dtype == "float32"
    assert len(raw["box"].scale) == raw["box"].shape[-1] and raw["box"].axis == 3
    for spec in (plain, modified):
        for part, path in (("model", None), ("quantized", result.quantized_path)):
            name = spec.files[part].name
            assert spec.files[part].sha256 == sha256_file(path or result.bin_path.with_name(name))


def test_the_modified_bin_gives_the_same_numbers(compiled: Compiled) -> None:
    result = compiled.result
    assert result.modified_bin_path is not None
    assert len(read_sim_bin(result.modified_bin_path).removed) == 6
    floats, raws = (edgekit.load(p) for p in (result.bin_path, result.modified_bin_path))
    x, _ = floats.prepare(image(9))
    whole, raw = floats.infer(x), raws.infer(x)
    for head in load_spec(sidecar_path(result.modified_bin_path)).outputs:
        values = raw[head.name]
        if head.dtype == "int32":
            assert values.dtype == np.int32
            values = values.astype(np.float32) * np.asarray(head.scale, np.float32)
        assert np.array_equal(values, whole[head.name])


def test_integers_find_what_floats_find(compiled: Compiled) -> None:
    heads = edgekit.load(compiled.yaml.parent / "tiny_heads.onnx", conf=0.4)
    device = edgekit.load(compiled.result.bin_path, conf=0.3)
    expected, found = heads.predict(image(1)), device.predict(image(1))
    assert len(detections(expected).scores) > 0
    matched = [
        any(
            c == d and np.abs(np.asarray(a) - np.asarray(b)).max() < 6
            for b, d in zip(detections(found).boxes_xyxy, detections(found).class_ids, strict=True)
        )
        for a, c in zip(detections(expected).boxes_xyxy, detections(expected).class_ids, strict=True)
    ]
    assert np.mean(matched) >= 0.9


def test_the_log_reads_like_the_vendors_and_says_simulated(compiled: Compiled) -> None:
    path = compiled.result.log_path
    assert "simulated" in path.read_text().splitlines()[0]
    log = parse_mapper(read_lines(path))
    assert log.simulated and log.finished and log.march == "bayes-e" and log.prefix == "tiny"
    assert log.calibration.samples == 3 and log.calibration.method == "max"
    assert not log.estimates  # no speed is made up
    cosines = {row.name: row.cosine for row in log.output_rows}
    assert cosines == pytest.approx(dict(compiled.result.output_cosines), abs=1e-6)
    rows = {row.name: row for row in log.nodes}
    assert {name for name, row in rows.items() if row.cosine is not None} == set(compiled.result.node_cosines)
    assert {row.dtype for row in log.nodes} == {"int8", "int16"} and {row.on for row in log.nodes} == {"BPU"}
    assert all(row.threshold for row in log.nodes if row.cosine is not None)


def test_quant_info_has_thresholds_and_cosines(compiled: Compiled) -> None:
    nodes = {node.name: node for node in read_quant_info(compiled.result.files["quant_info"])}
    first = nodes["HZ_PREPROCESS_FOR_images"]
    assert first.thresholds == ((127.0,),) and first.cosine and first.cosine > 0.99
    swish = next(node for node in nodes.values() if node.type == "HzSwish")
    assert swish.thresholds[0][0] > 0 and swish.cosine


def test_the_same_work_gives_the_same_bytes(compiled: Compiled, tmp_path: Path) -> None:
    yaml = make_work(tmp_path / "again", task="segment", kind="nv12")
    again = compile_model(yaml, toolchain="sim")
    for part, path in again.files.items():
        if part != "log":  # the log has the time
            assert path.read_bytes() == compiled.result.files[part].read_bytes(), part


def test_the_search_takes_the_best_method(tmp_path: Path) -> None:
    yaml = make_work(tmp_path, calibration="default", images=2)
    result = compile_model(yaml, toolchain="sim")
    lines = result.log_path.read_text().splitlines()
    scores = {
        line.split("Method ")[1].split(": mean")[0]: float(line.rsplit(" ", 1)[1])
        for line in lines
        if "Method " in line
    }
    assert list(scores) == ["max", "max-percentile:percentile=0.99995", "kl:num_bins=1024"]  # the vendor's, no more
    selected = next(line.split("Select ")[1].removesuffix(" method.") for line in lines if "Select " in line)
    assert scores[selected] == max(scores.values())
    assert parse_mapper(read_lines(result.log_path)).calibration.method == selected


def test_node_info_makes_int16_where_it_says(compiled: Compiled, tmp_path: Path) -> None:
    work = _copy(compiled, tmp_path)
    asked = "  node_info: {/model.1/conv/Conv: {'ON': BPU, InputType: int16, OutputType: int16}}\n  march"
    work.write_text(work.read_text().replace("  march", asked))
    result = compile_model(work, toolchain="sim")
    assert any("int16 as the yaml asks: 3 tensors" in note for note in result.notes)
    rows = {row.name: row for row in parse_mapper(read_lines(result.log_path)).nodes}
    before = {row.name: row for row in parse_mapper(read_lines(compiled.result.log_path)).nodes}
    changed = {name for name, row in rows.items() if name in before and row.dtype != before[name].dtype}
    assert changed == {"/model.0/act/Mul", "/model.1/conv/Conv", "/model.1/act/Mul"}  # each reads int16
    assert {rows[name].type for name in changed} == {"HzLut2Layer", "HzSQuantizedConv"}
    assert {name: row.threshold for name, row in rows.items()} == {name: row.threshold for name, row in before.items()}


@pytest.mark.parametrize(("word", "outputs"), [("set_all_nodes_int16", False), ("set_model_output_int16", True)])
def test_int16_by_optimization(compiled: Compiled, tmp_path: Path, word: str, outputs: bool) -> None:
    work = _copy(compiled, tmp_path)
    work.write_text(work.read_text().replace("  max_percentile", f"  optimization: {word}\n  max_percentile"))
    result = compile_model(work, toolchain="sim")
    graph = onnx.load(result.quantized_path).graph
    heads = [node for node in graph.node if node.op_type == "HzDequantize"]
    makers = {name: node for node in graph.node for name in node.output}
    widths = {a.i for head in heads for a in makers[head.input[0]].attribute if a.name == "output_bit"}
    assert widths == {16}  # as on the board: no accumulators any more
    wide = {row.name for row in parse_mapper(read_lines(result.log_path)).nodes if row.dtype == "int16"}
    assert ("/model.0/act/Mul" in wide) is not outputs
    assert min(result.output_cosines.values()) >= min(compiled.result.output_cosines.values()) - 0.002
    spec = load_spec(sidecar_path(result.modified_bin_path or result.bin_path))
    assert {head.dtype for head in spec.outputs} == {"float32"}


@pytest.mark.parametrize("family", ["yolo11", "yolov9"])
def test_other_families_compile(tmp_path: Path, family: str) -> None:
    result = compile_model(make_work(tmp_path, family=family, calibration="kl", images=2), toolchain="sim")
    assert min(result.output_cosines.values()) > 0.96


def test_bernoulli2_has_no_16_bits(tmp_path: Path) -> None:
    yaml = make_work(tmp_path, task="segment", march="bernoulli2", images=1)
    result = compile_model(yaml, toolchain="sim")
    assert "HzLut2Layer" not in result.log_path.read_text()
    assert any("bernoulli2" in note for note in result.notes)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (("calibration_type: max", "calibration_type: load"), ConfigError, "calibration_type is 'load'"),
        (("  max_percentile", "  per_channel: true\n  max_percentile"), ConfigError, "per_channel is True"),
        (("  max_percentile", "  run_on_cpu: a\n  max_percentile"), ConfigError, "run_on_cpu is set"),
        (("input_layout_train: NCHW", "input_layout_train: NHWC"), ConfigError, "input_layout_train NHWC is set"),
        (("  input_type_train", "  input_name: frame\n  input_type_train"), ConfigError, "input_name is 'frame'"),
        (("  input_type_train", "  input_shape: 1x3x8x8\n  input_type_train"), ConfigError, "input_shape"),
        (
            ("  march", "  node_info: {/model.1/conv/Convv: {OutputType: int16}}\n  march"),
            ConfigError,
            "node_info names '/model.1/conv/Convv'",
        ),
        (
            ("  max_percentile", "  optimization: set_model_output_int8\n  max_percentile"),
            ConfigError,
            "optimization set_model_output_int8 is set",
        ),
        (("march: bayes-e", "march: pentium"), ConfigError, "pentium"),
        (("calibration_type: max", "calibration_tipe: max"), ConfigError, "calibration_tipe"),
        (("./tiny_heads.onnx", "./gone.onnx"), ModelError, "gone.onnx"),
        (("./calibration_data", "./nowhere"), DataError, "nowhere"),
        (("scale_value: 0.003921568627451", "scale_value: 1 2"), ConfigError, "scale_value"),
    ],
)
def test_illegal_yaml_is_refused_before_any_work(
    compiled: Compiled, tmp_path: Path, change: tuple[str, str], kind: type[EdgekitError], words: str
) -> None:
    work = _copy(compiled, tmp_path)
    text = work.read_text()
    assert change[0] in text
    work.write_text(text.replace(*change))
    with pytest.raises(kind, match=words) as caught:
        compile_model(work, toolchain="sim")
    assert caught.value.hint and "\n" not in caught.value.message
    assert sorted(p.name for p in (work.parent / "out").iterdir()) == sorted(
        p.name for p in (compiled.yaml.parent / "out").iterdir()
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: [p.unlink() for p in data.iterdir()], "no calibration files"),
        (lambda data: (data / "1.rgbchw").write_bytes(b"short"), "1.rgbchw has 5 bytes, expected"),
        (lambda data: (data / "1.rgbchw").write_bytes(b"\0\0\xc0\x7f" * (3 * 64 * 96)), "1.rgbchw.*not finite"),
    ],
)
def test_a_spoiled_calibration_set_is_named(compiled: Compiled, tmp_path: Path, spoil, words: str) -> None:  # type: ignore[no-untyped-def]
    work = _copy(compiled, tmp_path)
    spoil(work.parent / "calibration_data")
    with pytest.raises(DataError, match=words) as caught:
        compile_model(work, toolchain="sim")
    assert caught.value.hint


def test_a_sidecar_of_another_model_is_refused(compiled: Compiled, tmp_path: Path) -> None:
    work = _copy(compiled, tmp_path)
    sidecar = work.parent / "tiny_heads.json"
    sidecar.write_text(sidecar.read_text().replace('"name": "proto"', '"name": "protoplasm"'))
    with pytest.raises(ModelError, match="protoplasm"):
        compile_model(work, toolchain="sim")


def _copy(compiled: Compiled, folder: Path) -> Path:
    shutil.copytree(compiled.yaml.parent, folder / "work")
    return folder / "work" / compiled.yaml.name
