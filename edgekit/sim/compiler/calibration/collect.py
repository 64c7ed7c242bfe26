"""Calibration: the float model runs over the images once, and a histogram of every scaled tensor grows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from edgekit.calibration.samples import samples_of
from edgekit.errors import DataError
from edgekit.graph.float_graph import FloatGraph
from edgekit.graph.float_runner import FloatRunner
from edgekit.progress import Progress, silent
from edgekit.sim.compiler.calibration.board_colours import as_calibration_sees
from edgekit.sim.compiler.calibration.histogram import Histogram
from edgekit.sim.compiler.inputs import board_inputs

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob


def observe(
    job: CompileJob, graph: FloatGraph, tensors: Sequence[str], *, progress: Progress = silent
) -> dict[str, Histogram]:
    """The histogram of each of `tensors` over all calibration files; one image is in memory at a time."""
    histograms = {name: Histogram() for name in tensors}
    reciprocals = {graph.made[name]: name for name in tensors if name in graph.made}
    inner = [n for n in dict.fromkeys([*tensors, *reciprocals]) if n not in graph.inputs and n not in graph.made]
    runner, samples, sources = FloatRunner(job.onnx_path, inner), samples_of(job), board_inputs(job)
    for done, path in enumerate(job.calibration_files):
        progress("calibrate", done, len(job.calibration_files))
        feeds = samples.read(path)
        feeds |= {source.name: as_calibration_sees(feeds[source.name], source) for source in sources}
        fed = ((name, x) for name, x in feeds.items() if name in histograms)
        for name, values in chain(fed, runner.run(feeds)):
            try:
                if name in reciprocals:
                    histograms[reciprocals[name]].add(1 / values)
                if name in histograms:
                    histograms[name].add(values)
            except ValueError as error:
                raise DataError(
                    f"{path.name} gives values in {name!r} that are not finite, expected numbers",
                    hint="check that norm_type and scale_value in the yaml are those of the training",
                ) from error
    progress("calibrate", len(job.calibration_files), len(job.calibration_files))
    return histograms
