"""What a person gets: images, JSON, COCO results."""
