"""The page to look at: a gallery of images under a slider, the cosine along the layers, and the settings' plot."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.evaluation.compare import ModelComparison
from edgekit.explore.gallery import COSINE_STEPS, Gallery, GalleryImage
from edgekit.explore.setting import Criterion, Setting
from edgekit.labels import COCO_KEYPOINTS, COCO_SKELETON, class_color_bgr
from edgekit.report.graph import block_of
from edgekit.version import __version__

__all__ = ["ExploredModel", "explore_page"]

HERE = Path(__file__).parent
TEMPLATE = "page.html.jinja"
STYLES = (HERE.parent / "report" / "base.css", HERE / "page.css")
SCRIPTS = tuple(HERE / name for name in ("data.js", "overlay.js", "plots.js", "gallery.js", "viewer.js", "start.js"))
INT8_DEVICES = frozenset({"sim", "bpu", "hbdk-sim"})


@dataclass(frozen=True, slots=True)
class ExploredModel:
    """A model beside the reference.

    Attributes:
        label: What the page calls it; "" for "int8" or the file's name.
        comparison: Of the reference (A) with it (B).
        gallery: The images of that comparison.
    """

    label: str
    comparison: ModelComparison
    gallery: Gallery


def explore_page(
    title: str,
    models: Sequence[ExploredModel],
    *,
    settings: Sequence[Setting] = (),
    criteria: Sequence[Criterion] = (),
    band: float | None = None,
) -> str:
    """Render the page. It loads nothing, and nothing that a file holds can become markup or script.

    Args:
        title: Of the page.
        models: At least one, compared with the same reference on the same images; the last one is shown first.
        settings: What was tried, for the plot of accuracy over milliseconds; none: no plot.
        criteria: Axes of that plot.
        band: What the milliseconds may be off, as a share.

    Returns:
        HTML.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script = _joined(STYLES), f'"use strict";\n(() => {{\n{_joined(SCRIPTS)}}})();\n'
    reference, labels = _labels(models)
    data = _document(models, labels, settings, criteria)
    data["reference"] = reference
    return environment.get_template(TEMPLATE).render(
        title=title,
        version=__version__,
        style=Markup(style),
        script=Markup(script),
        style_hash=_content_hash(style),
        script_hash=_content_hash(script),
        data=data,
        reference=reference,
        summaries=[_summary(model, label, reference) for model, label in zip(models, labels, strict=True)],
        has_layers=any(model.comparison.layers for model in models),
        total=models[-1].gallery.total,
        shown=len(data["images"]),
        band=band,
    )


def _joined(paths: Sequence[Path]) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def _content_hash(text: str) -> str:
    """Return what the page's security policy calls an inline style or script by: all others are refused."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def _labels(models: Sequence[ExploredModel]) -> tuple[str, list[str]]:
    """Return what the page calls the reference and the models: float and int8 where they are, else their files."""
    comparison = models[0].comparison
    kinds = ["int8" if device in INT8_DEVICES else "float" for device in models[0].gallery.devices]
    reference, model = kinds if kinds[0] != kinds[1] else (comparison.a, comparison.b)
    return reference, [entry.label or model for entry in models]


def _document(
    models: Sequence[ExploredModel], labels: Sequence[str], settings: Sequence[Setting], criteria: Sequence[Criterion]
) -> dict[str, Any]:
    """Return what the page's script works on, as plain JSON values."""
    names = models[0].gallery.names
    pairs = [{-image.order: image for image in model.gallery.images} for model in models]
    return {
        "names": list(names),
        "colors": ["#{2:02x}{1:02x}{0:02x}".format(*class_color_bgr(class_id)) for class_id in range(len(names))],
        "skeleton": {str(len(COCO_KEYPOINTS)): [list(bone) for bone in COCO_SKELETON]},
        "cosineSteps": COSINE_STEPS,
        "models": [_model(model.comparison, label) for model, label in zip(models, labels, strict=True)],
        "images": [_image(index, pairs, models) for index in pairs[-1] if all(index in pair for pair in pairs)],
        "criteria": [
            {"key": row.key, "label": row.label, "up": row.more_is_better, "percent": row.percent} for row in criteria
        ],
        "settings": [_setting(setting) for setting in settings],
    }


def _image(index: int, pairs: Sequence[Mapping[int, GalleryImage]], models: Sequence[ExploredModel]) -> dict[str, Any]:
    """Return an image with what each model detects on it; cosines in the order of the model's layers."""
    rows = []
    for pair, model in zip(pairs, models, strict=True):
        row = dict(pair[index].pair)
        if "cosines" in row:
            row["cosines"] = [row["cosines"].get(layer.tensor) for layer in model.comparison.layers]
        rows.append(row)
    return {**pairs[-1][index].image, "pairs": rows}


def _model(comparison: ModelComparison, label: str) -> dict[str, Any]:
    first = comparison.first_below
    return {
        "label": label,
        "file": comparison.b,
        "threshold": comparison.threshold,
        "first": comparison.layers.index(first) if first else None,
        "layers": [
            {
                "node": layer.node,
                "op": layer.op,
                "block": block_of(layer.node).split("/")[0],
                "cosine": round(layer.metrics.cosine, 5),
                "sqnr": round(layer.metrics.sqnr_db, 1) if layer.metrics.sqnr_db < 1e3 else None,
            }
            for layer in comparison.layers
        ],
    }


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "what": setting.what,
        "ms": setting.milliseconds,
        "cost": setting.extra_cost,
        "values": dict(setting.values),
        "details": [list(row) for row in setting.details],
        "chosen": setting.is_chosen,
    }


def _summary(model: ExploredModel, label: str, reference: str) -> dict[str, Any]:
    """Return what the head of the page says of a model: a sentence and tiles (label, value, remark, colour class)."""
    comparison = model.comparison
    lost, gained, moved = (
        sum(len(getattr(difference, kind)) for difference in comparison.differences)
        for kind in ("lost", "gained", "moved")
    )
    kept = sum(difference.kept for difference in comparison.differences)
    total, tiles = kept + lost + moved, []
    if comparison.differences:
        share = kept / total if total else 1.0
        level = "good" if share >= 0.95 else "fair" if share >= 0.8 else "low"
        tiles.append(("objects kept", f"{100 * share:.1f} %", f"{kept} of {total}", level))
        tiles += [(kind, str(count), "", "") for kind, count in (("lost", lost), ("gained", gained), ("moved", moved))]
    lowest = min(comparison.heads.items(), key=lambda item: item[1].cosine, default=None)
    if lowest:
        level = "good" if lowest[1].cosine >= comparison.threshold else "low"
        tiles.append(("lowest output", f"{lowest[1].cosine:.4f}", lowest[0], level))
    first = comparison.first_below
    return {
        "label": label,
        "sentence": _sentence(label, reference, kept, total, (lost, gained, moved), comparison),
        "tiles": tiles,
        "first": first,
        "threshold": comparison.threshold,
        "layers": len(comparison.layers),
    }


def _sentence(
    label: str, reference: str, kept: int, total: int, changes: tuple[int, int, int], comparison: ModelComparison
) -> str:
    images = f"{comparison.images} image{'' if comparison.images == 1 else 's'}"
    if not comparison.differences:
        return f"{label} beside {reference} on {images}."
    if not any(changes):
        return f"{label} keeps all {total} objects of {reference} on {images}."
    counts = ", ".join(f"{count} {kind}" for count, kind in zip(changes, ("lost", "gained", "moved"), strict=True))
    return f"{label} keeps {kept} of {total} objects of {reference} on {images}: {counts}."
