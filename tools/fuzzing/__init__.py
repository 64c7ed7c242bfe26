"""Mutated inputs for every reader of edgekit, tried in a process of their own: `python tools/fuzz.py`."""
