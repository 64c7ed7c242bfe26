"""edgekit as a ROS 2 node: images in, detections, masks and key points out."""
