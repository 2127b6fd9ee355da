"""From motion capture to training windows: reading, virtual cameras, detector noise, normalisation."""
