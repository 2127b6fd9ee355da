"""Weights records: a safetensors file and a model card each, some bundled with the package."""
