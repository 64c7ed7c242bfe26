"""A model that edgekit runs, behind the interface of Ultralytics' `YOLO`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ultralytics.engine.model import Model

from edgekit.errors import UnfitError
from edgekit.integrations.ultralytics.module import SessionModule
from edgekit.integrations.ultralytics.predictor import EdgekitPredictor, refuse_unsupported
from edgekit.integrations.ultralytics.validator import VALIDATORS
from edgekit.runtime.session import load

__all__ = ["EdgekitYOLO"]


class EdgekitYOLO(Model):
    """A `.bin` (on the board or simulated), quantized graph, float ONNX or bundle with `predict`, `val` and `track`.

    Sources, datasets, trackers, callbacks, metrics and outputs are Ultralytics'; preprocessing, the device, decoding
    and non-maximum suppression are edgekit's. What changes a model (train, export, fuse) belongs to the .pt.
    """

    def __init__(self, model: str | Path, *, device: str = "auto", verbose: bool = False) -> None:
        """Open a model.

        Args:
            model: The model file or bundle.
            device: As `edgekit.load` takes it.
            verbose: Whether Ultralytics reports on loading.

        Raises:
            EdgekitError: The file is no model that edgekit runs, or the device is not there.
            UnfitError: Ultralytics has no validator of the model's task.
        """
        session = load(model, device)
        if session.spec.task not in VALIDATORS:
            raise UnfitError(
                f"{model} does {session.spec.task!r}, expected one of {', '.join(VALIDATORS)}",
                hint="use edgekit run and edgekit eval for it",
            )
        self._opened = session
        super().__init__(model=str(model), task=session.spec.task, verbose=verbose)

    def _load(self, weights: str, task: str | None = None) -> None:
        """Take the opened session in place of a checkpoint."""
        self.model = SessionModule(self._opened)
        self.ckpt, self.ckpt_path, self.model_name = None, weights, weights
        self.task = self.model.task
        size = max(self._opened.spec.preprocess.size_wh)
        self.overrides = {"model": weights, "task": self.task, "imgsz": size, "device": "cpu"}

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Predict, as `ultralytics.engine.model.Model` does; raises ConfigError for what a compiled model cannot do."""
        refuse_unsupported(kwargs)
        return super().predict(*args, **kwargs)

    def val(self, *args: Any, **kwargs: Any) -> Any:
        """Score, as `ultralytics.engine.model.Model` does; raises ConfigError for what a compiled model cannot do."""
        refuse_unsupported(kwargs)
        return super().val(*args, **kwargs)

    @property
    def task_map(self) -> dict[str, dict[str, Any]]:
        """The predictor and validator of each task, as Ultralytics looks them up."""
        return {task: {"predictor": EdgekitPredictor, "validator": validator} for task, validator in VALIDATORS.items()}
