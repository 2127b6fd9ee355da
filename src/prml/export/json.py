"""Lifted poses as json: schema ``prml.poses/1``."""

from functools import partial

from prml.export.poses import write_poses

write_json = partial(write_poses, ending=".json")
