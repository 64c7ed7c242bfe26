"""The verdict: one grade, one sentence, one next step, drawn from what the rules found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.next_command import edgekit_command, trial_command
from edgekit.report.finding import SEVERITIES, Finding
from edgekit.report.model_facts import Facts
from edgekit.report.rules import OUTPUT_COSINE_GOOD, RULES
from edgekit.spec import sidecar_path

# Grade by the gravest finding; every grade but `failed` needs cosines to rest on.
GRADES = {"stop": "failed", "bad": "poor", "warn": "usable"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`grade`: good, usable, poor, failed or unknown; `next_step` is what to do, `why` its reason.

    A `next_step` that begins with "edgekit " is a whole command, quoted, which runs as it is.
    """

    grade: str
    sentence: str
    next_step: str
    why: str
    findings: tuple[Finding, ...]

    @property
    def is_command(self) -> bool:
        """Whether the next step can be typed as it is."""
        return self.next_step.startswith("edgekit ")


def judge(facts: Facts) -> Verdict:
    """Ask every rule; the gravest finding, and among equals the earliest rule, gives the next step."""
    raised = [finding for rule in RULES if (finding := rule(facts)) is not None]
    findings = tuple(sorted(raised, key=lambda finding: SEVERITIES.index(finding.severity)))
    grade = next((GRADES[f.severity] for f in findings if f.severity in GRADES), "good")
    if facts.worst_output is None and grade != "failed":
        grade = "unknown"
    step = next((f for f in findings if f.action and (f.severity != "note" or grade == "unknown")), None)
    return Verdict(
        grade=grade,
        sentence=_sentence(facts, grade, findings),
        next_step=step.action if step else _default_step(facts),
        why=step.title if step else ("no compile log here" if grade == "unknown" else "nothing stands in its way"),
        findings=findings,
    )


def _sentence(facts: Facts, grade: str, findings: tuple[Finding, ...]) -> str:
    if grade == "failed":
        return f"{_capital(findings[0].title)}."
    worst = facts.worst_output
    speed = facts.build.estimate
    pace = f" About {speed.fps:.0f} frames per second on the BPU alone." if speed and facts.build.log else ""
    if worst is None or worst.cosine is None:
        return f"Nothing here tells how accurate it is.{pace}"
    count = sum(finding.severity in ("bad", "warn") for finding in findings)
    more = f"; {count} thing{'' if count == 1 else 's'} to improve" if count else ""
    if worst.cosine >= OUTPUT_COSINE_GOOD:
        return f"Every output is at {OUTPUT_COSINE_GOOD} or above (lowest {worst.cosine:.4f}){more}.{pace}"
    return f"The lowest output, {worst.label}, is at {worst.cosine:.4f}{more}.{pace}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _default_step(facts: Facts) -> str:
    """A command that runs here, where a model that does is known; else what to do, in words."""
    build = facts.build
    models = (build.bin.path if build.bin and build.simulated else None, build.quantized_onnx)
    model = next((path for path in models if path is not None and sidecar_path(path).is_file()), None)
    if model is not None:
        return trial_command(model, model.absolute().parent.parent)
    name = build.bin.path.name if build.bin else f"{facts.log.prefix}.bin" if facts.log and facts.log.prefix else ""
    if name:
        return f"on the board: {edgekit_command('run', '--model', Path(name), '--source', 'IMAGE')}"
    return "report on the folder of the build (edgekit report), which holds its compile log"
