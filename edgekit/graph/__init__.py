"""The float ONNX graph: reading, editing, running."""
