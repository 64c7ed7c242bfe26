"""Passes over the float graph; each takes a graph and gives a graph, and renames no tensor that stays."""
