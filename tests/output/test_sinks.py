from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.errors import OutputError
from edgekit.output.document import json_file
from edgekit.output.folder import RunFolder
from edgekit.output.names import OutputNames
from edgekit.output.sinks import image_sink, json_lines, preview_sink, video_sink


def image(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def frames_of(path: Path) -> tuple[int, int]:
    capture = cv2.VideoCapture(str(path))
    return int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))


def test_another_resolution_begins_another_video(tmp_path: Path) -> None:
    with video_sink(RunFolder(tmp_path), fps=10) as write:
        for width in (64, 64, 96, 96, 96, 64):
            write("frame", image(width, 48))
    assert frames_of(tmp_path / "video.mp4") == (2, 64)
    assert frames_of(tmp_path / "video-2.mp4") == (3, 96)
    assert frames_of(tmp_path / "video-3.mp4") == (1, 64)


def test_a_broken_off_video_leaves_none(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), video_sink(RunFolder(tmp_path), fps=10) as write:
        write("frame", image(64, 48))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_json_lines_and_json_documents_hold_the_same_rows(tmp_path: Path) -> None:
    rows = [{"source": f"ä{i}", "objects": [i]} for i in range(3)]
    with json_lines(tmp_path / "a.jsonl", {"task": "detect"}) as line, json_file(tmp_path / "a.json", {"k": 1}) as item:
        for row in rows:
            line(row)
            item(row)
    lines = [json.loads(text) for text in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines == [{"task": "detect"}, *rows]
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"k": 1, "results": rows}


def test_an_empty_document_is_json_too(tmp_path: Path) -> None:
    with json_file(tmp_path / "a.json", {}):
        pass
    assert json.loads((tmp_path / "a.json").read_text()) == {"results": []}


def test_a_sink_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="file"):
        image_sink(RunFolder(tmp_path / "file"), OutputNames())("a.jpg", image(8, 8))
    with pytest.raises(OutputError, match="file"), json_lines(tmp_path / "file" / "a.jsonl", {}):
        pass


def test_the_preview_says_where_it_is(tmp_path: Path) -> None:
    said: list[str] = []
    with preview_sink(0, on_ready=said.append) as show:
        show("frame", image(32, 32))
    assert said[0].startswith("http://127.0.0.1:")


def test_names_that_are_no_utf8_are_written_and_read_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    image_sink(RunFolder(tmp_path), OutputNames())(name, image(8, 8))
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [b"caf\xe9.jpg"]
    with json_lines(tmp_path / "a.jsonl", {}) as line, json_file(tmp_path / "a.json", {}) as item:
        line({"source": name})
        item({"source": name})
    assert json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()[1])["source"] == name
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["results"][0]["source"] == name
