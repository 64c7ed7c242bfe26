"""Calibration sets: where images come from, which are taken, how they are written and checked."""
