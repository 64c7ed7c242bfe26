"""The root of the loss, shared out among the tensors: the parts add up, and say what 16 bits would take away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", minversion="2.1")

from edgekit.compilation.job import load_job  # noqa: E402
from edgekit.learn.attribution import Attributor  # noqa: E402
from edgekit.learn.losses import output_losses, total_loss  # noqa: E402
from edgekit.learn.network import Network  # noqa: E402
from edgekit.learn.parameters import TrainedParameters  # noqa: E402
from edgekit.sim.compiler.calibration.collect import observe  # noqa: E402
from edgekit.sim.compiler.prepared_model import PreparedModel, prepare_model  # noqa: E402

IMAGES = 12
WIDE = 4.0  # times the largest magnitude: rounding is coarse, and nothing saturates


class Build:
    """A tiny model, its thresholds, a few inputs and the root of its loss for any bit widths."""

    def __init__(self, yaml: Path) -> None:
        self.model = prepare_model(load_job(yaml))
        found = observe(self.model.job, self.model.graph, self.model.plan.observed)
        self.thresholds = {name: WIDE * float(histogram.largest) for name, histogram in found.items()}
        rng = np.random.default_rng(1)
        coarse = rng.random((IMAGES, 3, 8, 12), np.float32)
        self.inputs = coarse.repeat(8, axis=2).repeat(8, axis=3)

    def roots(self, thresholds: dict[str, float], int16: frozenset[str] = frozenset()) -> float:
        """Sum over the inputs of the loss's root."""
        model = self.with_int16(int16)
        network = Network(model.graph, model.plan)
        weights = TrainedParameters(network, frozenset(), {}, "cpu").rounded_weights()
        scales = {name: torch.tensor(value) for name, value in thresholds.items()}
        total = 0.0
        with torch.no_grad():
            for x in map(torch.from_numpy, self.inputs[:, None]):
                truth = network.run(x, network.constant_weights("cpu"))
                outputs = network.run(x, weights, scales)
                total += float(total_loss(output_losses(model.job.spec, truth, outputs)).sqrt())
        return total

    def parts(self, thresholds: dict[str, float]) -> dict[str, np.ndarray]:
        attribute = Attributor(self.model, thresholds, self.model, self.model.job.spec)
        rows = [attribute(x) for x in self.inputs[:, None]]
        return {name: np.sum([row[name] for row in rows], axis=0) for name in rows[0]}

    def with_int16(self, tensors: frozenset[str]) -> PreparedModel:
        plan = self.model.plan
        return replace(self.model, plan=replace(plan, bits={**plan.bits, **dict.fromkeys(tensors, 16)}))


@pytest.fixture
def build(works: Callable[..., Path]) -> Build:
    return Build(works(num_classes=2))


def test_the_parts_add_up_to_the_root_of_the_loss(build: Build) -> None:
    parts = build.parts(build.thresholds)
    assert set(build.model.plan.observed) <= set(parts)
    share = sum(part.sum() for part in parts.values()) / build.roots(build.thresholds)
    assert 0.3 < share < 1.1  # the rest is that of the weights


def test_what_costs_most_is_what_16_bits_take_away(build: Build) -> None:
    parts = build.parts(build.thresholds)
    order = sorted(parts, key=lambda name: parts[name].sum())
    base = build.roots(build.thresholds)
    least, most = (base - build.roots(build.thresholds, frozenset(names)) for names in (order[:5], order[-5:]))
    assert most > 0.1 * base and most > 2 * least


def test_saturation_is_told_from_rounding(build: Build) -> None:
    parts = build.parts(build.thresholds)
    tensor = max(parts, key=lambda name: parts[name][0])
    tight = build.parts({**build.thresholds, tensor: build.thresholds[tensor] / (4 * WIDE)})[tensor]
    assert abs(parts[tensor][1]) < 0.1 * parts[tensor][0]
    assert tight[1] > 10 * abs(tight[0])
