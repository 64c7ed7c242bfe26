"""The seam of compilers: what one gets, what it leaves, and how others add theirs.

A package registers a compiler under the entry point group `edgekit.compilers`, a class without arguments:

    [project.entry-points."edgekit.compilers"]
    my_npu = "my_package.compiler:MyCompiler"

`edgekit compile --toolchain my_npu` then uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edgekit.progress import Progress
from edgekit.spec import March, ModelSpec

if TYPE_CHECKING:
    from edgekit.ptq import PtqConfig
    from edgekit.ptq.inputs import PtqInput

__all__ = ["ENTRY_POINTS", "Built", "CompileJob", "Compiler", "JobInput"]

ENTRY_POINTS = "edgekit.compilers"


@dataclass(frozen=True, slots=True)
class JobInput:
    """One input of the model to compile.

    Attributes:
        name: Of the tensor.
        shape: Of the float model's tensor, batch included; (1, C, H, W) for images.
        source: What the yaml says of it.
        calibration_files: Raw arrays of that shape, in the channel order of training, before the yaml's normalisation;
            the nth files of all inputs make one sample.
        calibration_dtype: Element type of these files, "float32" or "uint8".
    """

    name: str
    shape: tuple[int, ...]
    source: PtqInput
    calibration_files: tuple[Path, ...]
    calibration_dtype: str


@dataclass(frozen=True, slots=True)
class CompileJob:
    """What a compiler gets: absolute paths and checked values.

    Attributes:
        yaml_path: The PTQ yaml.
        config: What it says.
        onnx_path: The float model, cut at its heads.
        spec: The sidecar of that model.
        input_name: Name of the model's first input, in the order of the yaml.
        input_shape: Shape of that input, (1, C, H, W) for NCHW training layout.
        calibration_files: Raw arrays of that shape, in the channel order of training, before the yaml's normalisation.
        calibration_dtype: Element type of these files, "float32" or "uint8".
        working_dir: Where the build goes.
        prefix: Stem of the files that are built.
        march: Architecture of the BPU.
        optimize_level: "O0" to "O3".
        notes: What the user is to know of the yaml.
        more_inputs: The inputs behind the first.
    """

    yaml_path: Path
    config: PtqConfig
    onnx_path: Path
    spec: ModelSpec
    input_name: str
    input_shape: tuple[int, ...]
    calibration_files: tuple[Path, ...]
    calibration_dtype: str
    working_dir: Path
    prefix: str
    march: March
    optimize_level: str
    notes: tuple[str, ...] = ()
    more_inputs: tuple[JobInput, ...] = ()

    @property
    def batch(self) -> int:
        """Images per call of the compiled model; the ONNX and the calibration files are those of one."""
        return self.config.input_parameters.input_batch or 1

    @property
    def inputs(self) -> tuple[JobInput, ...]:
        """Every input, in the order of the yaml."""
        source, files = self.config.inputs[0], self.calibration_files
        first = JobInput(self.input_name, self.input_shape, source, files, self.calibration_dtype)
        return (first, *self.more_inputs)


@dataclass(frozen=True, slots=True)
class Built:
    """What a compiler left in its build folder.

    Attributes:
        parts: Part -> plain name of its file: "bin", "quantized" and "log" always; "modified_bin", "quant_info" and
            each "<part>_sidecar" if there is one; further parts as the compiler likes.
        output_cosines: Output -> cosine similarity of the integer graph with the float model.
        node_cosines: The same by node.
        notes: Sentences for the user.
        record: Goes into buildinfo.json as it is: "commands", "versions", "seconds" by stage.
    """

    parts: Mapping[str, str]
    output_cosines: Mapping[str, float]
    node_cosines: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)


class Compiler(Protocol):
    """One side of the seam; `simulated` is whether what it builds runs on this computer only."""

    simulated: bool

    def missing(self) -> str | None:
        """Return why this compiler cannot be used here, as half a sentence; None if it can."""

    def version(self) -> str:
        """Return the versions that decide its result, in one line."""

    def build(self, job: CompileJob, build_dir: Path, *, progress: Progress) -> Built:
        """Compile a job.

        Args:
            job: What to compile.
            build_dir: An empty folder, the only place that is written to.
            progress: Called with stage, done and total.

        Returns:
            The files in `build_dir`, by part.

        Raises:
            EdgekitError: If the job cannot be compiled.
        """
