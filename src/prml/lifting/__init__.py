"""From 2D keypoints to 3D: windows, blending, flip averaging, the pipeline behind ``prml lift``."""
