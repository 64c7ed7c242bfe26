"""Damage to text of lines: numbers, lines, line ends, encodings, escape sequences."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from fuzzing.mutate_bytes import mutate_bytes

ODD_NUMBERS = (
    "nan", "inf", "-inf", "1e999", "-1", "0", "-0.0", "1e308", "1e-320", "9" * 400, "9" * 5000, "2147483648",
    "18446744073709551616",
    "0x10", "1_000", "１２", "²", "٣", "1,5", "1.5", "1353.0", "--1", "+", "", "None", "1e5", "١",
)  # fmt: skip
ODD_WORDS = (
    "", " ", "\t", "\0", "\x1b[31mred", "\x1b]0;title\x07", "\ufeff", "\u2028", "\x85", "\x0b", "é", "中文", "🙂",
    "..",
    "../../etc/passwd", "~", "$(id)", "a" * 300, "b" * 5000, "%s%n", "{}", "[[[[", "'", '"', "\\", "C:\\x\\y.jpg",
    "\udcff", "|", "#", ":", ": :", "\u202e", "\r",
)  # fmt: skip
PREFIXES = (
    "> ",
    "    ",
    "[build] ",
    "web-1  | ",
    "2026-01-01T00:00:00Z ",
    "2026-01-01 00:00:00,000 ",
    "\x1b[32m",
    "\ufeff",
)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
WORD = re.compile(r"[^\s]+")


def mutate_text(rng: Random, data: bytes) -> bytes:
    """Damage text once to four times; one in eight as bytes too."""
    text = data.decode("utf-8", "replace")
    for _ in range(rng.choice((1, 1, 2, 4))):
        text = rng.choice(MUTATORS)(rng, text)[: 1 << 22]
    out = encode_text(rng, text)
    return mutate_bytes(rng, out) if rng.random() < 0.125 else out


def encode_text(rng: Random, text: str) -> bytes:
    """Encode mostly as UTF-8, else as what Windows and old tools write."""
    name = rng.choice(("utf-8",) * 12 + ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "gbk"))
    return text.encode(name, "surrogatepass" if name.startswith("utf") else "replace")


def odd_word(rng: Random) -> str:
    """Return a word or number that a reader may stumble over."""
    return rng.choice(ODD_NUMBERS + ODD_WORDS)


def _number(rng: Random, text: str) -> str:
    return _replace_one(rng, text, NUMBER, rng.choice(ODD_NUMBERS))


def _word(rng: Random, text: str) -> str:
    return _replace_one(rng, text, WORD, odd_word(rng))


def _insert(rng: Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + odd_word(rng) + text[at:]


def _drop_line(rng: Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    at = rng.randrange(len(lines) + 1)
    return "".join(lines[:at] + lines[at + rng.choice((1, 1, 5)) :])


def _repeat_line(rng: Random, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at = rng.randrange(len(lines))
    return "".join(lines[:at] + [lines[at]] * rng.choice((2, 2, 3, 200)) + lines[at + 1 :])


def _swap_lines(rng: Random, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return "".join(lines)


def _cut(rng: Random, text: str) -> str:
    return text[: rng.randrange(len(text) + 1)]


def _cut_front(rng: Random, text: str) -> str:
    return text[rng.randrange(len(text) + 1) :]


def _line_ends(rng: Random, text: str) -> str:
    return text.replace("\n", rng.choice(("\r\n", "\r", "\n\n", "", "\u2028", " \n")))


def _prefix(rng: Random, text: str) -> str:
    prefix = rng.choice(PREFIXES)
    return "".join(prefix + line for line in text.splitlines(keepends=True))


def _long_line(rng: Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice((" ", "a", "1", "-", "(", "[", "\\", "1 ")) * rng.choice((1000, 100_000)) + text[at:]


def _swap_case(rng: Random, text: str) -> str:
    return text.upper() if rng.random() < 0.5 else text.lower()


def _replace_one(rng: Random, text: str, pattern: re.Pattern[str], by: str) -> str:
    found = [match.span() for match in pattern.finditer(text[: 1 << 18])]
    if not found:
        return text + by
    start, end = rng.choice(found)
    return text[:start] + by + text[end:]


MUTATORS: tuple[Callable[[Random, str], str], ...] = (
    _number, _number, _number, _word, _word, _insert, _drop_line, _repeat_line, _swap_lines, _cut, _cut_front,
    _line_ends, _prefix, _long_line, _swap_case,
)  # fmt: skip
