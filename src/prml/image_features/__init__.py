"""Image features: crops, backbones, feature maps on disk, training windows with features."""
