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
    """What of a layer widens the band: its group, whether a fitted build had it, its operands' bits and its time."""

    group: str
    fitted: bool
    bits: int
    frame_us: float


def error_band(
    layers: Sequence[Rated],
    frame_us: float,
    cpu_nodes: Sequence[str],
    cpu_us: float,
    parameters: LatencyParameters,
) -> tuple[float, list[str]]:
    """State the error of a frame.

    Args:
        layers: The frame's layers.
        frame_us: The frame.
        cpu_nodes: Nodes between parts of the BPU's work.
        cpu_us: What these take at least.
        parameters: The parameters with their cross-validation.

    Returns:
        The band as a share, and the reasons for anything beyond the usual one.
    """
    int16 = any(layer.bits > 8 for layer in layers)
    usual = (parameters.int16 if int16 else parameters.int8).band
    added = [_unseen(layers, frame_us), _wider(layers, frame_us, parameters)]
    band = usual + sum(share for share, _ in added)
    notes = [note for _, note in added if note]
    low, high = parameters.frame_us
    if not low <= frame_us <= high:
        band *= OUTSIDE
        notes.append(f"outside the fitted frames of {low / 1e3:.1f} to {high / 1e3:.1f} ms; the band is wider for it")
    if cpu_nodes:
        band *= OUTSIDE
        notes.append(
            f"{len(cpu_nodes)} nodes run on the CPU in between, the first {cpu_nodes[0]}: "
            f"their time and copies, at least {cpu_us / 1e3:.1f} ms, are not in the frame"
        )
    return band, notes


def _unseen(layers: Sequence[Rated], frame_us: float) -> tuple[float, str]:
    """The share of layers of kinds that no fitted build had, and their names."""
    strange = [layer for layer in layers if not layer.fitted]
    share = sum(layer.frame_us for layer in strange) / frame_us
    if share <= SMALL:
        return 0.0, ""
    names = ", ".join(sorted({layer.group for layer in strange}))
    return share, f"kinds of layers that no fitted build had: {names}; the band is wider for it"


def _wider(layers: Sequence[Rated], frame_us: float, parameters: LatencyParameters) -> tuple[float, str]:
    """What more of the frame works on 16-bit operands than in any fitted build."""
    share = sum(layer.frame_us for layer in layers if layer.bits > 8) / frame_us
    if share <= parameters.int16_share:
        return 0.0, ""
    note = (
        f"16-bit operands take {100 * share:.0f} % of the frame, at most "
        f"{100 * parameters.int16_share:.0f} % in the fit; the band is wider for it"
    )
    return share - parameters.int16_share, note
