"""PrML, one file per part of the paper's section 4."""

from prml.networks.prml.network import PrML

__all__ = ["PrML"]
