"""From raw heads to results: one decoder per task."""
