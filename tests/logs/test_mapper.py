"""A compile log is read whole in every form, and what is missing of it stays missing."""

from __future__ import annotations

import re

import pytest

from edgekit.logs.lines import read_lines
from edgekit.logs.mapper import parse_mapper
from tests.logs import synthetic


def parse(tmp_path, text: str):
    path = tmp_path / "hb_mapper_makertbin.log"
    path.write_bytes(text.encode())
    return parse_mapper(read_lines(path))


@pytest.mark.parametrize("console", [False, True])
def test_a_2025_log_in_both_forms(tmp_path, console):
    log = parse(tmp_path, synthetic.makertbin(console=console))
    assert (log.tool, log.generation, log.march, log.finished) == ("makertbin", "2025", "bayes-e", True)
    assert log.versions["hb_mapper"] == "1.24.3"
    assert log.versions["hbdk_runtime"] == "3.15.55.0"
    assert [(row.name, row.cosine) for row in log.nodes] == [(n.name, n.cosine) for n in synthetic.NODES]
    assert [(row.name, row.cosine, row.chebyshev) for row in log.output_rows] == [
        (h.name, h.cosine, h.chebyshev) for h in synthetic.HEADS
    ]
    assert [(t.name, t.shape) for t in log.outputs] == [(h.name, h.shape) for h in synthetic.HEADS]
    assert (log.estimates[0].fps, log.estimates[0].latency_us, log.estimates[0].ddr_bytes) == (200.5, 4987.5, 12345678)
    assert (log.calibration.samples, log.calibration.selected) == (50, "max-percentile:percentile=0.99995")
    assert log.setting("calibration_parameters", "calibration_type") == "default"
    assert log.prefix == synthetic.PREFIX
    assert (log.config is None) == console
    assert bool(log.warnings) == console


def test_the_yaml_as_used(tmp_path):
    log = parse(tmp_path, synthetic.makertbin())
    assert log.config["compiler_parameters"] == {"compile_mode": "latency", "debug": True, "optimize_level": "O3"}
    assert log.config["input_parameters"]["scale_value"] == "0.003921568627451"


def test_a_2024_log(tmp_path):
    log = parse(tmp_path, synthetic.makertbin(generation="2024"))
    assert (log.generation, log.finished, log.output_rows) == ("2024", False, ())
    assert len(log.nodes) == len(synthetic.NODES)
    requantize = next(row for row in log.nodes if row.type == "HzRequantize")
    assert (requantize.cosine, requantize.threshold, requantize.dtype) == (None, None, "int8/int8")
    assert requantize.truncated
    assert log.nodes[-2].out_dtype == "int32"


def test_a_checkers_log(tmp_path):
    log = parse(tmp_path, synthetic.checker())
    assert (log.tool, log.finished, log.output_rows) == ("checker", True, ())
    assert len(log.nodes) == len(synthetic.NODES)
    assert all(row.cosine is None and row.threshold == 1.0 for row in log.nodes)


def test_rows_on_the_cpu_and_a_blank_cosine_beside_a_threshold(tmp_path):
    text = synthetic.makertbin(
        nodes=[
            synthetic.Node("/a/Conv"),
            synthetic.Node("/b/Softmax", "Softmax", 0.99, None, "float", "CPU"),
            synthetic.Node("/c/Conv", cosine=None, threshold=2.0),
        ],
        generation="2024",
    )
    _, softmax, blank = parse(tmp_path, text).nodes
    assert (softmax.on, softmax.subgraph, softmax.dtype) == ("CPU", "", "float/float")
    assert (blank.cosine, blank.threshold) == (None, 2.0)


def test_an_older_table_without_a_data_type(tmp_path):
    lines = [
        "2022-01-01 10:00:00,000 file: build.py func: build line No: 1 The converted model node information:",
        "Node    ON   Subgraph  Type    Cosine Similarity  Threshold",
        "conv1   BPU  id(0)     HzConv  0.999981           12.500000",
        "soft    CPU  --        Softmax  0.999000",
    ]
    log = parse(tmp_path, "\n".join(lines) + "\n")
    assert [(row.name, row.cosine, row.threshold) for row in log.nodes] == [
        ("conv1", 0.999981, 12.5),
        ("soft", 0.999, None),
    ]


def test_only_the_last_run_of_an_appended_log_counts(tmp_path):
    first = synthetic.makertbin(fps=10.0, nodes=synthetic.NODES[:3])
    log = parse(tmp_path, first + synthetic.makertbin(minute=30))
    assert log.runs == 2
    assert log.estimates[0].fps == 200.5
    assert len(log.nodes) == len(synthetic.NODES)


def test_a_failed_run_says_why(tmp_path):
    log = parse(tmp_path, synthetic.failed())
    assert log.failure.kind == "opset"
    assert "opset 17" in log.failure.message
    assert not log.finished
    assert log.stages[-1].seconds is None


def test_stages_have_their_times(tmp_path):
    log = parse(tmp_path, synthetic.makertbin())
    assert {stage.name: stage.seconds for stage in log.stages} == {
        "prepare the onnx model": 2.0,
        "calibrate the model": 5.0,
        "compile the model": 4.0,
    }


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path):
    text = synthetic.makertbin()
    plain = parse(tmp_path, text)
    path = tmp_path / "windows.log"
    path.write_bytes(text.replace("\n", "\r\n").encode("utf-16"))
    assert parse_mapper(read_lines(path)) == plain


def test_a_simulated_compile_says_so(tmp_path):
    head = f"{synthetic.DAY} 10:00:00,000 INFO edgekit 0.1 simulated compiler: no vendor tool was involved\n"
    log = parse(tmp_path, head + synthetic.makertbin(console=True).split("hb_mapper version 1.24.3\n")[1])
    assert log.simulated
    assert len(log.nodes) == len(synthetic.NODES)


ROW = re.compile(rb"^\S.*\s(?:BPU|CPU)\s+(?:id\(\d+\)|--)\s", re.M)
OUTPUT_ROW = re.compile(rb"^\S+(?:\s+\d+\.\d{6}){4}\s*$", re.M)


def test_real_logs_parse_completely(shared_data):
    logs = sorted(p for p in (shared_data / "horizon").rglob("*") if "hb_mapper" in p.name or "makertbin" in p.name)
    assert len(logs) == 7
    for path in logs:
        data, log = path.read_bytes(), parse_mapper(read_lines(path))
        assert len(log.nodes) == len(ROW.findall(data)) > 50, path.name
        assert len(log.output_rows) == len(OUTPUT_ROW.findall(data)), path.name
        assert len(log.outputs) == data.split(b"Graph output:")[1].split(b"\n20")[0].count(b"shape="), path.name
        assert f"FPS={log.estimates[0].fps:g}".encode() in data
        assert f"latency = {log.estimates[0].latency_us} us".encode() in data
        assert f"DDR = {log.estimates[0].ddr_bytes} bytes".encode() in data
        assert log.march == "bayes-e"
        assert log.failure is None
        assert (log.generation == "2024") == ("2024" in path.name)
        if "2024" not in path.name:
            assert log.versions["hb_mapper"] == "1.24.3"
            assert log.finished
        assert sum(row.on == "CPU" for row in log.nodes) == len(re.findall(rb"(?m)^/.*\sCPU\s", data))


def test_the_two_forms_of_one_real_run_agree(shared_data):
    folder = shared_data / "horizon" / "yolov8n_seg_nv12"
    file, console = (
        parse_mapper(read_lines(folder / name)) for name in ("hb_mapper_makertbin.log", "makertbin_console.txt")
    )
    assert file.nodes == console.nodes
    assert file.output_rows == console.output_rows
    assert file.estimates == console.estimates
    assert file.calibration == console.calibration
    assert (file.config or {})["calibration_parameters"]["max_percentile"] == 0.9999
    assert console.setting("calibration_parameters", "max_percentile") == "0.9999"


def test_the_simulated_compilers_own_log(tmp_path):
    """Written by the compiler's own writer, so that a change of its shape is noticed here."""
    from edgekit.sim.compiler.log import BuildLog, LoggedNode, LoggedOutput

    log = BuildLog()
    log.add("march: bayes-e")
    log.add_config(synthetic.CONFIG)
    log.add_graph(11, {"images": (1, 3, 64, 96)}, {"box": (1, 8, 12, 64)})
    log.add("There are 8 samples in the data set.")
    log.add("Run calibration model with max | kl method.")
    log.add("Select max method.")
    log.add_nodes(
        [
            LoggedNode("/model.0/conv/Conv", "BPU", "HzSQuantizedConv", 0.999, 4.25, "int8"),
            LoggedNode("a name with blanks", "CPU", "Softmax", None, None, "float32"),
        ]
    )
    log.add_outputs([LoggedOutput("box", 0.9995, 0.1, 0.01, 1.5)])
    log.add("End Model Convert")
    parsed = parse(tmp_path, log.text)
    assert (parsed.tool, parsed.simulated, parsed.finished, parsed.march) == ("sim", True, True, "bayes-e")
    assert [(r.name, r.on, r.cosine, r.threshold, r.dtype) for r in parsed.nodes] == [
        ("/model.0/conv/Conv", "BPU", 0.999, 4.25, "int8"),
        ("a name with blanks", "CPU", None, None, "float32"),
    ]
    assert [(r.name, r.cosine, r.chebyshev) for r in parsed.output_rows] == [("box", 0.9995, 1.5)]
    assert (parsed.calibration.samples, parsed.calibration.method) == (8, "max")
    assert parsed.outputs[0].shape == (1, 8, 12, 64)
    assert parsed.config["model_parameters"]["march"] == "bayes-e"
