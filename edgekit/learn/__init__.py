"""Learning for int8: bounds, weights and biases of a cut model, towards its own float outputs, from unlabelled images.

A small interpreter runs the float graph as the compilers quantize it (`network.py`, `fake_quantization.py`), the
difference to the float model's outputs is measured in what a detection is made of (`losses.py`), and bounds, weights
and biases are changed together until images that were not learned from gain nothing any more (`training.py`). The
result is an ordinary ONNX with Clips. Everything but `torch_library.py` and `learned.py` imports torch.
"""
