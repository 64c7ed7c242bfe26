"""C that does not compile unless structs are laid out as their Python mirrors."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping


def layout_checks(
    structs: Mapping[str, type[ctypes.Structure]],
    constants: Mapping[str, int],
    c_names: Mapping[str, str] | None = None,
) -> str:
    """Return static assertions on sizes and offsets.

    Args:
        structs: C type -> its mirror.
        constants: C constant -> the value that Python uses.
        c_names: Python's name of a member -> C's, where they differ.
    """
    lines = [f'_Static_assert({name} == {value}, "{name}");' for name, value in constants.items()]
    for c_type, mirror in structs.items():
        lines.append(f'_Static_assert(sizeof({c_type}) == {ctypes.sizeof(mirror)}, "{c_type}");')
        for name, field_type in mirror._fields_:  # type: ignore[misc]
            member = (c_names or {}).get(name, name)
            offset, size = getattr(mirror, name).offset, ctypes.sizeof(field_type)
            lines.append(f'_Static_assert(offsetof({c_type}, {member}) == {offset}, "{c_type}.{member}");')
            lines.append(f'_Static_assert(sizeof((({c_type} *)0)->{member}) == {size}, "{c_type}.{member}");')
    return "\n".join(lines) + "\n"
