"""Which tool wrote a file: the first line that only one of them prints decides."""

from __future__ import annotations

import json
import re
from pathlib import Path

from edgekit.artifacts import SIM_MAGIC
from edgekit.binary.bin_format import looks_like_bin
from edgekit.errors import DataError
from edgekit.files import read_json
from edgekit.logs.edgekit_perf import is_edgekit_perf
from edgekit.logs.failures import recognise_line
from edgekit.logs.lines import LogLine, read_head, read_lines
from edgekit.logs.quant_info import is_quant_info
from edgekit.logs.sensitivity import is_sensitivity
from edgekit.logs.sidecar import is_sidecar
from edgekit.logs.static_perf import is_static_perf

# The file that a line of a log file names as its source; tool_utils.py and the like belong to several.
SOURCES = {
    "hb_mapper.py": "mapper",
    "hb_mapper_makertbin.py": "mapper",
    "hb_mapper_checker.py": "mapper",
    "build.py": "mapper",
    "model_builder.py": "mapper",
    "print_node_info.py": "mapper",
    "print_info_dict.py": "mapper",
    "hb_model_modifier.py": "modifier",
    "hb_model_info.py": "model_info",
}
# The order matters where one tool quotes another's words.
SIGNATURES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "mapper",
        re.compile(
            r"Start hb_mapper\b|hb_mapper_(?:makertbin|checker)\b|to Horizon NN Model Convert|horizon_nn debug methods"
            r"|(?:converted model|main quantized) node information|quantized model output:|hbdk-cc parameters"
            r"|Calibration using batch|horizon_nn\.\w+\}|Convert to runtime bin file|exception in command: \w+\."
            r"|(?:End|Start) to \w+ the (?:onnx )?model\b|Run calibration model with|model compilation architecture"
        ),
    ),
    ("mapper", re.compile(r"^edgekit\b.*\bsimulated\b")),
    (
        "modifier",
        re.compile(r"hb_model_modifier|Nodes that (?:can|will) be (?:deleted|removed)|modified model saved as"),
    ),
    ("model_info", re.compile(r"hb_model_info\b|^model (?:input|output) types\s+:|^deleted nodes: ")),
    (
        "board",
        re.compile(
            r"hrt_model_exec|HB_DNN_|^\[model name\]:|^\[BPU_PLAT\]|^\[HBRT\]|Thread Average: |^Perf result:"
            r"|^Running condition:"
        ),
    ),
)
SCREEN = re.compile(
    r"hb_|odel|hbdk|Horizon|horizon|alibration|Convert|exception|edgekit|HB_DNN|BPU_PLAT|HBRT|Thread|Perf|Running|hrt_|deleted"
)
# Tools whose output is easily taken for one of ours: named, so that the refusal helps.
FOREIGN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"hb_compile\b|\bhmct\b|hbm_perf"), "hb_compile (RDK S100 family), which edgekit does not read yet"),
    (
        re.compile(r"Ultralytics(?: YOLO)?\s?v?\d|\bultralytics\b.*(?:export|Export)"),
        "an Ultralytics export or training",
    ),
    (re.compile(r"\[TensorRT\]|\btrtexec\b|&&&& RUNNING TensorRT"), "TensorRT"),
    (re.compile(r"rknn|RKNN"), "the RKNN toolkit"),
)
MAX_PLAIN_LINES = 400_000  # of a file without one telling line: enough to call it foreign


class ForeignFileError(DataError):
    """A readable file that has nothing to do with a build."""


def kind_of(path: Path) -> str:
    """The kind of a file: mapper, modifier, model_info, board, static_perf, quant_info, sidecar,
    edgekit_perf, sensitivity or bin.

    Raises DataError, naming what the file is as far as that can be told, for everything else; a simulated `.bin`
    counts as its sidecar.
    """
    path = Path(path)
    head = read_head(path)
    if looks_like_bin(head):
        return "bin"
    if head.startswith(SIM_MAGIC):
        return "sidecar"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return _json_kind(path)
    foreign = failure = ""
    for count, line in enumerate(read_lines(path)):
        text = line.text
        if line.source in SOURCES:
            return SOURCES[line.source]
        if SCREEN.search(text):
            for kind, pattern in SIGNATURES:
                if pattern.search(text):
                    return kind
        if not foreign and count < 2000:
            foreign = next((name for pattern, name in FOREIGN if pattern.search(text)), "")
            failure = failure or _kind_of_failure(line)
        if count > MAX_PLAIN_LINES:
            break
    if failure and not foreign:
        return failure
    raise ForeignFileError(
        f"{path} is no log of this toolchain" + (f"; it looks like one of {foreign}" if foreign else ""),
        hint="give a log of hb_mapper, hb_model_modifier, hb_model_info or hrt_model_exec, a JSON or .bin beside it",
    )


def _kind_of_failure(line: LogLine) -> str:
    """The kind of log that a line names a failure of, since a pasted error is often all that there is; "" for none."""
    if known := recognise_line(line.text):
        return "board" if known.kind == "runtime_version" else "mapper"
    return "mapper" if line.level in ("ERROR", "CRITICAL") else ""


def _json_kind(path: Path) -> str:
    value = read_json(path)
    if is_static_perf(value):
        return "static_perf"
    if is_quant_info(value):
        return "quant_info"
    if is_sidecar(value):
        return "sidecar"
    if is_edgekit_perf(value):
        return "edgekit_perf"
    if is_sensitivity(value):
        return "sensitivity"
    keys = ", ".join(json.dumps(key) for key in list(value)[:4]) if isinstance(value, dict) else "no object"
    raise ForeignFileError(
        f"{path} is a JSON file of another kind (it begins with {keys})",
        hint="expected main_graph_subgraph_<n>.json or <prefix>_quant_info.json",
    )
