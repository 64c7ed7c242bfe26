"""The compilers by name: those that come with edgekit, and those that other packages register."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from edgekit.compiler_api import ENTRY_POINTS, Compiler
from edgekit.errors import ConfigError, ToolchainError
from edgekit.plugins import load_plugin, plugins

BUILT_IN = {
    "hb_mapper": "edgekit.compilation.toolchain.compiler:HbMapperCompiler",
    "docker": "edgekit.compilation.toolchain.compiler:DockerCompiler",
    "sim": "edgekit.sim.compiler.compile:SimCompiler",
}
AUTO_ORDER = ("hb_mapper", "sim")  # docker only on request: it may have to pull an image of gigabytes


def choose_compiler(toolchain: str) -> tuple[str, Compiler]:
    """Return the compiler of a name, or the best one that is usable here.

    Args:
        toolchain: "auto", or a registered name.

    Returns:
        Name and compiler.

    Raises:
        ConfigError: If no compiler has that name.
        ToolchainError: If it cannot be used here.
    """
    if toolchain == "auto":
        usable = (name for name in AUTO_ORDER if name in BUILT_IN and built_in_compiler(name).missing() is None)
        toolchain = next(usable, "sim")
    registered = registered_compilers()
    if toolchain not in registered:
        raise ConfigError(
            f"toolchain is {toolchain!r}, expected auto or one of {', '.join(registered)}",
            hint="sim needs nothing installed",
        )
    compiler: Compiler = load_plugin(registered[toolchain])()
    reason = compiler.missing()
    if reason is not None:
        raise ToolchainError(
            f"toolchain {toolchain!r} cannot be used here: {reason}",
            hint="install it, or compile with --toolchain sim",
        )
    return toolchain, compiler


def registered_compilers() -> dict[str, EntryPoint]:
    """Return every registered compiler, usable or not.

    Returns:
        Name -> entry point of the compiler's class.
    """
    return plugins(ENTRY_POINTS, BUILT_IN)


def is_simulated(name: str) -> bool | None:
    """Return whether the compiler of a name simulates; None if no such compiler is registered."""
    entry = registered_compilers().get(name)
    return None if entry is None else bool(load_plugin(entry).simulated)


def why_simulated() -> str:
    """Return why `auto` takes the simulated compiler here; "" if it does not."""
    compilers = {name: built_in_compiler(name) for name in AUTO_ORDER if name in BUILT_IN}
    reasons = {name: compiler.missing() for name, compiler in compilers.items() if not compiler.simulated}
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason is not None)


def built_in_compiler(name: str) -> Compiler:
    """Return a compiler of BUILT_IN, usable or not."""
    compiler: Compiler = load_plugin(EntryPoint(name, BUILT_IN[name], ENTRY_POINTS))()
    return compiler
