"""Bundled checkpoints: safetensors and one model card each."""
