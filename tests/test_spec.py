from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import ModelError
from edgekit.spec import FileRef, load_spec, save_spec, sidecar_path, spec_from_dict, spec_to_dict
from tests.decode.scenes import make_spec


def plain(**changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(json.dumps(spec_to_dict(make_spec(dtype="int32"))))
    return {**value, **changes}


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("task", ["detect", "segment"])
def test_round_trip(tmp_path: Path, dtype: str, task: str) -> None:
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
        ({"task": "fly"}, "task is 'fly'"),
        ({"task": 3}, "expected of type str"),
        ({"taks": "detect"}, "field is taks"),
        ({"version": 99}, "version is '99'"),
        ({"names": []}, "names"),
        ({"names": [1]}, "expected of type str"),
        ({"input": None}, "input"),
        ({"preprocess": {"width": 64}}, "height is missing"),
        ({"preprocess": {"width": -1, "height": 4}}, "preprocess.width is '-1'"),
        ({"preprocess": {"width": 64, "height": 4, "color_range": "tv"}}, "color_range is 'tv'"),
        ({"outputs": []}, "outputs"),
        ({"outputs": head(role="tail")}, "role is 'tail'"),
        ({"outputs": head(dtype="float64")}, "dtype is 'float64'"),
        ({"outputs": head(scale=[1, 2])}, "scale count is '2'"),
        ({"outputs": head(scale=[-1.0])}, "positive finite"),
        ({"outputs": head(shape=[1, 1 << 20, 1 << 20, 1], scale=[1.0])}, "at most 2\\^30"),
        ({"outputs": head() * 2}, "each once"),
        ({"march": "bayes-f"}, "march is 'bayes-f'"),
        ({"files": {"model": {"name": "../a.bin", "sha256": "0" * 64}}}, "plain name"),
        ({"files": {"model": {"name": "a.bin", "sha256": "xyz"}}}, "64 hex digits"),
    ],
)
def test_every_wrong_field_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        spec_from_dict(plain(**changes), place="m.json")
    assert "m.json" in caught.value.message


@pytest.mark.parametrize("value", [None, [], "x", 3, {}])
def test_no_sidecar_at_all(value: object) -> None:
    with pytest.raises(ModelError):
        spec_from_dict(value)


def test_another_json_beside_the_model_is_told_from_a_broken_sidecar() -> None:
    with pytest.raises(ModelError, match="m.json is no sidecar of edgekit") as caught:
        spec_from_dict({"labels": ["cat"]}, place="m.json")
    assert "move the file away" in caught.value.hint


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        load_spec(tmp_path / "none.json")
    assert sidecar_path(Path("a/b_modified.bin")) == Path("a/b_modified.json")
