"""edgekit's own sidecar of a compiled model: its outputs' roles and strides, and all there is of a simulated `.bin`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.artifacts import MODIFIED, model_prefix
from edgekit.errors import ModelError
from edgekit.spec import ModelSpec, load_spec, sidecar_path
from edgekit.spec import is_sidecar as is_spec

COMPILED_STAGES = ("quantized", "bin")


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A compiled model's sidecar; `name` is the model's prefix, `stripped` whether it describes a `_modified.bin`."""

    name: str
    stripped: bool
    spec: ModelSpec


def is_sidecar(value: object) -> bool:
    """Whether a JSON value is the sidecar of a compiled model (those of float models tell nothing of a build)."""
    return isinstance(value, dict) and is_spec(value) and value.get("stage") in COMPILED_STAGES


def read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar, or that beside a simulated `.bin`; raises ModelError where it is missing or damaged."""
    path = Path(path)
    beside = sidecar_path(path)
    if path.suffix != ".json" and not beside.is_file():
        raise ModelError(
            f"{path} is a simulated .bin without its sidecar {beside.name}",
            hint="copy both, or report on the folder where edgekit compile wrote them",
        )
    return Sidecar(
        name=model_prefix(path),
        stripped=path.stem.endswith(MODIFIED),
        spec=load_spec(beside),
    )
