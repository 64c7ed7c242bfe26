from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.calibration.checks import check_selection
from edgekit.calibration.features import describe
from edgekit.calibration.select import Chosen, Dropped, Selection
from edgekit.data.image_source import Image, open_source
from tests.images import scene


def selection_of(images: list[np.ndarray], *, nearest: float = 40.0) -> Selection:
    chosen = tuple(
        Chosen(Image(Path(f"{i}.png"), f"{i}.png"), describe(bgr).stats, nearest) for i, bgr in enumerate(images)
    )
    return Selection(chosen, (), len(chosen), len(chosen))


def codes(selection: Selection, num: int = 24) -> list[str]:
    return [warned.code for warned in check_selection(selection, num=num, size_wh=(96, 96))]


GOOD = [scene(i) for i in range(24)]


def test_a_good_set_brings_no_warning() -> None:
    assert codes(selection_of(GOOD)) == []


@pytest.mark.parametrize(
    ("images", "code"),
    [
        ([p[..., ::-1].copy() for p in GOOD], "colour order"),
        ([cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR) for p in GOOD], "grey"),
        ([p // 12 for p in GOOD], "dark"),
        ([p // 16 + 239 for p in GOOD], "dark"),
        ([(p > 127).astype(np.uint8) for p in GOOD], "normalised"),
        ([np.clip(p.astype(int) - 124, 0, 255).astype(np.uint8) for p in GOOD], "normalised"),
        ([p[::8, ::8].copy() for p in GOOD], "tiny"),
        (GOOD[:12], "small"),
    ],
)
def test_each_fault_is_found(images: list[np.ndarray], code: str) -> None:
    assert code in codes(selection_of(images), num=len(images))


def test_alike_images_are_found_with_the_number() -> None:
    (warned,) = check_selection(selection_of(GOOD, nearest=5.5), num=24, size_wh=(96, 96))
    assert warned.code == "monotone" and "5.5 grey levels" in warned.message and warned.advice


def test_fewer_than_asked_and_lost_files_are_told() -> None:
    assert codes(selection_of(GOOD), num=50) == ["fewer"]
    lost = replace(selection_of(GOOD), dropped=(Dropped("a.jpg", "undecodable", "why"), Dropped("b", "missing", "")))
    (warned,) = check_selection(lost, num=24, size_wh=(96, 96))
    assert warned.code == "lost" and warned.message.startswith("2 images")


def test_a_single_image_is_a_small_set_and_nothing_worse() -> None:
    assert codes(selection_of(GOOD[:1], nearest=0), num=1) == ["small"]


def test_real_images_are_not_suspected_and_swapped_ones_are(shared_data: Path) -> None:
    """Every tenth shared image, as it is and with red and blue swapped."""
    source = open_source(shared_data / "coco" / "images" / "train", frames=1)
    images = [cv2.imread(str(p.path)) for p in source.images[::4]]
    assert codes(selection_of([p for p in images if p is not None])) == []
    assert "colour order" in codes(selection_of([p[..., ::-1].copy() for p in images if p is not None]))
