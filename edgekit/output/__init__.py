"""What a person gets: pictures, JSON, COCO results."""
