"""Sessions on a device: the board, the simulated BPU or onnxruntime."""
