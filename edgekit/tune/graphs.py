"""Other float graphs of a tuning folder: what is folded into the ONNX, beside the plain one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgekit.files import atomic_path
from edgekit.tune.fold.bias import add_to_biases
from edgekit.tune.fold.equalize import equalize
from edgekit.tune.setting import PLAIN, Setting
from edgekit.tune.work import Work, base_subject


def equalized_graph(work: Work, photos: str, name: str) -> tuple[str, ...]:
    """Writes the cross-layer equalized float graph beside the plain one; the tensors equalized, none: not written."""
    model, changed = equalize(onnx.load(base_subject(work.folder, photos, PLAIN).job.onnx_path))
    if changed:
        _write(model, work.graph(name))
    return tuple(one.tensor for one in changed)


def biased_graph(work: Work, setting: Setting, shifts: Mapping[str, Any], name: str) -> None:
    """Writes the setting's float graph with the output shifts added to the biases of the head convolutions."""
    subject = base_subject(work.folder, setting.photos, setting.graph)
    convs = {node.output for node in subject.graph.nodes if node.op in ("Conv", "ConvTranspose")}
    tensors = {subject.graph.outputs[output]: np.asarray(values) for output, values in shifts.items()}
    model = onnx.load(subject.job.onnx_path)
    _write(add_to_biases(model, {t: shift for t, shift in tensors.items() if t in convs}), work.graph(name))


def _write(model: onnx.ModelProto, path: Path) -> None:
    with atomic_path(path) as temporary:
        onnx.save(model, str(temporary))
