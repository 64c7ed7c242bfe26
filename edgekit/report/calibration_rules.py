"""Rules about the calibration data: a cosine over data that say nothing says nothing.

Two things tell of the data besides the cosine: the threshold at the model's input, which every log with a node table
holds, and what `edgekit compile` found when it looked at the files. Without either no build is called good.
"""

from __future__ import annotations

from edgekit.logs.numbers import finite
from edgekit.report.finding import Finding
from edgekit.report.model_facts import Facts

DARK_SHARE = 0.1  # of the range of the input; images reach all of it, files divided twice reach 1/255
CALIBRATE = "calibrate on the original images (edgekit calibrate), then compile again"


def dark_input(facts: Facts) -> Finding | None:
    """The calibration data reached only a small part of what the model's input can be."""
    threshold, full = _input_threshold(facts), _input_range(facts)
    if threshold is None or threshold >= DARK_SHARE * full:
        return None
    return Finding(
        "dark_input",
        "bad",
        f"the calibration data reach {threshold:.3g} at the model's input, expected about {full:.3g}",
        "nearly black images: files of 0..1 beside a yaml that divides by 255 once more?",
        CALIBRATE,
        threshold,
        DARK_SHARE * full,
    )


def odd_calibration_data(facts: Facts) -> Finding | None:
    """What edgekit compile found odd in the calibration files."""
    check = facts.build.data_check
    if check is None or not check.warnings:
        return None
    first, more = check.warnings[0], len(check.warnings) - 1
    title = first.message + (f" (and {more} more)" if more else "")
    return Finding("odd_calibration_data", "warn", title, first.advice, CALIBRATE, len(check.warnings), 0)


def unproven_calibration(facts: Facts) -> Finding | None:
    """Only the cosine over its own calibration data speaks for the build."""
    known = facts.build.data_check is not None or _input_threshold(facts) is not None
    if known or facts.worst_output is None:
        return None
    return Finding(
        "unproven_calibration",
        "warn",
        "nothing here shows what the calibration data were",
        "the cosines compare the integer graph with the float model on these data alone",
        "compare with the float ONNX on labelled images (edgekit eval --against)",
    )


def better_ranges(facts: Facts) -> str:
    """What was measured of this model, or what measures it: no setting is better on every model."""
    measured = facts.build.sensitivity
    if measured is not None and measured.nodes:
        worst = measured.nodes[0].node
        return f"edgekit tune measured this model ({worst} loses most in int8): compile the folder that it wrote"
    requested = facts.log.calibration.requested if facts.log else ""
    search = "" if requested == "default" else "yaml: calibration_type: 'default', which searches; or "
    return f"{search}edgekit tune, which measures other ranges, Clips and int16 on your images"


def _input_threshold(facts: Facts) -> float | None:
    """The threshold of the first node behind the conversion of pixels; None where no log tells it.

    Of several inputs no row says which it is of, and of a featuremap nobody knows what to expect.
    """
    kinds = [
        kind.strip() for kind in facts.build.setting("input_parameters", "input_type_rt").split(";") if kind.strip()
    ]
    if len(kinds) > 1 or "featuremap" in kinds:
        return None
    log = facts.log
    rows = [row for row in log.nodes if "Preprocess" not in row.type] if log else []
    first = rows[0] if rows else None
    return first.threshold if first is not None and not first.truncated else None


def _input_range(facts: Facts) -> float:
    """The largest value that the yaml's normalisation makes of a pixel; 1 where no yaml is told."""
    norm = facts.build.setting("input_parameters", "norm_type")
    if not norm:
        return 1.0
    mean = _numbers(facts, "mean_value") if "mean" in norm else [0.0]
    scale = _numbers(facts, "scale_value") if "scale" in norm else [1.0]
    if not mean or not scale:
        return 1.0
    return max(max(abs(0 - m), abs(255 - m)) for m in mean) * max(abs(s) for s in scale)


def _numbers(facts: Facts, name: str) -> list[float]:
    words = facts.build.setting("input_parameters", name).replace(",", " ").replace(";", " ").split()
    return [number for word in words if (number := finite(word)) is not None]
