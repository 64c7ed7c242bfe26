"""Improvements folded into the float ONNX, so that any toolchain benefits from them."""
