from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgekit.calibration import pipeline as calibrating
from edgekit.calibration.nv12_colors import limit_to_nv12
from edgekit.calibration.pipeline import calibrate
from edgekit.cli.main import main
from edgekit.errors import ConfigError, DataError, EdgekitError, ModelError, OutputError
from edgekit.files import sha256_file
from edgekit.ptq import load_config
from edgekit.spec import InputKind, load_spec
from tests.images import scene, write_images, write_video
from tests.tiny_yolo import save_tiny_yolo


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_yolo(tmp_path_factory.mktemp("model") / "tiny-seg.onnx", family="yolov8", task="segment")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 images that are only read; a test that changes them takes `own_images`."""
    folder = tmp_path_factory.mktemp("source") / "images"
    write_images(folder, 30)
    return folder


@pytest.fixture
def own_images(images: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(images, tmp_path / "images"))


@pytest.fixture(scope="module")
def calibrated(model: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, int], Path]:
    """`calibrated(work, num)` copies a finished set of `num` samples to `work`; each is made once."""
    finished: dict[int, Path] = {}

    def copy(work: Path, num: int) -> Path:
        if num not in finished:
            finished[num] = tmp_path_factory.mktemp("finished") / "w"
            calibrate(model, images, finished[num], num=num)
        return Path(shutil.copytree(finished[num], work))

    return copy


def content(folder: Path) -> dict[str, str]:
    """Every file below `folder` with its hash."""
    return {p.relative_to(folder).as_posix(): sha256_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def read_manifest(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "manifest.json").read_text()))


def test_a_image_whose_name_is_not_utf8_is_chosen_with_the_others(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = write_images(tmp_path / "images", 3)
    odd = os.fsdecode(b"caf\xe9.png")
    paths[1].rename(tmp_path / "images" / odd)
    (tmp_path / "images" / os.fsdecode(b"bad\xe9.png")).write_bytes(b"no image")
    args = ["calibrate", "--model", str(model), "--images", str(tmp_path / "images"), "--select", "first", "--json"]
    assert main([*args, "--num", "3", "-o", str(tmp_path / "work")]) == 0
    said = json.loads(capfd.readouterr().out)
    assert sorted(said["chosen"]) == sorted(["image_000.png", "image_002.png", odd])
    assert [one["name"] for one in said["dropped"]] == [os.fsdecode(b"bad\xe9.png")]
    assert odd in json.dumps(read_manifest(tmp_path / "work"), ensure_ascii=False)
    assert len(list((tmp_path / "work" / "calibration_data").iterdir())) == 3


def test_the_work_folder_is_complete_and_its_parts_fit(model: Path, images: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    result = calibrate(model, images, work, num=24)
    names = sorted(p.relative_to(work).as_posix() for p in work.iterdir())
    assert names == [
        "calibration_data",
        "manifest.json",
        "tiny-seg_heads.json",
        "tiny-seg_heads.onnx",
        "tiny_seg_bayese_96x64_nv12.yaml",
    ]
    assert result.yaml_path == work / "tiny_seg_bayese_96x64_nv12.yaml" and not result.reused
    config = load_config(result.yaml_path)
    assert (work / config.model_parameters.onnx_model).samefile(result.model_path)
    assert (work / config.inputs[0].cal_data_dir).samefile(result.data_dir)
    assert (config.inputs[0].type_rt, config.inputs[0].shape) == ("nv12", (1, 3, 64, 96))
    files = sorted(result.data_dir.iterdir())
    assert len(files) == 24 == len(result.selection.chosen)
    assert {f.stat().st_size for f in files} == {3 * 64 * 96 * 4}
    spec = load_spec(work / "tiny-seg_heads.json")
    assert spec.files["model"].sha256 == sha256_file(result.model_path)
    assert spec.files["stock"].sha256 == sha256_file(model)
    onnx.checker.check_model(onnx.load(str(result.model_path)))
    assert result.warnings == ()


def test_the_manifest_names_every_file_with_hash_origin_arguments_and_versions(
    model: Path, own_images: Path, tmp_path: Path
) -> None:
    (own_images / "broken.jpg").write_bytes(b"broken")
    calibrate(model, own_images, tmp_path / "work", num=5, seed=7)
    manifest = read_manifest(tmp_path / "work")
    listed = {entry["name"]: entry["sha256"] for entry in manifest["files"]}
    on_disk = content(tmp_path / "work")
    del on_disk["manifest.json"]
    assert listed == on_disk
    sample = next(e for e in manifest["files"] if e["name"].startswith("calibration_data/000_"))
    assert sample["source_sha256"] == sha256_file(own_images / sample["source"])
    assert manifest["request"]["seed"] == 7 and manifest["request"]["num"] == 5
    assert manifest["preprocess"]["letterbox_wh"] == [96, 64] and manifest["preprocess"]["pad_value"] == 114
    assert [d["name"] for d in manifest["selection"]["dropped"] if d["reason"] == "undecodable"] == ["broken.jpg"]
    assert {"edgekit", "numpy", "opencv", "onnx"} <= set(manifest["versions"])


def test_the_same_call_gives_the_same_bytes(
    model: Path, images: Path, calibrated: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    calibrated(tmp_path / "a", 6)
    calibrate(model, images, tmp_path / "b", num=6)
    assert content(tmp_path / "a") == content(tmp_path / "b")


@pytest.mark.parametrize("kind", ["rgb", "bgr", "yuv444"])
def test_the_samples_do_not_depend_on_what_the_board_feeds(
    model: Path, images: Path, calibrated: Callable[[Path, int], Path], tmp_path: Path, kind: InputKind
) -> None:
    """They are in the colours of training; the yaml says what comes at run time. NV12 cannot hold all of them."""
    calibrated(tmp_path / "nv12", 3)
    result = calibrate(model, images, tmp_path / kind, num=3, input_kind=kind)
    assert load_config(result.yaml_path).inputs[0].type_rt == kind
    files, in_nv12 = (sorted((tmp_path / name / "calibration_data").iterdir()) for name in (kind, "nv12"))
    assert [file.name for file in files] == [file.name for file in in_nv12] and len(files) == 3
    _, _, height, width = load_config(result.yaml_path).inputs[0].shape
    for whole, limited in zip(files, in_nv12, strict=True):
        rgb, expected = (np.fromfile(file, "<f4").reshape(3, height, width) for file in (whole, limited))
        bgr = np.ascontiguousarray(rgb[::-1].transpose(1, 2, 0).astype(np.uint8))
        assert np.array_equal(limit_to_nv12(bgr)[..., ::-1].transpose(2, 0, 1), expected)


def test_calibration_options_reach_the_yaml(model: Path, images: Path, tmp_path: Path) -> None:
    result = calibrate(
        model, images, tmp_path / "w", num=2, calibration="max", max_percentile=0.9999, march="bernoulli2"
    )
    config = load_config(result.yaml_path)
    assert config.calibration_parameters.calibration_type == "max"
    assert config.calibration_parameters.max_percentile == 0.9999
    assert config.model_parameters.march == "bernoulli2"


def test_a_cut_model_is_taken_as_it_is(model: Path, images: Path, tmp_path: Path) -> None:
    first = calibrate(model, images, tmp_path / "a", num=2)
    second = calibrate(first.model_path, images, tmp_path / "b", num=2)
    assert second.model_path.name == first.model_path.name
    assert sha256_file(second.model_path) == sha256_file(first.model_path)
    assert second.spec.outputs == first.spec.outputs
    assert second.yaml_path.name == first.yaml_path.name


def test_a_video(model: Path, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "drive.avi", 60)
    result = calibrate(model, clip, tmp_path / "w", num=5, select="first")
    assert [one.image.frame for one in result.selection.chosen] == [6, 18, 30, 42, 54]
    assert sorted(p.name for p in result.data_dir.iterdir())[1] == "001_drive_f000018.rgbchw"
    assert [e["frame"] for e in read_manifest(tmp_path / "w")["files"] if "frame" in e] == [6, 18, 30, 42, 54]


def test_a_finished_call_says_so_and_touches_nothing(
    model: Path, images: Path, calibrated: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    work = calibrated(tmp_path / "w", 4)
    times = {p: p.stat().st_mtime_ns for p in work.rglob("*")}
    again = calibrate(model, images, work, num=4)
    assert again.reused and len(again.selection.chosen) == 4
    assert {p: p.stat().st_mtime_ns for p in work.rglob("*")} == times


def test_a_damaged_set_is_fixed_and_an_edited_yaml_is_kept(model: Path, images: Path, tmp_path: Path) -> None:
    work = tmp_path / "w"
    result = calibrate(model, images, work, num=4)
    whole = content(work)
    first, second, *_ = sorted(result.data_dir.iterdir())
    first.write_bytes(b"damaged")
    second.unlink()
    assert not calibrate(model, images, work, num=4).reused
    assert content(work) == whole
    edited = result.yaml_path.read_text().replace("optimize_level: O3", "optimize_level: O0")
    result.yaml_path.write_text(edited)
    assert calibrate(model, images, work, num=4).reused
    second.unlink()
    calibrate(model, images, work, num=4)
    assert result.yaml_path.read_text() == edited


@pytest.fixture(scope="module")
def with_dropped(model: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A set, and its source, of which one image was dropped."""
    folder = tmp_path_factory.mktemp("dropped")
    source = Path(shutil.copytree(images, folder / "images"))
    (source / "broken.jpg").write_bytes(b"no image")
    calibrate(model, source, folder / "w", num=2, select="diverse")
    return folder / "w", source


def damaged(manifest: dict[str, Any], location: str, value: object) -> dict[str, Any]:
    """`manifest` with the value at `location` ("a.b.0") replaced."""
    *way, last = (int(step) if step.isdecimal() else step for step in location.split("."))
    holder: Any = manifest
    for step in way:
        holder = holder[step]
    holder[last] = value
    return manifest


@pytest.mark.parametrize("value", ["text", 10**400, [[1]], None, {"a": 1}], ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize(
    "location",
    [
        "selection.chosen.0.stats.mean_rgb",
        "selection.chosen.0.stats.width",
        "selection.chosen.0.stats",
        "selection.chosen.0.nearest_rms",
        "selection.chosen.0.frame",
        "selection.chosen",
        "selection.dropped.0",
        "selection.offered",
        "files",
        "files.0",
        "files.0.name",
        "files.0.sha256",
    ],
)
def test_a_manifest_of_foreign_values_is_refused_in_two_lines(
    model: Path, with_dropped: tuple[Path, Path], tmp_path: Path, location: str, value: object
) -> None:
    finished, source = with_dropped
    work = Path(shutil.copytree(finished, tmp_path / "w"))
    manifest = read_manifest(work)
    assert manifest["selection"]["dropped"]
    (work / "manifest.json").write_text(json.dumps(damaged(manifest, location, value)))
    if location in ("files.0.name", "files.0.sha256") and value == "text":
        assert not calibrate(model, source, work, num=2).reused  # a file that is not there: written again
        return
    with pytest.raises(EdgekitError, match="manifest.json") as caught:
        calibrate(model, source, work, num=2)
    assert caught.value.hint and "\n" not in caught.value.message


@pytest.mark.parametrize(
    "changes", [{"num": 5}, {"seed": 1}, {"input_kind": "rgb"}, {"select": "first"}, {"march": "bayes"}]
)
def test_a_folder_of_another_call_is_refused(
    model: Path, images: Path, calibrated: Callable[[Path, int], Path], tmp_path: Path, changes: dict[str, Any]
) -> None:
    calibrated(tmp_path / "w", 4)
    before = content(tmp_path / "w")
    with pytest.raises(OutputError, match="holds the set of another call") as caught:
        calibrate(model, images, tmp_path / "w", **{"num": 4, **changes})
    name = "input" if "input_kind" in changes else next(iter(changes))
    assert f"{name} was" in caught.value.message
    assert content(tmp_path / "w") == before


def test_changed_images_make_another_call(model: Path, own_images: Path, tmp_path: Path) -> None:
    calibrate(model, own_images, tmp_path / "w", num=4)
    write_images(own_images, 1, first=99)
    with pytest.raises(OutputError, match="source_fingerprint was"):
        calibrate(model, own_images, tmp_path / "w", num=4)


def test_folders_with_other_content_are_refused_and_left_alone(model: Path, images: Path, tmp_path: Path) -> None:
    work = tmp_path / "w"
    work.mkdir()
    (work / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match=r"not empty \(it holds thesis\.txt\)"):
        calibrate(model, images, work)
    assert content(work).keys() == {"thesis.txt"}
    with pytest.raises(OutputError, match="is a file"):
        calibrate(model, images, work / "thesis.txt")
    for name in ("manifest.json", ".edgekit-calibrate.json"):
        other = tmp_path / name.strip(".")
        other.mkdir()
        (other / name).write_text('{"of": "another program"}')
        with pytest.raises(OutputError, match="cannot be read as what edgekit calibrate wrote"):
            calibrate(model, images, other)


def test_a_stranger_among_the_samples_is_named(
    model: Path, images: Path, calibrated: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    (calibrated(tmp_path / "w", 4) / "calibration_data" / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(OutputError, match=r"holds holiday\.jpg"):
        calibrate(model, images, tmp_path / "w", num=4)


def test_a_full_disk_loses_nothing_and_the_next_run_goes_on(
    model: Path,
    images: Path,
    calibrated: Callable[[Path, int], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calibrated(tmp_path / "whole", 12)
    real, samples = Path.write_bytes, []

    def failing(self: Path, data: bytes) -> int:
        if self.suffix == ".rgbchw":
            samples.append(self.name)
            if len(samples) == 5:
                real(self, bytes(data)[:1000])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(OutputError, match="No space left"):
        calibrate(model, images, tmp_path / "w", num=12)
    left = content(tmp_path / "w" / "calibration_data")
    assert len(left) == 4 and left.items() <= content(tmp_path / "whole" / "calibration_data").items()
    assert not (tmp_path / "w" / "manifest.json").exists()
    monkeypatch.setattr(calibrating, "select_images", lambda *a, **k: pytest.fail("the selection was kept"))
    samples[:] = ["none of this run fails"] * 10
    calibrate(model, images, tmp_path / "w", num=12)
    assert len(samples) == 10 + 8  # the four that were there are not written again
    assert content(tmp_path / "w") == content(tmp_path / "whole")


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from edgekit.cli.main import main
real, count = Path.write_bytes, [0]
def slow(self, data):
    if self.suffix == ".rgbchw":
        count[0] += 1
        if count[0] == 6:
            real(self, bytes(data)[:1000])
            os.kill(os.getpid(), signal.{signal})
    return real(self, data)
Path.write_bytes = slow
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("signal", "code"), [("SIGINT", 130), ("SIGKILL", -9)])
def test_interrupted_in_the_middle_and_run_again_gives_the_same_bytes(
    model: Path, images: Path, calibrated: Callable[[Path, int], Path], tmp_path: Path, signal: str, code: int
) -> None:
    calibrated(tmp_path / "whole", 12)
    command = ["calibrate", "--model", str(model), "--images", str(images), "--num", "12", "-o", str(tmp_path / "w")]
    script = INTERRUPTED.replace("{signal}", signal)
    done = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    data = tmp_path / "w" / "calibration_data"
    whole = [p for p in data.iterdir() if not p.name.startswith(".")]
    assert len(whole) == 5 and not (tmp_path / "w" / "manifest.json").exists()
    assert len(list(data.glob(".*.part*"))) == (1 if signal == "SIGKILL" else 0)
    calibrate(model, images, tmp_path / "w", num=12)
    assert content(tmp_path / "w") == content(tmp_path / "whole")


def test_whatever_fails_before_writing_leaves_nothing_behind(model: Path, images: Path, tmp_path: Path) -> None:
    work = tmp_path / "w"
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "a.jpg").write_bytes(b"broken")
    noise = tmp_path / "noise.onnx"
    noise.write_bytes(b"no onnx")
    odd = save_tiny_yolo(tmp_path / "grey.onnx", family="yolov8")
    cases: list[tuple[type[EdgekitError], dict[str, Any]]] = [
        (DataError, {"source": tmp_path / "absent"}),
        (DataError, {"source": bad}),
        (ModelError, {"model": tmp_path / "absent.onnx"}),
        (ModelError, {"model": noise}),
        (ConfigError, {"input_kind": "hsv"}),
        (ConfigError, {"march": "nash-e"}),
        (ConfigError, {"select": "best"}),
        (ConfigError, {"num": 0}),
        (ConfigError, {"calibration": "kl", "max_percentile": 0.9}),
        (ConfigError, {"calibration": "max", "max_percentile": 9.0}),
        (ConfigError, {"model": odd, "input_kind": "gray"}),
    ]
    for kind, changes in cases:
        arguments = {"model": model, "source": images, "out_dir": work, **changes}
        with pytest.raises(kind) as caught:
            calibrate(**arguments)
        assert caught.value.hint and not work.exists(), changes


def test_odd_images_are_read_right(model: Path, tmp_path: Path) -> None:
    """Grey, 16-bit, with alpha: the same content gives (nearly) the same sample."""
    import cv2

    folder = tmp_path / "odd"
    folder.mkdir()
    bgr = scene(5)
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    cv2.imwrite(str(folder / "a_plain.png"), bgr)
    cv2.imwrite(str(folder / "b_deep.png"), bgr.astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "c_alpha.png"), np.dstack([bgr, np.full(bgr.shape[:2], 90, np.uint8)]))
    cv2.imwrite(str(folder / "d_grey.png"), grey)
    result = calibrate(model, folder, tmp_path / "w", num=4, select="first")
    plain, deep, alpha, of_grey = (np.fromfile(p, "<f4").reshape(3, 64, 96) for p in sorted(result.data_dir.iterdir()))
    assert np.abs(plain - deep).max() <= 1
    assert np.array_equal(plain, alpha)
    assert np.array_equal(of_grey[0], of_grey[2]) and of_grey.std() > 1


def test_the_source_folder_is_only_read(model: Path, images: Path, tmp_path: Path) -> None:
    before = content(images)
    calibrate(model, images, tmp_path / "w", num=3)
    assert content(images) == before
