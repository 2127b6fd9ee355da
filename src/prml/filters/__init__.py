"""From a sequence to a sequence: repair, resample, root, scale."""
