"""Readers of the toolchain's logs and JSON files: one file per kind, all streaming, none of them trusting."""
