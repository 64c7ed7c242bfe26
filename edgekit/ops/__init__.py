"""Pure array functions: pictures, boxes, quantities; numpy and cv2 only."""
