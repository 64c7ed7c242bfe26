"""The stand-in toolchain on PATH."""

from tests.toolchain_fixtures import no_toolchain, stand_in, work  # noqa: F401
