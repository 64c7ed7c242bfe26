"""What `edgekit eval` prints: scores, classes, the comparison with a reference, and missed requirements."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.console import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.evaluation.bootstrap import Interval
    from edgekit.evaluation.gate import Requirement
    from edgekit.evaluation.scores import Evaluation, ModelScores, Score

KINDS = {
    "box": "boxes",
    "mask": "masks",
    "keypoint": "key points",
    "rotated box": "rotated boxes",
    "top-1": "top-1",
    "top-5": "top-5",
}


def print_missed(model: str, requirements: Sequence[Requirement]) -> None:
    """Print on standard error which required scores a model misses, and by how much."""
    for requirement in requirements:
        if not requirement.passed:
            measured, required = requirement.measured, requirement.required
            if requirement.is_error:
                missing = f" at most, {measured - required:.4f} too much"
            else:
                missing = f", {100 * (required - measured):.2f} points too low"
            print(
                f"failed: {KINDS.get(requirement.kind, 'maps')} of {model}: {requirement.measure} is {measured:.4f}, "
                f"required {required:g}{'' if math.isnan(measured) else missing}",
                file=sys.stderr,
            )


def print_evaluation(result: Evaluation, out: Path, *, show_classes: bool) -> None:
    """Print the scores of a model, their comparison with the reference, and what makes them doubtful."""
    sides = [result.model] + ([result.reference] if result.reference else [])
    if result.model.scores:
        _print_scores(sides)
    else:
        print(f"{result.model.model} ({result.model.device}), {_images(result.model.images)} without labels")
    if show_classes and result.model.scores:
        for side in sides:
            _print_classes(side)
    if result.reference is not None:
        _print_comparison(result)
    for side in sides:
        for note in side.notes:
            print(f"note: {side.model}: {note}")
        for error in side.unread:
            print(f"warning: skipped: {error}")
    print(f"report: {out / 'report.json'}")


def _print_scores(sides: list[ModelScores]) -> None:
    measure = next(iter(sides[0].scores.values())).measure
    rows = [
        [f"{side.model} ({side.device})", KINDS[kind], *_score_cells(score)]
        for side in sides
        for kind, score in side.scores.items()
    ]
    columns = ["model", "of", "instances", "P", "R", "mAP50", f"{measure} [95 %]", "small", "medium", "large"]
    print_table(_images(sides[0].images), columns, rows)
    for side in sides:
        best = [f"{KINDS[kind]} {s.curves.confidence:.3f}" for kind, s in side.scores.items() if s.curves is not None]
        if best:
            print(f"P and R of {side.model} at the score threshold of its best F1: {', '.join(best)}")


def _score_cells(score: Score) -> list[str]:
    precision, recall, _ = score.curves.mean_at_best() if score.curves else (math.nan, math.nan, math.nan)
    return [
        str(score.objects or "-"),
        _percent(precision),
        _percent(recall),
        _percent(score.map50.value) if score.map50 else "-",
        f"{_percent(score.overall.value)} {_range(score.overall)}",
        *(_percent(score.by_area.get(area, math.nan)) for area in ("small", "medium", "large")),
    ]


def _print_classes(side: ModelScores) -> None:
    for kind, score in side.scores.items():
        rows = [
            [name, c.images, c.objects, *map(_percent, (c.precision, c.recall, c.ap50, c.value))]
            for name, c in score.by_class.items()
        ]
        if rows:
            columns = ["class", "images", "instances", "P", "R", "mAP50", "mAP50-95"]
            print_table(f"{side.model}, {KINDS[kind]}, per class", columns, rows)


def _print_comparison(result: Evaluation) -> None:
    assert result.reference is not None
    for kind, kept in (result.kept or {}).items():
        change = (result.difference or {})[kind]
        verdict = "" if _is_sure(change) else " (within the noise of these images)"
        print(f"kept of {result.reference.model}, {KINDS[kind]}: {_percent(kept.value)} % {_range(kept)} of its score,")
        print(f"  {100 * change.value:+.2f} points {_range(change)}{verdict}")
    if result.same_class is not None:
        same = result.same_class
        print(
            f"agreement: the first class is that of {result.reference.model} on {_percent(same.value)} % {_range(same)}"
        )
    if result.agreement is None:
        return
    agreement = result.agreement
    if not agreement.reference:
        print(f"agreement: {result.reference.model} detects nothing with score >= 0.4 on these images")
        return
    shares = ", ".join(f"{_percent(share.value)} % {_range(share)} at IoU {iou:g}" for iou, share in agreement.matched)
    print(f"agreement: of {agreement.reference} detections of {result.reference.model} with score >= 0.4, matched:")
    print(f"  {shares}")
    masks = "" if math.isnan(agreement.mask_iou) else f", mask IoU {agreement.mask_iou:.3f}"
    print(f"  panoptic quality of all shown boxes {_percent(agreement.quality.value)} % {_range(agreement.quality)}")
    print(
        f"  mean box IoU {agreement.box_iou:.3f}{masks}, scores differ by {agreement.score_shift:.3f}; "
        f"{_percent(agreement.gained.value)} % of its own are new"
    )


def _images(count: int) -> str:
    return f"{count} image" + ("" if count == 1 else "s")


def _is_sure(change: Interval) -> bool:
    return change.low > 0 or change.high < 0


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _range(interval: Interval) -> str:
    if math.isnan(interval.low):
        return ""
    return f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
