"""Compiled kernels: C sources, how they are built and loaded, and the decoding of a frame by them."""

from __future__ import annotations

__all__: list[str] = []
