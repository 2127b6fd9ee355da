"""The training engine behind ``prml fit``."""
