"""What is to be measured: every model at every size, on every device, with every number of threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import ConfigError, EdgekitError, ModelError
from edgekit.runtime.perf import MAX_THREADS
from edgekit.runtime.registry import available_devices, require_device

MAX_CELLS = 1000
MAX_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement. `size_hw` None is the model's own size, `threads` 0 what suits the device.

    `precision` "" is the file's own; `batch` is how many images go through the model at once.
    """

    model: Path
    size_hw: tuple[int, int] | None
    device: str
    threads: int
    precision: str = ""
    batch: int = 1

    @property
    def label(self) -> str:
        """What progress calls it."""
        size = f" {self.size_hw[0]}x{self.size_hw[1]}" if self.size_hw else ""
        threads = f", {thread_words(self.threads)}" if self.threads else ""
        precision = f" in {self.precision}" if self.precision else ""
        batch = f", batch {self.batch}" if self.batch > 1 else ""
        return f"{self.model.name}{size}{precision} on {self.device}{threads}{batch}"


def make_grid(
    models: Sequence[Path],
    *,
    sizes_hw: Sequence[tuple[int, int]] = (),
    devices: Sequence[str] = ("auto",),
    threads: Sequence[int] = (),
    precisions: Sequence[str] = (),
    batches: Sequence[int] = (),
) -> tuple[Cell, ...]:
    """The cells, models outermost; what is named twice is measured once.

    What can be known to be wrong is refused before anything runs: ModelError for a file that is not there,
    ConfigError for numbers and unknown devices, and the device's own error where it is not on this machine.
    """
    for path in models:
        if not path.exists():
            raise ModelError(f"{path} does not exist, expected a model", hint="check the path of --model")
    for count in threads:
        if not 1 <= count <= MAX_THREADS:
            raise ConfigError(f"--threads has {count}, expected 1..{MAX_THREADS}", hint="remove it for all cores")
    for batch in batches:
        if not 1 <= batch <= MAX_BATCH:
            raise ConfigError(f"--batch has {batch}, expected 1..{MAX_BATCH}", hint="write --batch auto to double it")
    for device in devices:
        _require(device)
    cells = tuple(
        Cell(model, size_hw, device, count, precision, batch)
        for model in dict.fromkeys(models)
        for size_hw in (dict.fromkeys(sizes_hw) or (None,))
        for precision in (dict.fromkeys(precisions) or ("",))
        for device in dict.fromkeys(devices)
        for count in (dict.fromkeys(threads) or (0,))
        for batch in (dict.fromkeys(batches) or (1,))
    )
    if not 1 <= len(cells) <= MAX_CELLS:
        raise ConfigError(
            f"{len(cells)} combinations of model, size, precision, device, threads and batch, expected 1..{MAX_CELLS}",
            hint="name fewer of them, or run edgekit bench several times with another -o",
        )
    return cells


def thread_words(count: int) -> str:
    """Return "1 thread", "2 threads"."""
    return f"{count} thread{'s' * (count != 1)}"


def _require(device: str) -> None:
    try:
        require_device(device)
    except ConfigError:
        raise
    except EdgekitError as error:
        here = ", ".join(("auto", *available_devices()))
        raise type(error)(error.message, hint=f"{error.hint} (on this machine: {here})") from error
