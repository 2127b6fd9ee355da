"""Image features: crops, backbones, their maps on disk, training windows that hold them."""
