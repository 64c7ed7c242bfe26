"""Commands that write into a folder replace their own earlier results, and files of others only when asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.cli.earlier import refuse_others_files
from edgekit.cli.main import main
from edgekit.errors import OutputError
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_yolo(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_yolo(tmp_path_factory.mktemp("other") / "tiny.onnx", seed=7)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    write_images(tmp_path / "images", 1)
    return tmp_path / "images"


def test_files_of_others_need_overwrite_and_earlier_results_do_not(tmp_path: Path) -> None:
    record, table = tmp_path / "report.json", tmp_path / "table.csv"

    def check(*, overwrite: bool = False) -> list[Path]:
        return refuse_others_files(
            [record, table], record=record, is_record=lambda value: "rows" in value, overwrite=overwrite
        )

    assert check() == []
    table.write_text("mine")
    for text in (None, "{}", "[1]", "no JSON", '{"row": 1}'):
        if text is not None:
            record.write_text(text)
        with pytest.raises(OutputError, match="table.csv exist"):
            check()
        assert table in check(overwrite=True)
    record.write_text('{"rows": []}')
    assert check() == []


OUTPUTS = {
    "eval": ["report.json"],
    "compare": ["compare.json"],
    "bench": ["bench.json", "bench.csv", "bench.md", "bench.png"],
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_file_of_the_user_is_never_replaced_unasked(
    model: Path, other: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    out, mine = tmp_path / "out", '{"model": "mine", "edgekit": "mine"}'
    out.mkdir()
    commands = {
        "eval": ["eval", "--model", str(model), "--against", str(other), "--images", str(images)],
        "compare": ["compare", str(model), str(other), "--images", str(images)],
        "bench": ["bench", "--model", str(model), "--frames", "2", "--warmup", "0", "--no-plot"],
    }
    args = [*commands[command], "-o", str(out)]
    for name in OUTPUTS[command]:
        (out / name).write_text(mine)
        assert main(args) == 2
        assert f"{name} exists already" in capsys.readouterr().err
        assert [path.read_text() for path in out.iterdir()] == [mine]
        (out / name).unlink()
    for name in OUTPUTS[command]:
        (out / name).write_text(mine)
    assert main([*args, "--overwrite"]) == 0
    said = capsys.readouterr().err
    assert "--overwrite replaces" in said and all(str(out / name) in said for name in OUTPUTS[command][:3])
    assert main(args) == 0  # its own earlier results


def test_the_labels_that_are_read_are_never_replaced(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "report.json"
    labels.write_text(json.dumps({"model": {"device": "x"}, "images": [], "annotations": [], "categories": []}))
    before = labels.read_bytes()
    args = ["eval", "--model", str(model), "--data", str(labels), "--images", str(images), "-o", str(tmp_path)]
    assert main([*args, "--overwrite"]) == 2
    assert "which is read in this call" in capsys.readouterr().err
    assert labels.read_bytes() == before


def test_images_of_equal_stems_are_kept_apart() -> None:
    from edgekit.evaluation.compare_drawings import _image_name

    taken: set[str] = set()
    for path in ("a/p.png", "b/p.png", "c/p.png", "a/p.jpg", "a/q.jpg"):
        taken.add(_image_name(Path(path), taken))
    assert sorted(taken) == sorted(
        ["p_compare.jpg", "p.png_compare.jpg", "p.png-2_compare.jpg", "p.jpg_compare.jpg", "q_compare.jpg"]
    )
