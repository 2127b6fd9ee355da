"""How datasets are made: options only, without numpy."""

from dataclasses import dataclass

from prml.io.axes import Axis
from prml.options import option


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """How motion files are read.

    Attributes:
        fps: frame rate of the result; positions are interpolated by cubic splines.
        file_fps: frame rate of the files, if they do not state it (AMC) or state it wrongly.
        unit_m: metres per unit of the files (default: the map's, or what the size of the people says).
        up: axis of the files that points up (default: the map's or the file's).
        subject: one name for all (default: the person's in the file, the file's up to the first "_", or its folder).
        action: one name for all (default: the file's name).
    """

    fps: float = option(50.0, minimum=0.1, maximum=1000)
    file_fps: float | None = option(None, minimum=0.1, maximum=1000)
    unit_m: float | None = option(None, minimum=1e-6, maximum=1e6)
    up: Axis | None = None
    subject: str | None = None
    action: str | None = None
