"""What the private environment holds: the vendor's X5 packages and what they need, without 6 GB of CUDA."""

from __future__ import annotations

from dataclasses import dataclass

RECIPE_NAME = "rdkx5-1.0.0"
PYTHON_VERSION = (3, 10)  # the vendor's extension modules are built for this one only
DOCKER_IMAGE = "openexplorer/ai_toolchain_ubuntu_20_x5_cpu:v1.2.8"
DISK_MB = 2800  # what the finished environment takes, measured


@dataclass(frozen=True, slots=True)
class InstallStep:
    """Packages that are installed together, and about how much is downloaded for them."""

    name: str
    packages: tuple[str, ...]
    download_mb: int
    with_dependencies: bool = True


# The vendor's packages come without their dependencies: those ask for CUDA and for an opencv that needs libGL.
# Large ones stand alone, so that an interrupted install loses one package at most.
STEPS: tuple[InstallStep, ...] = (
    InstallStep("pip", ("pip>=25.1",), 2),  # the first that goes on with a broken download
    InstallStep("setuptools", ("setuptools<70",), 1),  # the last with pkg_resources, which the compiler imports
    InstallStep("torch", ("torch==1.12.1",), 776, with_dependencies=False),
    InstallStep("compiler", ("dgdk==1.0.0",), 56, with_dependencies=False),
    InstallStep("mapper", ("rdkx5-yolo-mapper==1.0.0", "dg_nn_toolkit==1.0.0"), 14, with_dependencies=False),
    InstallStep("arrays", ("numpy==1.23.0", "scipy==1.13.1"), 56),
    InstallStep("graphs", ("onnx==1.15.0", "onnxruntime==1.16.2", "protobuf==3.20.3"), 30),
    InstallStep("images", ("opencv-python-headless==4.6.0.66", "scikit-image==0.19.0", "Pillow"), 126),
    InstallStep(
        "helpers",
        (
            *("absl-py", "click", "coloredlogs", "easydict", "flatbuffers", "graphviz", "humanfriendly", "jinja2"),
            *("matplotlib", "mpmath", "msgpack-numpy", "multiprocess", "packaging", "paramiko", "pathos", "psutil"),
            *("pycocotools", "pydot", "pyyaml", "schema", "six", "sympy", "tabulate", "tqdm", "typing_extensions"),
        ),
        30,
    ),
)
# Later steps must not move what earlier ones fixed.
CONSTRAINTS = ("setuptools<70", "numpy==1.23.0", "protobuf==3.20.3", "onnx==1.15.0", "scipy==1.13.1")
DOWNLOAD_MB = sum(step.download_mb for step in STEPS)
