"""Every other kind of file is read for what it says; what is none of ours is named and refused."""

from __future__ import annotations

import json

import pytest

from edgekit.errors import DataError, EdgekitError
from edgekit.logs.detect_kind import kind_of
from edgekit.logs.lines import MAX_LINE_CHARS, parse_line, read_lines
from edgekit.logs.read_log import read_file
from tests.logs import synthetic
from tests.logs.synthetic_bin import compiled_bin

FILES = {
    "mapper": synthetic.makertbin(),
    "modifier": synthetic.modifier(generation="2024"),
    "model_info": synthetic.model_info(),
    "board": synthetic.board_perf(),
    "static_perf": synthetic.static_perf(),
    "quant_info": synthetic.quant_info(),
}


def write(tmp_path, data: str | bytes, name: str = "file.log"):
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_known_by_its_content(tmp_path, kind):
    assert kind_of(write(tmp_path, FILES[kind], "anything.txt")) == kind


def test_a_bin_is_known_by_its_first_bytes(tmp_path):
    assert read_file(write(tmp_path, compiled_bin(), "m.bin")).content.march == "bayes-e"


def test_the_modifiers_listing(tmp_path):
    log = read_file(write(tmp_path, synthetic.modifier())).content
    assert log.model == f"{synthetic.PREFIX}.bin"
    assert [node.outputs for node in log.nodes] == [(h.name,) for h in synthetic.HEADS]
    assert log.nodes[0].inputs[1] == "/model.3/cv2.0/cv2.0.2/Conv_x_scale"
    assert log.deletable == tuple(node.name for node in log.nodes)
    assert (log.removed, log.saved_as, log.failure) == ((), "", None)


def test_the_modifiers_removal(tmp_path):
    log = read_file(write(tmp_path, synthetic.modifier(removed=True))).content
    assert log.requested == log.removed
    assert len(log.removed) == 3
    assert log.saved_as == f"{synthetic.PREFIX}_modified.bin"


def test_model_info(tmp_path):
    info = read_file(write(tmp_path, synthetic.model_info())).content
    assert info.name == synthetic.PREFIX
    assert info.versions == {"hb_mapper": "1.24.3", "hbdk_runtime": "3.15.55.0"}
    assert (info.input_types, info.output_types) == (("NV12",), ("INT32", "FLOAT"))
    assert info.deleted_nodes == ("/model.3/cv2.0/cv2.0.2/Conv_output_0_HzDequantize",)
    assert info.settings["calibration_parameters"]["calibration_type"] == "default"


def test_the_boards_tensors_and_measurements(tmp_path):
    log = read_file(
        write(tmp_path, synthetic.board_info() + synthetic.board_perf() + synthetic.board_perf(2, 11.0, 181.9))
    ).content
    assert (log.model, log.soc, log.builder, log.load_ms) == (synthetic.PREFIX, "x5", "1.24.3", 137.022)
    assert log.versions == {"bpu_platform": "1.3.6", "hbrt": "3.15.54.0", "dnn": "1.24.5"}
    assert [(t.name, t.kind, t.bytes) for t in log.inputs] == [("images", "NV12", 9216)]
    box = log.outputs[0]
    assert (box.name, box.shape, box.kind, box.layout) == ("box", (1, 8, 12, 64), "S32", "NHWC")
    assert (box.quantization, box.scales, box.axis) == ("SCALE", (0.5, 0.25, 1.5e-05), 3)
    assert [(r.threads, r.frames, r.latency_ms, r.fps) for r in log.perf] == [
        (1, 200, 10.4, 95.5),
        (2, 200, 11.0, 181.9),
    ]
    assert log.perf[0].latency_max_ms == 13.361


def test_a_version_mismatch_on_the_board_is_a_note(tmp_path):
    line = (
        "Model: m. Inconsistency between the hbrt library version 3.15.54.0 and the model build version 3.15.55.0 "
        "detected, in order to ensure correct model results\n"
    )
    log = read_file(write(tmp_path, synthetic.board_perf() + line)).content
    assert log.failure is None
    assert [note.kind for note in log.notes] == ["runtime_version"]


@pytest.mark.parametrize("as_objects", [False, True])
def test_layer_times_in_both_shapes(tmp_path, as_objects):
    perf = read_file(write(tmp_path, synthetic.static_perf(as_objects=as_objects), "p.json")).content
    assert (perf.fps, perf.latency_us, perf.ddr_bytes, perf.ops) == (200.5, 4987.5, 12345678, 12000000)
    assert [(x.name, x.ops, x.compute_us, x.transfer_us) for x in perf.layers] == [
        ("_model.0_conv", 113246208, 29.0, 267.0),
        ("_model.1_conv", 37748736, 1042.0, 156.0),
    ]
    assert perf.utilization == (0.5, 0.9, 0.4)


def test_a_static_file_with_nonsense_in_it_is_read_for_the_rest(tmp_path):
    summary = {
        "FPS": "fast",
        "latency (us)": float("nan"),
        "interval computing unit utilization": "x",
        "layer details": [1],
    }
    perf = read_file(write(tmp_path, json.dumps({"summary": summary}), "p.json")).content
    assert (perf.fps, perf.latency_us, perf.utilization, perf.layers) == (0.0, 0.0, (), ())


def edgekit_perf(device: str = "bpu") -> str:
    latency = {"mean": 6.5, "p50": 6.4, "p90": 7.0, "p99": 8.0, "min": 6.0, "max": 9.0}
    run = {"threads": 1, "frames": 200, "fps": 90.5, "stages": {"prepare": {**latency, "mean": 2.0}, "infer": latency}}
    value = {"edgekit": "0.1.0", "model": f"{synthetic.PREFIX}_modified.bin", "device": device, "machine": {}}
    return json.dumps({**value, "runs": [run, {"threads": "two"}]})


def test_what_edgekit_itself_measured_on_the_board(tmp_path):
    log = read_file(write(tmp_path, edgekit_perf(), "perf.json")).content
    assert log.model == f"{synthetic.PREFIX}_modified"
    (first,) = log.perf  # the other has no number
    assert (first.threads, first.frames, first.latency_ms, first.latency_max_ms, first.fps) == (1, 200, 6.5, 9.0, 90.5)


def test_speeds_of_a_simulated_device_are_refused(tmp_path):
    with pytest.raises(DataError, match="measured on 'sim'"):
        read_file(write(tmp_path, edgekit_perf("sim"), "perf.json"))


def test_quant_info(tmp_path):
    nodes = read_file(write(tmp_path, synthetic.quant_info(), "q.json")).content
    assert nodes[1].inputs == (nodes[0].outputs[0],)
    assert nodes[1].cosine == 0.9995
    assert nodes[-1].outputs == ("proto",)


HUGE = 10**400


def test_numbers_out_of_reach_in_a_quant_info_are_no_numbers(tmp_path):
    nodes = json.loads(synthetic.quant_info())
    values = ("9" * 5000, HUGE, "nan", float("inf"), "-inf", "1e999", True, [], None)
    for node, value in zip(nodes.values(), values, strict=False):
        node["cosine_similarity"] = value
        node["thresholds"] = [[HUGE, 1.5, float("nan"), "2"]]
    read = read_file(write(tmp_path, json.dumps(nodes), "q.json")).content
    count = min(len(values), len(read))
    assert [node.cosine for node in read[:count]] == [None] * count
    assert [node.thresholds for node in read[:count]] == [((1.5,),)] * count


def test_numbers_out_of_reach_in_measurements_are_no_numbers(tmp_path):
    summary = {"FPS": HUGE, "latency (us)": 10**300, "interval computing unit utilization": [HUGE, 0.5]}
    summary |= {"layer details": [{"layer": "a", "computing cost (no DDR)": "9" * 5000 + " us"}]}
    perf = read_file(write(tmp_path, json.dumps({"summary": summary}), "p.json")).content
    assert (perf.fps, perf.latency_us, perf.utilization) == (0.0, 0.0, (0.0, 0.5))
    assert perf.layers[0].compute_us == 0.0
    board = json.loads(edgekit_perf())
    board["runs"][0] |= {"threads": HUGE, "frames": HUGE}
    (run,) = read_file(write(tmp_path, json.dumps(board), "perf.json")).content.perf
    assert (run.threads, run.frames, run.fps) == (None, None, 90.5)


REFUSED = {
    "empty": (b"", "is empty"),
    "zip": (b"PK\x03\x04" + b"x" * 50, "zip archive"),
    "gzip": (b"\x1f\x8b\x08" + b"x" * 50, "gzip archive"),
    "image": (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "image"),
    "binary": (bytes(range(256)) * 20, "binary file"),
    "utf-16 without mark": (synthetic.makertbin().encode("utf-16-le"), "UTF-16 without its byte order mark"),
    "EBCDIC": (synthetic.makertbin().encode("cp500"), "binary file|not encoded in UTF-8"),
    "latin-1 prose": ("é à ü ö ".encode("latin-1") * 300, "not encoded in UTF-8"),
    "another tool": (
        b"[TRT] building engine\nRUNNING TensorRT.trtexec\n[TensorRT] done\n",
        "no log of this toolchain.*TensorRT",
    ),
    "S100's tool": (b"2025-01-01 10:00:00,000 INFO hb_compile version 3.0\nhmct: start\n", "hb_compile"),
    "prose": (b"Dear diary,\ntoday I compiled nothing.\n", "no log of this toolchain"),
    "other JSON": (b'{"task": "detect", "names": []}', 'JSON file of another kind.*"task"'),
    "broken JSON": (b'{"summary": {"FPS": 1', "cannot be read as JSON"),
    "deep JSON": (b'{"a":' * 100_000, "cannot be read as JSON"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_none_of_ours_is_named_and_refused(tmp_path, case):
    data, words = REFUSED[case]
    path = write(tmp_path, data, f"{case}.log")
    with pytest.raises(EdgekitError, match=words) as error:
        read_file(path)
    assert case in error.value.message
    assert error.value.hint


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.log", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            read_file(path)


def test_foreign_path_names_do_not_make_a_log_unreadable(tmp_path):
    text = synthetic.makertbin().encode().replace(b"/workspace/", "/模型/".encode("gbk"))
    assert len(read_file(write(tmp_path, text)).content.nodes) == len(synthetic.NODES)


def test_a_line_of_any_length_is_cut_and_the_next_one_read(tmp_path):
    text = "x" * (3 * MAX_LINE_CHARS + 7) + "\nnext\n" + "y" * (MAX_LINE_CHARS + 1) + "\nlast"
    lines = list(read_lines(write(tmp_path, text)))
    assert [(line.text[:4], line.complete) for line in lines] == [
        ("xxxx", False),
        ("next", True),
        ("yyyy", False),
        ("last", False),
    ]
    assert max(len(line.text) for line in lines) == MAX_LINE_CHARS


def test_a_line_loses_colour_stamp_and_the_progress_bar_before_it():
    line = parse_line(
        "calibration:  50%|███| 1/2 [00:05<00:05,  5.2s/it]2025-07-23 15:19:33,821 \x1b[93mWARNING\x1b[0m careful"
    )
    assert (line.text, line.level, line.stamp) == ("careful", "WARNING", "2025-07-23 15:19:33,821")
    assert parse_line("2025-07-23 15:19:33,821 file: a.py func: a line No: 7 said") == (
        "said", "2025-07-23 15:19:33,821", "", "a.py", True,
    )  # fmt: skip


def test_the_other_real_files(shared_data):
    folder = shared_data / "horizon" / "yolov8n_seg_nv12"
    listing = (folder / "hb_model_modifier_list.log").read_text()
    log = read_file(folder / "hb_model_modifier_list.log").content
    assert len(log.nodes) == listing.count('op_type: "') == 11
    assert len(log.deletable) == 10
    removed = (folder / "hb_model_modifier_remove.log").read_text()
    assert len(read_file(folder / "hb_model_modifier_remove.log").content.removed) == removed.count("is removed") == 6
    old = shared_data / "horizon" / "logs" / "hb_model_modifier_2024_list.txt"
    assert len(read_file(old).content.nodes) == old.read_text().count("op_type") == 6
    console = (folder / "hb_model_info_console.txt").read_text()
    assert (
        len(read_file(folder / "hb_model_info_console.txt").content.deleted_nodes)
        == console.count("deleted nodes: ")
        == 6
    )
    for name in ("yolov8n_seg", "yolo11n_cls"):
        path = shared_data / "horizon" / "logs" / f"hrt_model_exec_log_{name}.txt"
        assert len(read_file(path).content.outputs) == path.read_text().count("output[")
    static = read_file(folder / "main_graph_subgraph_0.json").content
    assert (static.fps, static.ddr_bytes, len(static.utilization)) == (195.2, 17769632, 26)
    assert len(read_file(folder / "yolov8n_seg_bayese_640x640_nv12_quant_info.json").content) == 193
