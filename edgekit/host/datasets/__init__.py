"""Data sets as others lay them out: COCO JSON, YOLO yaml."""
