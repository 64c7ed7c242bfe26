"""The version, in one place: no imports, so that reading it is free."""

__version__ = "0.1.0"
