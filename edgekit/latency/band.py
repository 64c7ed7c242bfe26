"""How far an estimate may be off: the cross-validated band, wider for whatever the fit did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.latency.parameters import LatencyParameters

__all__ = ["Rated", "error_band"]

OUTSIDE = 1.5  # what the band grows by for frames outside the fitted range, and for CPU nodes in between
SMALL = 0.005  # of the frame: layers of unseen kinds below this need no remark


@dataclass(frozen=True, slots=True)
class Rated:
    """What of a layer widens the band: its group, whether the fit had seen it, its operands' bits and its time."""

    group: str
    seen: bool
    bits: int
    frame_us: float


def error_band(
    layers: Sequence[Rated], frame_us: float, cpu_nodes: Sequence[str], found: LatencyParameters
) -> tuple[float, list[str]]:
    """State the error of a frame.

    Args:
        layers: The frame's layers.
        frame_us: The frame.
        cpu_nodes: Nodes between parts of the BPU's work.
        found: The parameters with their cross-validation.

    Returns:
        The band as a share, and the reasons for anything beyond the usual one.
    """
    wide = any(layer.bits > 8 for layer in layers)
    usual = (found.int16 if wide else found.int8).band
    added = [_unseen(layers, frame_us), _wider(layers, frame_us, found)]
    band = usual + sum(share for share, _ in added)
    notes = [note for _, note in added if note]
    low, high = found.frame_us
    if not low <= frame_us <= high:
        band *= OUTSIDE
        notes.append(f"outside the fitted frames of {low / 1e3:.1f} to {high / 1e3:.1f} ms; the band is wider for it")
    if cpu_nodes:
        band *= OUTSIDE
        notes.append(
            f"{len(cpu_nodes)} nodes run on the CPU in between, the first {cpu_nodes[0]}: "
            "their time and copies are not counted"
        )
    return band, notes


def _unseen(layers: Sequence[Rated], frame_us: float) -> tuple[float, str]:
    """The share of layers of kinds that the fit had not seen, and their names."""
    strange = [layer for layer in layers if not layer.seen]
    share = sum(layer.frame_us for layer in strange) / frame_us
    if share <= SMALL:
        return 0.0, ""
    names = ", ".join(sorted({layer.group for layer in strange}))
    return share, f"kinds of layers that the fit has not seen: {names}; the band is wider for it"


def _wider(layers: Sequence[Rated], frame_us: float, found: LatencyParameters) -> tuple[float, str]:
    """What more of the frame works on 16-bit operands than in any fitted build."""
    share = sum(layer.frame_us for layer in layers if layer.bits > 8) / frame_us
    if share <= found.wide_share:
        return 0.0, ""
    note = (
        f"16-bit operands take {100 * share:.0f} % of the frame, at most {100 * found.wide_share:.0f} % in the fit; "
        "the band is wider for it"
    )
    return share - found.wide_share, note
