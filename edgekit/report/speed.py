"""The speed of a build in words: what the compiler says, what the board took, what the latency model expects."""

from __future__ import annotations

from edgekit.report.model_facts import Facts

__all__ = ["saving_lines", "speed_lines"]

SAVINGS_SHOWN = 3


def speed_lines(facts: Facts) -> tuple[tuple[str, str], ...]:
    """Return the lines of the terminal: (label, text), text "" where nothing is known."""
    return (
        (
            "speed",
            "; ".join(part for part in (_static(facts), _predicted(facts), *_measured(facts), _busy(facts)) if part),
        ),
        ("faster", "; ".join(saving_lines(facts))),
    )


def saving_lines(facts: Facts) -> tuple[str, ...]:
    """Return what would make the model faster, the largest saving first."""
    savings = facts.predicted.savings[:SAVINGS_SHOWN] if facts.predicted else ()
    return tuple(f"about {saving.milliseconds:.2f} ms less: {saving.what}" for saving in savings)


def _static(facts: Facts) -> str:
    compiled = facts.build.estimate
    if compiled is None:
        return ""
    return (
        f"static {compiled.fps:.1f} FPS, {compiled.latency_us / 1000:.2f} ms, "
        f"{compiled.ddr_bytes / 1e6:.1f} MB of DDR a frame"
    )


def _predicted(facts: Facts) -> str:
    if facts.predicted is None:
        return ""
    estimate = facts.predicted.estimate
    compiled = facts.build.estimate
    off = (
        f", {100 * (estimate.frame_us / compiled.latency_us - 1):+.1f} % against compiled"
        if compiled and compiled.latency_us
        else ""
    )
    return (
        f"predicted for O3 {estimate.fps:.1f} FPS, {estimate.frame_us / 1e3:.2f} ms "
        f"(static estimate, within {100 * estimate.band:.0f} %{off})"
    )


def _measured(facts: Facts) -> list[str]:
    return [
        f"measured {_number(run.latency_ms, 2)} ms, {_number(run.fps, 1)} FPS ({_threads(run.threads)})"
        for run in facts.build.perf
    ]


def _busy(facts: Facts) -> str:
    return "" if facts.utilization is None else f"BPU busy {facts.utilization:.0%}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _threads(count: int | None) -> str:
    return "threads not told" if count is None else f"{count} thread{'' if count == 1 else 's'}"
