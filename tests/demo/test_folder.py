"""The demo's folder: an earlier demo is replaced, anything else is kept and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.demo.folder import RECORD, replaced_folder, write_record
from edgekit.errors import OutputError

PARTS = ("images", "model.onnx")


def make_demo(out: Path, text: str = "first") -> None:
    with replaced_folder(out, PARTS):
        (out / "images").mkdir()
        (out / "images" / "a.png").write_text(text)
        write_record(out, {"simulated": True})


def test_an_earlier_demo_is_replaced(tmp_path: Path) -> None:
    make_demo(tmp_path / "demo")
    make_demo(tmp_path / "demo", "second")
    assert (tmp_path / "demo" / "images" / "a.png").read_text() == "second"


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    make_demo(tmp_path)
    assert (tmp_path / RECORD).is_file()


@pytest.mark.parametrize("with_demo", [False, True])
def test_a_stranger_is_kept_and_named(tmp_path: Path, with_demo: bool) -> None:
    if with_demo:
        make_demo(tmp_path)
    (tmp_path / "images").mkdir(exist_ok=True)
    (tmp_path / "images" / "mine.png").write_text("precious")
    with pytest.raises(OutputError, match=r"images/mine\.png") as caught:
        make_demo(tmp_path, "second")
    assert "-o" in caught.value.hint
    assert (tmp_path / "images" / "mine.png").read_text() == "precious"
    if with_demo:
        assert (tmp_path / "images" / "a.png").read_text() == "first"


def test_a_file_in_the_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("precious")
    with pytest.raises(OutputError, match="is a file"):
        make_demo(tmp_path / "demo")


@pytest.mark.parametrize(
    "record", ["{", "[]", '{"edgekit": "model"}', '{"schema": "edgekit.demo/1", "finished": true}']
)
def test_a_foreign_record_protects_nothing(tmp_path: Path, record: str) -> None:
    (tmp_path / RECORD).write_text(record)
    with pytest.raises(OutputError, match="not empty"):
        make_demo(tmp_path)
    assert (tmp_path / RECORD).read_text() == record


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, OutputError("x", hint="y")])
def test_nothing_half_made_is_left(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(error if isinstance(error, type) else type(error)), replaced_folder(tmp_path, PARTS):  # type: ignore[arg-type]
        (tmp_path / "images").mkdir()
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_killed_demo_can_be_made_again(tmp_path: Path) -> None:
    """Without the last step the record names no files; what is there is known by its place."""
    kept = replaced_folder(tmp_path, PARTS)
    kept.__enter__()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "half.png").write_text("half")
    make_demo(tmp_path)
    assert not (tmp_path / "images" / "half.png").exists()
