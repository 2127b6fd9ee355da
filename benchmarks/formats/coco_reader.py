"""pycocotools: results against annotations of the same keypoints; every person must be found, with similarity 1."""

import contextlib
import io
from importlib.metadata import version

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from wanted import given, say

path, wanted = given()
people = [np.array([joints[name] for name in joints], float).transpose(1, 0, 2) for joints in wanted["people"]]
annotations = []
for frame in range(wanted["frames"]):
    for person in people:
        points = person[frame]
        seen = np.isfinite(points).all(-1)
        if not seen.any():
            continue
        flat = np.concatenate([np.where(seen[:, None], points, 0), 2.0 * seen[:, None]], 1)
        (left, top), (right, bottom) = np.nanmin(points, 0), np.nanmax(points, 0)
        box = [left, top, right - left, bottom - top]
        about = {"id": len(annotations) + 1, "image_id": frame, "category_id": 1, "iscrowd": 0, "area": box[2] * box[3]}
        annotations.append({**about, "bbox": box, "keypoints": flat.ravel().tolist(), "num_keypoints": int(seen.sum())})
with contextlib.redirect_stdout(io.StringIO()):
    truth = COCO()
    images = [{"id": frame, "width": 1920, "height": 1080} for frame in range(wanted["frames"])]
    truth.dataset = {
        "info": {},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    truth.createIndex()
    found = truth.loadRes(path)
    score = COCOeval(truth, found, "keypoints")
    score.evaluate()
    score.accumulate()
    score.summarize()
entries = found.loadAnns(found.getAnnIds())
worst = 0.0
for entry in entries:
    points = np.array(entry["keypoints"]).reshape(-1, 3)
    off = [np.nanmax(np.abs(points[:, :2] - person[entry["image_id"]])) for person in people]
    worst = max(worst, float(np.nanmin(off)))
errors = int(len(entries) != len(annotations)) + int(score.stats[0] < 0.9999)
say(version=version("pycocotools"), error_px=worst, errors=errors)
