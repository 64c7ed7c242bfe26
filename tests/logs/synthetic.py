"""Logs of our own making in the shapes of the real ones, both generations: what the tests are run on.

A tiny segmentation model (two trunk blocks, one head of each kind) with round numbers, so that every test can
say by hand what a report of it must hold.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

PREFIX = "tiny_seg_bayese_64x96_nv12"
DAY = "2025-07-23"
CONFIG = """\
calibration_parameters:
  cal_data_dir: ./calibration
  cal_data_type: float32
  calibration_type: default
compiler_parameters:
  compile_mode: latency
  debug: true
  optimize_level: O3
input_parameters:
  input_layout_train: NCHW
  input_name: ''
  input_type_rt: nv12
  input_type_train: rgb
  norm_type: data_scale
  scale_value: '0.003921568627451'
model_parameters:
  march: bayes-e
  onnx_model: ./tiny-heads.onnx
  output_model_file_prefix: tiny_seg_bayese_64x96_nv12
  working_dir: model_output
"""
ARRAYS = """\
 {'march': 'bayes-e', 'input_dict': {'images': {'input_shape': [1, 3, 64, 96]}}, 'cali_dict': [array([[[[-14., -14.],
         [-14., -14., -14., ..., -14., -14., -14.],
         ...,
         [-14., -14., -14., ..., -14., -14., -14.]],

        [[  0.,   0.,   0., ...,   0.,   0.,   0.]]]], dtype=float32)]}}
"""


@dataclass(frozen=True)
class Node:
    """A row of the node table; None prints as the generation prints what it does not know."""

    name: str
    type: str = "HzSQuantizedConv"
    cosine: float | None = 0.999
    threshold: float | None = 4.0
    dtype: str = "int8"
    on: str = "BPU"


@dataclass(frozen=True)
class Head:
    """An output: its name, the node behind it, its NHWC shape and its row's numbers."""

    name: str
    node: str
    shape: tuple[int, int, int, int]
    cosine: float
    l1: float = 0.05
    l2: float = 0.0005
    chebyshev: float = 1.25


NODES = (
    Node("HZ_PREPROCESS_FOR_images", "HzSQuantizedPreprocess", 0.999900, 127.0),
    Node("/model.0/conv/Conv", cosine=0.999500, threshold=1.5),
    Node("/model.0/act/Mul", "HzLut", 0.998000, 20.0),
    Node("/model.1/conv/Conv", cosine=0.997000, threshold=12.0),
    Node("/model.1/act/Mul", "HzLut", 0.970000, 9.0),
    Node("...el.0/act/Mul_output_0_calibrated_Requantize", "HzRequantize", None, None),
    Node("/model.2/Concat", "Concat", 0.975000, 6.0),
    Node("/model.3/cv2.0/cv2.0.0/conv/Conv", cosine=0.985000, threshold=6.5),
    Node("/model.3/cv2.0/cv2.0.2/Conv", cosine=0.991000, threshold=3.0),
    Node("/model.3/cv3.0/cv3.0.2/Conv", cosine=0.999300, threshold=6.5),
    Node("/model.3/cv4.0/cv4.0.2/Conv", cosine=0.988000, threshold=6.5),
    Node("/model.3/proto/cv3/act/Mul", "HzLut2Layer", 0.992000, 2.5, "int16"),
)
HEADS = (
    Head("box", "/model.3/cv2.0/cv2.0.2/Conv", (1, 8, 12, 64), 0.991),
    Head("cls", "/model.3/cv3.0/cv3.0.2/Conv", (1, 8, 12, 80), 0.9993),
    Head("mask", "/model.3/cv4.0/cv4.0.2/Conv", (1, 8, 12, 32), 0.988),
    Head("proto", "/model.3/proto/cv3/act/Mul", (1, 16, 24, 32), 0.992),
)


class Writer:
    """Puts lines into the file form or the console form, a second apart."""

    def __init__(self, *, console: bool = False, minute: int = 0) -> None:
        self.console = console
        self.seconds = minute * 60
        self.lines: list[str] = []

    def say(self, text: str, source: str = "hb_mapper", *, level: str = "INFO") -> None:
        self.seconds += 1
        clock = f"{DAY} 15:{self.seconds // 60:02d}:{self.seconds % 60:02d},000"
        colour = {"INFO": 92, "WARNING": 93, "ERROR": 91}[level]
        if self.console:
            self.lines.append(f"{clock} \x1b[{colour}m{level}\x1b[0m {text}")
        else:
            self.lines.append(f"{clock} file: {source}.py func: {source} line No: {self.seconds} {text}")

    def add(self, *lines: str) -> None:
        self.lines.extend(lines)

    def text(self, end: str = "\n") -> str:
        return end.join(self.lines) + end


def makertbin(
    *,
    generation: str = "2025",
    console: bool = False,
    nodes: Sequence[Node] = NODES,
    heads: Sequence[Head] = HEADS,
    samples: int = 50,
    config: str = CONFIG,
    fps: float = 200.5,
    latency_us: float = 4987.5,
    ddr: int = 12_345_678,
    minute: int = 0,
) -> str:
    """A whole makertbin log that went well."""
    log = Writer(console=console, minute=minute)
    if generation == "2025":
        _start(log)
        if not console:
            log.say("Dump config:", "hb_mapper_makertbin")
            first, *rest = config.splitlines()
            log.say(first, "hb_mapper_makertbin")
            log.add(*rest, "")
            log.say("call build params:", "hb_mapper_makertbin")
            log.add(*ARRAYS.splitlines())
        else:
            log.say("Input node images's input_source not set, it will be set to pyramid by default", level="WARNING")
    log.say("Start to Horizon NN Model Convert.", "model_builder")
    log.say("The specified model compilation architecture: bayes-e.", "model_builder")
    graph(log, generation, heads)
    calibration(log, generation, samples, console=console)
    compile_step(log, fps, latency_us, ddr, console=console)
    title = "The main quantized node information:" if generation == "2025" else "The converted model node information:"
    log.say(title, "print_info_dict")
    log.add(*node_table(nodes, generation))
    if generation == "2025":
        log.say("The quantized model output:", "print_info_dict")
        log.add(*output_table(heads))
        closing(log)
    return log.text()


def checker(nodes: Sequence[Node] = NODES) -> str:
    """A checker's log: no cosines, thresholds of 1, an empty output table."""
    log = Writer()
    _start(log)
    log.say("Model type: onnx", "hb_mapper_checker")
    log.say("march: bayes-e", "hb_mapper_checker")
    log.say("Begin model checking....", "hb_mapper_checker")
    graph(log, "2025", HEADS, saved="./.hb_check/")
    log.say("There are 1 samples in the data set.", "calibration_data_set")
    log.say("Run calibration model with fixed thresholds method.", "fixed_calibrater")
    compile_step(log, 36.2, 27621.2, 165_496_960, console=False)
    log.say("The main quantized node information:", "print_info_dict")
    bare = [replace(n, cosine=None, threshold=1.0) for n in nodes]
    log.add(*node_table(bare, "2025"))
    log.say("The quantized model output:", "print_info_dict")
    log.add("=" * 12, "Output      ", "-" * 12)
    log.say("End model checking....", "hb_mapper_checker")
    return log.text()


def _start(log: Writer) -> None:
    log.say("log will be stored in /workspace/hb_mapper_makertbin.log", "tool_utils")
    log.say("Start hb_mapper....")
    log.say("hbdk version 3.49.15")
    log.say("horizon_nn version 1.1.0")
    log.say("hb_mapper version 1.24.3")
    log.say("Using onnx model file: /workspace/tiny-heads.onnx", "mapper_conf_parser")


def graph(log: Writer, generation: str, heads: Sequence[Head], saved: str = f"{PREFIX}_") -> None:
    log.say("Start to prepare the onnx model.", "model_builder")
    log.say("Input ONNX Model Information:", "prepare")
    log.add("ONNX IR version:          6", "Opset version:            ['ai.onnx v11', 'horizon v1']")
    log.add("Producer:                 pytorch v2.1.1", "Domain:                   None", "Graph input:")
    log.add("    images:               shape=[1, 3, 64, 96], dtype=FLOAT32", "Graph output:")
    log.add(*(f"    {h.name + ':':<22}shape=[{', '.join(map(str, h.shape))}], dtype=FLOAT32" for h in heads))
    log.say("End to prepare the onnx model.", "model_builder")
    to = " to" if generation == "2025" else ""
    log.say(f"Saving model{to}: {saved}original_float_model.onnx.", "model_builder")


def calibration(log: Writer, generation: str, samples: int, *, console: bool) -> None:
    log.say("Start to calibrate the model.", "model_builder")
    kind = "data set" if generation == "2025" else "calibration data set"
    log.say(f"There are {samples} samples in the {kind}.", "calibration_data_set")
    log.say("Run calibration model with modelwise search method.", "infer_thresholds")
    log.say("Calibration using batch 8", "base")
    if console:
        bars = [
            f"calibration in progress:  {p}%|{'█' * (p // 10):<10}| {p // 14}/7 [00:05<00:31]" for p in (0, 50, 100)
        ]
        log.add("\r" + "\r".join(bars))
    log.say("Select max-percentile:percentile=0.99995 method.", "modelwise_search")
    log.say("End to calibrate the model.", "model_builder")


def compile_step(log: Writer, fps: float, latency_us: float, ddr: int, *, console: bool) -> None:
    log.say("Start to compile the model with march bayes-e.", "model_builder")
    log.say("Compile submodel: main_graph_subgraph_0", "hybrid_build")
    log.say("hbdk-cc parameters:['--O3', '--core-num', '1', '--fast']", "hbdk_cc")
    if console:
        log.add("\r".join(f"[{'=' * (p // 2):<50}] {p}%" for p in range(0, 101, 20)))
    log.say(
        f"FPS={fps:g}, latency = {latency_us} us, DDR = {ddr} bytes   (see main_graph_subgraph_0.html)", "tool_utils"
    )
    log.say("End to compile the model with march bayes-e.", "model_builder")


def closing(log: Writer) -> None:
    log.say("############# model deps info #############", "onnx2horizonrt")
    log.say("hb_mapper version   : 1.24.3", "onnx2horizonrt")
    log.say("hbdk runtime version: 3.15.55.0", "onnx2horizonrt")
    log.say("############# model_parameters info #############", "onnx2horizonrt")
    log.say("BPU march           : bayes-e", "onnx2horizonrt")
    log.say(f"output_model_file_prefix: {PREFIX}", "onnx2horizonrt")
    log.say("############# input_parameters info #############", "onnx2horizonrt")
    log.say("input_type_rt       : nv12", "onnx2horizonrt")
    log.say("input_space&range   : regular", "onnx2horizonrt")
    log.say("############# calibration_parameters info #############", "onnx2horizonrt")
    log.say("calibration_type:   : default", "onnx2horizonrt")
    log.say("############# compiler_parameters info #############", "onnx2horizonrt")
    log.say("hbdk_pass_through_params: --O3 --debug --core-num 1 --fast", "onnx2horizonrt")
    log.say("Convert to runtime bin file successfully!", "hb_mapper_makertbin")
    log.say("End Model Convert", "hb_mapper_makertbin")


def node_table(nodes: Sequence[Node], generation: str) -> list[str]:
    """The node table, columns two blanks apart, the last row without blanks behind it."""
    last = "DataType" if generation == "2025" else "In/Out DataType"
    columns = ("Node", "ON", "Subgraph", "Type", "Cosine Similarity", "Threshold", last)
    rows = []
    for node in nodes:
        unknown = "--" if generation == "2025" else ""
        cosine = unknown if node.cosine is None else f"{node.cosine:.6f}"
        threshold = unknown
        if node.threshold is not None:
            threshold = f"{node.threshold:.6g}" if generation == "2025" else f"{node.threshold:.6f}"
        dtype = (
            node.dtype if generation == "2025" else f"{node.dtype}/{'int32' if '.2/Conv' in node.name else node.dtype}"
        )
        rows.append((node.name, node.on, "id(0)" if node.on == "BPU" else "--", node.type, cosine, threshold, dtype))
    return _table(columns, rows)


def output_table(heads: Sequence[Head]) -> list[str]:
    columns = ("Output", "Cosine Similarity", "L1 Distance", "L2 Distance", "Chebyshev Distance")
    return _table(columns, [(h.name, *(f"{v:.6f}" for v in (h.cosine, h.l1, h.l2, h.chebyshev))) for h in heads])


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
    lines = [
        "".join(cell.ljust(width + 2) for cell, width in zip(row, widths, strict=True)) for row in (columns, *rows)
    ]
    rule = len(lines[0])
    return ["=" * rule, lines[0], "-" * rule, *lines[1:-1], lines[-1].rstrip()]


def failed(message: str = "The opset version of the model is 17, the maximum supported version is 11") -> str:
    """A console log of a run that the toolchain gave up."""
    log = Writer(console=True)
    _start(log)
    log.say("Start to prepare the onnx model.")
    log.say(f"*** ERROR-OCCUR-DURING {{horizon_nn.build_onnx}} ***, error message: {message}", level="ERROR")
    return log.text()


def modifier(*, removed: bool = False, generation: str = "2025") -> str:
    """hb_model_modifier's listing; with `removed` also the removal of all but the proto's Dequantize."""
    log = Writer()
    if generation == "2025":
        log.say(f"storing info of model: {PREFIX}.bin", "hb_model_modifier")
    names = []
    for head in HEADS:
        stem = head.name if head.name == "proto" else f"{head.node}_output_0"
        names.append(f"{stem}_HzDequantize")
        log.say(f'input: "{head.node}_output_0_quantized"', "hb_model_modifier")
        log.add(
            f'input: "{head.node}_x_scale"', f'output: "{head.name}"', f'name: "{names[-1]}"', 'op_type: "Dequantize"'
        )
        if generation == "2025":
            log.add("attribute {", '  name: "axis"', "  type: INT", "  i: 3", "}")
        log.add("")
    if removed:
        log.say(f"Nodes that will be removed from this model: {names[:3]}", "hb_model_modifier")
        for name in names[:3]:
            log.say(f"Node '{name}' found, its OP type is 'Dequantize'", "hb_model_modifier")
            log.say(f"Node '{name}' is removed", "hb_model_modifier")
        log.say(f"modified model saved as {PREFIX}_modified.bin", "hb_model_modifier")
    else:
        log.say(f"Nodes that can be deleted: {names}", "hb_model_modifier")
    return log.text()


def model_info() -> str:
    """The console of hb_model_info on a stripped model."""
    log = Writer(console=True)
    log.say("log will be stored in /workspace/hb_model_info.log")
    log.say("Start hb_model_info....")
    log.say("hb_model_info version 1.24.3")
    log.say(f"******** {PREFIX} *********")
    log.say("############# model deps info #############")
    log.say("hb_mapper version   : 1.24.3")
    log.say("hbdk runtime version: 3.15.55.0")
    log.say("############# calibration_parameters info #############")
    log.say("calibration_type    : default")
    log.say("--------- input/output types -------------------")
    log.say("model input types   : [<InputDataType.NV12: 7>]")
    log.say("model output types  : [<DataType.INT32: 6>, <DataType.FLOAT: 1>]")
    log.say("--------- deleted nodes -------------------")
    log.say("deleted nodes: /model.3/cv2.0/cv2.0.2/Conv_output_0_HzDequantize")
    return log.text()


def board_info() -> str:
    """hrt_model_exec model_info, the integer heads with their scales."""
    lines = [
        f"hrt_model_exec model_info --model_file {PREFIX}.bin",
        "[BPU_PLAT]BPU Platform Version(1.3.6)! soc info(x5)",
        "[HBRT] set log level as 0. version = 3.15.54.0",
        "[DNN] Runtime version = 1.24.5_(3.15.54 HBRT)",
        "[A][DNN][packed_model.cpp:247][Model](2025-07-24,21:59:05.528) [HorizonRT] The model builder version = 1.24.3",
        "Load model to DDR cost 137.022ms.",
        f"[model name]: {PREFIX}",
        "",
        "input[0]: ",
        "name: images",
        "input source: HB_DNN_INPUT_FROM_PYRAMID",
        "valid shape: (1,3,64,96,)",
        "aligned shape: (1,3,64,96,)",
        "aligned byte size: 9216",
        "tensor type: HB_DNN_IMG_TYPE_NV12",
        "tensor layout: HB_DNN_LAYOUT_NCHW",
        "quanti type: NONE",
        "",
    ]
    for i, head in enumerate(HEADS):
        shape = ",".join(map(str, head.shape))
        kind = "F32" if head.name == "proto" else "S32"
        lines += [f"output[{i}]: ", f"name: {head.name}", f"valid shape: ({shape},)", f"aligned shape: ({shape},)"]
        lines += ["aligned byte size: 4096", f"tensor type: HB_DNN_TENSOR_TYPE_{kind}"]
        lines += ["tensor layout: HB_DNN_LAYOUT_NHWC", f"quanti type: {'NONE' if kind == 'F32' else 'SCALE'}"]
        lines += ["stride: (1,1,1,4,)"]
        lines += [] if kind == "F32" else ["scale data: 0.5,0.25,1.5e-05,", "quantizeAxis: 3"]
        lines += [""]
    return "\n".join([*lines, "-" * 69]) + "\n"


def board_perf(threads: int = 1, latency_ms: float = 10.4, fps: float = 95.5) -> str:
    """hrt_model_exec perf."""
    return (
        f"hrt_model_exec perf --model_file {PREFIX}.bin --thread_num {threads}\n"
        f"Frame count: 200,  Thread Average: {latency_ms:.6f} ms,  thread max latency: 13.361000 ms,  "
        f"thread min latency: 6.258000 ms,  FPS: {fps + 0.1:.6f}\n\n"
        f"Running condition:\n  Thread number is: {threads}\n  Frame count   is: 200\n"
        "  Program run time: 2491.783000 ms\nPerf result:\n  Frame totally latency is: 2485.713867 ms\n"
        f"  Average    latency    is: {latency_ms:.6f} ms\n  Frame      rate       is: {fps:.6f} FPS\n"
    )


def static_perf(*, layers: bool = True, as_objects: bool = False) -> str:
    """The static performance JSON, its layers as lists below a heading or as objects."""
    summary: dict[str, object] = {
        "BPU OPs per frame (effective)": 12_000_000,
        "BPU march": "B25E",
        "DDR bytes per frame": 12_345_678,
        "FPS": 200.5,
        "HBDK version": "3.49.15",
        "interval computing unit utilization": [0.5, 0.9, 0.4],
        "interval loading bandwidth (megabytes/s)": [100, 200, 300],
        "interval storing bandwidth (megabytes/s)": [0, 10, 20],
        "interval time (ms)": 0.2,
        "latency (us)": 4987.5,
        "loaded bytes per frame": 7_000_000,
        "stored bytes per frame": 5_345_678,
        "model name": "main_graph_subgraph_0",
    }
    if layers:
        heading = ["layer", "ops", "computing cost (no DDR)", "load/store cost", "active period of time"]
        rows = [
            ["_model.0_conv", "113,246,208", "29 us (0.6% of model)", "267 us (5.4% of model)", "0-296 us"],
            ["_model.1_conv", "37,748,736", "1,042 us (20% of model)", "156 us (3% of model)", "296-1400 us"],
        ]
        summary["layer details"] = (
            [dict(zip(heading, row, strict=True)) for row in rows] if as_objects else [heading, *rows]
        )
    return json.dumps({"summary": summary})


def quant_info() -> str:
    """The quantization record of NODES: a chain through the trunk, the heads all behind its last node."""
    trunk = [n for n in NODES if "/model.3/" not in n.name and n.cosine is not None]
    found: dict[str, object] = {}
    previous = "images"
    for node in trunk:
        found[node.name] = _record(node, previous, f"{node.name}_output_0")
        previous = f"{node.name}_output_0"
    stem = next(n for n in NODES if n.name.endswith("cv2.0.0/conv/Conv"))
    found[stem.name] = _record(stem, previous, f"{stem.name}_output_0")
    by_name = {n.name: n for n in NODES}
    for head in HEADS:
        feeder = f"{stem.name}_output_0" if head.name == "box" else previous
        found[head.node] = _record(by_name[head.node], feeder, f"{head.node}_output_0")
        found[f"/model.3/Transpose_{head.name}"] = {
            "type": "Transpose",
            "inputs": [f"{head.node}_output_0"],
            "outputs": [head.name],
            "thresholds": [[]],
            "cosine_similarity": f"{head.cosine:.6f}",
        }
    return json.dumps(found)


def _record(node: Node, feeder: str, output: str) -> dict[str, object]:
    return {
        "type": node.type,
        "inputs": [f"{feeder}_calibrated"],
        "outputs": [output],
        "thresholds": [[node.threshold]],
        "cosine_similarity": f"{node.cosine:.6f}",
    }
