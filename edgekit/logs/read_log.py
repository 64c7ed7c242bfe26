"""One file in, what it says out: the reader of each kind of file, found by its content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from edgekit.binary.bin_format import BinInfo, read_bin
from edgekit.logs.detect_kind import kind_of
from edgekit.logs.edgekit_perf import read_edgekit_perf
from edgekit.logs.hrt_model_exec import BoardLog, parse_hrt_model_exec
from edgekit.logs.lines import read_lines
from edgekit.logs.mapper import parse_mapper
from edgekit.logs.mapper_log import MapperLog
from edgekit.logs.model_info import ModelInfo, parse_model_info
from edgekit.logs.modifier import ModifierLog, parse_modifier
from edgekit.logs.quant_info import QuantNode, read_quant_info
from edgekit.logs.sensitivity import Sensitivity, read_sensitivity
from edgekit.logs.sidecar import Sidecar, read_sidecar
from edgekit.logs.static_perf import StaticPerf, read_static_perf

Content = (
    MapperLog
    | ModifierLog
    | ModelInfo
    | BoardLog
    | StaticPerf
    | tuple[QuantNode, ...]
    | Sensitivity
    | Sidecar
    | BinInfo
)

C = TypeVar("C", covariant=True)

READERS: dict[str, Callable[[Path], Content]] = {
    "mapper": lambda path: parse_mapper(read_lines(path)),
    "modifier": lambda path: parse_modifier(read_lines(path)),
    "model_info": lambda path: parse_model_info(read_lines(path)),
    "board": lambda path: parse_hrt_model_exec(read_lines(path)),
    "edgekit_perf": read_edgekit_perf,
    "static_perf": read_static_perf,
    "quant_info": read_quant_info,
    "sensitivity": read_sensitivity,
    "sidecar": read_sidecar,
    "bin": read_bin,
}


@dataclass(frozen=True, slots=True)
class ReadFile(Generic[C]):
    """A file, its kind (a key of READERS) and its content, whose type follows from the kind."""

    path: Path
    kind: str
    content: C


def read_file(path: Path) -> ReadFile[Any]:
    """Read one log or JSON file of the toolchain; its kind is found from its content.

    Args:
        path: The file.

    Returns:
        The path, its kind and the typed content.

    Raises:
        EdgekitError: The file is missing, damaged or of no known kind.
    """
    kind = kind_of(path)
    return ReadFile(Path(path), kind, READERS[kind](Path(path)))
