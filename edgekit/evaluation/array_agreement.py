"""Models that nothing decodes: how far their arrays are from those of a reference, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.errors import ModelError
from edgekit.evaluation.bootstrap import Float64Array
from edgekit.ops.image import read_image
from edgekit.progress import Progress, silent
from edgekit.results import RawOutputs
from edgekit.runtime.session import Session

__all__ = ["array_disagreements", "relative_difference"]


def array_disagreements(
    model: Session, reference: Session, images: Sequence[Path], *, progress: Progress = silent
) -> Float64Array:
    """Measure the arrays of two raw models on images.

    Args:
        model: The model, such as an integer build.
        reference: The float model.
        images: Image files.
        progress: Called per image.

    Returns:
        (images,) the mean over the outputs of the relative difference, 0 (equal) to 1.

    Raises:
        ModelError: A model is no raw one, or their outputs differ in name or shape.
    """
    rows = []
    for done, path in enumerate(images):
        progress("comparing arrays", done, len(images))
        bgr = read_image(path)
        ours, expected = (_arrays(session, session.predict(bgr)) for session in (model, reference))
        if {name: a.shape for name, a in ours.items()} != {name: a.shape for name, a in expected.items()}:
            raise ModelError(
                f"the outputs are {sorted(ours)} and {sorted(expected)}, expected the same, of the same shapes",
                hint="compare builds of one model",
            )
        rows.append(np.mean([relative_difference(ours[name], expected[name]) for name in expected]))
    return np.asarray(rows, np.float64)


def relative_difference(values: np.ndarray, expected: np.ndarray) -> float:
    """Return the norm of the difference over that of `expected`, at most 1; arrays of one shape."""
    norm = float(np.linalg.norm(expected.astype(np.float64)))
    difference = float(np.linalg.norm(values.astype(np.float64) - expected))
    if not np.isfinite(difference):
        return 1.0
    return min(1.0, difference / norm) if norm else float(difference > 0)


def _arrays(session: Session, results: object) -> dict[str, np.ndarray]:
    if not isinstance(results, RawOutputs):
        raise ModelError(
            f"this model's task is {session.spec.task!r}, expected 'raw'",
            hint="measure others with edgekit eval",
        )
    return dict(results.arrays)
