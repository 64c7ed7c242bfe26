"""Whether calibration files can be what the yaml takes them for: looked at before every build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgekit.calibration.checks import Warned
from edgekit.calibration.detection_check import look
from edgekit.calibration.value_ranges import FileRange, range_of, refuse_ranges, warn_ranges
from edgekit.progress import Progress, silent
from edgekit.records import as_list, from_json

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob, JobInput

RECORD_KEY = "calibration_data"  # in the record of a build
FEATUREMAP = "featuremap"


@dataclass(frozen=True, slots=True)
class DataCheck:
    """What was found in the calibration files of a build; `best_scores` are the float model's on a few of them."""

    files: int
    minimum: float
    maximum: float
    mean: float
    best_scores: tuple[float, ...] = ()
    warnings: tuple[Warned, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """The warnings as lines for the user."""
        return tuple(f"warning: {warning.message}; {warning.advice}" for warning in self.warnings)


def check_data(job: CompileJob, *, progress: Progress = silent) -> DataCheck:
    """Look at every calibration file of a job and run the float model on a few.

    Raises:
        DataError: Where the files are surely unusable: not finite, constant, not of 0..255, or readable only in
            another way than the yaml says.
    """
    ranges: list[FileRange] = []
    warnings: list[Warned] = []
    for item in job.inputs:
        of_input = _ranges(item, progress)
        refuse_ranges(of_input, image=item.source.type_train != FEATUREMAP)
        warnings += warn_ranges(of_input, train_kind=item.source.type_train)
        ranges += of_input
    sight = look(job)
    return DataCheck(
        files=len(ranges),
        minimum=min(item.minimum for item in ranges),
        maximum=max(item.maximum for item in ranges),
        mean=sum(item.mean for item in ranges) / len(ranges),
        best_scores=sight.best_scores,
        warnings=(*warnings, *sight.warnings),
    )


def _ranges(item: JobInput, progress: Progress) -> list[FileRange]:
    """The values in every calibration file of an input."""
    ranges = []
    for done, path in enumerate(item.calibration_files):
        progress("look at the calibration data", done, len(item.calibration_files))
        ranges.append(range_of(path, item.calibration_dtype, item.shape[1]))
    progress("look at the calibration data", len(ranges), len(ranges))
    return ranges


def check_to_dict(check: DataCheck) -> dict[str, Any]:
    """`check` as plain JSON values."""
    return asdict(check)


def check_from_record(record: Mapping[str, Any]) -> DataCheck | None:
    """Read the check out of a build's record; None where there is none. Raises ModelError where it is damaged."""
    data = record.get(RECORD_KEY)
    if not isinstance(data, Mapping):
        return None
    warnings = as_list(data.get("warnings", []), f"{RECORD_KEY}.warnings")
    recorded = tuple(from_json(Warned, warning, f"{RECORD_KEY}.warnings") for warning in warnings)
    return from_json(DataCheck, {**data, "warnings": recorded}, RECORD_KEY)
