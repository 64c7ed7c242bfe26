"""The one place that opens a float graph on onnxruntime on the host (the board ring's device is `runtime/ort.py`)."""

from __future__ import annotations

from typing import Any

__all__ = ["onnxruntime_session"]


def onnxruntime_session(model: bytes, *, threads: int = 1, exact: bool = False) -> Any:
    """Open a model on onnxruntime's CPU provider, silent: its errors come back as exceptions.

    Args:
        model: The serialized ONNX model.
        threads: Threads within an operator; operators run one after the other.
        exact: Whether to leave out all fusions, which change the rounding.

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
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # several such sessions take turns
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
