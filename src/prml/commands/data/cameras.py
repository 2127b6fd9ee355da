"""``prml data cameras``: extract Human3.6M's calibration from the user's own copy."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from prml.options import option


@dataclass
class Options:
    """Extract Human3.6M's calibration from your own copy and write it as h36m-cameras.json.

    The calibration is part of the licensed release, not of this package. Put the result next to the npz files.

    Attributes:
        source: metadata.xml, camera-parameters.json or VideoPose3D's h36m_dataset.py (parsed, not run); or the folder
            with data_3d_h36m.npz and data_2d_h36m_gt.npz, from which the calibration is estimated.
        out: file to write.
        overwrite: replace an existing file.
    """

    source: Path = option(positional=True)
    _: KW_ONLY
    out: Path = Path("h36m-cameras.json")
    overwrite: bool = False


def run(options: Options) -> int:
    """Read or estimate the calibration, and write it."""
    from prml.commands._console import plain_console
    from prml.datasets.human36m import solved_cameras
    from prml.datasets.human36m_cameras import read_cameras
    from prml.io.files import check_writable, write_file

    source, out = options.source, options.out
    check_writable(out, options.overwrite)
    table = solved_cameras(source) if source.is_dir() else read_cameras(source)
    write_file(out, table.to_json(), options.overwrite)
    plain_console().print(f"wrote {out}: {len(table.cameras)} subjects x 4 cameras, {table.source}", soft_wrap=True)
    return 0
