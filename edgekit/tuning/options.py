"""What a tuning run is asked to reach: one dataclass for the command line and the API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import ConfigError
from edgekit.learn.torch_library import load_torch
from edgekit.sim.compiler.prepared_model import INT16_MARCHES
from edgekit.spec import InputKind, March
from edgekit.workers.tasks import check_workers

__all__ = ["TuneOptions", "check_options"]

MOST = 1e5  # milliseconds or frames per second that anybody means


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOptions:
    """Options of `tune`.

    Attributes:
        data: Labelled images to choose by (COCO JSON or YOLO dataset yaml); None: agreement with float decides.
        split: Split of a YOLO dataset.
        images_dir: Where the images of a COCO JSON lie.
        minutes: How thorough: the plan that takes about so long on a two-core computer.
        retention: Share of every metric of the float model to keep, above 0 and up to 1.
        max_extra_cost: Most time that int16 tensors may add on the board, as a share of the int8 build's, estimated.
        max_extra_ms: The same in milliseconds of a frame; None: no limit.
        fps: Least frames per second of the static estimate; None: no limit.
        learn: Minutes of learning before any 16 bits are spent; None: none.
        prove: Whether the vendor's compiler compiles the choice at O3, and what its frame takes decides.
        input_kind: What the board will feed: nv12, rgb, bgr, yuv444 or gray.
        march: Architecture of the BPU.
        seed: Of the order of the images; the same seed chooses the same.
        workers: Processes on this computer; None: one per core.
        scheduler: Address of a Dask scheduler, in place of `workers`.
    """

    data: Path | None = None
    split: str = "val"
    images_dir: Path | None = None
    minutes: float = 30
    retention: float = 0.99
    max_extra_cost: float = 0.25
    max_extra_ms: float | None = None
    fps: float | None = None
    prove: bool = False
    learn: float | None = None
    input_kind: InputKind = "nv12"
    march: March = "bayes-e"
    seed: int = 0
    workers: int | None = None
    scheduler: str | None = None

    @property
    def allows_int16(self) -> bool:
        """Whether the BPU computes in 16 bits, too."""
        return self.march in INT16_MARCHES


def check_options(options: TuneOptions) -> list[str]:
    """Check options that contradict themselves, before any work.

    Args:
        options: As the user gave them.

    Returns:
        Notes for the report.

    Raises:
        ConfigError: If a number is out of its range.
    """
    if not 0 < options.retention <= 1:
        raise ConfigError(
            f"--retention is {options.retention:g}, expected a share above 0 and up to 1", hint="0.99 keeps 99 %"
        )
    if not 0 <= options.max_extra_cost <= 10:
        raise ConfigError(
            f"--max-extra-cost is {options.max_extra_cost:g}, expected 0 (no time for int16) to 10",
            hint="0.25 is a quarter",
        )
    for option, value in (("--max-extra-ms", options.max_extra_ms), ("--fps", options.fps)):
        if value is not None and not 0 < value <= MOST:
            raise ConfigError(
                f"{option} is {value:g}, expected more than 0 and up to {MOST:g}", hint="leave it out for no limit"
            )
    if not options.minutes > 0:
        raise ConfigError(f"--minutes is {options.minutes:g}, expected more than 0", hint="30 is usual")
    if options.learn is not None:
        if not 0 < options.learn <= MOST:
            raise ConfigError(
                f"--learn is {options.learn:g} minutes, expected more than 0", hint="20 are usual for a nano model"
            )
        load_torch()
    check_workers(options.workers, options.scheduler)
    if not options.allows_int16 and options.max_extra_cost > 0:
        return [f"march {options.march} computes in int8 only: no int16 was tried"]
    return []
