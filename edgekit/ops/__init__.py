"""Pure array functions: images, boxes, quantities; numpy and cv2 only."""
