"""Training windows: virtual cameras, detector noise, augmentation."""
