from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import ConfigError
from edgekit.output.arrays_npz import array_sink, to_npz
from edgekit.output.folder import RunFolder
from edgekit.output.labels_txt import yolo_txt
from edgekit.output.names import output_names
from edgekit.results import Classifications, RawOutputs

MAP = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)
RESULTS = RawOutputs({"map": MAP, "score": np.array([[0.5]], np.float32)}, (8, 6), "sim")


def _load(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return dict(archive)


def test_every_output_is_in_the_archive_under_its_name() -> None:
    arrays = _load(to_npz(RESULTS))
    assert sorted(arrays) == ["map", "score"]
    np.testing.assert_array_equal(arrays["map"], MAP)


def test_names_that_are_paths_are_listed_beside_numbered_arrays() -> None:
    arrays = _load(to_npz(RawOutputs({"/a/../b": MAP}, (8, 6), "sim")))
    assert sorted(arrays) == ["array_0", "names"]
    assert arrays["names"].tolist() == ["/a/../b"]


@pytest.mark.parametrize("name", ["file", "allow_pickle"])
def test_names_of_numpys_own_parameters_are_names_of_outputs(name: str) -> None:
    arrays = _load(to_npz(RawOutputs({name: MAP}, (8, 6), "sim")))
    assert arrays["names"].tolist() == [name]
    np.testing.assert_array_equal(arrays["array_0"], MAP)


def test_raw_results_become_a_file_each_and_others_none(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write = array_sink(folder, output_names(["a/1.jpg", "2.jpg"]))
    write("a/1.jpg", RESULTS)
    write("2.jpg", Classifications(np.array([1.0], np.float32), ("x",), (8, 6), "sim"))
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.npz")] == ["raw/a/1.npz"]


def test_json_lists_shape_range_and_largest_values() -> None:
    row = RESULTS.to_dict()["outputs"]["map"]
    assert (row["shape"], row["min"], row["max"], row["mean"]) == ([1, 2, 2, 3], 0.0, 11.0, 5.5)
    assert row["largest"][0] == {"at": [0, 1, 1, 2], "value": 11.0}
    assert [entry["value"] for entry in row["largest"]] == [11.0, 10.0, 9.0, 8.0, 7.0]


def test_numbers_that_are_not_finite_are_not_written_as_numbers() -> None:
    row = RawOutputs({"x": np.array([1.0, np.nan], np.float32)}, (1, 1), "sim").to_dict()["outputs"]["x"]
    assert row == {"shape": [2], "finite": False, "largest": []}


def test_an_empty_array_has_no_range() -> None:
    row = RawOutputs({"x": np.zeros((1, 0), np.float32)}, (1, 1), "sim").to_dict()["outputs"]["x"]
    assert row == {"shape": [1, 0], "finite": True, "largest": []}


def test_what_has_no_objects_has_no_rows_and_no_labels() -> None:
    with pytest.raises(ConfigError, match="COCO"):
        RESULTS.to_coco(1)
    with pytest.raises(ConfigError, match="label lines"):
        yolo_txt(RESULTS)


def test_names_and_ranges_are_drawn_on_a_copy() -> None:
    bgr = np.zeros((60, 80, 3), np.uint8)
    results = RawOutputs(RESULTS.arrays, (80, 60), "sim")
    drawn = results.draw(bgr)
    assert drawn.shape == bgr.shape
    assert drawn.any()
    assert not bgr.any()
