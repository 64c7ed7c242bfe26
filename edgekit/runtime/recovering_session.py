"""What a long run infers with: a session that may be replaced between two frames and survives a failing device."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt

from edgekit.errors import DeviceError, EdgekitError
from edgekit.ops.letterbox import Letterbox
from edgekit.runtime.device import Tensors
from edgekit.runtime.model_inputs import InputSample
from edgekit.runtime.session import Named, Session

Open = Callable[[], Session]


class RecoveringSession:
    """Gives each frame the session of the moment; every method may be called from several threads.

    A device error is answered in this order: the frame again, the device reopened by `reopen`, and, only if the user
    requested it, `fallback`. `on_event` gets a few words about each of these.
    """

    def __init__(
        self,
        session: Session,
        *,
        reopen: Open | None = None,
        fallback: Open | None = None,
        on_event: Callable[[str], None] = lambda event: None,
    ) -> None:
        self._session = session
        self._steps: list[tuple[str, Open]] = []
        if reopen:
            self._steps.append(("reopened the device", reopen))
        if fallback:
            self._steps.append(("fell back to the simulated device", fallback))
        self._on_event = on_event
        self._recovering = threading.Lock()

    def current(self) -> Session:
        """Return the session that the next frame uses from start to end."""
        return self._session

    def replace(self, session: Session) -> None:
        """Use `session` from the next frame on; frames on their way finish with theirs."""
        self._session = session

    def infer(
        self, session: Session, sample: InputSample, inputs: npt.NDArray[Any] | Named, letterbox: Letterbox
    ) -> Inferred:
        """Run one frame, prepared from `sample`; the answer names the session that must decode it."""
        try:
            return session, letterbox, session.infer(inputs)
        except DeviceError as error:
            return self._recover(session, sample, error)

    def infer_batch(
        self,
        session: Session,
        samples: Sequence[InputSample],
        inputs: Sequence[npt.NDArray[Any] | Named],
        boxes: Sequence[Letterbox],
    ) -> list[Inferred]:
        """Run several frames in one call, as `infer` does one; where the device fails, each frame again."""
        try:
            heads = session.infer_batch(inputs)
        except DeviceError as error:
            return [self._recover(session, sample, error) for sample in samples]
        return [(session, box, of_frame) for box, of_frame in zip(boxes, heads, strict=True)]

    def _recover(self, failed: Session, sample: InputSample, error: DeviceError) -> Inferred:
        with self._recovering:
            if self._session is not failed:  # another frame has already found a way
                return _once(self._session, sample)
            self._on_event(f"device error, frame retried: {error.message}")
            try:
                return _once(failed, sample)
            except DeviceError as again:
                error = again
            for what, open_session in self._steps:
                try:
                    session = open_session()
                    inferred = _once(session, sample)
                except EdgekitError as again:
                    self._on_event(f"{what}, in vain: {again.message}")
                    continue
                self._session = session
                self._on_event(f"{what} after: {error.message}")
                return inferred
            raise error


Inferred = tuple[Session, Letterbox, Tensors]


def _once(session: Session, sample: InputSample) -> Inferred:
    inputs, letterbox = session.prepare(sample)
    return session, letterbox, session.infer(inputs)
