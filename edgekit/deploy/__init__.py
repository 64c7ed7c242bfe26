"""The bundle for the board: written, pushed, and what a machine lacks for it."""
