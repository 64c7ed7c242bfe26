"""Calibration sets: where photos come from, which are taken, how they are written and checked."""
