"""The learning itself: one image per step, Adam on bounds, weights and biases, held-out images decide what is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgekit.learn.checkpoint import Arrays, RunState, load_checkpoint, save_checkpoint
from edgekit.learn.image_pool import ImagePool
from edgekit.learn.losses import output_losses, pooled_loss, total_loss
from edgekit.learn.network import Network
from edgekit.learn.parameters import TrainedParameters
from edgekit.learn.ranges import RangeRules
from edgekit.progress import Progress, silent
from edgekit.spec import ModelSpec

EVALUATIONS = 5  # of the held-out loss, evenly over the run
PATIENCE = 3  # evaluations without a gain after which the run ends, in its last quarter: most is gained at low rates
LEAST_GAIN = 0.002  # of the held-out loss
DIVERGED = 3.0  # times the first held-out loss
WARM_UP = 20  # steps until the full learning rate
LEAST_LOSS = 1e-4  # of an image: below it the root's gradient would grow without end
BETAS = (0.9, 0.999)  # of Adam: what one image in hundreds needs must not be forgotten by the next such image
CLIP_NORM = 10.0  # of all gradients together: one odd image moves nothing far
AVERAGED = 50  # steps that the running mean of the tensors reaches back: it is what is judged and kept


@dataclass(frozen=True, slots=True)
class LearningTask:
    """Everything that a run works on.

    Attributes:
        network: The interpreter.
        truth_weights: The original model's weights, whose float outputs are the target.
        parameters: What is learned.
        rules: Thresholds from bounds.
        pool: The images.
        spec: The cut model's sidecar.
        steps: Steps of the whole run, fixed before it begins.
        seed: Of the images' order and mirroring.
        device: torch's name of the device.
    """

    network: Network
    truth_weights: Mapping[str, tuple[Any, Any]]
    parameters: TrainedParameters
    rules: RangeRules
    pool: ImagePool
    spec: ModelSpec
    steps: int
    seed: int
    device: Any


def train(task: LearningTask, about: Mapping[str, Any], path: Path, *, progress: Progress = silent) -> RunState:
    """Learn for `task.steps` steps, or until nothing is gained any more.

    Args:
        task: What is learned, from what.
        about: What the run depends on, as plain JSON values; a checkpoint of something else is not taken up.
        path: The checkpoint, written at every evaluation.
        progress: Called per step, with the held-out loss in the stage's name.

    Returns:
        The last state; the parameters hold its best tensors, a running mean over steps.
    """
    optimizer = torch.optim.Adam(task.parameters.groups(), betas=BETAS)
    rates = [group["lr"] for group in optimizer.param_groups]
    state = load_checkpoint(path, about) or RunState(dict(about))
    average = _MovingAverage(task.parameters)
    if state.current:
        _restore(task.parameters, optimizer, average, state.current)
    if not state.history:
        _evaluate(task, optimizer, average, state, progress)
    every = max(1, math.ceil(task.steps / EVALUATIONS))
    while not state.ended and state.step < task.steps:
        progress(_stage(state), state.step, task.steps)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * _schedule(state.step, task.steps)
        finite = _step(task, optimizer, state.step)
        state.step += 1
        if not finite:
            state.ended = f"diverged at step {state.step}: the loss is not finite"
            continue
        average.take(task.parameters)
        if state.step % every == 0 or state.step == task.steps:
            _evaluate(task, optimizer, average, state, progress)
            save_checkpoint(path, state)
    progress(_stage(state), task.steps, task.steps)
    if not state.ended:
        state.ended = "all steps done"
    save_checkpoint(path, state)
    task.parameters.load(state.best)
    return state


def image_loss(task: LearningTask, index: int, *, flipped: bool) -> Any:
    """Return the weighted loss of one image as a scalar tensor: of the board's colours against the true ones."""
    true, board = (
        torch.from_numpy(colours(index, flipped=flipped)).to(task.device)
        for colours in (task.pool.input, task.pool.board_input)
    )
    with torch.no_grad():
        truth = task.network.run(true, task.truth_weights)
    thresholds = task.rules.thresholds(task.parameters.bounds())
    outputs = task.network.run(board, task.parameters.rounded_weights(), thresholds)
    return total_loss(output_losses(task.spec, truth, outputs))


def held_out_loss(task: LearningTask, progress: Progress = silent) -> float:
    """Return the pooled loss of the held-out images."""
    losses: list[float] = []
    with torch.no_grad():
        for index in range(task.pool.learned, len(task.pool.images)):
            progress("held-out images", len(losses), task.pool.held_out)
            losses.append(float(image_loss(task, index, flipped=False)))
    progress("held-out images", task.pool.held_out, task.pool.held_out)
    return pooled_loss(losses)


def _step(task: LearningTask, optimizer: Any, step: int) -> bool:
    """One image; False where the loss or a gradient is not finite."""
    epoch, position = divmod(step, task.pool.learned)
    order = np.random.default_rng([task.seed, epoch]).permutation(task.pool.learned)
    flipped = bool(np.random.default_rng([task.seed, epoch, position]).integers(2))
    optimizer.zero_grad(set_to_none=True)
    loss = image_loss(task, int(order[position]), flipped=flipped)
    root = (loss + LEAST_LOSS).sqrt()  # as images are pooled
    if not torch.isfinite(loss):
        return False
    root.backward()
    norm = torch.nn.utils.clip_grad_norm_(list(task.parameters.tensors.values()), CLIP_NORM)
    if not torch.isfinite(norm):
        return False
    optimizer.step()
    return True


def _schedule(step: int, steps: int) -> float:
    """Share of the learning rate: a short rise, then half a cosine down to a twentieth."""
    rise = min(1.0, (step + 1) / WARM_UP)
    return rise * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / max(steps, 1))))


class _MovingAverage:
    """The exponential moving average of the learned tensors: one image's gradient is mostly noise."""

    def __init__(self, parameters: TrainedParameters) -> None:
        self.tensors = {name: tensor.detach().clone() for name, tensor in parameters.tensors.items()}

    def take(self, parameters: TrainedParameters) -> None:
        """Move a step's share of the way towards the present tensors."""
        for name, tensor in parameters.tensors.items():
            self.tensors[name].lerp_(tensor.detach(), 1 / AVERAGED)

    def arrays(self) -> Arrays:
        """Return a copy of the mean by the tensors' names."""
        return {name: tensor.cpu().numpy().copy() for name, tensor in self.tensors.items()}


def _evaluate(task: LearningTask, optimizer: Any, average: _MovingAverage, state: RunState, progress: Progress) -> None:
    """Measure the held-out loss of the mean, keep the best, and end the run where it diverges or gains nothing."""
    state.current = _snapshot(task.parameters, optimizer, average)
    present, mean = task.parameters.arrays(), average.arrays()
    task.parameters.load(mean)
    loss = held_out_loss(task, progress)
    task.parameters.load(present)
    best = min((value for _, value in state.history), default=math.inf)
    state.history.append((state.step, loss))
    if math.isfinite(loss) and loss < best * (1 - LEAST_GAIN):
        state.best_step, state.best = state.step, mean
    if not math.isfinite(loss) or loss > DIVERGED * state.history[0][1]:
        state.ended = f"diverged by step {state.step}: held-out loss {loss:.4g} against {state.history[0][1]:.4g}"
    elif 4 * state.step >= 3 * task.steps and sum(step > state.best_step for step, _ in state.history) >= PATIENCE:
        state.ended = f"no gain on held-out images since step {state.best_step}"


def _stage(state: RunState) -> str:
    return f"learning, held-out loss {state.history[-1][1]:.4f}" if state.history else "learning"


def _snapshot(parameters: TrainedParameters, optimizer: Any, average: _MovingAverage) -> Arrays:
    """The learned tensors, their mean and Adam's moments as arrays."""
    arrays: Arrays = {f"value/{name}": value for name, value in parameters.arrays().items()}
    arrays |= {f"mean/{name}": value for name, value in average.arrays().items()}
    for name, tensor in parameters.tensors.items():
        for key, moment in optimizer.state.get(tensor, {}).items():
            arrays[f"{key}/{name}"] = torch.as_tensor(moment).cpu().numpy().copy()
    return arrays


def _restore(parameters: TrainedParameters, optimizer: Any, average: _MovingAverage, arrays: Arrays) -> None:
    """The inverse of `_snapshot`."""
    parameters.load({name: arrays[f"value/{name}"] for name in parameters.tensors})
    for name, tensor in average.tensors.items():
        tensor.copy_(torch.from_numpy(arrays[f"mean/{name}"].copy()))
    for name, tensor in parameters.tensors.items():
        keys = [key for key in ("step", "exp_avg", "exp_avg_sq") if f"{key}/{name}" in arrays]
        for key in keys:
            value = torch.from_numpy(arrays[f"{key}/{name}"].copy())
            optimizer.state[tensor][key] = value if key == "step" else value.to(tensor.device)
