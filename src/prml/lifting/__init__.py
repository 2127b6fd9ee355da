"""Lift 2D keypoints to 3D: windows, blending, flip averaging."""
