"""Warnings about a calibration set: too small, all alike, or not what the model will see."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from edgekit.calibration.select import Chosen, Selection

SMALL_SET = 20  # fewer images leave most activation ranges to chance; 50 and more are usual
ALIKE_RMS = 12.0  # grey levels; of 100 COCO images the nearest two differ by 32, the median pair by 50
GREY_CHROMA = 1.5  # CIE Lab units; grey images have under 0.1, the palest colour image of COCO 1.8
DARK_MEAN, BRIGHT_MEAN = 30.0, 225.0  # of 0..255; outside lie 2 of 229 COCO images
UNIT_MAXIMUM = 3  # pixels that never pass this were values of 0..1 once
CLIPPED_SHARE = 0.4  # half of a mean-subtracted image is negative and becomes 0; COCO images stay below 0.22
MAJORITY = 0.5
BLUE_SIGMAS = 3.0  # how sure it must be that blue outweighs red; natural images are warm (COCO: +6 sigmas)
MIN_FOR_COLOUR = 8
UPSCALE = 4.0


@dataclass(frozen=True, slots=True)
class Warned:
    """One warning: a short code, what was found with its numbers, and what to do."""

    code: str
    message: str
    advice: str


def check_selection(selection: Selection, *, num: int, size_wh: tuple[int, int]) -> tuple[Warned, ...]:
    """Everything about the set that makes its compile worse than it could be, most serious first."""
    chosen = selection.chosen
    checks: tuple[Callable[[], Warned | None], ...] = (
        lambda: _normalised(chosen),
        lambda: _colour_order(chosen),
        lambda: _grey(chosen),
        lambda: _dark_or_bright(chosen),
        lambda: _alike(chosen),
        lambda: _tiny(chosen, size_wh),
        lambda: _few(selection, num),
        lambda: _lost(selection),
    )
    return tuple(warned for check in checks if (warned := check()) is not None)


def _few(selection: Selection, num: int) -> Warned | None:
    count = len(selection.chosen)
    if count >= min(num, SMALL_SET) and count >= SMALL_SET and count >= num:
        return None
    if count < num:
        count_text = f"{count} images instead of {num}: the source has no more different ones"
    else:
        count_text = f"{count} images"
    if count < SMALL_SET:
        return Warned("small", f"the set is small: {count_text}", f"use {SMALL_SET} or more; 50 is usual")
    return Warned("fewer", f"the set has {count_text}", "add images, or ask for fewer with --num")


def _alike(chosen: tuple[Chosen, ...]) -> Warned | None:
    if len(chosen) < 2:
        return None
    typical = statistics.median(image.nearest_rms for image in chosen)
    if typical >= ALIKE_RMS:
        return None
    return Warned(
        "monotone",
        f"the images are nearly alike: half of them differ from another by less than {typical:.1f} grey levels",
        "add images of other scenes, times of day and distances",
    )


def _grey(chosen: tuple[Chosen, ...]) -> Warned | None:
    grey = sum(image.stats.chroma < GREY_CHROMA for image in chosen)
    if grey <= MAJORITY * len(chosen):
        return None
    return Warned(
        "grey",
        f"{grey} of {len(chosen)} images have no colour",
        "fine for a grey camera; else give the colour images",
    )


def _dark_or_bright(chosen: tuple[Chosen, ...]) -> Warned | None:
    means = [statistics.fmean(image.stats.mean_rgb) for image in chosen]
    odd = sum(not DARK_MEAN <= mean <= BRIGHT_MEAN for mean in means)
    if odd <= MAJORITY * len(chosen):
        return None
    return Warned(
        "dark",
        f"{odd} of {len(chosen)} images are nearly black or white (mean brightness {statistics.fmean(means):.0f} "
        "of 255)",
        "look at them; add images with the light that the camera will see",
    )


def _normalised(chosen: tuple[Chosen, ...]) -> Warned | None:
    unit = sum(image.stats.maximum <= UNIT_MAXIMUM for image in chosen)
    clipped = sum(image.stats.zero_share >= CLIPPED_SHARE for image in chosen)
    advice = "give the original images: the yaml normalises, so the files must hold 0..255"
    if unit > MAJORITY * len(chosen):
        return Warned(
            "normalised",
            f"{unit} of {len(chosen)} images have no pixel above {UNIT_MAXIMUM}: already scaled to 0..1?",
            advice,
        )
    if clipped > MAJORITY * len(chosen):
        return Warned(
            "normalised",
            f"in {clipped} of {len(chosen)} images over {CLIPPED_SHARE:.0%} of the values are 0: "
            "mean already subtracted?",
            advice,
        )
    return None


def _colour_order(chosen: tuple[Chosen, ...]) -> Warned | None:
    """Red and blue swapped: images lean to red (skin, wood, lamps), so a set that surely leans to blue is odd."""
    leans = [
        (image.stats.mean_rgb[0] - image.stats.mean_rgb[2]) / (image.stats.mean_rgb[0] + image.stats.mean_rgb[2])
        for image in chosen
        if image.stats.chroma >= GREY_CHROMA and image.stats.mean_rgb[0] + image.stats.mean_rgb[2] > 0
    ]
    if len(leans) < MIN_FOR_COLOUR:
        return None
    mean = statistics.fmean(leans)
    sigmas = -mean / max(statistics.stdev(leans) / math.sqrt(len(leans)), 1e-6)
    if sigmas < BLUE_SIGMAS:
        return None
    blue = sum(lean < 0 for lean in leans)
    return Warned(
        "colour order",
        f"{blue} of {len(leans)} images are bluer than red (on average by {-mean:.0%}): "
        "were red and blue swapped when they were saved?",
        "look at a few; skies and water may be right, blue faces are not",
    )


def _tiny(chosen: tuple[Chosen, ...], size_wh: tuple[int, int]) -> Warned | None:
    scales = [min(size_wh[0] / image.stats.width, size_wh[1] / image.stats.height) for image in chosen]
    typical = statistics.median(scales)
    if typical < UPSCALE:
        return None
    return Warned(
        "tiny",
        f"the images are tiny: half of them are enlarged {typical:.1f} times and more to {size_wh[0]}x{size_wh[1]}",
        "give images of the size that the camera delivers",
    )


def _lost(selection: Selection) -> Warned | None:
    bad = [image for image in selection.dropped if image.reason in ("undecodable", "missing")]
    if not bad:
        return None
    return Warned(
        "lost",
        f"{len(bad)} images are missing or cannot be decoded (first: {bad[0].name})",
        "they are listed in manifest.json; copy them again or delete them",
    )
