"""Names of axes."""

from typing import Literal, get_args

Axis = Literal["x", "y", "z", "-x", "-y", "-z"]
AXES: tuple[Axis, ...] = get_args(Axis)
