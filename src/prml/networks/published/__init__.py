"""The authors' own weights: their layout, and reading and writing it."""
