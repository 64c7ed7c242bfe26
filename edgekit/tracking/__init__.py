"""Multi-object tracking: ByteTrack, camera motion, and counts over lines and zones, as functions on arrays."""
