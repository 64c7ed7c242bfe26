"""What a search is made on: calibration sets, the images to measure on, the untuned default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgekit.artifacts import MANIFEST_NAME
from edgekit.calibration.pipeline import calibrate
from edgekit.calibration.sample_set import needs_samples
from edgekit.compilation.build import compile_model
from edgekit.data.image_loader import map_images
from edgekit.data.image_source import Image, ImageSource, open_source
from edgekit.errors import DataError, ImageError, ModelError
from edgekit.files import atomic_path, read_json, sha256_file, write_bytes, write_json
from edgekit.graph.macs import giga_macs
from edgekit.learn.image_pool import VIDEO_FRAMES, require_enough, split_images
from edgekit.progress import Progress
from edgekit.records import envelope
from edgekit.runtime.session import load
from edgekit.sim.compiler.calibration.declared import declared_thresholds
from edgekit.sim.compiler.mixed_precision import PrecisionGroup, precision_groups
from edgekit.sim.compiler.prepared_model import PreparedModel
from edgekit.tuning.candidate import PLAIN, Candidate
from edgekit.tuning.map_scoring import labelled_images
from edgekit.tuning.options import TuneOptions
from edgekit.tuning.time_budget import SearchPlan, plan_for
from edgekit.tuning.workspace import FLOATS, FRAMES, IMAGES_KIND, IMAGES_NAME, SETS, LabelSource, Workspace

__all__ = ["Prepared", "learning_source", "prepare"]

MIN_HELD_OUT = 8  # images outside the calibration sets; with fewer, all are measured on
DEFAULT_SET = ("diverse", 50)  # what `edgekit calibrate` chooses by default
STAMP_NAME = "made_of.sha256"
ATTRIBUTED_IMAGES = 64  # on which a learned build's loss is shared out among its tensors
MEASURED_WITH_LEARNING = 48  # images at least in the last rung: single tensors, which take most, are not measured


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a search is made on.

    Attributes:
        workspace: The tuning folder, filled.
        plan: How much is tried.
        calibration_sets: Names, the default first.
        choices: Tensors that can be promoted to int16 together.
        untuned: The untuned default.
        images: Number of images to measure on.
        notes: For the report.
    """

    workspace: Workspace
    plan: SearchPlan
    calibration_sets: tuple[str, ...]
    choices: tuple[PrecisionGroup, ...]
    untuned: Candidate
    images: int
    notes: tuple[str, ...]


def prepare(model: Path, images: Path, folder: Path, options: TuneOptions, progress: Progress) -> Prepared:
    """Fill a workspace; what an earlier run left there is used.

    Args:
        model: A stock export, or a cut model.
        images: Images to calibrate with, as `calibrate` takes them.
        folder: Of the workspace.
        options: Checked options.
        progress: Called with stage, done and total.

    Returns:
        What the search is made on.

    Raises:
        EdgekitError: For models, images and labels that cannot be used, and for too few minutes.
    """
    if needs_samples(model, None):
        raise ModelError(
            f"{model} takes more than one image, or none, and tune measures on images, expected one image input",
            hint="calibrate it with --calibration max, kl or default, and compare each build: edgekit compare",
        )
    labels = LabelSource(options.data, options.split, options.images_dir) if options.data else None
    workspace = Workspace(folder, labels)
    make = _SetMaker(model, images, workspace, options, progress)
    default = make(*DEFAULT_SET)
    base = workspace.model(default, PLAIN)
    choices = tuple(precision_groups(base.graph, base.plan))
    plan = plan_for(options.minutes, giga_macs=giga_macs(base.graph), points=len(choices))
    if options.learn is not None:
        plan = replace(plan, rungs=(*plan.rungs[:-1], 2 * max(plan.rungs[-1], MEASURED_WITH_LEARNING)))
    sets = tuple(dict.fromkeys([default, *(make(strategy, num) for strategy, num in plan.sets)]))
    held_out, notes = _write_image_list(workspace, images, options, sets, plan)
    write_float_heads(workspace, base.job.onnx_path, held_out, progress=progress)
    untuned = _untuned_candidate(workspace, default, progress)
    notes += _declared_notes(base)
    return Prepared(workspace, plan, sets, choices, untuned, held_out, notes)


def _declared_notes(base: PreparedModel) -> tuple[str, ...]:
    """Return what a model that is quantized already leaves to the search."""
    declared = declared_thresholds(base.graph.declared, base.plan)
    if not declared:
        return ()
    rest = len(base.plan.observed) - len(declared)
    return (
        f"{len(declared)} thresholds are the model's own (Q/DQ) and were kept: calibrators and clip ranges were tried "
        f"on the other {rest}; tune the float export to search all of them",
    )


@dataclass(frozen=True, slots=True)
class _SetMaker:
    """Makes calibration sets of one model; each is named by strategy and requested number of images."""

    model: Path
    images: Path
    workspace: Workspace
    options: TuneOptions
    progress: Progress

    def __call__(self, strategy: str, num: int) -> str:
        name = f"{strategy}_{num}"
        calibrate(
            self.model,
            self.images,
            self.workspace.folder / SETS / name,
            num=num,
            select=strategy,
            input_kind=self.options.input_kind,
            march=self.options.march,
            seed=self.options.seed,
            images_dir=self.options.images_dir if self.images.suffix == ".json" else None,
            progress=self.progress,
        )
        return name


def _write_image_list(
    workspace: Workspace, source: Path, options: TuneOptions, sets: Sequence[str], plan: SearchPlan
) -> tuple[int, tuple[str, ...]]:
    """Write the images to measure on, those of no calibration set first; return how many are used, and notes."""
    images, notes = _images_to_measure(workspace, source, options, plan, sets[0])
    used = {(path.resolve(), frame) for name in sets for path, frame in _calibration_images(workspace, name)}
    learned = _learned_images(source, options) if options.learn is not None else ()
    known_to_learning = {(image.path.resolve(), image.frame) for image in learned}
    order = [images[i] for i in np.random.default_rng(options.seed).permutation(len(images))]
    order = [image for image in order if (image.path.resolve(), image.frame) not in known_to_learning]
    held_out = [image for image in order if (image.path.resolve(), image.frame) not in used]
    calibrated = [image for image in order if (image.path.resolve(), image.frame) in used]
    if len(held_out) < MIN_HELD_OUT and calibrated:
        notes += (
            f"only {len(held_out)} images are outside the calibration sets: candidates were measured on those that "
            "calibrate, too; give more images",
        )
        held_out, calibrated = order, []
    views = 1 if options.learn is None else 2
    count = min(len(held_out), plan.rungs[-1] // views)
    write_images(workspace, [*held_out, *calibrated], learned[:ATTRIBUTED_IMAGES], mirrored=count * (views - 1))
    return count * views, notes


def learning_source(source: Path, options: TuneOptions) -> ImageSource:
    """Return what `--learn` takes its images from.

    Args:
        source: Images to calibrate with, as `calibrate` takes them.
        options: Checked options.

    Returns:
        The opened source.

    Raises:
        DataError: If it has too few images.
    """
    images_dir = options.images_dir if source.suffix == ".json" else None
    opened = open_source(source, frames=VIDEO_FRAMES, images_dir=images_dir)
    require_enough(len(opened.images), f"{len(opened.images)} images in {source}")
    return opened


def _learned_images(source: Path, options: TuneOptions) -> tuple[Image, ...]:
    """The images that are learned from: no candidate is measured on them."""
    return split_images(learning_source(source, options).images, seed=options.seed)[0]


def _images_to_measure(
    workspace: Workspace, source: Path, options: TuneOptions, plan: SearchPlan, calibration_set: str
) -> tuple[list[Image], tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    if workspace.label_source is not None:
        images = [Image(path, path.name) for path in labelled_images(workspace, calibration_set)]
    else:
        notes = ("without labels candidates were chosen by their agreement with the float model",)
        frames = plan.rungs[-1] * 2 if options.learn is None else VIDEO_FRAMES
        images = list(open_source(source, frames=frames, images_dir=options.images_dir).images)
    if not images:
        raise DataError("there is no image to measure candidates on", hint="give labelled images with --data")
    return images, notes


def _calibration_images(workspace: Workspace, calibration_set: str) -> list[tuple[Path, int]]:
    """Return the images of a set, from its manifest."""
    manifest: Any = read_json(workspace.yaml(calibration_set).parent / MANIFEST_NAME)
    return [(Path(row["path"]), int(row["frame"])) for row in manifest["selection"]["chosen"]]


def write_images(
    workspace: Workspace, images: Sequence[Image], learned: Sequence[Image] = (), *, mirrored: int = 0
) -> None:
    """Write the list of the images that candidates are measured on; frames of a video become files.

    Args:
        workspace: The tuning folder.
        images: In the order in which they are measured.
        learned: Some that are learned from, on which a loss is shared out among tensors.
        mirrored: So many of the first images are followed by their mirror images (`Workspace.pixels`).

    Raises:
        ImageError: If a frame cannot be read.
    """
    frames = [image for image in (*images, *learned) if image.frame >= 0]
    for image, bgr in map_images(frames, lambda frame: frame):
        if isinstance(bgr, ImageError):
            raise bgr
        _, data = cv2.imencode(".png", bgr)
        write_bytes(_frame_path(workspace, image), data.tobytes())
    lists = {"images": images, "learned": learned}
    paths = {name: [str(_file_of(workspace, image)) for image in listed] for name, listed in lists.items()}
    write_json(workspace.folder / IMAGES_NAME, {**envelope(IMAGES_KIND), **paths, "mirrored": mirrored})


def _file_of(workspace: Workspace, image: Image) -> Path:
    return image.path.resolve() if image.frame < 0 else _frame_path(workspace, image)


def _frame_path(workspace: Workspace, image: Image) -> Path:
    return workspace.folder / FRAMES / f"{image.stem}.png"


def write_float_heads(workspace: Workspace, model: Path, images: int, *, progress: Progress) -> None:
    """Run the float model over the first `images`, once: every task compares with the same numbers."""
    stamp = workspace.folder / FLOATS / STAMP_NAME
    digest = f"{sha256_file(model)} {sha256_file(workspace.folder / IMAGES_NAME)}"
    if not stamp.is_file() or stamp.read_text() != digest:
        for old in workspace.folder.glob(f"{FLOATS}/*.npz"):
            old.unlink()
        with atomic_path(stamp) as temporary:
            temporary.write_text(digest)
    with load(model) as session:
        for i in range(images):
            progress("float model", i, images)
            if not workspace.heads_path(i).is_file():
                inputs, _ = session.prepare(workspace.pixels(i))
                with atomic_path(workspace.heads_path(i)) as temporary:
                    heads: dict[str, Any] = {k: np.asarray(v, np.float32) for k, v in session.infer(inputs).items()}
                    np.savez(temporary, **heads)
    progress("float model", images, images)


def _untuned_candidate(workspace: Workspace, default: str, progress: Progress) -> Candidate:
    """Return what `edgekit compile` makes of the default yaml: the calibrator is its own choice."""
    build = compile_model(workspace.yaml(default), toolchain="sim", progress=progress)
    return Candidate(default, build.calibrator)
