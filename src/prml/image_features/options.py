"""What a cache of image features keeps: options only, without torch or numpy."""

from dataclasses import dataclass

from prml.options import option


@dataclass(frozen=True, kw_only=True)
class CacheOptions:
    """What is kept.

    Attributes:
        half: keep float16 maps, half the space.
        mirrored: keep the maps of mirrored crops too, for training and testing with flips; twice the space.
        every: keep every n-th frame.
        licence: of the images and labels, as text; weights trained on them carry it.
    """

    half: bool = True
    mirrored: bool = True
    every: int = option(1, minimum=1)
    licence: str = "not stated"
