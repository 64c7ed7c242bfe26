"""What belongs together is found, in a file's neighbourhood, in one folder and in many."""

from __future__ import annotations

import json

import pytest

from edgekit.errors import DataError, EdgekitError, ModelError
from edgekit.report.gather import collect
from edgekit.report.report import make_report
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess, Role, spec_to_dict
from tests.logs import synthetic
from tests.logs.synthetic_bin import compiled_bin
from tests.report.builds import FOLDER_FILES, build_of, write_files
from tests.typed import required


def test_one_folder_is_one_build(tmp_path):
    found = collect(write_files(tmp_path, FOLDER_FILES))
    (build,) = found.builds
    assert found.left_aside == ()
    assert build.name == synthetic.PREFIX
    assert len(build.sources) == len(FOLDER_FILES)
    assert required(build.log).config is not None  # the file form tells more than the console
    assert (required(build.checker).tool, len(required(build.modifier).removed), required(build.static).fps) == (
        "checker",
        3,
        200.5,
    )
    assert build.perf[0].fps == 95.5
    assert build.quant_nodes
    assert len(build.deleted_nodes) == 1  # what the stripped model itself says counts before the log


def test_the_order_of_the_files_does_not_matter(tmp_path):
    renamed = {f"{chr(122 - i)}_{name.rpartition('/')[2]}": data for i, (name, data) in enumerate(FOLDER_FILES.items())}
    renamed = {(n if "quant_info" not in n else f"{synthetic.PREFIX}_quant_info.json"): d for n, d in renamed.items()}
    one = make_report(collect(write_files(tmp_path / "a", FOLDER_FILES)).builds[0])
    two = make_report(collect(write_files(tmp_path / "b", renamed)).builds[0])
    assert one.verdict == two.verdict
    assert one.facts.outputs == two.facts.outputs


def test_builds_of_one_name_in_several_folders_stay_apart(tmp_path):
    for i, cosine_day in enumerate(("kl", "max")):
        text = synthetic.makertbin(minute=i).replace("calibration_type: default", f"calibration_type: {cosine_day}")
        write_files(
            tmp_path / f"run_{cosine_day}",
            {"hb_mapper_makertbin.log": text, "model_output/main_graph_subgraph_0.json": synthetic.static_perf()},
        )
    builds = collect(tmp_path).builds
    assert [b.name for b in builds] == [f"run_kl/{synthetic.PREFIX}", f"run_max/{synthetic.PREFIX}"]
    assert [required(b.log).calibration.requested for b in builds] == ["kl", "max"]
    assert all(b.static is not None for b in builds)


def test_what_belongs_to_several_builds_is_left_aside_and_named(tmp_path):
    write_files(
        tmp_path,
        {
            "a.log": synthetic.makertbin(),
            "b.log": synthetic.makertbin(minute=9).replace(synthetic.PREFIX, "other"),
            "main_graph_subgraph_0.json": synthetic.static_perf(),
            "notes.txt": "prose\n",
            "foreign.log": "prose\n",
        },
    )
    found = collect(tmp_path)
    assert [b.name for b in found.builds] == ["other", synthetic.PREFIX]
    assert [path.name for path, _ in found.left_aside] == ["foreign.log", "main_graph_subgraph_0.json"]


def test_a_log_alone_takes_the_record_beside_it(tmp_path):
    write_files(tmp_path, FOLDER_FILES)
    build = collect(tmp_path / "hb_mapper_makertbin.log").builds[0]
    assert build.quant_nodes
    assert build.static is None  # it does not name its model


def test_two_bins_the_stripped_one_counts(tmp_path):
    build = build_of(tmp_path, a=compiled_bin(stripped=True), b=compiled_bin())
    assert len(build.deleted_nodes) == 3
    assert required(build.plain_bin).deleted_nodes == ()
    outputs = make_report(build).facts.outputs
    assert [(o.name, o.role, o.stride, o.dtype, o.dequantized_on_cpu) for o in outputs] == [
        ("box", "box", 8, "int32", False),
        ("cls", "class", 8, "int32", False),
        ("mask", "mask", 8, "int32", False),
        ("proto", "proto", 4, "float32", True),
    ]


def test_an_empty_folder_and_a_missing_one_are_refused(tmp_path):
    with pytest.raises(DataError, match="holds no log"):
        collect(tmp_path)
    with pytest.raises(EdgekitError, match="cannot be read"):
        collect(tmp_path / "none")


def test_the_real_folder(shared_data):
    (build,) = collect(shared_data / "horizon" / "yolov8n_seg_nv12").builds
    assert len(build.sources) == 10
    assert build.quantized_onnx is not None
    assert required(build.bin).deleted_nodes
    found = collect(shared_data / "horizon" / "logs")
    assert len(found.builds) == 5
    assert [path.name for path, _ in found.left_aside] == ["hb_model_modifier_2024_list.txt"]


HEAD_ROLES: tuple[Role, ...] = ("box", "class", "mask", "proto")  # of `synthetic.HEADS`


def sidecar(**changes):
    outputs = tuple(
        HeadSpec(h.name, role, h.shape, stride=4 if role == "proto" else 8)
        for h, role in zip(synthetic.HEADS, HEAD_ROLES, strict=True)
    )
    facts = {"stage": "bin", "march": "bayes-e", "simulated": True, "outputs": outputs, **changes}
    spec = ModelSpec("segment", ("thing",), InputSpec("images", "nv12"), Preprocess(96, 64), **facts)
    return json.dumps(spec_to_dict(spec))


def test_a_sidecar_tells_roles_and_a_simulated_bin(tmp_path):
    raw = tuple(HeadSpec(h.name, "box", h.shape, stride=8, dtype="int32", scale=(0.5,)) for h in synthetic.HEADS[:1])
    files = {
        "m.json": sidecar(),
        "m_modified.json": sidecar(outputs=raw),
        "m.bin": b"EDGEKIT-SIM 01 00000000\n",
        "m_heads.json": sidecar(stage="heads"),
        "edgekit_sim_compile.log": synthetic.makertbin().replace(synthetic.PREFIX, "m"),
    }
    (build,) = collect(write_files(tmp_path / "work", files)).builds
    assert (build.name, build.simulated, required(build.sidecar).stripped) == ("m", True, True)
    alone = collect(tmp_path / "work" / "m.bin").builds[0]
    outputs = make_report(alone).facts.outputs
    assert [(o.name, o.role, o.stride, o.dequantized_on_cpu) for o in outputs][1:3] == [
        ("cls", "class", 8, True),
        ("mask", "mask", 8, True),
    ]
    assert alone.march == "bayes-e"
    with pytest.raises(ModelError, match="without its sidecar"):
        collect(write_files(tmp_path / "bare", {"m.bin": b"EDGEKIT-SIM 01 00000000\n"}) / "m.bin")


def test_the_two_forms_of_a_failed_run_are_one_build(tmp_path):
    console = synthetic.failed()
    file = "\n".join(synthetic.makertbin().split("\n")[:34]) + "\n"  # it has come to the yaml, the console has not
    (build,) = collect(write_files(tmp_path, {"console.txt": console, "hb_mapper_makertbin.log": file})).builds
    assert build.name == synthetic.PREFIX


def test_the_sub_graphs_of_a_model_add_up(tmp_path):
    first = synthetic.static_perf()
    second = first.replace("main_graph_subgraph_0", "main_graph_subgraph_1")
    log = synthetic.makertbin()
    files = {"a_subgraph_0.json": first, "a_subgraph_1.json": second, "copy.json": first, "hb.log": log}
    (build,) = collect(write_files(tmp_path, files)).builds
    assert (required(build.static).latency_us, len(required(build.static).layers)) == (9975.0, 4)
    assert required(build.static).fps == pytest.approx(100.25, abs=0.01)
