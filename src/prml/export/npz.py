"""Lifted poses as npz: schema ``prml.poses/1``."""

from functools import partial

from prml.export.poses import write_poses

write_npz = partial(write_poses, ending=".npz")
