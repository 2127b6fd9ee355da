"""Weights records: a safetensors file and a model card each, some bundled with the package."""

DEFAULT = "prml-xs28"  # what lifting takes unless told otherwise: the only bundled weights with feet, hands and face
