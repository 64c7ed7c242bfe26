"""The rules of the verdict: each a function that looks at one thing and says what it found and what to do.

The numbers stand in the table below and nowhere else. A rule that has nothing to look at, or finds nothing,
returns None. Their order is the order in which advice is given: what is cheap and helps most comes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from edgekit.next_command import edgekit_command
from edgekit.report.calibration_rules import better_ranges, dark_input, odd_calibration_data, unproven_calibration
from edgekit.report.cosine_trace import FALL
from edgekit.report.cpu import single_thread
from edgekit.report.finding import Finding
from edgekit.report.model_facts import Facts

OUTPUT_COSINE_GOOD = 0.99  # a build whose lowest head was at 0.9897 kept 98.6 % of box and 97.4 % of mask mAP
OUTPUT_COSINE_POOR = 0.95  # chosen: no build of ours below it was worth shipping unmeasured
CALIBRATION_SAMPLES = 20  # the vendor's own scripts ask for 20 to 50 images
DEQUANTIZE_BYTES = 1_000_000  # chosen: read and written per frame by the CPU, to no use for most cells
MEASURED_OVER_STATIC = 1.3  # chosen: latency of one thread on the board over the static estimate
UTILIZATION = 0.5  # chosen: share of time that the BPU computes; a good compile reaches 0.8 to 0.9
INT16_SHARE = 0.1  # chosen: of the nodes; int16 is slower than int8
BEST_OPTIMIZE_LEVEL = "O3"


def build_failed(facts: Facts) -> Finding | None:
    """The toolchain stopped, and its words say why."""
    for part in (facts.log, facts.build.checker, facts.build.board, facts.build.modifier):
        failure = part.failure if part else None
        if failure:
            return Finding("build_failed", "stop", failure.message, failure.line, failure.hint)
    return None


def build_unfinished(facts: Facts) -> Finding | None:
    """The log ends before the build does."""
    log = facts.log
    if log is None or log.finished or log.failure:
        return None
    if log.notes and not (log.stages or log.versions or log.nodes):
        return None  # a few pasted lines, not a log that was cut
    inside = next((stage.name for stage in log.stages if stage.seconds is None), "")
    where = f"in the stage '{inside}'" if inside else "before its last line"
    missing = "" if log.nodes else "run edgekit compile again and keep the whole log"
    return Finding(
        "build_unfinished",
        "warn" if log.nodes else "stop",
        f"the log ends {where}",
        "a partial log, or a run that was stopped: what it does not hold is missing below",
        missing,
    )


def few_samples(facts: Facts) -> Finding | None:
    """Thresholds from too few images."""
    samples = facts.log.calibration.samples if facts.log else None
    if samples is None or samples >= CALIBRATION_SAMPLES:
        return None
    return Finding(
        "few_samples",
        "warn",
        f"calibrated on {samples} samples",
        f"at least {CALIBRATION_SAMPLES}, better 50, images of the scenes it will see",
        "calibrate with --num 50 (edgekit calibrate), then compile again",
        samples,
        CALIBRATION_SAMPLES,
    )


def studio_range(facts: Facts) -> Finding | None:
    """The model was built for studio-range images (16..235)."""
    if "bt601_video" not in facts.build.setting("input_parameters", "input_space_and_range"):
        return None
    return Finding(
        "studio_range",
        "warn",
        "the input is studio range (16..235)",
        "cameras and OpenCV differ in range; a model fed with the other one loses accuracy silently",
        "yaml: input_space_and_range: 'regular', unless every source gives studio range",
    )


def low_output(facts: Facts) -> Finding | None:
    """An output differs too much from the float model's."""
    low = [o for o in facts.outputs if o.cosine is not None and o.cosine < OUTPUT_COSINE_GOOD]
    worst = facts.worst_output
    if not low or worst is None or worst.cosine is None:
        return None
    poor = worst.cosine < OUTPUT_COSINE_POOR
    known = _plural(sum(o.cosine is not None for o in facts.outputs), "output")
    return Finding(
        "low_output",
        "bad" if poor else "warn",
        f"{len(low)} of {known} below {OUTPUT_COSINE_GOOD}, lowest {worst.label} at {worst.cosine:.4f}",
        "the integer graph against the float model; compare mAP before it ships",
        better_ranges(facts),
        worst.cosine,
        OUTPUT_COSINE_POOR if poor else OUTPUT_COSINE_GOOD,
    )


def falling_node(facts: Facts) -> Finding | None:
    """The cosine falls by much at one node."""
    if facts.flow is None or facts.flow.first is None:
        return None
    greatest = max(facts.flow.drops.values(), key=lambda fall: fall.drop)
    count = sum(fall.drop >= FALL for fall in facts.flow.drops.values())
    first = facts.flow.first
    suffers = any(o.cosine is not None and o.cosine < OUTPUT_COSINE_GOOD for o in facts.outputs)
    return Finding(
        "falling_node",
        "warn" if suffers else "note",
        f"the cosine first falls at {first.node}: {first.before:.4f} to {first.cosine:.4f}",
        f"{_plural(count, 'node')} with a fall of {FALL} or more, the greatest at "
        f"{greatest.node} ({greatest.before:.4f} to {greatest.cosine:.4f})",
        f"yaml: node_info: {{'{greatest.node}': {{'ON': 'BPU', 'OutputType': 'int16'}}}}" if suffers else "",
        greatest.drop,
        FALL,
    )


def cpu_nodes(facts: Facts) -> Finding | None:
    """Nodes on the CPU; those between BPU nodes cost two copies and a switch each."""
    cpu = facts.cpu
    if not cpu.nodes:
        return None
    names = ", ".join(row.name for row in cpu.nodes[:3]) + (", ..." if len(cpu.nodes) > 3 else "")
    if not cpu.inner:
        detail = f"{names}: behind all BPU work, so it costs no copy in between"
        return Finding("cpu_nodes", "note", f"{_plural(len(cpu.nodes), 'node')} on the CPU", detail)
    kinds = sorted({row.type for row in cpu.inner})
    softmax = "Softmax" in " ".join(kinds)
    return Finding(
        "cpu_nodes",
        "warn",
        f"{_plural(len(cpu.inner), 'CPU node')} between BPU nodes ({', '.join(kinds)}), {cpu.crossings} copies around",
        names,
        "yaml: optimization: 'set_Softmax_input_int8,set_Softmax_output_int8'"
        if softmax
        else "cut before these nodes (edgekit cut --outputs), or yaml: node_info: {NAME: {'ON': 'BPU'}}",
        len(cpu.inner),
        0,
    )


def dequantize_left(facts: Facts) -> Finding | None:
    """The CPU turns large outputs into floats, most of which the score gate then throws away."""
    cpu = facts.cpu
    stripped = bool(facts.build.deleted_nodes) or any(o.dequantized_on_cpu is False for o in facts.outputs)
    if stripped or not cpu.dequantize or cpu.dequantize_bytes <= DEQUANTIZE_BYTES:
        return None
    name = f"{facts.build.name.rpartition('/')[2]}.bin"
    step = edgekit_command("strip", facts.build.bin.path if facts.build.bin else Path(name))
    return Finding(
        "dequantize_left",
        "warn",
        f"{_plural(cpu.dequantize, 'Dequantize node')} on the CPU move {cpu.dequantize_bytes / 1e6:.1f} MB a frame",
        "edgekit decodes the integers itself and only those of real candidates",
        step if facts.build.bin else f"strip the model: {step}",
        cpu.dequantize_bytes,
        DEQUANTIZE_BYTES,
    )


def slower_than_static(facts: Facts) -> Finding | None:
    """Measured in one thread, a frame takes much longer than the BPU alone would."""
    run, estimate = single_thread(facts.build), facts.build.estimate
    if run is None or run.latency_ms is None or estimate is None or not estimate.latency_us:
        return None
    ratio = run.latency_ms * 1000 / estimate.latency_us
    if ratio <= MEASURED_OVER_STATIC:
        return None
    return Finding(
        "slower_than_static",
        "warn",
        f"measured {run.latency_ms:.1f} ms a frame, the BPU alone needs {estimate.latency_us / 1000:.1f} ms",
        "the rest is CPU nodes, Dequantize, copies, or a board below its full clock",
        "set the performance governor, use the _modified.bin, and two threads for throughput",
        ratio,
        MEASURED_OVER_STATIC,
    )


def optimize_level(facts: Facts) -> Finding | None:
    """Compiled below the best level."""
    log = facts.log
    if log is None or log.tool != "makertbin":
        return None
    level = re.search(r"O[0-3]", facts.build.setting("compiler_parameters", "optimize_level") or log.hbdk_options)
    if level is None or level[0] == BEST_OPTIMIZE_LEVEL:
        return None
    return Finding(
        "optimize_level",
        "warn",
        f"compiled with {level[0]}",
        f"{BEST_OPTIMIZE_LEVEL} takes minutes to compile and pays: 5 ms against 28 ms a frame for yolov8n-seg",
        f"yaml: optimize_level: '{BEST_OPTIMIZE_LEVEL}'",
    )


def runtime_versions(facts: Facts) -> Finding | None:
    """The board's runtime is another than the one that the model was built for."""
    board = facts.build.board.versions.get("hbrt", "") if facts.build.board else ""
    built = facts.build.versions.get("hbdk_runtime", "")
    notes = facts.build.board.notes if facts.build.board else ()
    note = next((note for note in notes if note.kind == "runtime_version"), None)
    if note and not built:
        return Finding("runtime_versions", "warn", note.message, note.line, note.hint)
    if not board or not built or board == built:
        return None
    return Finding(
        "runtime_versions",
        "warn",
        f"the board runs hbrt {board}, the model was built for {built}",
        "results may differ between the two",
        "update the board's packages, or compile with the matching toolchain",
    )


def tool_notes(facts: Facts) -> Finding | None:
    """What the toolchain itself warned of and the failure table knows."""
    parts = (facts.log, facts.build.checker, facts.build.board)
    notes = [note for part in parts if part for note in part.notes if note.kind != "runtime_version"]
    if not notes:
        return None
    more = f" (and {len(notes) - 1} more)" if len(notes) > 1 else ""
    return Finding("tool_notes", "warn", notes[0].message + more, notes[0].line, notes[0].hint, len(notes), 0)


def waiting_for_memory(facts: Facts) -> Finding | None:
    """The BPU computes less than half of its time."""
    share = facts.utilization
    if share is None or share >= UTILIZATION:
        return None
    return Finding(
        "waiting_for_memory",
        "note",
        f"the BPU computes {share:.0%} of its time and waits for memory in the rest",
        "a smaller input, or fewer and larger layers, use it better",
        "yaml: compile_mode: 'bandwidth', when other work needs the memory",
        share,
        UTILIZATION,
    )


def many_int16(facts: Facts) -> Finding | None:
    """Many nodes run in int16, which is slower."""
    share = len(facts.int16_nodes) / len(facts.nodes) if facts.nodes else 0
    if share <= INT16_SHARE:
        return None
    return Finding(
        "many_int16",
        "note",
        f"{len(facts.int16_nodes)} of {len(facts.nodes)} nodes are int16",
        "each is slower than its int8 twin",
        "yaml: leave out of node_info what edgekit compare shows no loss for",
        share,
        INT16_SHARE,
    )


def checker_only(facts: Facts) -> Finding | None:
    """A checker's run: it tells what fits the BPU, not how good it will be."""
    if facts.log is not None or facts.build.checker is None or facts.build.checker.failure:
        return None
    return Finding(
        "checker_only",
        "note",
        "a checker's run: no cosines, and its FPS is that of an unoptimized compile",
        "it answers only which nodes the BPU takes",
        "calibrate and compile it (edgekit calibrate, edgekit compile)",
    )


def simulated(facts: Facts) -> Finding | None:
    """Compiled by the built-in simulated compiler."""
    if not facts.build.simulated:
        return None
    return Finding(
        "simulated",
        "note",
        "simulated compile: accuracy can be judged, speed cannot",
        "its .bin runs on edgekit's simulated device only, not on a board",
        "compile it with edgekit compile --toolchain hb_mapper, where the vendor's toolchain is installed",
    )


RULES: tuple[Callable[[Facts], Finding | None], ...] = (
    build_failed,
    build_unfinished,
    dark_input,
    odd_calibration_data,
    few_samples,
    low_output,
    studio_range,
    optimize_level,
    falling_node,
    cpu_nodes,
    dequantize_left,
    slower_than_static,
    runtime_versions,
    tool_notes,
    unproven_calibration,
    checker_only,
    waiting_for_memory,
    many_int16,
    simulated,
)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
