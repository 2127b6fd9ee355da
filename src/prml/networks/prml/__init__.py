"""PrML, one file per part of the paper's section 4."""

from prml.networks.prml.network import PrML, PrMLFeatures

__all__ = ["PrML", "PrMLFeatures"]
