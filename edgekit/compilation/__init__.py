"""From a yaml to an int8 model: the compilers, the vendor's toolchain, and stripping."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.compilation.build import CompileResult, compile_model
    from edgekit.compilation.describe import describe_model
    from edgekit.compilation.job import load_job
    from edgekit.compilation.registry import choose_compiler, registered_compilers
    from edgekit.compilation.strip import Stripped, strip_bin
    from edgekit.compilation.strip_plan import StripDecision, StripPlan, plan_strip
    from edgekit.compilation.toolchain.find import Toolchain, find_toolchain

__all__ = [
    "CompileResult",
    "StripDecision",
    "StripPlan",
    "Stripped",
    "Toolchain",
    "choose_compiler",
    "compile_model",
    "describe_model",
    "find_toolchain",
    "load_job",
    "plan_strip",
    "registered_compilers",
    "strip_bin",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "CompileResult": "edgekit.compilation.build",
        "StripDecision": "edgekit.compilation.strip_plan",
        "StripPlan": "edgekit.compilation.strip_plan",
        "Stripped": "edgekit.compilation.strip",
        "Toolchain": "edgekit.compilation.toolchain.find",
        "choose_compiler": "edgekit.compilation.registry",
        "compile_model": "edgekit.compilation.build",
        "describe_model": "edgekit.compilation.describe",
        "find_toolchain": "edgekit.compilation.toolchain.find",
        "load_job": "edgekit.compilation.job",
        "plan_strip": "edgekit.compilation.strip_plan",
        "registered_compilers": "edgekit.compilation.registry",
        "strip_bin": "edgekit.compilation.strip",
    },
)
