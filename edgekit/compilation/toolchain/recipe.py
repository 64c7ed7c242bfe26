"""What the private environment holds: the vendor's X5 packages and what they need, without 6 GB of CUDA."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RECIPE_NAME = "rdkx5-1.0.0"
PYTHON_VERSION = (3, 10)  # the vendor's extension modules are built for this one only
DOCKER_IMAGE = "openexplorer/ai_toolchain_ubuntu_20_x5_cpu:v1.2.8"
DISK_MB = 2800  # what the finished environment takes, measured
REQUIREMENTS = Path(__file__).with_name("requirements.txt")  # every version, with the hash of its wheel


@dataclass(frozen=True, slots=True)
class InstallStep:
    """Packages that are installed together, and about how much is downloaded for them."""

    name: str
    packages: tuple[str, ...]
    download_mb: int

    def requirements(self) -> str:
        """Return the step's part of requirements.txt: pip refuses a wheel of another hash."""
        pinned = {line.split("==")[0]: line for line in REQUIREMENTS.read_text().splitlines() if "==" in line}
        return "".join(f"{pinned[name]}\n" for name in self.packages)


# Nothing is resolved: the vendor's packages ask for CUDA and for an opencv that needs libGL, so every package is named.
# Large ones stand alone, so that an interrupted install loses one package at most.
STEPS: tuple[InstallStep, ...] = (
    InstallStep("pip", ("pip",), 2),  # one that resumes a broken download
    InstallStep("setuptools", ("setuptools",), 1),  # below 70: with pkg_resources, which the compiler imports
    InstallStep("torch", ("torch",), 776),
    InstallStep("compiler", ("dgdk",), 56),
    InstallStep("mapper", ("rdkx5-yolo-mapper", "dg-nn-toolkit"), 14),
    InstallStep("arrays", ("numpy", "scipy"), 56),
    InstallStep(
        "graphs",
        (
            "onnx",
            "onnxruntime",
            "protobuf",
            "coloredlogs",
            "flatbuffers",
            "humanfriendly",
            "mpmath",
            "packaging",
            "sympy",
        ),
        30,
    ),
    InstallStep(
        "images",
        ("opencv-python-headless", "scikit-image", "pillow", "imageio", "networkx", "pywavelets", "tifffile"),
        126,
    ),
    InstallStep(
        "helpers",
        (
            *(
                "absl-py",
                "bcrypt",
                "cffi",
                "click",
                "contourpy",
                "cryptography",
                "cycler",
                "dill",
                "easydict",
                "fonttools",
            ),
            *("graphviz", "invoke", "jinja2", "kiwisolver", "markupsafe", "matplotlib", "msgpack", "msgpack-numpy"),
            *("multiprocess", "paramiko", "pathos", "pox", "ppft", "psutil", "pycocotools", "pycparser", "pydot"),
            *(
                "pynacl",
                "pyparsing",
                "python-dateutil",
                "pyyaml",
                "schema",
                "six",
                "tabulate",
                "tqdm",
                "typing-extensions",
            ),
            "tzdata",
        ),
        30,
    ),
)
DOWNLOAD_MB = sum(step.download_mb for step in STEPS)
