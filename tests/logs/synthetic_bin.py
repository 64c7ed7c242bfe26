"""A `.bin` of the synthetic model: metadata and runtime graph as in a real one, no instructions."""

from __future__ import annotations

from tests.binary.wire_writer import field, initializer, tensor
from tests.logs.synthetic import HEADS, PREFIX, Head

AXIS = field(5, field(1, "axis") + field(2, 2) + field(4, 3))


def compiled_bin(*, stripped: bool = False, prefix: str = PREFIX) -> bytes:
    """All outputs dequantized to float; `stripped`: only the proto's Dequantize still stands."""
    gone = HEADS[:3] if stripped else ()
    nodes = [field(1, "images") + b"".join(field(2, integers(h)) for h in HEADS) + field(3, "sub") + field(4, "BPU")]
    nodes += [_dequantize(head) for head in HEADS if head not in gone]
    graph = b"".join(field(1, node) for node in nodes) + field(2, prefix)
    for head in HEADS:
        count = 1 if head.name == "proto" else head.shape[-1]
        graph += field(3, initializer(f"{head.name}_scale", (0.5,) * count))
        graph += field(5, tensor(head.name, 6 if head in gone else 1, head.shape))
    graph += field(4, tensor("images", 3, (1, 64, 96, 3))) + field(7, b"\x07")
    build = b"".join(field(1, field(1, key) + field(2, value)) for key, value in _metadata(gone).items())
    return field(1, 1) + field(2, 1) + field(5, graph) + field(6, build)


def integers(head: Head) -> str:
    """The name of the integer tensor behind an output."""
    return f"{head.node}_output_0_quantized"


def _dequantize(head: Head) -> bytes:
    names = field(1, integers(head)) + field(1, f"{head.name}_scale") + field(2, head.name)
    return names + field(3, f"{head.name}_HzDequantize") + field(4, "Dequantize") + AXIS


def _metadata(gone: tuple[Head, ...]) -> dict[str, str]:
    values = {
        "MARCH": "bayes-e",
        "BUILDER_VERSION": "1.24.3",
        "HBDK_RUNTIME_VERSION": " 3.15.55.0",
        "INPUT_TYPE_RT": "nv12;",
        "INPUT_TYPE_TRAIN": "rgb;",
        "INPUT_SPACE_AND_RANGE": "regular;",
        "DELETED_NODES": " ".join(f"{head.name}_HzDequantize" for head in gone),
    }
    for head in gone:
        values[f"DN_M_{head.name}"] = integers(head)
        values[f"DN_D_{integers(head)}_scale"] = f"{head.name}_scale"
        values[f"DN_D_{integers(head)}_axis"] = "3"
    return values
