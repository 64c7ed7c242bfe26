"""What a search is made on: what was asked for, calibration sets, the images to measure on, the untuned default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.calibration.calibrate import calibrate
from edgekit.compile.build import compile_model
from edgekit.data.image_source import Image, open_source
from edgekit.errors import ConfigError, DataError
from edgekit.evaluate.labels import load_labels
from edgekit.files import read_json
from edgekit.progress import Progress
from edgekit.sim.compiler.prepared_model import INT16_MARCHES
from edgekit.tune.candidate import Setting
from edgekit.tune.time_budget import Plan
from edgekit.tune.workspace import SETS, Work, write_images

FEWEST_HELD_OUT = 8  # images outside the calibration sets; with fewer, all are measured on


@dataclass(slots=True)
class Task:
    """What was asked for; `notes` is what has to be said about it."""

    model: Path
    images: Path
    out: Path
    data: Path | None
    split: str
    images_dir: Path | None
    minutes: float
    retention: float
    max_extra_cost: float
    input_kind: str
    march: str
    seed: int
    notes: list[str] = field(default_factory=list)


def check_wishes(task: Task) -> None:
    """Raises ConfigError for wishes that contradict themselves."""
    if not 0 < task.retention <= 1:
        raise ConfigError(
            f"--retention is {task.retention:g}, expected a share above 0 and up to 1", hint="0.99 keeps 99 %"
        )
    if not 0 <= task.max_extra_cost <= 10:
        raise ConfigError(
            f"--max-extra-cost is {task.max_extra_cost:g}, expected 0 (int8 alone) to 10", hint="0.25 is a quarter"
        )
    if task.minutes <= 0:
        raise ConfigError(f"--budget is {task.minutes:g} minutes, expected more than 0", hint="30 is usual")
    if task.march not in INT16_MARCHES and task.max_extra_cost > 0:
        task.notes.append(f"march {task.march} computes in int8 alone: no 16 bits were tried")


def make_set(task: Task, work: Work, how: str, num: int, progress: Progress) -> str:
    """A calibration set of the folder; its name. One that has fewer images than asked for is named by what it has."""
    name = f"{how}_{num}"
    calibrate(
        task.model,
        task.images,
        work.folder / SETS / name,
        num=num,
        select=how,
        input_kind=task.input_kind,
        march=task.march,
        seed=task.seed,
        images_dir=task.images_dir if task.images.suffix == ".json" else None,
        progress=progress,
    )
    return name


def choose_images(task: Task, work: Work, sets: Sequence[str], plan: Plan) -> int:
    """Records the images to measure on, those of no calibration set first; how many the rungs may use."""
    if task.data is not None:
        truth = load_labels(task.data, split=task.split, images_dir=task.images_dir)
        images = [Image(image.path, image.path.name) for image in truth.images]
    else:
        task.notes.append("no labels were given: settings were chosen by their agreement with the float model")
        frames = plan.rungs[-1] * 2
        images = list(open_source(task.images, frames=frames, images_dir=task.images_dir).images)
    used = {(path.resolve(), frame) for name in sets for path, frame in _calibrated_with(work, name)}
    order = [images[i] for i in np.random.default_rng(task.seed).permutation(len(images))]
    fresh = [p for p in order if (p.path.resolve(), p.frame) not in used]
    rest = [p for p in order if (p.path.resolve(), p.frame) in used]
    if not images:
        raise DataError("there is no image to measure settings on", hint="give labelled images with --data")
    if len(fresh) < FEWEST_HELD_OUT and rest:
        task.notes.append(f"only {len(fresh)} images are outside the calibration sets: settings were measured on those")
        task.notes[-1] += " that calibrate, too; give more images"
        fresh, rest = order, []
    write_images(work, [*fresh, *rest])
    return min(len(fresh), plan.rungs[-1])


def _calibrated_with(work: Work, name: str) -> list[tuple[Path, int]]:
    """The images of a set, from its manifest."""
    manifest: Any = read_json(work.yaml(name).parent / "manifest.json")
    return [(Path(one["path"]), int(one["frame"])) for one in manifest["selection"]["chosen"]]


def untuned_setting(work: Work, default: str, progress: Progress) -> Setting:
    """What `edgekit compile` makes of the default yaml: its own choice of method."""
    build = compile_model(work.yaml(default), toolchain="sim", progress=progress)
    method = next(note for note in build.notes if note.startswith("calibration: "))
    return Setting(default, calibrator_from(method.removeprefix("calibration: ").rpartition(",")[0]))


def calibrator_from(method: str) -> str:
    """The setting's word for a method as the compilers' logs name it, such as "max-percentile:percentile=0.9999"."""
    name, _, value = method.partition("=")
    if name.startswith("max-percentile"):
        return f"max:{value}"
    return name.partition(":")[0]
