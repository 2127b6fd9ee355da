"""Motion capture in the files that it comes in: BVH, ASF/AMC, C3D -> named points through time.

:func:`prml.data.formats.importing.import_files` turns them into the project's mocap npz with a joint map
(``src/prml/data/joint_maps``: YAML, one per skeleton, to be copied and edited).
"""
