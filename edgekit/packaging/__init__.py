"""Wheels: the commands that build edgekit's own, with compiled kernels inside, and the board's."""

__all__: list[str] = []
