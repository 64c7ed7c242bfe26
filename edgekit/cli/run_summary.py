"""What a run did: counted on the way, told at its end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekit.runtime.pipeline import Done

KEPT_TIMES = 10_000  # the medians are over the last ones, so that long runs do not grow
DEVICE_WORDS = {
    "bpu": "the BPU",
    "sim": "the simulated BPU, whose times say nothing of the board",
    "hbdk-sim": "the vendor's instruction simulator, whose times say nothing of the board",
}


@dataclass(slots=True)
class Tally:
    """Images, objects, devices and times of a run."""

    images: int = 0
    objects: int = 0
    arrays: int = 0
    dropped: int = 0
    skipped: int = 0
    devices: set[str] = field(default_factory=set)
    times_ms: dict[str, list[float]] = field(default_factory=dict)
    messages: Sequence[str] = ()

    def add(self, done: Done) -> None:
        """Count a finished image."""
        from edgekit.results import RawOutputs

        self.images += 1
        if isinstance(done.results, RawOutputs):
            self.arrays += len(done.results)
        else:
            self.objects += len(done.results)
        self.devices.add(done.results.device)
        for stage, value in done.times_ms.items():
            self.times_ms.setdefault(stage, []).append(value)
            del self.times_ms[stage][:-KEPT_TIMES]

    def skip(self, message: str) -> None:
        """Count an image that could not be read; says which."""
        self.skipped += 1
        say(f"skipped: {message}")

    def summary(self, out: Path, tracked: Sequence[str] = ()) -> str:
        """The lines that end a run; `tracked` are those of its tracker."""
        import statistics

        medians = ", ".join(f"{stage} {statistics.median(values):.1f}" for stage, values in self.times_ms.items())
        devices = " and ".join(_device_words(kind) for kind in sorted(self.devices))
        what = f"{self.objects} objects in {self.images} images"
        if self.arrays:
            what = f"{self.arrays} arrays of {self.images} images (raw outputs, not decoded)"
        lines = [
            f"{what} on {devices}",
            f"median ms per image: {medians}",
        ]
        counts = ((self.skipped, "skipped, unreadable"), (self.dropped, "dropped, the source was faster"))
        lines[1:1] = tracked
        lines += [f"{count} images {what}" for count, what in counts if count]
        return "\n".join([*lines, *self.messages, f"results are in {out}"])


def _device_words(kind: str) -> str:
    from edgekit.device_kinds import is_float_kind

    return f"{kind} (float)" if is_float_kind(kind) else DEVICE_WORDS.get(kind, kind)


def say(line: str) -> None:
    """A line beside the results: on standard error, at once."""
    print(line, file=sys.stderr, flush=True)
