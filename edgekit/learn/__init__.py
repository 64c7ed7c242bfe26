"""Learning for int8: bounds, weights and biases of a cut model, towards its own float outputs, from unlabelled images.

A small interpreter runs the float graph as the compilers quantize it (`network.py`, `fake_quantization.py`), the
difference to the float model's outputs is measured in what a detection is made of (`losses.py`), and bounds, weights
and biases are changed together until images that were not learned from gain nothing any more (`training.py`). The
result is an ordinary ONNX with Clips. Everything but `torch_library.py` and `learned.py` imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.learn.learned import Learned, learn

__all__ = ["Learned", "learn"]

__getattr__ = lazy_exports(
    __name__,
    {
        "Learned": "edgekit.learn.learned",
        "learn": "edgekit.learn.learned",
    },
)
