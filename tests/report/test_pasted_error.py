"""One pasted line of a known failure, however it was copied, is enough for a report that says what to do."""

from __future__ import annotations

import pytest

from edgekit.errors import DataError
from edgekit.logs.failures import KNOWN_FAILURES
from edgekit.logs.read_log import read_file
from edgekit.report.gather import collect
from edgekit.report.report import make_report
from tests.logs.test_failures import SAMPLES

FATAL = {known.kind: known.fatal for known in KNOWN_FAILURES}
COPIES = {
    "bare": "{}",
    "from the console": "2025-07-23 15:19:33,821 \x1b[91mERROR\x1b[0m {}",
    "quoted": "> {}",
    "from a container": "compile-1  | 2025-07-23 15:19:33,821 ERROR {}",
    "with a word around it": "it says:\n```\n{}\n```\nwhat now?",
}


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("kind", SAMPLES)
def test_a_pasted_line_is_reported_with_its_way_out(tmp_path, kind, copy):
    path = tmp_path / "pasted.txt"
    path.write_text(COPIES[copy].format(SAMPLES[kind]) + "\n")
    (build,) = collect(path).builds
    verdict = make_report(build).verdict
    expected = next(known for known in KNOWN_FAILURES if known.kind == kind)
    assert verdict.grade == ("failed" if FATAL[kind] else "unknown")
    finding = next(f for f in verdict.findings if expected.hint in (f.action, f.detail, verdict.next_step))
    assert finding.title


def test_an_error_line_that_no_rule_knows_is_shown_as_it_is(tmp_path):
    path = tmp_path / "pasted.txt"
    path.write_text("2025-07-23 15:19:33,821 ERROR the moon is full\n")
    assert "the moon is full" in read_file(path).content.failure.message


@pytest.mark.parametrize("text", ["ERROR: pip's dependency resolver failed\n", "ValueError: no\n", "it failed\n"])
def test_errors_of_other_tools_are_refused(tmp_path, text):
    path = tmp_path / "pasted.txt"
    path.write_text(text)
    with pytest.raises(DataError, match="no log of this toolchain"):
        read_file(path)
