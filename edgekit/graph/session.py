"""The one place that opens a float graph on onnxruntime on the host (the board ring's device is `runtime/ort.py`)."""

from __future__ import annotations

from typing import Any

__all__ = ["onnxruntime_session"]


def onnxruntime_session(model: bytes, *, threads: int = 1, exact: bool = False) -> Any:
    """Open a model on onnxruntime's CPU provider, silent: its errors come back as exceptions.

    Args:
        model: The serialized ONNX model.
        threads: Threads within an operator; operators run one after the other.
        exact: Whether to leave out fusions that change the rounding, for proofs of equality.

    Returns:
        An onnxruntime.InferenceSession.

    Raises:
        Exception: Of onnxruntime's own kinds, which share no base class.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    if exact:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
