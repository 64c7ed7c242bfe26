"""hb_mapper behind the compile seam: stages, failures, breaks at every place, and what a build writes down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.binary.bin_format import read_bin
from edgekit.compilation.build import CompileResult, compile_model
from edgekit.errors import ConfigError, DataError, EdgekitError, ModelError, OutputError, ToolchainError
from edgekit.files import write_json
from edgekit.ptq import load_config
from edgekit.spec import load_spec
from tests.compilation.toolchain.stand_in import HEADS, StandIn, alive, compiled_bin, make_work, small_spec
from tests.conftest import ROOT

ALL_CALLS = ["hb_mapper checker", "hb_mapper makertbin", "hb_model_modifier", "hb_model_info"]
# Every place where the stand-in can break, and the calls that a second run has to make.
PLACES = {
    "checker:start": ALL_CALLS,
    "checker:end": ALL_CALLS,
    "makertbin:prepare": ALL_CALLS[1:],
    "makertbin:optimize": ALL_CALLS[1:],
    "makertbin:calibrate": ALL_CALLS[1:],
    "makertbin:quantize": ALL_CALLS[1:],
    "makertbin:compile": ALL_CALLS[1:],
    "makertbin:pack": ALL_CALLS[1:],
    "hb_model_modifier:start": ALL_CALLS[2:],
    "hb_model_info:start": ALL_CALLS[2:],
}
ERROR = "2026-01-02 03:04:05,678 \x1b[91mERROR\x1b[0m "
BUILD_ERROR = ERROR + "*** ERROR-OCCUR-DURING {horizon_nn.build_onnx} ***, error message: "
# Known failures as the tools print them: (lines, words of our message, words of the hint).
FAILURES = {
    "opset": (
        [BUILD_ERROR + "The opset version of the model is 17, the maximum supported version is 11."],
        "17",
        "opset=11",
    ),
    "outputs": ([BUILD_ERROR + "tool limits for max output num is 32"], "32", "edgekit cut"),
    "calibration": (
        [
            ERROR + "load cal data for input 'images' error",
            ERROR + "cannot reshape array of size 25 into shape (1,3,64,64)",
        ],
        "25 values",
        "edgekit calibrate",
    ),
    "cpu": ([BUILD_ERROR + "HorizonRT not support these cpu operators: ['Einsum']"], "Einsum", "edgekit cut"),
    "hbdk": ([BUILD_ERROR + "hbdk-cc compile hbir model failed with returncode -9"], "hbdk-cc", "O0"),
    "nothing": ([BUILD_ERROR + "There is no node can execute on BPU"], "BPU", "convolutions"),
    "library": (
        ["sh: 1: hbdk-config: not found", BUILD_ERROR + "can not find hbdk library"],
        "hbdk library",
        "setuptools",
    ),
}


def build(work: Path, **options: object) -> CompileResult:
    return compile_model(work, **{"toolchain": "hb_mapper", **options})  # type: ignore[arg-type]


def calls(stand_in: StandIn) -> list[str]:
    """What was called beside questions for versions."""
    return [call for call in stand_in.calls if call in ALL_CALLS]


def test_a_build_has_all_its_parts(stand_in: StandIn, work: Path) -> None:
    result = build(work)
    assert calls(stand_in) == ALL_CALLS and not result.simulated and not result.reused
    assert all(path.is_file() for path in result.files.values())
    assert result.node_cosines == {"/conv": 0.999871}
    assert result.modified_bin_path == work.parent / "model_output" / "small_modified.bin"
    assert not (work.parent / "model_output" / "unfinished").exists()
    assert not (work.parent / "model_output" / ".hb_check").exists()


def test_the_sidecars_say_what_the_files_are(stand_in: StandIn, work: Path) -> None:
    result = build(work)
    plain, stripped = (load_spec(result.files[f"{part}_sidecar"]) for part in ("bin", "modified_bin"))
    assert {head.dtype for head in plain.outputs} == {"float32"}
    assert {head.name: head.dtype for head in stripped.outputs} == {
        "box_8": "int32",
        "class_8": "float32",
        "mask_8": "int32",
        "proto": "float32",
    }
    assert stripped.head("box").scale == (0.5,) * 64 and stripped.head("box").axis == 3
    assert (stripped.stage, stripped.march, stripped.input.kind) == ("bin", "bayes-e", "nv12")
    assert stripped.files["quantized"].name == result.quantized_path.name
    assert stripped.tools["hb_mapper"] == "1.24.3"
    quantized = load_spec(result.files["quantized_sidecar"])
    assert (quantized.stage, quantized.outputs) == ("quantized", stripped.outputs)


def test_buildinfo_has_commands_versions_times_and_hashes(stand_in: StandIn, work: Path) -> None:
    result = build(work)
    info = json.loads((work.parent / "model_output" / "buildinfo.json").read_text())
    assert [command[0] for command in info["record"]["commands"]] == [call.split()[0] for call in ALL_CALLS]
    assert info["record"]["versions"] == {"hb_mapper": "1.24.3", "hbdk": "3.49.15", "hbdk_runtime": "3.15.55.0"}
    assert {"checker", "makertbin", "makertbin.calibrate", "makertbin.compile", "strip"} <= set(
        info["record"]["seconds"]
    )
    assert info["record"]["stripped"] == list(read_bin(result.files["modified_bin"]).deleted_nodes)
    assert info["inputs"]["hb_mapper"].startswith("hb_mapper 1.24.3") and info["outputs"]["small.bin"]


def test_progress_goes_by_stage_with_percentages(stand_in: StandIn, work: Path) -> None:
    reports: list[tuple[str, int, int]] = []
    build(work, progress=lambda *report: reports.append(report))
    stages = list(dict.fromkeys(name for name, _, _ in reports))
    inner = ["prepare", "optimise", "calibrate", "quantize", "compile", "pack"]
    assert stages == ["look at the calibration data", "checker", *inner, "makertbin", "strip"]
    assert [report for report in reports if report[0] == "calibrate"][1:4] == [("calibrate", n, 3) for n in (0, 1, 2)]
    assert ("compile", 50, 100) in reports and ("compile", 100, 100) in reports


def test_the_same_folder_is_not_compiled_twice(stand_in: StandIn, work: Path) -> None:
    build(work)
    stand_in.forget()
    assert build(work).reused and calls(stand_in) == []


def test_a_changed_yaml_is_compiled_again_and_another_level_too(stand_in: StandIn, work: Path) -> None:
    build(work)
    stand_in.forget()
    assert not build(work, optimize="O0").reused and calls(stand_in) == ALL_CALLS
    built = load_config(work.parent / "model_output" / work.name)
    assert built.compiler_parameters.optimize_level == "O0"
    assert load_config(work).compiler_parameters.optimize_level == "O3"


def test_a_model_without_anything_to_strip(stand_in: StandIn, tmp_path: Path) -> None:
    spec = small_spec([head for head in HEADS if head.role in ("class", "proto")])
    plain = tmp_path / "plain_only"
    plain.write_bytes(compiled_bin(spec))
    stand_in.play(plain=str(plain))
    result = build(make_work(tmp_path / "classes", spec))
    assert result.modified_bin_path is None and "modified_bin_sidecar" not in result.files
    assert any("no Dequantize node" in note for note in result.notes)


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("place", ["checker:start", "makertbin:prepare"])
def test_every_known_failure_has_its_cause_and_cure(stand_in: StandIn, work: Path, name: str, place: str) -> None:
    lines, cause, cure = FAILURES[name]
    stand_in.play(fail=place, lines=lines)
    with pytest.raises(ToolchainError) as caught:
        build(work)
    assert cause in caught.value.message and cure in caught.value.hint
    log = work.parent / "model_output" / "unfinished" / f"{place.split(':')[0]}_console.log"
    assert str(log) in caught.value.hint and lines[-1] in log.read_text()


def test_an_unknown_failure_shows_the_decisive_lines(stand_in: StandIn, work: Path) -> None:
    lines = [ERROR + "the flux is not capacitated", *["noise"] * 50, ERROR + "giving up"]
    stand_in.play(fail="makertbin:quantize", lines=lines, code=7)
    with pytest.raises(ToolchainError, match=r"exit code 7: the flux is not capacitated \| giving up"):
        build(work)


def test_a_silent_failure_and_a_kill_for_memory(stand_in: StandIn, work: Path) -> None:
    stand_in.play(fail="makertbin:compile", lines=[], code=137)
    with pytest.raises(ToolchainError, match="was killed by SIGKILL") as caught:
        build(work)
    assert "memory" in caught.value.hint


def test_a_full_disk(stand_in: StandIn, work: Path) -> None:
    stand_in.play(fail="makertbin:calibrate", lines=[ERROR + "[Errno 28] No space left on device: 'x.onnx'"])
    with pytest.raises(OutputError, match="the disk is full") as caught:
        build(work)
    assert "run the same command again" in caught.value.hint


def test_a_tool_that_claims_success_without_a_model(stand_in: StandIn, work: Path) -> None:
    stand_in.play(forget_bin=True)
    with pytest.raises(ToolchainError, match=r"wrote no small\.bin"):
        build(work)


@pytest.mark.parametrize(("place", "left"), PLACES.items(), ids=PLACES)
def test_a_failure_at_every_place_and_what_is_left_to_do(
    stand_in: StandIn, work: Path, place: str, left: list[str]
) -> None:
    stand_in.play(fail=place, lines=["boom"])
    with pytest.raises(ToolchainError):
        build(work)
    assert not list((work.parent / "model_output").glob("*.bin"))
    stand_in.forget()
    stand_in.play(fail=None)
    assert not build(work).reused and calls(stand_in) == left


IN_THE_GATE = ("checker:start", "makertbin:calibrate", "hb_model_info:start")  # a process each: the others are slow


@pytest.mark.parametrize(
    ("place", "left"),
    [
        pytest.param(place, left, id=place, marks=() if place in IN_THE_GATE else pytest.mark.slow)
        for place, left in PLACES.items()
    ],
)
def test_ctrl_c_at_every_place_stops_all_children_and_the_next_run_goes_on(
    stand_in: StandIn, work: Path, place: str, left: list[str]
) -> None:
    """A process of its own, as a user has it, while the tool computes silently with a child of its own."""
    stand_in.play(hang=place)
    command = [sys.executable, "-m", "edgekit", "compile", str(work), "--toolchain", "hb_mapper"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    pids = _wait_for_pids(stand_in)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130 and b"Traceback" not in said
    assert not any(map(alive, pids))
    stand_in.forget()
    stand_in.play(hang=None)
    assert not build(work).reused and calls(stand_in) == left


def _wait_for_pids(stand_in: StandIn) -> list[int]:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if (stand_in.folder / "pids").exists() and (pids := stand_in.pids()):
            return pids
        time.sleep(0.02)
    raise AssertionError("the stand-in was never reached")


def test_an_older_build_survives_a_failure(stand_in: StandIn, work: Path) -> None:
    older = build(work).bin_path.read_bytes()
    stand_in.play(fail="makertbin:compile", lines=["boom"])
    with pytest.raises(ToolchainError):
        build(work, optimize="O0")
    assert (work.parent / "model_output" / "small.bin").read_bytes() == older
    assert build(work).reused  # as it was, with all its files


def test_changed_inputs_do_not_go_on_with_stages_of_the_old_ones(stand_in: StandIn, work: Path) -> None:
    stand_in.play(fail="makertbin:compile", lines=["boom"])
    with pytest.raises(ToolchainError):
        build(work)
    stand_in.forget()
    stand_in.play(fail=None)
    build(work, optimize="O1")
    assert calls(stand_in) == ALL_CALLS


def test_two_builds_in_one_folder_at_once(stand_in: StandIn, work: Path) -> None:
    stand_in.play(hang="makertbin:compile")
    command = [sys.executable, "-m", "edgekit", "compile", str(work), "--toolchain", "hb_mapper"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        _wait_for_pids(stand_in)
        with pytest.raises(OutputError, match=f"is in use by process {process.pid}"):
            build(work)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=300)


def test_a_missing_command(stand_in: StandIn, work: Path) -> None:
    (stand_in.folder / "hb_model_info").unlink()
    with pytest.raises(ToolchainError, match="no hb_model_info"):
        build(work)


def test_no_toolchain_at_all(no_toolchain: Path, work: Path) -> None:
    with pytest.raises(ToolchainError, match="cannot be used here"):
        build(work)


def test_a_toolchain_of_another_version_than_the_recorded_one(stand_in: StandIn, work: Path) -> None:
    build(work)
    kept = {path.name: path.read_bytes() for path in (work.parent / "model_output").iterdir()}
    from edgekit.compilation.toolchain import find

    stand_in.play(version="1.25.0")
    find._query_version.cache_clear()
    with pytest.raises(ToolchainError, match=r"built with hb_mapper 1\.24\.3.* is hb_mapper 1\.25\.0"):
        build(work)
    assert {path.name: path.read_bytes() for path in (work.parent / "model_output").iterdir()} == kept


def test_a_yaml_for_another_march(stand_in: StandIn, tmp_path: Path) -> None:
    yaml_path = make_work(tmp_path / "b2", small_spec(march="bayes-e"), march="bernoulli2")
    with pytest.raises(ConfigError, match=r"march 'bernoulli2'.*'bayes-e'"):
        build(yaml_path)
    assert calls(stand_in) == []


def test_a_bin_of_another_march_than_the_yaml(stand_in: StandIn, tmp_path: Path) -> None:
    """The tool's result is not trusted either."""
    yaml_path = make_work(tmp_path / "b2", small_spec(), march="bernoulli2")
    with pytest.raises(EdgekitError, match="'bayes-e'"):
        build(yaml_path)


def test_calibration_files_of_the_wrong_size(stand_in: StandIn, work: Path) -> None:
    path = work.parent / "calibration_data" / "1.rgbchw"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match=r"1\.rgbchw has \d+ bytes, expected"):
        build(work)
    assert calls(stand_in) == []


def test_a_work_folder_that_was_edited(stand_in: StandIn, work: Path) -> None:
    from edgekit.files import sha256_file

    heads = work.parent / "small_heads.onnx"
    write_json(work.parent / "manifest.json", {"files": [{"name": heads.name, "sha256": sha256_file(heads)}]})
    build(work)
    heads.write_bytes(heads.read_bytes() + b"\x00")
    with pytest.raises((DataError, ModelError)):
        build(work)


def test_docker_compiles_the_same_way(
    stand_in: StandIn, work: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tests.compilation.toolchain.stand_in import make_stand_in

    docker = make_stand_in(tmp_path / "docker", small_spec(), commands=["docker"])
    monkeypatch.setenv("PATH", os.environ["PATH"].replace(str(stand_in.folder), str(docker.folder)))
    result = build(work, toolchain="docker")
    assert result.toolchain == "docker" and result.modified_bin_path is not None
    assert result.record["location"].startswith("docker: openexplorer/")
    docker.play(fail="docker:start", lines=["docker: Cannot connect to the Docker daemon."], code=125)
    with pytest.raises(ToolchainError, match="docker says: docker: Cannot connect"):
        build(work, toolchain="docker", optimize="O0")


def test_a_link_where_the_build_goes_is_an_error_in_two_lines(
    stand_in: StandIn, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgekit.cli.main import main

    (work.parent / "model_output").write_text("in the way")
    assert main(["compile", str(work), "--toolchain", "hb_mapper"]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error:", "hint:"))]
    assert len(said) == 2


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB; skips where the user may not mount one."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a tiny file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_really_full(stand_in: StandIn, tiny_disk: Path, work: Path) -> None:
    """Said as what it is; nothing half-written is left, and it goes on behind the checker when there is room."""
    small = tiny_disk / "model_output"
    yaml_path = work.with_name("full.yaml")
    yaml_path.write_text(work.read_text().replace("model_output", str(small)))
    ballast = stand_in.folder / "ballast"
    ballast.write_bytes(bytes(300 << 10))
    stand_in.play(quantized=str(ballast))
    with pytest.raises(OutputError, match="the disk is full|No space left"):  # the tool meets it first, or our log
        build(yaml_path)
    assert not list(small.glob("*.bin"))
    stand_in.forget()
    stand_in.play(quantized=str(stand_in.folder / "quantized"))
    assert build(yaml_path).modified_bin_path is not None
    assert calls(stand_in) == ALL_CALLS[1:]
