"""Damage to yaml: values as in JSON, and what yaml alone has, such as tags, anchors and merges."""

from __future__ import annotations

import re
from random import Random

import yaml

from fuzzing.mutate_bytes import mutate_bytes
from fuzzing.mutate_text import encode_text, mutate_text
from fuzzing.mutate_tree import NEST, mutate_tree

ODD_SCALARS = (
    '!!int ""', '!!int "-"', '!!int "0x"', '!!int "1:"', '!!float ""', '!!float "."', "!!bool maybe", "!!timestamp foo",
    "!!timestamp 2026-99-99", "!!map [a]", "!!seq {a: b}", "!!set [a]", "!!omap {a: b}", "!!pairs [a]", "!!binary '@@'",
    "!!null x", "!!str [a]", "!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!own x", "! x",
    "9" * 400, "9" * 400_000, "-" + "9" * 5000, "1:60:60", "1:1:1:1:1.5", "0o8", "0b", "0x", "1_", "._", "2026-01-01",
    "2026-13-45", "2026-01-01 25:61:61", ".nan", ".inf", "-.inf", "1e999", "no", "yes", "on", "~", "", "|", ">", "*a",
    "&a", "&a [*a]", "<<", "{<<: [1]}", "{<<: {a: b}}", "{? [a] : b}", "{? {a: b} : c}", "{1: a, '1': b}", "[", "{",
    "'",
    '"', '"\\x"', '"\\ud800"', "%", "@", "`", "? a", "- a", "a: b: c", "[a, b", "{a: 1, a: 2}", "!!int [1]", "= ",
    "!!value =",
    "\t", "# c", "é", "\ufeff", "C:\\x", "./p", "[1, no, 2.5, ~]", "[" * 50 + "]" * 50, "[" * 3000 + "]" * 3000,
    "x" * 5000,
)  # fmt: skip
BOMB = "".join(f"b{i}: &b{i} [{', '.join([f'*b{i - 1}' if i else '1'] * 9)}]\n" for i in range(9))
SETTING = re.compile(r"^(\s*(?:- )?[^\s:#]+:)(.*)$", re.MULTILINE)


def mutate_yaml(rng: Random, data: bytes) -> bytes:
    """Damage a yaml document."""
    draw = rng.random()
    if draw < 0.1:
        return rng.choice((mutate_bytes, mutate_text))(rng, data)
    text = data.decode()
    if draw < 0.5:
        value = mutate_tree(rng, yaml.safe_load(text))
        try:
            text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
        except (yaml.YAMLError, ValueError):
            return mutate_text(rng, data)
        return encode_text(rng, text.replace(f"'{NEST}'", "[" * 900 + "]" * 900))
    for _ in range(rng.choice((1, 1, 2))):
        text = _odd_scalar(rng, text)
    if draw > 0.9:
        text = rng.choice((BOMB + text, text + "\n---\n" + text, "%YAML 9.9\n---\n" + text, text + text, "\t" + text))
    return encode_text(rng, text)


def _odd_scalar(rng: Random, text: str) -> str:
    found = list(SETTING.finditer(text))
    if not found:
        return text + rng.choice(ODD_SCALARS)
    match = rng.choice(found)
    line = f"{match.group(1)} {rng.choice(ODD_SCALARS)}"
    return text[: match.start()] + (match.group() + "\n" + line if rng.random() < 0.15 else line) + text[match.end() :]
