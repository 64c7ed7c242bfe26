"""The compile seam with a compiler of our own behind it: jobs, reuse, interruption, errors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edgekit.compilation import build, registry
from edgekit.compilation.build import compile_model
from edgekit.compilation.job import load_job
from edgekit.compiler_api import Built, CompileJob
from edgekit.errors import ConfigError, DataError, EdgekitError, ModelError, OutputError, ToolchainError
from edgekit.files import sha256_file
from edgekit.progress import Progress
from tests.sim.compiler.works import make_work
from tests.test_folder_lock import held


class FakeCompiler:
    """Writes what a build must have; counts its builds; fails as it is told."""

    simulated = False
    builds = 0
    reason: str | None = None
    fail: BaseException | None = None
    forget = False

    def missing(self) -> str | None:
        return FakeCompiler.reason

    def version(self) -> str:
        return "7"

    def build(self, job: CompileJob, build_dir: Path, *, progress: Progress) -> Built:
        FakeCompiler.builds += 1
        assert not list(build_dir.iterdir())
        (build_dir / "m.bin").write_bytes(b"bin")
        if FakeCompiler.fail is not None:
            raise FakeCompiler.fail
        if not FakeCompiler.forget:
            (build_dir / "m.onnx").write_bytes(b"graph")
        (build_dir / "m.log").write_text("log")
        (build_dir / "extra.html").write_text("unnamed files move, too")
        parts = {"bin": "m.bin", "quantized": "m.onnx", "log": "m.log"}
        return Built(parts, {"box": 0.99}, {"conv": 0.98}, ("a note",))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(registry, "BUILT_IN", {"fake": f"{__name__}:FakeCompiler"})
    for name, value in (("builds", 0), ("reason", None), ("fail", None), ("forget", False)):
        monkeypatch.setattr(FakeCompiler, name, value)
    return make_work(tmp_path / "work", images=2)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_files_move_up_when_all_are_whole(work: Path) -> None:
    result = compile_model(work, toolchain="fake")
    assert names(work.parent / "out") == {"m.bin", "m.onnx", "m.log", "extra.html", "buildinfo.json"}
    assert result.bin_path.read_bytes() == b"bin" and result.log_path.name == "m.log"
    assert result.modified_bin_path is None and result.sidecar_paths == ()
    assert result.output_cosines == {"box": 0.99} and result.notes == ("a note",) and not result.simulated


def test_unchanged_work_is_reused(work: Path) -> None:
    first = compile_model(work, toolchain="fake")
    again = compile_model(work, toolchain="fake")
    assert FakeCompiler.builds == 1 and again.reused and not first.reused
    assert again.files == first.files and again.node_cosines == first.node_cosines


@pytest.mark.parametrize("what", ["yaml", "image", "more images", "output", "optimize", "record"])
def test_whatever_changed_is_built_again(work: Path, what: str) -> None:
    compile_model(work, toolchain="fake")
    data = work.parent / "calibration_data"
    if what == "yaml":
        work.write_text(work.read_text().replace("max_percentile: 1.0", "max_percentile: 0.999"))
    elif what == "image":
        content = bytearray((data / "0.rgbchw").read_bytes())
        content[0] ^= 1
        (data / "0.rgbchw").write_bytes(content)
    elif what == "more images":
        (data / "9.rgbchw").write_bytes((data / "0.rgbchw").read_bytes())
    elif what == "output":
        (work.parent / "out" / "m.bin").write_bytes(b"edited")
    elif what == "record":
        (work.parent / "out" / "buildinfo.json").write_text('{"toolchain": 3}')
    result = compile_model(work, toolchain="fake", optimize="O1" if what == "optimize" else None)
    assert FakeCompiler.builds == 2 and not result.reused and result.bin_path.read_bytes() == b"bin"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ToolchainError("died", hint="wait")])
def test_a_failed_build_leaves_the_old_one(work: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_model(work, toolchain="fake")
    before = {path.name: path.read_bytes() for path in (work.parent / "out").iterdir()}
    monkeypatch.setattr(FakeCompiler, "fail", error)
    work.write_text(work.read_text() + "\n# changed\n")
    with pytest.raises(type(error)):
        compile_model(work, toolchain="fake")
    assert {path.name: path.read_bytes() for path in (work.parent / "out").iterdir()} == before


def test_files_without_successor_go_unless_edited(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_model(work, toolchain="fake")
    out = work.parent / "out"
    record = json.loads((out / "buildinfo.json").read_text())
    for name, now in (("old.log", b"old"), ("mine.log", b"mine")):
        (out / name).write_bytes(now)
        record["outputs"][name] = "0" * 64 if name == "mine.log" else sha256_file(out / name)
    (out / "buildinfo.json").write_text(json.dumps(record))
    compile_model(work, toolchain="fake", optimize="O2")
    assert "mine.log" in names(out) and "old.log" not in names(out)


def test_a_simulated_build_never_replaces_a_real_one(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_model(work, toolchain="fake")
    monkeypatch.setitem(registry.BUILT_IN, "sim", "edgekit.sim.compiler.compile:SimCompiler")
    with pytest.raises(OutputError, match="holds a build by fake"):
        compile_model(work, toolchain="sim")
    assert (work.parent / "out" / "m.bin").read_bytes() == b"bin"


def test_leftovers_of_a_killed_run_vanish(work: Path) -> None:
    leftover = work.parent / "out" / build.BUILD_FOLDER
    leftover.mkdir(parents=True)
    (leftover / "half.bin").write_bytes(b"half")
    compile_model(work, toolchain="fake")
    assert not leftover.exists()


def test_a_compiler_that_forgets_a_file_is_caught(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCompiler, "forget", True)
    with pytest.raises(ToolchainError, match="without writing its quantized"):
        compile_model(work, toolchain="fake")
    assert not (work.parent / "out").exists()


def test_unknown_and_missing_toolchains(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="'gcc', expected auto or one of fake"):
        compile_model(work, toolchain="gcc")
    monkeypatch.setattr(FakeCompiler, "reason", "it is not installed")
    with pytest.raises(ToolchainError, match="it is not installed"):
        compile_model(work, toolchain="fake")


def test_auto_prefers_the_real_one_where_it_is_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = f"{__name__}:FakeCompiler"
    monkeypatch.setattr(registry, "BUILT_IN", {"hb_mapper": fake, "sim": "edgekit.sim.compiler.compile:SimCompiler"})
    monkeypatch.setattr(FakeCompiler, "reason", None)
    assert registry.choose_compiler("auto")[0] == "hb_mapper"
    monkeypatch.setattr(FakeCompiler, "reason", "not installed")
    name, compiler = registry.choose_compiler("auto")
    assert name == "sim" and compiler.simulated


def test_the_job_has_absolute_checked_values(work: Path) -> None:
    job = load_job(work, optimize="O2")
    assert job.input_shape == (1, 3, 64, 96) and job.input_name == "images"
    assert [p.name for p in job.calibration_files] == ["0.rgbchw", "1.rgbchw"]
    assert job.onnx_path.is_absolute() and job.working_dir == (work.parent / "out").resolve()
    assert job.optimize_level == "O2" and load_job(work).optimize_level == "O0"


def test_an_edited_work_folder_is_named(work: Path) -> None:
    data = work.parent / "calibration_data" / "0.rgbchw"
    entries = [
        {"name": "tiny_heads.onnx", "sha256": sha256_file(work.parent / "tiny_heads.onnx")},
        {"name": "tiny.yaml", "sha256": "0" * 64},  # editing the yaml is how one tunes
        {"name": "calibration_data/0.rgbchw", "sha256": sha256_file(data)},
    ]
    manifest = work.parent / "manifest.json"
    manifest.write_text(json.dumps({"files": entries}))
    load_job(work)
    data.write_bytes(bytes(len(data.read_bytes())))
    with pytest.raises(DataError, match=r"0.rgbchw has changed since edgekit calibrate"):
        load_job(work)
    data.unlink()
    with pytest.raises(DataError, match=r"0.rgbchw is missing"):
        load_job(work)
    manifest.write_text(json.dumps({"files": [{"name": "../outside", "sha256": "0" * 64}]}))
    with pytest.raises(DataError, match="inside the folder"):
        load_job(work)


@pytest.mark.parametrize("field", ["onnx_model", "cal_data_dir", "working_dir", "output_model_file_prefix"])
@pytest.mark.parametrize("value", ["p" * 5000, "d/" * 2500, "n" * 300])
def test_a_path_that_no_file_can_have_is_refused_in_two_lines(work: Path, field: str, value: str) -> None:
    lines = [f"  {field}: {value}" if line.strip().startswith(f"{field}:") else line for line in work.open()]
    work.write_text("\n".join(line.rstrip("\n") for line in lines))
    if field == "output_model_file_prefix" and "/" not in value:
        assert load_job(work).prefix == value  # the compiler's own files say whether the disk takes it
        return
    with pytest.raises(EdgekitError) as caught:
        compile_model(work, toolchain="fake")
    assert caught.value.hint and "\n" not in caught.value.message


@pytest.mark.parametrize(
    "files",
    [
        [{"name": ["a"], "sha256": "0" * 64}],
        [{"name": "a" * 5000, "sha256": "0" * 64}],
        [{"name": "a\0b", "sha256": "0" * 64}],
        [{"name": "tiny_heads.onnx", "sha256": 10**400}],
        [{"name": 3, "sha256": "0" * 64}],
        [{}],
        ["tiny_heads.onnx"],
        {"tiny_heads.onnx": None},
    ],
    ids=lambda files: repr(files)[:40],
)
def test_a_manifest_of_foreign_values_is_refused_in_two_lines(work: Path, files: object) -> None:
    (work.parent / "manifest.json").write_text(json.dumps({"files": files}))
    with pytest.raises(DataError) as caught:
        load_job(work)
    assert caught.value.hint and "\n" not in caught.value.message


@pytest.mark.parametrize(
    "changes",
    [
        {"parts": {"bin": 3}},
        {"parts": {"bin": "../../elsewhere.bin", "quantized": "m.onnx", "log": "m.log"}},
        {"outputs": ["m.bin"]},
        {"outputs": {"m.bin": None}},
        {"output_cosines": {"box": "high"}},
        {"output_cosines": {"box": 10**400}},
        {"node_cosines": [1]},
        {"notes": "text"},
        {"notes": [[]]},
        {"record": []},
    ],
    ids=lambda changes: repr(changes)[:40],
)
def test_a_damaged_record_of_a_build_is_built_again(work: Path, changes: dict[str, object]) -> None:
    compile_model(work, toolchain="fake")
    path = work.parent / "out" / "buildinfo.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    again = compile_model(work, toolchain="fake")
    assert not again.reused and again.output_cosines == {"box": 0.99}


@pytest.mark.parametrize("level", ["O9", "o1", "fast"])
def test_illegal_optimize_level(work: Path, level: str) -> None:
    with pytest.raises(ConfigError, match="optimize_level"):
        load_job(work, optimize=level)


def test_missing_sidecar_and_foreign_onnx(work: Path) -> None:
    sidecar = work.parent / "tiny_heads.json"
    text = sidecar.read_text()
    sidecar.unlink()
    with pytest.raises(ModelError, match="tiny_heads.json is missing"):
        load_job(work)
    sidecar.write_text(text)
    (work.parent / "tiny_heads.onnx").write_bytes(b"no onnx at all")
    with pytest.raises(ModelError, match="cannot be read as ONNX"):
        load_job(work)


def test_files_that_no_build_left_there_are_replaced_only_when_asked(tmp_path: Path) -> None:
    yaml = make_work(tmp_path, images=1)
    mine = tmp_path / "out" / "tiny_modified.json"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(OutputError, match=r"tiny_modified.json exists already") as caught:
        compile_model(yaml, toolchain="sim")
    assert "--overwrite" in caught.value.hint
    assert [path.name for path in mine.parent.iterdir()] == [mine.name]
    assert mine.read_text() == "mine"
    assert not compile_model(yaml, toolchain="sim", overwrite=True).reused
    assert compile_model(yaml, toolchain="sim").reused
    mine.write_text("changed")
    assert not compile_model(yaml, toolchain="sim").reused  # the folder holds a build: it is made again


def test_the_sidecar_that_a_build_reads_is_never_replaced_by_its_own(tmp_path: Path) -> None:
    yaml = make_work(tmp_path, images=1)
    text = yaml.read_text()
    onnx = tmp_path / "tiny_heads.onnx"
    sidecar = onnx.with_suffix(".json")
    before = sidecar.read_bytes()
    text = re.sub(r"output_model_file_prefix:.*", f"output_model_file_prefix: {onnx.stem}", text)
    yaml.write_text(re.sub(r"working_dir:.*", "working_dir: '.'", text))
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=f"{sidecar.name}, which is read"):
            compile_model(yaml, toolchain="sim", overwrite=overwrite)
    assert sidecar.read_bytes() == before


def test_a_build_killed_while_its_files_are_moved_can_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yaml = make_work(tmp_path, images=1)

    def killed(folder: Path, info: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("edgekit.compilation.build.write_buildinfo", killed)
        with pytest.raises(KeyboardInterrupt):
            compile_model(yaml, toolchain="sim")
    assert (tmp_path / "out" / "tiny.bin").is_file()
    assert not compile_model(yaml, toolchain="sim").reused
    assert compile_model(yaml, toolchain="sim").reused


def test_a_second_compile_in_one_folder_says_who_is_at_work(work: Path) -> None:
    with held(work.parent / "out", "compile") as process:
        with pytest.raises(OutputError, match=rf"out is in use by process {process.pid}"):
            compile_model(work, toolchain="fake")
        assert FakeCompiler.builds == 0
    assert compile_model(work, toolchain="fake").bin_path.read_bytes() == b"bin"  # the killed one's lock is taken over
    assert "buildinfo.json" in names(work.parent / "out")
    assert not [name for name in names(work.parent / "out") if name.endswith(".lock")]


def test_an_unchanged_build_is_reused_while_somebody_holds_the_lock(work: Path) -> None:
    compile_model(work, toolchain="fake")
    with held(work.parent / "out", "compile"):
        assert compile_model(work, toolchain="fake").reused
