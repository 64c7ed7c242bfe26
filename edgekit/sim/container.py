"""The simulated `.bin`: a quantized graph in an envelope that nobody can mistake for the vendor's.

Layout: MAGIC, one line of format version, header length as 8 hex digits, a line end, the header (JSON), the
graph. The header gives the graph's size and SHA-256. A real `.bin` is a protobuf message and begins otherwise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.artifacts import SIM_MAGIC as MAGIC
from edgekit.errors import ModelError
from edgekit.files import write_bytes
from edgekit.preprocess import MAX_BATCH
from edgekit.spec import INPUT_KINDS, MARCHES, InputKind, March
from edgekit.text import parse_json
from edgekit.version import __version__

VERSION = 1
PREFIX_BYTES = len(MAGIC) + len(" 01 00000000\n")
MAX_HEADER_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 1 << 30
HINT = "compile it again (edgekit compile --toolchain sim); the file may be truncated or changed"


@dataclass(frozen=True, slots=True)
class SimBin:
    """A simulated `.bin` as read: `removed` are the HzDequantize nodes whose outputs come out as raw integers.

    `input_kind` is the first input's; `input_kinds` those of all, by name, where there are several. `batch`: images per
    call; the graph is that of one.
    """

    graph: bytes
    march: March
    input_kind: InputKind
    removed: tuple[str, ...]
    tools: Mapping[str, str]
    input_kinds: Mapping[str, InputKind] = field(default_factory=dict)
    batch: int = 1


def write_sim_bin(
    path: Path,
    graph: bytes,
    *,
    march: March,
    removed: Sequence[str] = (),
    input_kind: InputKind | None = None,
    input_kinds: Mapping[str, InputKind] | None = None,
    batch: int = 1,
    tools: Mapping[str, str] | None = None,
) -> None:
    """Write a quantized graph as a simulated `.bin`, whole or not at all.

    Args:
        path: Where it goes.
        graph: The ONNX bytes of the quantized graph.
        march: Architecture that it stands in for.
        removed: Names of HzDequantize nodes whose outputs come out as raw integers.
        input_kind: Kind of image that it takes; None: read off the graph.
        batch: Images per call; the graph is that of one.
        input_kinds: Of a graph with several inputs, the kind of each by name; None: read off the graph.
        tools: Name -> version of what made it.

    Raises:
        ModelError: It is no quantized graph, or has no such node.
    """
    from edgekit.sim.graph import load_graph, strip_dequantize
    from edgekit.sim.input import graph_input_kinds

    checked = strip_dequantize(load_graph(graph), removed)
    kinds = {**graph_input_kinds(checked), **(input_kinds or {})}
    header = {
        "march": march,
        "input": input_kind or next(iter(kinds.values())),
        **({"inputs": kinds} if len(kinds) > 1 else {}),
        **({"batch": batch} if batch > 1 else {}),
        "removed": list(removed),
        "tools": {"edgekit": __version__, **(tools or {})},
        "size": len(graph),
        "sha256": hashlib.sha256(graph).hexdigest(),
    }
    _checked_header(header, str(path))
    text = json.dumps(header, sort_keys=True).encode()
    write_bytes(path, MAGIC + b" %02d %08x\n" % (VERSION, len(text)) + text + graph)


def is_sim_bin(path: Path) -> bool:
    """Return whether the file begins as a simulated `.bin` does; False where it cannot be read."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_sim_bin(path: Path) -> SimBin:
    """Read a simulated `.bin`.

    Args:
        path: The file.

    Returns:
        Its graph and header.

    Raises:
        ModelError: It is foreign, truncated, changed or too new.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            header_bytes = _header_length(stream.read(PREFIX_BYTES), str(path))
            header = _parse_header(stream.read(header_bytes), str(path))
            expected = PREFIX_BYTES + header_bytes + header["size"]
            if size != expected:
                raise ModelError(f"{path} has {size} bytes, expected {expected} as its header says", hint=HINT)
            graph = stream.read(header["size"])
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror})", hint="check the path") from error
    if hashlib.sha256(graph).hexdigest() != header["sha256"]:
        raise ModelError(f"{path}: the graph's SHA-256 is not that of the header, expected them to match", hint=HINT)
    return SimBin(
        graph,
        header["march"],
        header["input"],
        tuple(header["removed"]),
        header["tools"],
        header.get("inputs", {}),
        header.get("batch", 1),
    )


def _header_length(prefix: bytes, location: str) -> int:
    if not prefix.startswith(MAGIC):
        raise ModelError(
            f"{location} begins with {prefix[:8]!r}, expected a simulated .bin ({MAGIC.decode()})",
            hint="a real .bin runs on the board, or through its quantized graph",
        )
    try:
        version, length = (int(part, base) for part, base in zip(prefix[len(MAGIC) :].split(), (10, 16), strict=True))
    except ValueError as error:
        raise ModelError(f"{location} has no readable prefix, expected version and length", hint=HINT) from error
    if version != VERSION:
        raise ModelError(f"{location} is of format {version}, expected {VERSION}", hint="update edgekit")
    if not 0 < length <= MAX_HEADER_BYTES:
        raise ModelError(f"{location} has a header of {length} bytes, expected 1..{MAX_HEADER_BYTES}", hint=HINT)
    return length


def _parse_header(data: bytes, location: str) -> dict[str, Any]:
    header = parse_json(data, f"the header of {location}", error=ModelError)
    return _checked_header(header, location)


def _checked_header(header: Any, location: str) -> dict[str, Any]:
    def require(good: bool, field: str, expected: str) -> None:
        if not good:
            raise ModelError(f"{location}: header field {field!r} is wrong, expected {expected}", hint=HINT)

    require(isinstance(header, dict), "(all)", "a JSON object")
    size, digest, removed, tools = (header.get(k) for k in ("size", "sha256", "removed", "tools"))
    require(header.get("march") in MARCHES, "march", "one of " + ", ".join(MARCHES))
    require(header.get("input") in INPUT_KINDS, "input", "one of " + ", ".join(INPUT_KINDS))
    kinds = header.get("inputs", {})
    named_kinds = isinstance(kinds, dict) and all(kind in INPUT_KINDS for kind in kinds.values())
    batch = header.get("batch", 1)
    require(type(batch) is int and 1 <= batch <= MAX_BATCH, "batch", f"1..{MAX_BATCH}")
    require(named_kinds, "inputs", "a kind for each input, " + ", ".join(INPUT_KINDS))
    require(type(size) is int and 0 < size <= MAX_PAYLOAD_BYTES, "size", f"1..{MAX_PAYLOAD_BYTES}")
    require(isinstance(digest, str) and len(digest) == 64, "sha256", "64 hex digits")
    require(isinstance(removed, list) and all(isinstance(n, str) for n in removed), "removed", "a list of names")
    named = isinstance(tools, dict) and all(isinstance(v, str) and f"{k}{v}".isprintable() for k, v in tools.items())
    require(named, "tools", "names and versions")
    return dict(header)
