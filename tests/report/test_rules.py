"""Every rule on both sides of its bound, and where it has nothing to look at."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edgekit.calibration.checks import Warned
from edgekit.calibration.data_check import DataCheck
from edgekit.report import rules
from edgekit.report.finding import Finding
from edgekit.report.report import make_report
from edgekit.report.verdict import judge
from tests.logs import synthetic
from tests.logs.synthetic_bin import compiled_bin
from tests.report.builds import build_of

NODES = synthetic.NODES
EVEN = tuple(replace(n, cosine=None if n.cosine is None else 0.999) for n in NODES)  # no fall anywhere
GOOD_HEADS = tuple(replace(h, cosine=0.999) for h in synthetic.HEADS)


def findings(folder, **files) -> dict[str, Finding]:
    return {f.rule: f for f in make_report(build_of(folder, **files)).verdict.findings}


def heads(cosine: float):
    return (replace(synthetic.HEADS[0], cosine=cosine), *GOOD_HEADS[1:])


def makertbin(**options) -> str:
    return synthetic.makertbin(**{"nodes": EVEN, "heads": GOOD_HEADS, **options})


def test_a_flawless_build_has_no_finding(tmp_path):
    assert findings(tmp_path, log=makertbin()) == {}


def test_every_rule_is_tested_here():
    names = {rule.__name__ for rule in rules.RULES}
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert names <= tested


def test_build_failed(tmp_path):
    found = findings(tmp_path, log=synthetic.failed())
    assert found["build_failed"].severity == "stop"
    assert "opset 17" in found["build_failed"].title
    assert "opset=11" in found["build_failed"].action
    assert "build_unfinished" not in found


def test_build_unfinished(tmp_path):
    whole = makertbin()
    assert "build_unfinished" not in findings(tmp_path / "whole", log=whole)
    tail = findings(tmp_path / "tail", log=whole[: whole.index("The quantized model output")])
    assert tail["build_unfinished"].severity == "warn"
    early = findings(tmp_path / "early", log=whole[: whole.index("Select max")])
    assert early["build_unfinished"].severity == "stop"
    assert "calibrate the model" in early["build_unfinished"].title


@pytest.mark.parametrize(("samples", "found"), [(19, True), (20, False)])
def test_few_samples(tmp_path, samples, found):
    assert ("few_samples" in findings(tmp_path, log=makertbin(samples=samples))) is found


@pytest.mark.parametrize(("cosine", "severity"), [(0.99, None), (0.989999, "warn"), (0.95, "warn"), (0.949999, "bad")])
def test_low_output(tmp_path, cosine, severity):
    finding = findings(tmp_path, log=makertbin(heads=heads(cosine))).get("low_output")
    assert (finding.severity if finding else None) == severity
    if finding:
        assert finding.value == cosine
        assert finding.action.startswith("edgekit tune, which measures")  # this build used 'default' already


def test_low_output_names_what_was_measured_of_the_model(tmp_path):
    nodes = [{"node": "/model.0/conv/Conv", "loss_alone": 0.4}]
    measured = {"measure": "errors", "baseline": {"int8": 1.0, "tuned": 0.5}, "nodes": nodes}
    (tmp_path / "sensitivity.json").write_text(json.dumps(measured))
    action = findings(tmp_path, log=makertbin(heads=heads(0.96)))["low_output"].action
    assert action.startswith("edgekit tune measured this model (/model.0/conv/Conv loses most in int8)")


def test_low_output_of_another_method_names_the_searching_one(tmp_path):
    log = makertbin(heads=heads(0.96)).replace("calibration_type: default", "calibration_type: max")
    action = findings(tmp_path, log=log)["low_output"].action
    assert "edgekit tune" in action and "0.9999" not in action


def test_studio_range(tmp_path):
    studio = synthetic.CONFIG.replace("  norm_type", "  input_space_and_range: bt601_video\n  norm_type")
    assert "studio_range" in findings(tmp_path / "a", log=makertbin(config=studio))
    full = studio.replace("bt601_video", "regular")
    assert "studio_range" not in findings(tmp_path / "b", log=makertbin(config=full))


@pytest.mark.parametrize(("level", "found"), [("O0", True), ("O2", True), ("O3", False)])
def test_optimize_level(tmp_path, level, found):
    config = synthetic.CONFIG.replace("O3", level)
    assert ("optimize_level" in findings(tmp_path, log=makertbin(config=config))) is found


@pytest.mark.parametrize(("cosine", "found"), [(0.979, True), (0.979001, False)])
def test_falling_node(tmp_path, cosine, found):
    nodes = tuple(replace(n, cosine=cosine) if n.name == "/model.1/act/Mul" else n for n in EVEN)
    finding = findings(tmp_path / "a", log=makertbin(nodes=nodes)).get("falling_node")
    assert (finding is not None) is found
    if finding:
        assert finding.severity == "note"  # every output is good all the same
        suffering = findings(tmp_path / "b", log=makertbin(nodes=nodes, heads=heads(0.98)))["falling_node"]
        assert suffering.severity == "warn"
        assert "'/model.1/act/Mul': {'ON': 'BPU', 'OutputType': 'int16'}" in suffering.action


def test_cpu_nodes(tmp_path):
    softmax = synthetic.Node("/model.2/Softmax", "Softmax", 0.999, None, "float", "CPU")
    inner = findings(tmp_path / "a", log=makertbin(nodes=(*EVEN[:4], softmax, *EVEN[4:])))["cpu_nodes"]
    assert (inner.severity, inner.value) == ("warn", 1)
    assert "2 copies" in inner.title
    assert "set_Softmax_input_int8" in inner.action
    last = findings(tmp_path / "b", log=makertbin(nodes=(*EVEN, softmax)))["cpu_nodes"]
    assert last.severity == "note"


def test_dequantize_left(tmp_path):
    found = findings(tmp_path / "a", log=makertbin(), bin=compiled_bin())
    assert "dequantize_left" not in found  # 64x96: too small to matter
    large = tuple(replace(h, shape=(1, 80, 80, h.shape[3])) for h in GOOD_HEADS)
    info = synthetic.board_info().replace("(1,8,12,", "(1,80,80,").replace("TYPE_S32", "TYPE_F32")
    files = {"log": makertbin(heads=large), "board": info, f"{synthetic.PREFIX}_quant_info": synthetic.quant_info()}
    moved = findings(tmp_path / "b", **files)["dequantize_left"]
    assert moved.value == 80 * 80 * (64 + 80 + 32) * 8 + 16 * 24 * 32 * 6  # proto: int16 in, float32 out
    assert moved.action == f"strip the model: edgekit strip {synthetic.PREFIX}.bin"
    gone = findings(tmp_path / "c", log=makertbin(heads=large), board=info, modifier=synthetic.modifier(removed=True))
    assert "dequantize_left" not in gone


@pytest.mark.parametrize(("latency_ms", "found"), [(6.4, False), (6.6, True)])  # the estimate is 4.9875 ms
def test_slower_than_static(tmp_path, latency_ms, found):
    perf = synthetic.board_perf(latency_ms=latency_ms)
    assert ("slower_than_static" in findings(tmp_path / "a", log=makertbin(), perf=perf)) is found
    two_threads = synthetic.board_perf(2, latency_ms)
    assert "slower_than_static" not in findings(tmp_path / "b", log=makertbin(), perf=two_threads)


def test_runtime_versions(tmp_path):
    assert "runtime_versions" in findings(tmp_path / "a", log=makertbin(), board=synthetic.board_info())
    same = synthetic.board_info().replace("3.15.54.0", "3.15.55.0")
    assert "runtime_versions" not in findings(tmp_path / "b", log=makertbin(), board=same)


def test_tool_notes(tmp_path):
    line = "2025-07-23 15:00:00,000 WARNING got unexpected input threshold on conv /model.0/conv/Conv! value: 0.0"
    text = makertbin().replace("End Model Convert", "End Model Convert\n" + line)
    found = findings(tmp_path, log=text)["tool_notes"]
    assert "/model.0/conv/Conv" in found.title


@pytest.mark.parametrize(("share", "found"), [(0.49, True), (0.5, False)])
def test_waiting_for_memory(tmp_path, share, found):
    static = json.loads(synthetic.static_perf())
    static["summary"]["interval computing unit utilization"] = [share, share]
    assert ("waiting_for_memory" in findings(tmp_path, log=makertbin(), static=json.dumps(static))) is found


@pytest.mark.parametrize(("count", "found"), [(1, False), (2, True)])
def test_many_int16(tmp_path, count, found):
    nodes = [synthetic.Node(f"/model.{i}/Conv", dtype="int16" if i < count else "int8") for i in range(10)]
    assert ("many_int16" in findings(tmp_path, log=makertbin(nodes=nodes))) is found


def test_checker_only(tmp_path):
    assert "checker_only" in findings(tmp_path / "a", log=synthetic.checker())
    assert "checker_only" not in findings(tmp_path / "b", checker=synthetic.checker(), log=makertbin())


def test_simulated(tmp_path):
    first = f"{synthetic.DAY} 15:00:00,000 INFO edgekit 0.1 simulated compiler: no vendor tool was involved\n"
    found = findings(tmp_path, log=first + makertbin(console=True).split("hb_mapper version 1.24.3\n")[1])
    assert found["simulated"].severity == "note"


@pytest.mark.parametrize(("cosine", "grade"), [(0.999, "good"), (0.98, "usable"), (0.94, "poor")])
def test_the_grade_follows_the_gravest_finding(tmp_path, cosine, grade):
    verdict = make_report(build_of(tmp_path, log=makertbin(heads=heads(cosine)))).verdict
    assert verdict.grade == grade
    assert f"{cosine:.4f}" in verdict.sentence
    assert verdict.next_step


def test_no_grade_without_cosines_and_failed_before_all(tmp_path):
    assert make_report(build_of(tmp_path / "a", log=synthetic.checker())).verdict.grade == "unknown"
    failed = make_report(build_of(tmp_path / "b", log=synthetic.failed()))
    assert failed.verdict.grade == "failed"
    assert "opset=11" in failed.verdict.next_step


def test_the_next_step_is_that_of_the_first_gravest_finding(tmp_path):
    report = make_report(build_of(tmp_path, log=makertbin(heads=heads(0.94), samples=5)))
    assert [f.rule for f in report.verdict.findings][:2] == ["low_output", "few_samples"]
    assert report.verdict.next_step.startswith("edgekit tune, which measures other ranges")
    assert judge(report.facts) == report.verdict


def test_the_real_builds(shared_data):
    from edgekit.report.gather import collect

    grades = {b.name: make_report(b).verdict.grade for b in collect(shared_data / "horizon" / "logs").builds}
    assert grades == {
        "yolo11n_cls_detect_bayese_640x640_nv12": "unknown",
        "yolo11n_detect_bayese_640x640_nv12": "good",
        "yolov8n_cls_detect_bayese_640x640_nv12": "usable",
        "yolov8n_instance_seg_bayese_640x640_nchw": "poor",
        "yolov8n_seg_bayese_640x640_nv12": "usable",
    }


def first_threshold(value: float | None):
    return tuple(replace(n, threshold=value) if n.name == "/model.0/conv/Conv" else n for n in EVEN)


@pytest.mark.parametrize(("threshold", "found"), [(1 / 255, True), (0.099, True), (0.101, False), (1.5, False)])
def test_dark_input(tmp_path, threshold, found):
    text = makertbin(nodes=first_threshold(threshold))
    finding = findings(tmp_path, log=text).get("dark_input")
    assert (finding is not None) is found
    if finding:
        assert finding.severity == "bad" and "expected about 1" in finding.title


@pytest.mark.parametrize("kinds", ["featuremap", "featuremap;rgb", "rgb;rgb;"])
def test_only_a_single_image_can_be_dark(tmp_path, kinds):
    config = synthetic.CONFIG.replace("input_type_rt: nv12", f"input_type_rt: {kinds}")
    assert config != synthetic.CONFIG
    assert "dark_input" not in findings(tmp_path, log=makertbin(nodes=first_threshold(0.01), config=config))


def test_dark_input_counts_from_the_yaml_s_normalisation(tmp_path):
    whole = synthetic.CONFIG.replace("data_scale", "no_preprocess").replace("  scale_value: '0.003921568627451'\n", "")
    found = findings(tmp_path / "a", log=makertbin(nodes=first_threshold(1.0), config=whole))
    assert "expected about 255" in found["dark_input"].title
    assert "dark_input" not in findings(tmp_path / "b", log=makertbin(nodes=first_threshold(255.0), config=whole))


def test_a_build_that_nothing_but_its_cosine_speaks_for_is_not_good(tmp_path):
    assert findings(tmp_path / "a", log=makertbin(nodes=first_threshold(1.0))) == {}
    report = make_report(build_of(tmp_path / "b", log=makertbin(nodes=first_threshold(None))))
    assert [finding.rule for finding in report.verdict.findings] == ["unproven_calibration"]
    assert report.verdict.grade == "usable"


def test_unproven_calibration(tmp_path):
    assert "unproven_calibration" in findings(tmp_path / "a", log=makertbin(nodes=first_threshold(None)))
    assert "unproven_calibration" not in findings(tmp_path / "b", log=synthetic.checker())  # no cosine to trust


def test_odd_calibration_data(tmp_path):
    check = DataCheck(20, 0, 255, 110, (0.1,), (Warned("blind", "the float model sees nothing", "give images"),))
    build = build_of(tmp_path, log=makertbin())
    assert make_report(build).verdict.grade == "good"
    verdict = make_report(replace(build, data_check=check)).verdict
    assert (verdict.grade, verdict.findings[0].title) == ("usable", "the float model sees nothing")
    assert make_report(replace(build, data_check=replace(check, warnings=()))).verdict.grade == "good"
