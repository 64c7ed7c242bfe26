"""The errors that edgekit raises: what is wrong, what was expected, where, and the way out."""

from __future__ import annotations

MAX_MESSAGE = 4000  # characters: no screen shows more


class EdgekitError(Exception):
    """A mistake that the user can fix; the command line prints it as two lines and exits with 2.

    `message` says the value, the expectation and the place; `hint` says the way out. Both often quote what somebody
    else wrote: control characters, which a terminal would obey, are replaced, and the middle of a huge text left out.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        self.message, self.hint = _fit_to_print(message), _fit_to_print(hint)
        super().__init__(self.message)

    def __reduce__(self) -> tuple[object, ...]:  # exceptions with keyword-only arguments need help to pickle
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(kind: type[EdgekitError], message: str, hint: str) -> EdgekitError:
    return kind(message, hint=hint)


def _fit_to_print(text: str) -> str:
    if len(text) > MAX_MESSAGE:
        text = f"{text[: MAX_MESSAGE // 2]} [...] {text[-MAX_MESSAGE // 4 :]}"
    return text if text.isprintable() else "".join(c if _is_harmless(c) else "\ufffd" for c in text)


def _is_harmless(character: str) -> bool:
    """Whether a terminal only shows it; half surrogates stand for bytes of file names that are no UTF-8."""
    return character.isprintable() or character in "\n\t" or "\ud800" <= character <= "\udfff"


class ModelError(EdgekitError):
    """A model, graph, sidecar or `.bin` is not what it should be."""


class ImageError(EdgekitError):
    """An image or video is missing, unreadable or of an unusable kind."""


class DataError(EdgekitError):
    """A calibration set, label file, log or list is not what it should be."""


class ConfigError(EdgekitError):
    """An option or a yaml field has an illegal value."""


class DeviceError(EdgekitError):
    """The board, its library or the simulated device is not available, or fails."""


class NoBoardLibrary(DeviceError):
    """None of the board's BPU libraries is installed here."""


class UnfitError(DeviceError):
    """The model is sound, but not made for this device or this input size."""


class ToolchainError(EdgekitError):
    """The vendor's toolchain is missing, of another version, or failed."""


class OutputError(EdgekitError):
    """A result cannot be written."""
