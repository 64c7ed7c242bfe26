"""Milliseconds before the board: a latency model of the BPU, fitted to the vendor's static performance files."""
