from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import ModelError
from edgekit.spec import FileRef, HeadDtype, TaskName, load_spec, save_spec, sidecar_path, spec_from_dict, spec_to_dict
from tests.decode.scenes import make_spec


def plain(**changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(json.dumps(spec_to_dict(make_spec(dtype="int32"))))
    return {**value, **changes}


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("task", ["detect", "segment"])
def test_round_trip(tmp_path: Path, dtype: HeadDtype, task: TaskName) -> None:
    spec = make_spec(dtype=dtype, task=task)
    save_spec(tmp_path / "m.json", spec)
    assert load_spec(tmp_path / "m.json") == spec
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_anchors_and_files_survive() -> None:
    value = plain(anchors=[[[10, 13], [16, 30]]], files={"model": {"name": "a.bin", "sha256": "0" * 64}})
    spec = spec_from_dict(value)
    assert spec.anchors == (((10.0, 13.0), (16.0, 30.0)),)
    assert spec.files["model"] == FileRef("a.bin", "0" * 64)
    assert spec_from_dict(spec_to_dict(spec)) == spec


def test_heads_are_found_by_role_and_stride() -> None:
    spec = make_spec()
    assert spec.head("box", 16).name == "box_16"
    assert spec.strides == (8, 16, 32)
    with pytest.raises(ModelError, match="3 outputs of role 'box', expected exactly one"):
        spec.head("box")
    with pytest.raises(ModelError, match="0 outputs of role 'angle' at stride 8"):
        spec.head("angle", 8)


def head(**changes: Any) -> list[dict[str, Any]]:
    return [{**plain()["outputs"][0], **changes}]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"task": "fly"}, "task: value is 'fly', expected one of detect"),
        ({"task": 3}, "task: value is 3, expected one of detect"),
        ({"taks": "detect"}, "field is 'taks'"),
        ({"schema": "edgekit.model/99"}, "of schema 'edgekit.model/99', expected edgekit.model/1"),
        ({"names": []}, "names"),
        ({"names": [1]}, "expected of type str"),
        ({"input": None}, "input"),
        ({"preprocess": {"width": 64}}, "height is missing"),
        ({"preprocess": {"width": -1, "height": 4}}, "preprocess.width is -1"),
        (
            {"preprocess": {"width": 64, "height": 4, "color_range": "tv"}},
            "color_range: value is 'tv', expected one of full",
        ),
        ({"outputs": []}, "outputs"),
        ({"outputs": head(role="tail")}, "role: value is 'tail', expected one of box"),
        ({"outputs": head(dtype="float64")}, "dtype: value is 'float64', expected one of float32"),
        ({"outputs": head(scale=[1, 2])}, "scale count is 2"),
        ({"outputs": head(scale=[-1.0])}, "positive finite"),
        ({"outputs": head(shape=[1, 1 << 20, 1 << 20, 1], scale=[1.0])}, "at most 2\\^30"),
        ({"outputs": head() * 2}, "each once"),
        ({"march": "bayes-f"}, "march: value is 'bayes-f', expected one of .*nash-p, ''"),
        ({"files": {"model": {"name": "../a.bin", "sha256": "0" * 64}}}, "plain name"),
        ({"files": {"model": {"name": "a.bin", "sha256": "xyz"}}}, "64 hex digits"),
    ],
)
def test_every_wrong_field_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        spec_from_dict(plain(**changes), location="m.json")
    assert "m.json" in caught.value.message


DEEP: list[Any] = [[[[[[[[3]]]]]]]]


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": head(shape=[[1, 2], 3])},
        {"outputs": head(shape=[DEEP, 1, 1, 1])},
        {"outputs": head(shape=3)},
        {"outputs": head(shape=[])},
        {"outputs": head(shape=[1, 64])},
        {"outputs": head(shape=[1, 8, 8, 64.0])},
        {"outputs": head(shape=[1, 8, True, 64])},
        {"outputs": head(shape=[1, 10**400, 8, 64])},
        {"outputs": head(scale=[[0.1]])},
        {"outputs": head(scale=[10**400])},
        {"outputs": head(scale=[1e300])},
        {"outputs": head(scale=["0.1"])},
        {"outputs": head(scale=None)},
        {"outputs": head(stride=-8)},
        {"outputs": head(stride=10**400)},
        {"outputs": head(axis=10**400)},
        {"outputs": head(name=None)},
        {"outputs": head(name="a\0b")},
        {"outputs": {"box": 1}},
        {"names": ["cat", ["dog"]]},
        {"names": ["\ud800"]},
        {"names": "cat"},
        {"names": {"0": "cat"}},
        {"anchors": [[[10, 13, 16]]]},
        {"anchors": [[10, 13]]},
        {"anchors": [[[[10, 13]]]]},
        {"anchors": [[[10, -13]]]},
        {"keypoint_shape": [[17, 3]]},
        {"keypoint_shape": [-17, 3]},
        {"keypoint_shape": [10**400, 3]},
        {"reg_max": 10**400},
        {"reg_max": True},
        {"end_to_end": 1},
        {"files": None},
        {"files": [1]},
        {"files": {"model": None}},
        {"files": {"model": {"name": 3, "sha256": "0" * 64}}},
        {"tools": {"onnx": {"version": 1}}},
        {"tools": ["onnx"]},
        {"notes": [[]]},
        {"notes": None},
        {"preprocess": [1]},
        {"preprocess": {"width": 64.0, "height": 64}},
        {"preprocess": {"width": 10**400, "height": 64}},
        {"input": {"name": ["x"]}},
        {"version": 10**400},
        {"task": ["detect"]},
        {"march": None},
        {"stage": {}},
    ],
    ids=lambda changes: repr(changes)[:60],
)
def test_values_of_another_type_depth_or_range_are_refused_in_two_lines(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"m\.json") as caught:
        spec_from_dict(plain(**changes), location="m.json")
    assert len(caught.value.message) < 500 and "\n" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sidecar_shape_nested", r"outputs\[0\]\.shape: entry is \[1, 2\]"),
        ("sidecar_scale_huge", r"scale: entry is 1000"),
    ],
)
def test_hostile_sidecars_name_the_entry_that_is_wrong(shared_data: Path, name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_spec(shared_data / "hostile" / f"{name}.json")


@pytest.mark.parametrize("value", [None, [], "x", 3, {}])
def test_no_sidecar_at_all(value: object) -> None:
    with pytest.raises(ModelError):
        spec_from_dict(value)


def test_a_sidecar_of_before_schemas_has_the_same_fields() -> None:
    earlier = {"edgekit": "model", "version": 1, **{k: v for k, v in plain().items() if k not in ("schema", "edgekit")}}
    assert spec_from_dict(earlier) == spec_from_dict(plain())
    with pytest.raises(ModelError, match="no sidecar of edgekit"):
        spec_from_dict({**earlier, "version": 2})


def test_another_json_beside_the_model_is_told_from_a_broken_sidecar() -> None:
    with pytest.raises(ModelError, match="m.json is no sidecar of edgekit") as caught:
        spec_from_dict({"labels": ["cat"]}, location="m.json")
    assert "move the file away" in caught.value.hint


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        load_spec(tmp_path / "none.json")
    assert sidecar_path(Path("a/b_modified.bin")) == Path("a/b_modified.json")
