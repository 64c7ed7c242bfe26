"""Readers of the toolchain's logs and JSON files: one module per kind, streaming, trusting nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.logs.read_log import ReadFile, read_file

__all__ = ["ReadFile", "read_file"]

__getattr__ = lazy_exports(
    __name__,
    {
        "ReadFile": "edgekit.logs.read_log",
        "read_file": "edgekit.logs.read_log",
    },
)
