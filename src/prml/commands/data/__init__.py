"""``prml data import | check | cameras | features``: import and check data, and prepare it for training."""

COMMANDS: dict[str, str] = {
    "import": "BVH, ASF/AMC, C3D or TRC files -> mocap npz",
    "check": "check a dataset or a custom file, and draw six random frames",
    "cameras": "Human3.6M's calibration from your own copy -> h36m-cameras.json",
    "features": "image features of videos with known poses -> a cache, for networks that use images (CA-PF)",
}
