"""Calibration of a simulated build: activation histograms, thresholds, and the search for the best calibrator."""
