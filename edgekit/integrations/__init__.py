"""Edgekit's models inside other packages; each is imported only when something of it is used."""

from __future__ import annotations

__all__: list[str] = []
