"""2D pose detection in video."""
