"""Filters: a sequence in, a sequence out (repair, resample, root, scale, angles)."""
