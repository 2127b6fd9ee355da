"""``prml data import | check | cameras | features``: bring data in, look at it, prepare what training needs of it."""

COMMANDS: dict[str, str] = {
    "import": "BVH, ASF/AMC, C3D or TRC files -> mocap npz",
    "check": "a dataset or your own file: what is wrong and where, and six random frames as a picture",
    "cameras": "Human3.6M's calibration from your own copy -> h36m-cameras.json",
    "features": "image features of videos with known poses -> a cache, for networks that look at images (CA-PF)",
}
