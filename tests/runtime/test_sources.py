from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.errors import ImageError
from edgekit.ops.image import IMAGE_SUFFIXES, read_image
from edgekit.output.preview import Preview
from edgekit.output.writer import video_writer, write_image
from edgekit.runtime.sources import find_images, open_source
from tests.typed import required


def image(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((4, 6, 3), value, np.uint8))


def test_a_folder_in_sorted_order_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.png", "a/c.PNG", ".hidden.png", ".cache/d.png", "notes.txt"):
        image(tmp_path / name) if name != "notes.txt" else (tmp_path / name).write_text("x")
    source = open_source(str(tmp_path))
    assert (source.kind, source.count) == ("images", 2)
    assert [f.name for f in source.frames()] == ["a/c.PNG", "b.png"]


def test_a_bad_image_is_skipped_with_its_name_or_raised(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"junk")
    skipped: list[ImageError] = []
    assert len(list(open_source(str(tmp_path), on_skip=skipped.append).frames())) == 1
    assert "b.png" in skipped[0].message
    with pytest.raises(ImageError, match="b.png"):
        list(open_source(str(tmp_path)).frames())


def test_what_is_read_is_known_beforehand_each_image_once_under_a_name_inside(tmp_path: Path) -> None:
    for name in ("x/a.png", "y/a.png", "y/b.png"):
        image(tmp_path / name)
    for given in ("**/**/*.png", "*/../y/*.png"):
        source = open_source(str(tmp_path / given))
        assert [f.name for f in source.frames()] == list(source.names)
        assert len(source.names) == source.count == len(set(source.names))
        assert not any(".." in Path(name).parts for name in source.names)
    source = open_source(str(tmp_path / "**" / "*.png"))
    assert source.names == ("x/a.png", "y/a.png", "y/b.png")
    assert set(source.files) == {tmp_path / name for name in source.names}
    assert open_source(str(tmp_path / "x" / "a.png")).files == (tmp_path / "x" / "a.png",)


def test_whatever_one_image_raises_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png", "c.png"):
        image(tmp_path / name)

    def read(path: Path) -> np.ndarray:
        if path.name == "b.png":
            raise ValueError("odd")
        return read_image(path)

    monkeypatch.setattr("edgekit.runtime.sources.read_image", read)
    skipped: list[ImageError] = []
    assert [f.name for f in open_source(str(tmp_path), on_skip=skipped.append).frames()] == ["a.png", "c.png"]
    assert "b.png cannot be read (ValueError: odd)" in skipped[0].message


def test_one_image(tmp_path: Path) -> None:
    image(tmp_path / "a.png", 7)
    (frame,) = open_source(str(tmp_path / "a.png")).frames()
    assert frame.name == "a.png"
    assert (frame.bgr == 7).all()


def test_video_out_and_in(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with video_writer(path, fps=10, size_wh=(64, 48)) as append:
        for value in (0, 120, 240):
            append(np.full((48, 64, 3), value, np.uint8))
    source = open_source(str(path))
    assert (source.kind, source.count, source.fps) == ("video", 3, 10.0)
    means = [f.bgr.mean() for f in source.frames()]
    np.testing.assert_allclose(means, [0, 120, 240], atol=6)


def test_an_interrupted_video_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), video_writer(tmp_path / "v.mp4", fps=10, size_wh=(64, 48)) as append:
        append(np.zeros((48, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name, kept", [("a.jpg", "a.jpg"), ("a.png", "a.png"), ("a.tif", "a.tif.jpg")])
def test_images_keep_their_kind_where_it_can_be_shown(tmp_path: Path, name: str, kept: str) -> None:
    path = write_image(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    assert path.name == kept
    assert required(cv2.imread(str(path))).shape == (4, 4, 3)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds no image"):
        open_source(str(tmp_path))
    with pytest.raises(ImageError, match="cannot be read"):
        next(iter(open_source(str(tmp_path / "none.jpg")).frames()))
    (tmp_path / "v.mp4").write_bytes(b"no video")
    with pytest.raises(ImageError, match="cannot be opened as a video"):
        open_source(str(tmp_path / "v.mp4"))
    with pytest.raises(ImageError, match="camera 97 cannot be opened"):
        open_source("97")


def test_a_stream_over_http() -> None:
    """Our own preview is such a stream."""
    preview = Preview(0)
    ended = threading.Event()

    def show() -> None:
        while not ended.wait(0.02):
            preview.show(np.full((48, 64, 3), 90, np.uint8))

    thread = threading.Thread(target=show)
    thread.start()
    try:
        source = open_source(preview.url + "stream")
        frames = source.frames()
        seen = [next(frames).bgr for _ in range(3)]
        frames.close()  # type: ignore[attr-defined]
    finally:
        ended.set()
        thread.join()
        preview.close()
    assert source.live
    assert all(abs(bgr.mean() - 90) < 3 and bgr.shape == (48, 64, 3) for bgr in seen)


@pytest.mark.parametrize("given", ["²", "mipi:x", "mipi:²", "1" * 21, "n" * 300, "x/" + "n" * 300 + ".mp4"])
def test_a_source_that_is_none_ends_in_an_image_error(given: str) -> None:
    with pytest.raises(ImageError):
        next(iter(open_source(given).frames()))


def test_a_video_whose_name_is_not_utf8_never_reaches_opencv(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.mp4"
    path.write_bytes(b"x")
    with pytest.raises(ImageError, match="not UTF-8"):
        open_source(str(path))


def test_a_image_whose_name_is_not_utf8_is_read_with_the_others(tmp_path: Path) -> None:
    for name in ("caf\udce9.png", "b.png"):
        (tmp_path / name).write_bytes(cv2.imencode(".png", np.zeros((4, 5, 3), np.uint8))[1].tobytes())
    assert len(list(open_source(str(tmp_path)).frames())) == 2


def test_folders_take_every_ending_that_a_single_file_may_have(tmp_path: Path) -> None:
    for suffix in IMAGE_SUFFIXES:
        (tmp_path / f"a{suffix.upper()}").touch()
    assert len(find_images(tmp_path)) == len(IMAGE_SUFFIXES)
    assert {".jfif", ".jp2", ".avif", ".gif"} <= set(IMAGE_SUFFIXES)
