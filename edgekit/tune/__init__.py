"""Tuning: the setting that keeps the accuracy, found by measurement and written for the real toolchain."""
