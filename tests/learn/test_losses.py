"""What the loss counts: nothing for equal outputs, each part for its own change, by hand where numbers are small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", minversion="2.1")

from edgekit.compilation.job import load_job  # noqa: E402
from edgekit.decode import DecodeOptions, Decoder  # noqa: E402
from edgekit.learn.head_rows import head_rows  # noqa: E402
from edgekit.learn.losses import PART_WEIGHTS, output_losses, pooled_loss, total_loss  # noqa: E402
from edgekit.ops.letterbox import letterbox_of  # noqa: E402
from edgekit.spec import ModelSpec  # noqa: E402
from tests.learn.conftest import HEADS  # noqa: E402
from tests.typed import detections  # noqa: E402

PARTS_OF_TASK = {
    "detect": {"scores", "edges"},
    "segment": {"scores", "edges", "masks"},
    "pose": {"scores", "edges", "keypoints", "visibility"},
    "obb": {"scores", "edges", "angles"},
    "classify": {"classes"},
}
ROLE_OF_PART = {"masks": "mask", "keypoints": "keypoint", "visibility": "keypoint", "angles": "angle"}


def random_heads(spec: ModelSpec, seed: int = 0) -> dict[str, Any]:
    """Heads whose boxes have a size."""
    rng = np.random.default_rng(seed)
    heads = {}
    for head in spec.outputs:
        values = rng.normal(0, 1, head.shape)
        if head.role == "box" and spec.reg_max == 1:
            values = np.abs(values) + 1
        heads[head.name] = torch.tensor(values, dtype=torch.float32)
    return heads


@pytest.mark.parametrize(("family", "task"), HEADS)
def test_equal_outputs_lose_nothing_and_every_head_is_counted(
    works: Callable[..., Path], family: str, task: str
) -> None:
    options = {"size_wh": (64, 64)} if task == "classify" else {}
    spec = load_job(works(family=family, task=task, **options)).spec
    truth = random_heads(spec)
    parts = output_losses(spec, truth, truth)
    bins = {"bins"} if spec.reg_max > 1 and family != "yolov5" and task != "classify" else set()
    assert set(parts) == PARTS_OF_TASK[task] | bins
    assert set(parts) <= set(PART_WEIGHTS)
    assert all(abs(float(value)) < 1e-6 for value in parts.values())
    other = {name: (values + 0.5 * torch.randn(values.shape, generator=torch.Generator().manual_seed(1)))
             for name, values in truth.items()}  # fmt: skip
    leaves = {name: values.clone().requires_grad_() for name, values in other.items()}
    total_loss(output_losses(spec, truth, leaves)).backward()
    for name, leaf in leaves.items():
        assert leaf.grad is not None and float(leaf.grad.abs().sum()) > 0, name


@pytest.mark.parametrize("part", sorted(ROLE_OF_PART))
def test_a_part_moves_with_its_own_head_alone(works: Callable[..., Path], part: str) -> None:
    task = next(task for task, parts in PARTS_OF_TASK.items() if part in parts)
    spec = load_job(works(family="yolo11", task=task)).spec
    truth = random_heads(spec)
    moved = {h.name: truth[h.name] + (0.3 if h.role == ROLE_OF_PART[part] else 0.0) for h in spec.outputs}
    parts = output_losses(spec, truth, moved)
    assert float(parts[part]) > 1e-4
    assert abs(float(parts["scores"])) < 1e-6 and abs(float(parts["edges"])) < 1e-6


def test_scores_are_the_divergence_of_two_coins(works: Callable[..., Path]) -> None:
    """One class, all logits 0 against all logits log 3: 1/2 log(2/3) + 1/2 log 2 per cell, over the scores' sum + 1."""
    spec = load_job(works(family="yolo26", num_classes=1)).spec
    truth = {h.name: torch.ones(h.shape) if h.role == "box" else torch.zeros(h.shape) for h in spec.outputs}
    others = {h.name: truth[h.name] if h.role == "box" else truth[h.name] + np.log(3) for h in spec.outputs}
    cells = sum(h.shape[1] * h.shape[2] for h in spec.outputs if h.role == "class")
    coin = 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)
    loss = float(output_losses(spec, truth, others)["scores"])
    assert loss == pytest.approx(cells * coin / (cells / 2 + 1), rel=1e-5)


def test_an_edge_counts_relative_to_the_side_of_the_box(works: Callable[..., Path]) -> None:
    """All distances 1 cell, so that boxes are 2 cells wide: a left edge off by 0.1 cells is 0.05 of the width."""
    spec = load_job(works(family="yolo26", num_classes=1)).spec
    truth = {h.name: torch.ones(h.shape) for h in spec.outputs}
    others = {name: values.clone() for name, values in truth.items()}
    for head in spec.outputs:
        if head.role == "box":
            others[head.name][..., 0] += 0.1
    scores = 1 / (1 + np.exp(-1.0)) * sum(h.shape[1] * h.shape[2] for h in spec.outputs if h.role == "class")
    loss = float(output_losses(spec, truth, others)["edges"])
    assert loss == pytest.approx(0.05 / 4 * scores / (scores + 1), rel=1e-4)


@pytest.mark.parametrize("family", ["yolov5", "yolo11"])
def test_boxes_are_those_that_the_board_decodes(works: Callable[..., Path], family: str) -> None:
    """Of the highest score: the decoder's own box."""
    spec = load_job(works(family=family)).spec
    heads = random_heads(spec, seed=3)
    decoder = Decoder(spec, DecodeOptions(score_threshold=0.01))
    letterbox = letterbox_of(spec.preprocess.size_wh, spec.preprocess)
    results = decoder({name: values.numpy() for name, values in heads.items()}, letterbox)
    rows = head_rows(spec, heads)
    best = int(rows.log_scores.amax(dim=1).argmax())
    low = rows.centres[best] - rows.edges[best, :2]
    high = rows.centres[best] + rows.edges[best, 2:]
    width, height = spec.preprocess.size_wh
    box = np.clip(torch.cat([low, high]).numpy(), 0, [width, height, width, height])
    assert np.allclose(detections(results).boxes_xyxy[0], box, atol=1e-3)
    assert detections(results).scores[0] == pytest.approx(float(rows.log_scores[best].max().exp()), abs=1e-5)


def test_one_odd_image_does_not_outweigh_the_others() -> None:
    """Roots of 1, 1, 1 and 7: their mean is 2.5, the losses' own is 13."""
    assert pooled_loss([1.0, 1.0, 1.0, 49.0]) == pytest.approx(2.5**2)
    assert pooled_loss([0.25]) == pytest.approx(0.25)
