"""Image features: crops of the person, backbones, and their maps on disk; what networks with ``context`` are fed."""
