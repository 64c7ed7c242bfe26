"""Roles of outputs: names first, then shapes, in any order; refused where both leave a choice."""

from __future__ import annotations

import itertools
import random

import pytest

from edgekit.decode.roles import infer_roles, task_of_heads
from edgekit.errors import ModelError

SIZE = (640, 640)


def _grids(*channels: int, strides: tuple[int, ...] = (8, 16, 32), size: tuple[int, int] = SIZE) -> list:
    """Outputs "0", "1", ... per channel count and stride."""
    shapes = [(1, size[1] // s, size[0] // s, c) for c in channels for s in strides]
    return [(str(i), shape) for i, shape in enumerate(shapes)]


def _roles(outputs: list, size: tuple[int, int] = SIZE, **options: object) -> dict[int, str]:
    return {h.channels: h.role for h in infer_roles(outputs, size, **options)}  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_the_tutorials_build_in_any_order(seed: int) -> None:
    outputs = [*_grids(32, 64, 80), ("443", (1, 160, 160, 32))]
    random.Random(seed).shuffle(outputs)
    heads = infer_roles(outputs, SIZE)
    assert [h.name for h in heads] == [name for name, _ in outputs]
    assert {(h.role, h.channels) for h in heads} == {("mask", 32), ("box", 64), ("class", 80), ("proto", 32)}
    assert task_of_heads(heads) == "segment"


def test_detect_with_and_without_bins_and_non_square() -> None:
    assert _roles(_grids(64, 3)) == {64: "box", 3: "class"}
    assert _roles(_grids(4, 80, size=(640, 384)), (640, 384)) == {4: "box", 80: "class"}


def test_pose_and_obb_by_shape_where_they_can_be_told() -> None:
    assert _roles(_grids(64, 15, 1), task="obb") == {64: "box", 15: "class", 1: "angle"}
    assert _roles(_grids(64, 1, 51), task="pose") == {64: "box", 1: "class", 51: "keypoint"}
    assert _roles(_grids(64, 7, 1)) == {64: "box", 7: "class", 1: "angle"}


@pytest.mark.parametrize(
    ("channels", "proto"), [((64, 64), 0), ((4, 64), 0), ((64, 1, 51), 0), ((64, 32, 32), 32), ((4, 4), 0)]
)
def test_ambiguous_shapes_are_refused(channels: tuple[int, ...], proto: int) -> None:
    outputs = _grids(*channels) + ([("p", (1, 160, 160, proto))] if proto else [])
    with pytest.raises(ModelError, match="ambiguous") as caught:
        infer_roles(outputs, SIZE)
    assert "stride 8" in caught.value.message


def test_names_decide_what_shapes_cannot() -> None:
    names = [f"/model.22/cv{k}.{i}/cv{k}.{i}.2/Conv" for k in (2, 3) for i in range(3)]
    outputs = [(name, shape) for name, (_, shape) in zip(names, _grids(64, 64), strict=True)]
    assert [h.role for h in infer_roles(outputs, SIZE)] == ["box"] * 3 + ["class"] * 3
    aliases = {str(i): name.replace("cv", "one2one_cv") for i, name in enumerate(names)}
    heads = infer_roles(_grids(64, 64), SIZE, aliases=aliases)
    assert [h.role for h in heads] == ["box"] * 3 + ["class"] * 3


def test_our_own_names() -> None:
    names = [f"{role}_{s}" for role in ("class", "box", "mask") for s in (8, 16, 32)]
    outputs = [(n, shape) for n, (_, shape) in zip(names, _grids(32, 64, 32), strict=True)]
    heads = infer_roles([*outputs, ("proto", (1, 160, 160, 32))], SIZE)
    assert [f"{h.role}_{h.stride}" for h in heads[:-1]] == names
    assert (heads[-1].role, heads[-1].stride) == ("proto", 4)


def test_a_known_number_of_classes_decides() -> None:
    assert _roles(_grids(4, 64), num_classes=4) == {64: "box", 4: "class"}
    assert _roles(_grids(4, 64), num_classes=64) == {4: "box", 64: "class"}


def test_classifier_and_anchor_heads() -> None:
    assert infer_roles([("output0", (1, 1, 1, 999))], (224, 224))[0].role == "class"
    assert {h.role for h in infer_roles(_grids(255), SIZE)} == {"object"}


@pytest.mark.parametrize(
    "outputs",
    [
        [],
        [("a", (1, 8400, 84))],
        [("a", (1, 80, 80, 64)), ("b", (1, 79, 80, 80))],
        [("a", (2, 80, 80, 64)), ("b", (2, 80, 80, 80))],
        [*_grids(64, 80), ("x", (1, 80, 80, 7)), ("y", (1, 80, 80, 9))],
        _grids(64, 80)[:-1],
        [("proto", (1, 160, 160, 32)), ("x.proto", (1, 160, 160, 32))],
        [("a", (1, 0, 0, 3))],
    ],
)
def test_what_is_no_head_is_refused(outputs: list) -> None:
    with pytest.raises(ModelError):
        infer_roles(outputs, SIZE)


def test_strides_must_agree() -> None:
    outputs = [*_grids(64, 80, strides=(8, 16)), ("x", (1, 20, 20, 64)), ("y", (1, 20, 20, 81))]
    with pytest.raises(ModelError, match="class 81"):
        infer_roles(outputs, SIZE)


def test_every_permutation_of_one_stride_reads_alike() -> None:
    shapes = [("a", (1, 20, 20, 64)), ("b", (1, 20, 20, 7)), ("c", (1, 20, 20, 51))]
    readings = [{h.name: h.role for h in infer_roles(p, SIZE, task="pose")} for p in itertools.permutations(shapes)]
    assert all(r == {"a": "box", "b": "class", "c": "keypoint"} for r in readings)
