"""setuptools on the staged board ring in the current folder; `runtime_wheel` starts it as a process."""

from __future__ import annotations

import json
import sys

from setuptools import Distribution, find_packages, setup


class PlatformDistribution(Distribution):
    """A distribution that holds compiled kernels."""

    def has_ext_modules(self) -> bool:
        """Whether files go where a platform's own lie."""
        return True


def main(text: str) -> None:
    """Build the wheel of the project that the JSON `text` describes, from `src` into `dist`."""
    from edgekit.packaging.commands import BdistWheel

    project = json.loads(text)
    platform = project.pop("platform")
    arguments = ["-q", "bdist_wheel", *([] if platform is None else ["--plat-name", platform])]
    if platform is not None:
        project |= {"distclass": PlatformDistribution, "cmdclass": {"bdist_wheel": BdistWheel}}
    setup(
        script_name="setup.py",
        script_args=arguments,
        package_dir={"": "src"},
        packages=find_packages("src"),
        package_data={"edgekit": ["version.txt"], "edgekit.kernels": ["lib/*.so"]},
        **project,
    )


if __name__ == "__main__":
    main(sys.argv[1])
