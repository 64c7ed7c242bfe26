"""One input of a PTQ yaml, whose fields hb_mapper spreads over `;`-joined texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekit.spec import InputKind, Layout


@dataclass(frozen=True, slots=True)
class PtqInput:
    """One input of the model, gathered from the `;`-joined fields; blank texts are what the yaml left out."""

    name: str
    type_train: InputKind
    layout_train: Layout
    type_rt: InputKind
    layout_rt: Literal[Layout, ""]
    color_space: str
    shape: tuple[int, ...]
    norm_type: str
    mean: tuple[float, ...] | None
    scale: tuple[float, ...] | None
    cal_data_dir: str
    cal_data_type: str
