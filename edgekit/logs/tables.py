"""The two tables at a build's end, row by row: nodes with their cosine, outputs with their distances.

A row counts only below its heading and only when every column of that heading is whole, so that a log
that is cut, doubled or full of other text loses rows at worst and never gains one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from edgekit.logs.numbers import finite

NODE_TITLES = ("The converted model node information", "The main quantized node information")
OUTPUT_TITLE = "The quantized model output"
NODE_HEADING = re.compile(r"\s*Node\s+ON\s+Subgraph\s+Type(?:\s+(Cosine Similarity))?(?:\s+(Threshold))?")
OUTPUT_HEADING = re.compile(r"\s*Output\s+Cosine Similarity\s+L1 Distance\s+L2 Distance\s+Chebyshev Distance")
RULE = re.compile(r"[=-]{8,}\s*$")
COSINE = r"-?\d\.\d{6}|nan|--"  # always six decimals: a cut one is no match
NUMBER = r"-?\d[\d.]*(?:e[+-]?\d+)?|inf|nan|--"
DTYPE = r"u?int(?:8|16|32|64)|float(?:16|32|64)?|bool"
NODE_ROW = re.compile(
    r"(?P<name>\S(?:.*?\S)?)\s+(?P<on>BPU|CPU|JIT)\s+(?P<subgraph>id\(\d+\)|--)\s+(?P<type>[A-Za-z]\w*)"
    rf"(?:\s+(?P<cosine>{COSINE}))?(?:\s+(?P<threshold>{NUMBER}))?"
    rf"(?:\s+(?P<dtype>(?:{DTYPE})(?P<pair>/(?:{DTYPE}))?))?\s*$"
)
OUTPUT_ROW = re.compile(
    r"(?P<name>\S+)\s+(?P<cosine>-?\d+\.\d{6}|nan)\s+(?P<l1>\d+\.\d{6}|nan|inf)"
    r"\s+(?P<l2>\d+\.\d{6}|nan|inf)\s+(?P<chebyshev>\d+\.\d{6}|nan|inf)\s*$"
)
MAX_ROWS = 50_000  # far above any graph here; bounds the memory that a crafted log can take
TRUNCATED = "..."  # names longer than the column lose their front


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A row of the node table; `cosine` and `threshold` are None where the log leaves them blank or `--`.

    `dtype` is as printed: `int8` (2025) or in/out `int8/int32` (2024), "" in logs that have no such column.
    """

    name: str
    on: str
    subgraph: str
    type: str
    cosine: float | None
    threshold: float | None
    dtype: str

    @property
    def truncated(self) -> bool:
        """Whether the table shows only the end of the name."""
        return self.name.startswith(TRUNCATED)

    @property
    def out_dtype(self) -> str:
        """The output's type, from `input/output`."""
        return self.dtype.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class OutputRow:
    """A row of the output table: the integer graph against the float model on one calibration sample."""

    name: str
    cosine: float | None
    l1: float | None
    l2: float | None
    chebyshev: float | None


@dataclass(slots=True)
class TableReader:
    """Take the lines below a title; keeps the rows of both tables."""

    nodes: list[NodeRow] = field(default_factory=list)
    outputs: list[OutputRow] = field(default_factory=list)
    _table: str = ""
    _last: str = ""
    _columns: frozenset[str] = frozenset()
    _heading: str = ""
    _rows_read: set[NodeRow | OutputRow] = field(default_factory=set)

    def stamped(self, text: str) -> None:
        """Take a line that has a time stamp: a title opens a table, anything else closes it."""
        if text.startswith(NODE_TITLES):
            self._table, self._heading, self._columns = "node", "", frozenset()
        elif text.startswith(OUTPUT_TITLE):
            self._table, self._heading = "output", ""
        else:
            self._table = ""

    @property
    def open(self) -> bool:
        """Whether a table has begun and not ended."""
        return bool(self._table)

    def feed(self, text: str, *, complete: bool) -> None:
        """Take a line without a time stamp; what is no whole row is passed over."""
        if self._heading and text == self._last:
            return  # a doubled line
        self._last = text
        first = text[:1]
        if first in "=-":
            if RULE.match(text):
                return
        elif first in "NO ":
            if match := NODE_HEADING.match(text):
                self._open_nodes(text, match)
                return
            if OUTPUT_HEADING.match(text):
                self._table, self._heading = "output", text
                return
        if self._table == "node" and self._heading:
            self._node(text, complete)
        elif self._table == "output" and self._heading:
            self._output(text)

    def _open_nodes(self, text: str, match: re.Match[str]) -> None:
        columns = {"cosine"} if match[1] else set()
        columns |= {"threshold"} if match[2] else set()
        columns |= {"dtype"} if "DataType" in text else set()
        columns |= {"pair"} if "In/Out DataType" in text else set()
        self._table, self._heading, self._columns = "node", text, frozenset(columns)

    def _node(self, text: str, complete: bool) -> None:
        match = NODE_ROW.match(text)
        if not match or not self._whole(match, complete):
            return
        cosine, threshold = match["cosine"], match["threshold"]
        if cosine and threshold is None and self._stands_under(match, "cosine", "Threshold"):
            cosine, threshold = None, cosine  # a blank cosine beside a threshold
        self._keep(
            self.nodes,
            NodeRow(
                name=match["name"],
                on=match["on"],
                subgraph="" if match["subgraph"] == "--" else match["subgraph"],
                type=match["type"],
                cosine=_number(cosine),
                threshold=_number(threshold),
                dtype=match["dtype"] or "",
            ),
        )

    def _whole(self, match: re.Match[str], complete: bool) -> bool:
        """Whether the row ends where its last column ends, not somewhere before."""
        if "pair" in self._columns:
            return match["pair"] is not None
        if "dtype" in self._columns:
            # int8 may be all of int8 or the start of a longer word only where the line was cut
            return match["dtype"] is not None and match["pair"] is None
        return complete and match["dtype"] is None

    def _stands_under(self, match: re.Match[str], group: str, heading: str) -> bool:
        start = self._heading.find(heading)
        return 0 <= start <= match.start(group)

    def _output(self, text: str) -> None:
        if match := OUTPUT_ROW.match(text):
            values = (_number(match[key]) for key in ("cosine", "l1", "l2", "chebyshev"))
            self._keep(self.outputs, OutputRow(match["name"], *values))

    def _keep(self, rows: list[NodeRow] | list[OutputRow], row: NodeRow | OutputRow) -> None:
        """Keep a row once: a doubled line is no second node. Cut names may be alike, then only neighbours count."""
        truncated = row.name.startswith(TRUNCATED)
        doubled = bool(rows) and rows[-1] == row if truncated else row in self._rows_read
        if not doubled and len(rows) < MAX_ROWS:
            self._rows_read.add(row)
            rows.append(row)  # type: ignore[arg-type]


def _number(text: str | None) -> float | None:
    if text is None or text == "--":
        return None
    return finite(text)
