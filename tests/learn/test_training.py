"""Learning on a tiny model: it gains, repeats itself, goes on where it was killed, and stops where it diverges."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", minversion="2.1")

from edgekit.compilation.job import load_job  # noqa: E402
from edgekit.data.image_source import Image  # noqa: E402
from edgekit.folding.clip_bounds import boundable  # noqa: E402
from edgekit.learn import training  # noqa: E402
from edgekit.learn.checkpoint import load_checkpoint  # noqa: E402
from edgekit.learn.image_pool import ImagePool  # noqa: E402
from edgekit.learn.learned_model import learnable_convolutions  # noqa: E402
from edgekit.learn.network import Network  # noqa: E402
from edgekit.learn.parameters import BOUND, LEARNING_RATES, TrainedParameters  # noqa: E402
from edgekit.learn.ranges import RangeRules  # noqa: E402
from edgekit.learn.training import LearningTask, held_out_loss, train  # noqa: E402
from edgekit.sim.compiler.calibration.collect import observe  # noqa: E402
from edgekit.sim.compiler.inputs import board_inputs  # noqa: E402
from edgekit.sim.compiler.prepared_model import prepare_model  # noqa: E402

ABOUT = {"run": "of a test"}


@pytest.fixture
def task(works: Callable[..., Path]) -> Callable[..., LearningTask]:
    """Makes a fresh start on the same model and images; bounds begin far too wide."""
    prepared = prepare_model(load_job(works(num_classes=2, size_wh=(32, 32))))
    graph, plan, job = prepared.graph, prepared.plan, prepared.job
    largest = {name: h.largest for name, h in observe(job, graph, plan.observed).items()}
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (12, 3, 4, 4), dtype=np.uint8)
    images = tuple(Image(Path(f"{i}.png"), f"{i}.png") for i in range(12))
    pool = ImagePool(images, coarse.repeat(8, axis=2).repeat(8, axis=3), held_out=4, source=board_inputs(job)[0])

    def make(steps: int = 16) -> LearningTask:
        network = Network(graph, plan)
        start = {name: 4 * largest[name] for name in boundable(graph, plan)}
        learned = learnable_convolutions(onnx.load(job.onnx_path), graph)
        parameters = TrainedParameters(network, learned, start, "cpu")
        rules = RangeRules(graph, plan, {name: 4 * value for name, value in largest.items()})
        return LearningTask(
            network, network.constant_weights("cpu"), parameters, rules, pool, job.spec, steps, 0, "cpu"
        )

    return make


def test_the_held_out_loss_falls_and_the_best_state_is_kept(
    task: Callable[..., LearningTask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LEARNING_RATES, BOUND, 0.05)  # a few steps have far to go
    run = task(steps=40)
    state = train(run, ABOUT, tmp_path / "run.npz")
    losses = [loss for _, loss in state.history]
    assert min(losses) < 0.9 * losses[0]
    assert held_out_loss(run) == pytest.approx(min(losses), rel=1e-5)
    assert state.history[[step for step, _ in state.history].index(state.best_step)][1] == min(losses)


def test_a_killed_run_goes_on_and_ends_where_the_other_did(
    task: Callable[..., LearningTask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(task(steps=10), ABOUT, tmp_path / "whole.npz")
    steps = 0

    def killed(stage: str, done: int, total: int) -> None:
        nonlocal steps
        steps += stage.startswith("learning")
        if steps == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(task(steps=10), ABOUT, tmp_path / "killed.npz", progress=killed)
    partly = load_checkpoint(tmp_path / "killed.npz", ABOUT)
    assert partly is not None and 0 < partly.step < whole.step
    resumed = train(task(steps=10), ABOUT, tmp_path / "killed.npz")
    assert [step for step, _ in resumed.history] == [step for step, _ in whole.history]
    assert [loss for _, loss in resumed.history] == pytest.approx([loss for _, loss in whole.history])
    for name, values in whole.best.items():
        assert np.allclose(resumed.best[name], values, atol=1e-6), name


def test_a_checkpoint_of_another_run_is_not_taken_up(task: Callable[..., LearningTask], tmp_path: Path) -> None:
    train(task(steps=3), ABOUT, tmp_path / "run.npz")
    assert load_checkpoint(tmp_path / "run.npz", ABOUT) is not None
    assert load_checkpoint(tmp_path / "run.npz", {"run": "of another test"}) is None
    (tmp_path / "run.npz").write_bytes((tmp_path / "run.npz").read_bytes()[:200])
    assert load_checkpoint(tmp_path / "run.npz", ABOUT) is None


def test_a_diverging_run_stops_and_keeps_the_best(
    task: Callable[..., LearningTask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in LEARNING_RATES:
        monkeypatch.setitem(LEARNING_RATES, kind, 3.0)
    run = task()
    first = held_out_loss(run)
    state = train(run, ABOUT, tmp_path / "run.npz")
    assert state.ended.startswith("diverged") and state.step < 16
    assert held_out_loss(run) <= first * (1 + 1e-6)


def test_a_loss_that_is_not_finite_stops_the_run(
    task: Callable[..., LearningTask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Any = training.image_loss

    def broken(task: LearningTask, index: int, *, flipped: bool) -> Any:
        loss = real(task, index, flipped=flipped)
        return loss * math.nan if loss.requires_grad else loss  # held-out images are measured without gradients

    monkeypatch.setattr(training, "image_loss", broken)
    state = train(task(), ABOUT, tmp_path / "run.npz")
    assert state.ended == "diverged at step 1: the loss is not finite" and state.best_step == 0


def test_a_run_that_gains_nothing_ends_early(
    task: Callable[..., LearningTask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in LEARNING_RATES:
        monkeypatch.setitem(LEARNING_RATES, kind, 0.0)
    state = train(task(), ABOUT, tmp_path / "run.npz")
    assert state.ended == "no gain on held-out images since step 0" and state.step < 16


def test_another_seed_learns_otherwise(task: Callable[..., LearningTask], tmp_path: Path) -> None:
    first = train(task(steps=4), ABOUT, tmp_path / "a.npz")
    again = train(task(steps=4), ABOUT, tmp_path / "b.npz")
    other = train(replace(task(steps=4), seed=1), ABOUT, tmp_path / "c.npz")
    assert first.history == again.history
    assert first.history[-1] != other.history[-1]


def test_the_mean_goes_a_share_of_the_way_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the way from 0 to 4, then half of the way from 2 to 8; the tensors themselves stay as they are."""
    monkeypatch.setattr(training, "AVERAGED", 2)
    parameters: Any = SimpleNamespace(tensors={"bias": torch.zeros(1, requires_grad=True)})
    mean = training._MovingAverage(parameters)
    for value, expected in ((4.0, 2.0), (8.0, 5.0)):
        parameters.tensors["bias"].data.fill_(value)
        mean.take(parameters)
        assert mean.arrays()["bias"].tolist() == [expected] and parameters.tensors["bias"].item() == value
