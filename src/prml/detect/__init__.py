"""2D pose: a detector on video, or keypoint files."""
