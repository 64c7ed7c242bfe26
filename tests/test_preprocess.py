from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgekit.errors import ModelError
from edgekit.preprocess import Preprocess
from edgekit.records import from_json, to_json

IMAGENET = Preprocess(
    224, 224, fit="crop", crop_fraction=0.875, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)
)


def test_round_trip() -> None:
    assert from_json(Preprocess, to_json(IMAGENET), "here") == IMAGENET


def test_fields_that_an_older_sidecar_lacks_are_those_of_yolo() -> None:
    older = {key: value for key, value in to_json(IMAGENET).items() if key in ("width", "height")}
    preprocess = from_json(Preprocess, older, "here")
    assert (preprocess.fit, preprocess.mean, preprocess.std) == ("pad", (0.0,), (255.0,))


def test_scale_is_what_the_yaml_multiplies_by() -> None:
    assert IMAGENET.scale == pytest.approx((0.0171247538, 0.0175070028, 0.0174291939))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fit": "letterbox"}, "preprocess.fit is 'letterbox', expected one of pad, crop, stretch"),
        ({"crop_fraction": 0.0}, "preprocess.crop_fraction is 0.0, expected 0.1..1"),
        ({"crop_fraction": float("nan")}, "preprocess.crop_fraction is nan, expected 0.1..1"),
        ({"mean": (1.0, 2.0)}, "preprocess.mean count is 2, expected 1 or 3"),
        ({"mean": ()}, "preprocess.mean count is 0, expected 1 or 3"),
        ({"std": (1.0, 0.0, 1.0)}, "preprocess.std is "),
        ({"std": (float("inf"),)}, "preprocess.std is "),
    ],
)
def test_every_wrong_field_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        replace(IMAGENET, **changes)
    assert caught.value.message.startswith(message)
    assert caught.value.hint
