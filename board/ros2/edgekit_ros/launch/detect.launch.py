"""ros2 launch edgekit_ros detect.launch.py model:=/path/to/bundle image_topic:=/hbmem_img transport:=shared_mem"""

# mypy: ignore-errors
from __future__ import annotations

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

# Argument: (default, what it is); the other parameters are given in a file: params:=/path/to/params.yaml
ARGUMENTS = {
    "model": ("", "a .bin with its sidecar, or a bundle"),
    "image_topic": ("/image_raw", "where the images come from"),
    "transport": ("raw", "raw, compressed or shared_mem"),
    "conf": ("0.25", "score threshold"),
    "track": ("false", "give objects numbers that stay"),
    "publish_image": ("false", "publish annotated images"),
}


def generate_launch_description() -> LaunchDescription:
    """Describe the node and its arguments."""
    declared = [
        DeclareLaunchArgument(name, default_value=value, description=text) for name, (value, text) in ARGUMENTS.items()
    ]
    parameters = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    node = Node(package="edgekit_ros", executable="detect", name="edgekit", output="screen", parameters=[parameters])
    return LaunchDescription([*declared, node])
