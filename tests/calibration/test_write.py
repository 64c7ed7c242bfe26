from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import numpy as np
import pytest

from edgekit.calibration.write import calibration_bytes, plan_files, remove_leftovers, write_files
from edgekit.data.image_source import Image, open_source
from edgekit.errors import ImageError, OutputError
from edgekit.ops.letterbox import letterbox_image
from edgekit.spec import InputSpec, Preprocess
from tests.images import scene, write_images

RGB = InputSpec("images", "rgb", "NCHW")
SIZE = Preprocess(64, 32)


def write(source: Path, folder: Path, **changes: object) -> dict[str, str]:
    planned = plan_files(open_source(source, frames=1).images, "rgb")
    options = {"written": {}, "on_written": lambda name, sha: None, **changes}
    return write_files(planned, folder, RGB, SIZE, **options)  # type: ignore[arg-type]


def test_a_sample_by_hand() -> None:
    """A 2x1 image in a 4x4 input: resized to 4x2, one row of grey above and below; planes of R, G, B."""
    bgr = np.full((1, 2, 3), (10, 20, 30), np.uint8)
    sample = np.frombuffer(calibration_bytes(bgr, RGB, Preprocess(4, 4)), "<f4").reshape(1, 3, 4, 4)
    for plane, value in zip(sample[0], (30, 20, 10), strict=True):
        assert (plane[1:3] == value).all()
        assert (plane[[0, 3]] == 114).all()


def test_a_sample_is_the_runtimes_letterbox_in_rgb_planes() -> None:
    bgr = scene(0)
    expected = letterbox_image(bgr, SIZE)[0][..., ::-1].transpose(2, 0, 1).astype(np.float32)
    assert calibration_bytes(bgr, RGB, SIZE) == expected.tobytes()
    grey = np.frombuffer(calibration_bytes(bgr, InputSpec("images", "gray", "NCHW"), SIZE), np.float32)
    assert grey.size == 64 * 32 and grey.max() > 1


def test_names_are_numbered_and_carry_the_source() -> None:
    images = [Image(Path(f"{c}.jpg"), c) for c in "ab"]
    assert [p.name for p in plan_files(images, "rgb")] == ["000_a.rgbchw", "001_b.rgbchw"]
    assert plan_files(images * 1000, "gray")[-1].name == "1999_b.graychw"


def test_files_hashes_and_progress(tmp_path: Path) -> None:
    write_images(tmp_path / "p", 3)
    told: list[tuple[str, str]] = []
    hashes = write(tmp_path / "p", tmp_path / "w", on_written=lambda *args: told.append(args))
    files = sorted((tmp_path / "w").iterdir())
    assert [f.name for f in files] == list(hashes) == [name for name, _ in told]
    for i, file in enumerate(files):
        assert file.read_bytes() == calibration_bytes(scene(i), RGB, SIZE)
        assert hashes[file.name] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_whole_files_are_kept_and_damaged_ones_written_again(tmp_path: Path) -> None:
    write_images(tmp_path / "p", 4)
    hashes = write(tmp_path / "p", tmp_path / "w")
    names = list(hashes)
    (tmp_path / "w" / names[1]).write_bytes(b"cut short")
    (tmp_path / "w" / names[2]).unlink()
    again: list[str] = []
    assert write(tmp_path / "p", tmp_path / "w", written=hashes, on_written=lambda n, s: again.append(n)) == hashes
    assert again == names[1:3]
    assert {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in (tmp_path / "w").iterdir()} == hashes


def test_a_full_disk_leaves_whole_files_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "p", 4)
    real, calls = Path.write_bytes, []

    def failing(self: Path, data: bytes) -> int:
        calls.append(1)
        if len(calls) == 3:
            real(self, bytes(data)[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(OutputError, match="No space left on device"):
        write(tmp_path / "p", tmp_path / "w")
    left = sorted((tmp_path / "w").iterdir())
    assert len(left) == 2 and all(f.stat().st_size == 64 * 32 * 12 for f in left)


def test_too_little_space_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "p", 2)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("", (), {"free": 1000})())
    with pytest.raises(OutputError, match="0 MiB free, expected 1 MiB"):
        write(tmp_path / "p", tmp_path / "w")
    assert list((tmp_path / "w").iterdir()) == []


def test_a_image_that_went_away_meanwhile(tmp_path: Path) -> None:
    (path,) = write_images(tmp_path / "p", 1)
    planned = plan_files([Image(path, path.name)], "rgb")
    path.unlink()
    with pytest.raises(ImageError, match="image_000"):
        write_files(planned, tmp_path / "w", RGB, SIZE, written={}, on_written=lambda n, s: None)


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".000_a.x1.part.rgbchw").write_bytes(b"half")
    (tmp_path / "000_a.rgbchw").write_bytes(b"whole")
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["000_a.rgbchw"]
