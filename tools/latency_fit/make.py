"""Builds of the vendor's compiler as a user makes them: cut and calibrated by edgekit, compiled at O0 and O3."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgekit.calibration.pipeline import calibrate
from edgekit.compilation.build import compile_model
from edgekit.compilation.job import load_job
from edgekit.export.cut import CutOptions
from edgekit.export.input_options import InputOptions
from edgekit.ptq import load_config, save_config
from edgekit.sim.compiler.mixed_precision import node_info_for, precision_groups
from edgekit.sim.compiler.prepared_model import prepare_model
from latency_fit.pooling import is_pooling, write_pooling_model
from latency_fit.rows import FRAME_FILE, LAYERS_FILE

LIST = Path(__file__).with_name("builds.txt")
STATIC = "*_subgraph_0.json"  # behind the name of the graph
PART_NAMES = ("pool-", "attn-")  # exports that are parts of models
PARTS = CutOptions(task="raw", inputs=InputOptions(mean=(0.0,), std=(255.0,)))
IMAGE_COUNT = 2  # thresholds do not change the time


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line of the list: a name, the export it is made of, and how many `places` get 16 bits, chosen by `seed`."""

    name: str
    export: str
    places: int
    seed: int


def read_list() -> Iterator[Wanted]:
    """Read the list of builds; lines that begin with # are remarks."""
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, export, places, seed = line.split()
            yield Wanted(name, export, int(places), int(seed))


def make_builds(
    folder: Path, *, exports: Path, images: Path, only: Collection[str] = (), say: Callable[[str], None]
) -> None:
    """Compile what is missing in `folder`; an interrupted call goes on where it was.

    Args:
        folder: A folder per build.
        exports: The ONNX files that the list names; poolings are made there.
        images: What is calibrated with.
        only: Names of builds; all of the list where there is none.
        say: Called with a line per stage.
    """
    for wanted in read_list():
        target = folder / wanted.name
        if (target / FRAME_FILE).is_file() or (only and wanted.name not in only):
            continue
        if is_pooling(wanted.export) and not (exports / f"{wanted.export}.onnx").is_file():
            write_pooling_model(wanted.export, exports / f"{wanted.export}.onnx")
        say(f"{wanted.name}: calibrating")
        work = folder / "work" / wanted.name
        yaml = _prepared(wanted, exports / f"{wanted.export}.onnx", images, work)
        target.mkdir(parents=True, exist_ok=True)
        for level, name in (("O0", LAYERS_FILE), ("O3", FRAME_FILE)):
            say(f"{wanted.name}: compiling at {level}")
            made = compile_model(yaml, toolchain="hb_mapper", optimize=level)
            shutil.copy(made.quantized_path, target)
            shutil.copy(next(made.quantized_path.parent.glob(STATIC)), target / name)


def _prepared(wanted: Wanted, export: Path, images: Path, work: Path) -> Path:
    """The yaml of a calibrated work folder that asks for per-layer figures and the chosen 16 bits."""
    options = PARTS if export.stem.startswith(PART_NAMES) else CutOptions()
    made = calibrate(export, images, work, num=IMAGE_COUNT, select="first", calibration="max", cut_options=options)
    yaml = made.yaml_path
    config = load_config(yaml)
    config = replace(config, compiler_parameters=replace(config.compiler_parameters, debug=True))
    if wanted.places:
        subject = prepare_model(load_job(yaml))
        choices = precision_groups(subject.graph, subject.plan)
        chosen = _chosen(len(choices), wanted)
        tensors = frozenset[str]().union(*(choices[index].tensors for index in chosen))
        info = node_info_for(subject.graph, tensors)
        config = replace(config, model_parameters=replace(config.model_parameters, node_info=info))
    save_config(yaml, config)
    return yaml


def _chosen(count: int, wanted: Wanted) -> list[int]:
    """Which places: the first ones for seed 0, evenly spread for seed 1, the last for -1, else at random."""
    size = min(wanted.places, count)
    if wanted.seed == 0:
        return list(range(size))
    if wanted.seed == -1:
        return list(range(count - size, count))
    if wanted.seed == 1:
        return [round(one) for one in np.linspace(0, count - 1, size)]
    return sorted(np.random.default_rng(wanted.seed).choice(count, size, replace=False).tolist())
