"""Heads that are not whole are refused by name, before a frame is decoded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.decode.decoder import require_whole_head
from edgekit.errors import ModelError
from edgekit.spec import ModelSpec
from tests.decode.scenes import make_spec
from tests.decode.test_yolov5 import make_spec as make_anchored


def _without(spec: ModelSpec, name: str) -> ModelSpec:
    return replace(spec, outputs=tuple(h for h in spec.outputs if h.name != name))


def _swapped(spec: ModelSpec, name: str, **changes: object) -> ModelSpec:
    return replace(spec, outputs=tuple(replace(h, **changes) if h.name == name else h for h in spec.outputs))  # type: ignore[arg-type]


def test_whole_heads_pass() -> None:
    for spec in (make_spec(), make_spec(task="detect", reg_max=1), make_anchored()):
        require_whole_head(spec)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (_without(make_spec(), "box_16"), "stride 16 has the outputs class, mask, expected box, class, mask"),
        (_without(make_spec(), "proto"), "0 prototype outputs"),
        (_swapped(make_spec(), "mask_8", role="angle"), "stride 8 has the outputs angle, box, class"),
        (replace(make_spec(), task="detect"), "expected box, class for task 'detect'"),
        (replace(make_spec(), names=("a", "b")), "'class_8' has 3 channels, expected 2: one for each class name"),
        (replace(make_spec(), reg_max=8), "'box_8' has 64 channels, expected 32"),
        (_swapped(make_spec(), "mask_16", shape=(1, 4, 6, 9)), "'mask_16' has 9 channels, expected 8"),
    ],
)
def test_what_is_wrong_is_named(spec: ModelSpec, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        require_whole_head(spec)
