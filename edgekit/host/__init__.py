"""The way from a stock ONNX to a compiled model; never imported on the board."""
