"""Pure tensor-to-tensor networks; ``registry.build`` is the only door."""
