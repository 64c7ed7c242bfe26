"""The toolchain's known failures: how each is recognised, what it means and the way out.

`recognise` reads any lines of the toolchain, live from its console or from a log; the table is ordered
from the most telling message to the least, since one failure often drags others behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_LINE_CHARS = 400  # a line shown to the user; logs hold dumped arrays of any length


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure that a line of a log names: `kind` is stable, for programs; the rest is for people.

    `fatal` is False where the build goes on but is worth less than it looks.
    """

    kind: str
    message: str
    hint: str
    line: str
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """One row of the table: `message` and `hint` may name the pattern's groups in braces."""

    kind: str
    pattern: re.Pattern[str]
    message: str
    hint: str
    fatal: bool = True


def _known(kind: str, pattern: str, message: str, hint: str, *, fatal: bool = True) -> KnownFailure:
    return KnownFailure(kind, re.compile(pattern), message, hint, fatal)


KNOWN_FAILURES: tuple[KnownFailure, ...] = (
    _known(
        "opset",
        r"opset version of the (?:onnx )?model is (?P<found>\d+)|"
        r"(?:only model with opset_version|maximum supported version is) (?P<wanted>[\d/]+)",
        "the ONNX file has opset {found}, the toolchain takes 10 or 11",
        "export again with opset=11 (yolo export format=onnx opset=11), then run edgekit cut again",
    ),
    _known(
        "ir_version",
        r"ir version of the model is (?P<found>\d+), which is greater than the maximum supported ir version of "
        r"(?P<wanted>\d+)",
        "the ONNX file's IR version is {found}, the toolchain takes at most {wanted}",
        "run edgekit cut on the stock export: it writes an IR version that the toolchain reads",
    ),
    _known(
        "dynamic_shape",
        r"[Ff]or input \S+, the input shape (?P<shape>\[[^\]]*\]) is invalid"
        r"|shape of model input:.{0,80}? is (?P<shape_2>\[[^\]]*\]).{0,40}dimensions? of 0"
        r"|input_shape (?P<shape_3>\[[^\]]*\]) of the model is a dynamic shape",
        "the model's input has the dynamic shape {shape}, expected fixed sizes",
        "export with dynamic=False, or give input_shape (1x3x640x640) in the yaml's input_parameters",
    ),
    _known(
        "too_many_outputs",
        r"tool limits for max output num is (?P<limit>\d+)",
        "the model has more than {limit} outputs, the toolchain's limit",
        "cut at fewer tensors: edgekit cut leaves at most ten outputs for the YOLO families",
    ),
    _known(
        "calibration_size",
        r"cannot reshape array of size (?P<found>\d+) into shape (?P<wanted>\([^)]*\)|\[[^\]]*\]|[\d, x]+)",
        "a calibration file holds {found} values, the input takes {wanted}: another size, dtype or a header",
        "write the set again with edgekit calibrate (raw float32, no .npy header) and keep its cal_data_type",
    ),
    _known(
        "cpu_operator",
        r"HorizonRT not support these cpu operators:?\s*(?P<ops>\S[^\n]{0,120})?",
        "the board's runtime has no implementation of {ops}, which landed on the CPU",
        "cut the model before these operators with edgekit cut, or export them as supported ones",
    ),
    _known(
        "nothing_on_bpu",
        r"There is no node can execute on BPU",
        "no node of the model can run on the BPU",
        "check that the ONNX file has 4-dimensional convolutions and that the yaml does not put all on the CPU",
    ),
    _known(
        "hbdk",
        r"hbdk-cc compile hbir model failed with returncode\s*=?\s*(?P<code>-?\d+)?",
        "the BPU compiler hbdk-cc failed with return code {code}",
        "retry with optimize_level O0, which tells a graph fault from lack of memory (-9: killed for memory)",
    ),
    _known(
        "no_library",
        r"can not find hbdk library",
        "the toolchain does not find its hbdk library: setuptools no longer brings pkg_resources",
        "install 'setuptools<70' into the toolchain's environment",
    ),
    _known(
        "shape_inference",
        r"ERROR during shape inference|Inferred shape and existing shape differ",
        "shape inference fails on the ONNX file",
        "load it in onnxruntime first; then run edgekit cut on the stock export, which keeps shapes fixed",
    ),
    _known(
        "missing_file",
        r"(?:Cal_data_dir does not exist:|Can not find onnx_model file given:) (?P<path>[^\s,\"']+)",
        "{path} does not exist",
        "paths in a yaml count from the folder where hb_mapper is started: run it through edgekit compile",
    ),
    _known(
        "yaml_value",
        r"User input (?P<field>\w+) invalid(?:,|:) '(?P<value>[^']*)'.{0,20}should in list (?P<allowed>\[[^\]]*\])",
        "the yaml's {field} is '{value}', expected one of {allowed}",
        "let edgekit calibrate write the yaml, whose fields are all checked; edgekit compile checks it again",
    ),
    _known(
        "yaml_section",
        r"Parse '(?P<section>\w+)' failed|yaml file parse failed",
        "the yaml's {section} cannot be used",
        "the log's next error line says which field; edgekit compile checks them before the toolchain starts",
    ),
    _known(
        "runtime_version",
        r"Inconsistency between the hbrt library version (?P<board>[\d.]*\d) and the model build version "
        r"(?P<model>[\d.]*\d)",
        "the board's hbrt library is {board}, the model was built with {model}",
        "results may differ: update the board's packages, or compile with the matching toolchain",
        fatal=False,
    ),
    _known(
        "runs_on_cpu",
        r"(?P<what>\S[^\n]{0,160}?) will be executed on CPU",
        "{what} will be executed on the CPU",
        "see the report's CPU table; node_info with ON: BPU, or a cut before it, brings it back",
        fatal=False,
    ),
    _known(
        "threshold",
        r"got unexpected (?P<which>[\w/]+) threshold on conv (?P<node>\S+?)!",
        "convolution {node} got an unusable {which} threshold",
        "look at the calibration set (value range 0-255, colour order): edgekit calibrate checks both",
        fatal=False,
    ),
)

# What a failed run says when none of the above fits: the tool's own words are shown.
UNKNOWN_PATTERNS = (
    re.compile(r"ERROR-OCCUR-DURING \{[^}]*\}[ *,]*(?:error message:)?\s*(?P<what>\S.*)"),
    re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt): (?P<what>\S.*)"),
    re.compile(r"^(?P<what>exception in command:? \S.*)"),
)
# One cheap test per line before the table: every pattern above holds one of these words.
SCREEN = re.compile(
    r"opset|maximum supported|input shape|dimension|max output num|cannot reshape|cpu operators|no node can"
    r"|dynamic shape|returncode|hbdk library|shape inference|Inferred shape|does not exist|Can not find"
    r"|User input|failed|Inconsistency|executed on CPU|unexpected|ERROR|exception in|Error: |Exception: |Interrupt: "
)


def recognise_line(line: str) -> Failure | None:
    """The known failure that one line (without its time stamp) names, or None."""
    if not SCREEN.search(line):
        return None
    for known in KNOWN_FAILURES:
        if match := known.pattern.search(line):
            return _failure(known, match, line)
    return None


def recognise_unknown(line: str) -> Failure | None:
    """A failure that the table does not know but the toolchain marks as one: its own words, no cure."""
    for pattern in UNKNOWN_PATTERNS:
        if match := pattern.search(line):
            return _unknown(match["what"], line)
    return None


class FailureWatch:
    """Keep the most telling failure of a stream of lines and every note that is not fatal."""

    def __init__(self) -> None:
        self._fatal: Failure | None = None
        self._unknown: Failure | None = None
        self._notes: dict[str, Failure] = {}

    def feed(self, line: str, *, level: str = "") -> None:
        """Take one line, without its time stamp; `level` is the console log's, where a line has one."""
        is_error = level in ("ERROR", "CRITICAL")
        if not is_error and not SCREEN.search(line):
            return
        failure = recognise_line(line)
        if failure is None:
            self._keep_unknown(recognise_unknown(line) or (_unknown(line, line) if is_error else None))
        elif not failure.fatal:
            self._notes.setdefault(failure.message, failure)
        elif self._fatal is None or _rank(failure) < _rank(self._fatal):
            self._fatal = failure

    def _keep_unknown(self, failure: Failure | None) -> None:
        """The first reason counts, but for the line that only says which command failed."""
        if failure and (self._unknown is None or "exception in command" in self._unknown.message):
            self._unknown = failure

    @property
    def failure(self) -> Failure | None:
        """What stopped the run, as far as its lines say; an error's own words say more than a section's name."""
        if self._fatal and self._fatal.kind == "yaml_section" and self._unknown:
            return self._unknown
        return self._fatal or self._unknown

    @property
    def notes(self) -> tuple[Failure, ...]:
        """What did not stop it but counts, each once, in the order met."""
        return tuple(self._notes.values())


def recognise(lines: Iterable[str]) -> Failure | None:
    """What made these lines' tool fail: a known failure first, else its own error, else a note, else None."""
    watch = FailureWatch()
    for line in lines:
        watch.feed(line)
    return watch.failure or next(iter(watch.notes), None)


def _rank(failure: Failure) -> int:
    return next(i for i, known in enumerate(KNOWN_FAILURES) if known.kind == failure.kind)


def _failure(known: KnownFailure, match: re.Match[str], line: str) -> Failure:
    captured = match.groupdict()
    words = {name: (value or "").strip() for name, value in captured.items()}
    for name in words:  # the same thing in another wording: shape_2 stands in for shape
        words[name] = next((words[n] for n in (name, f"{name}_2", f"{name}_3") if words.get(n)), "(not said)")
    return Failure(
        kind=known.kind,
        message=known.message.format(**words),
        hint=known.hint,
        line=line.strip()[:MAX_LINE_CHARS],
        fatal=known.fatal,
    )


def _unknown(what: str, line: str) -> Failure:
    return Failure(
        kind="unknown",
        message=f"the toolchain stopped: {what.strip().rstrip('.')[:MAX_LINE_CHARS]}",
        hint="read the log's last lines; run hb_mapper checker on the model alone to narrow it down",
        line=line.strip()[:MAX_LINE_CHARS],
    )
