"""Files of poses and motion: one module per format, reader and writer together."""
