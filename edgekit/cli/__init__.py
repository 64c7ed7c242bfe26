"""The command line: one module per command, heavy imports inside their functions."""

__all__: list[str] = []
