"""Logs as CI, containers, journals and mail hand them on say what the bare ones say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgekit.logs.line_prefix import common_indent
from edgekit.logs.read_log import read_file
from tests.logs import synthetic

LOGS = {
    "makertbin": synthetic.makertbin(),
    "makertbin console": synthetic.makertbin(console=True),
    "makertbin 2024": synthetic.makertbin(generation="2024"),
    "checker": synthetic.checker(),
    "failed": synthetic.failed(),
    "modifier": synthetic.modifier(removed=True),
    "model_info": synthetic.model_info(),
    "board": synthetic.board_info() + synthetic.board_perf(),
}
PREFIXES: dict[str, Callable[[int, str], str]] = {
    "docker logs -t": lambda i, line: f"2025-07-23T15:19:{i % 60:02d}.{i:09d}Z {line}",
    "a GitHub runner": lambda i, line: f"2025-07-23T15:19:{i % 60:02d}.{i:07d}Z \x1b[36;1m{line}\x1b[0m",
    "a GitLab runner": lambda i, line: f"2025-07-23T15:19:{i % 60:02d}.{i:06d}Z 00O {line}",
    "docker compose": lambda i, line: f"compile-1  | {line}",
    "docker compose in colours": lambda i, line: f"\x1b[36mcompile-1  |\x1b[0m {line}",
    "a journal": lambda i, line: (
        f"{'Jul 31' if i < 20 else 'Aug  1'} 15:19:{i % 60:02d} box hb_mapper[{900 + i}]: {line}"
    ),
    "quoted mail": lambda i, line: f"> {line}",
    "quoted mail without blanks behind": lambda i, line: f"> > {line}".rstrip(),
    "indentation": lambda i, line: f"    {line}",
    "indentation without blanks behind": lambda i, line: f"\t{line}".rstrip(),
}  # what any log may have in front
STAMPED_PREFIXES: dict[str, Callable[[int, str], str]] = {
    "docker build": lambda i, line: f"#{i // 50 + 9} {i / 10:.2f} {line}",
    "a Jenkins timestamper": lambda i, line: f"[2025-07-23T15:19:{i % 60:02d}.{i:03d}Z] {line}",
    "kubectl logs --prefix": lambda i, line: f"[pod/compile-x7k/hb] {line}",
    "another logger": lambda i, line: f"2025-07-23 15:19:33,{i:03d} INFO worker-3: {line}",
    "colours as cat -v shows them": lambda i, line: f"^[[32mjob^[[0m | {line}",
    "colours without the escape character": lambda i, line: f"[32mjob[0m | {line}",
}  # what is known by the tool's own time stamp behind it
STAMPED = ("makertbin", "makertbin console", "makertbin 2024", "checker", "failed")
CASES = [(log, name) for log in LOGS for name in PREFIXES] + [
    (log, name) for log in STAMPED for name in STAMPED_PREFIXES
]


@pytest.mark.parametrize(("log", "prefix"), CASES, ids=[" in ".join(case) for case in CASES])
def test_a_prefix_on_every_line_changes_nothing(tmp_path, log, prefix):
    bare, prefixed = tmp_path / "bare.log", tmp_path / "prefixed.log"
    bare.write_text(LOGS[log])
    put = (PREFIXES | STAMPED_PREFIXES)[prefix]
    lines = LOGS[log].splitlines()
    prefixed.write_text("".join(f"{put(i, line)}\n" for i, line in enumerate(lines)))
    expected, found = read_file(bare), read_file(prefixed)
    assert (found.kind, found.content) == (expected.kind, expected.content)


def test_lines_of_another_service_between_change_nothing(tmp_path):
    lines = [f"compile-1  | {line}" for line in LOGS["makertbin console"].splitlines()]
    mixed = [text for line in lines for text in (line, "web-proxy  | GET /health 200")]
    (tmp_path / "mixed.log").write_text("\n".join(mixed) + "\n")
    (tmp_path / "bare.log").write_text(LOGS["makertbin console"])
    assert read_file(tmp_path / "mixed.log").content.nodes == read_file(tmp_path / "bare.log").content.nodes


def test_a_log_behind_a_long_preface_without_prefix(tmp_path):
    """Only the job's own lines have one; what was printed before may be longer than the first look at the file."""
    preface = "".join(f"Collecting package-{i}\n" for i in range(9000))
    body = "".join(f"job: {line}\n" for line in LOGS["makertbin"].splitlines())
    (tmp_path / "job.log").write_text(preface + body)
    (tmp_path / "bare.log").write_text(LOGS["makertbin"])
    found, expected = (read_file(tmp_path / name).content for name in ("job.log", "bare.log"))
    assert (found.nodes, found.output_rows, found.finished) == (expected.nodes, expected.output_rows, True)


@pytest.mark.parametrize(
    ("text", "indent"),
    [
        ("  a\n    b\n\n  c\n", "  "),
        ("\ta\n\t\tb\n", "\t"),
        ("\ta\n  b\n", ""),
        ("a\n  b\n", ""),
        ("", ""),
        ("  2025-07-23 15:19:33,821 INFO a\n  b\n", ""),
    ],
)
def test_common_indent(text, indent):
    assert common_indent(text) == indent
