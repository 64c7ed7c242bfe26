"""The simulated BPU and its compiler; never imported on the board."""
