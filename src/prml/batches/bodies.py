"""Other bodies and postures than the corpus has: people of other proportions, children, people who sit.

All changes are made to world positions before a camera sees them, so the input remains an exact projection of the
target. Arrays hold the joints of H36M17, or those of BODY28, whose feet and hands follow shins and forearms.
"""

import numpy as np
from jaxtyping import Bool, Float

from prml.batches.augment import skeleton_of, torso_frame
from prml.batches.options import VideoOptions
from prml.skeleton import H36M17, Skeleton

Array = np.ndarray

# part -> joints at the ends of its bones
_PARTS = {
    "hips": ("RHip", "LHip"),
    "legs": ("RKnee", "RAnkle", "LKnee", "LAnkle", "RHeel", "RToe", "LHeel", "LToe"),
    "trunk": ("Spine", "Thorax"),
    "neck": ("Nose",),
    "head": ("Head", "NoseTip", "LEar", "REar"),
    "shoulders": ("LShoulder", "RShoulder"),
    "arms": ("LElbow", "LWrist", "LHand", "LThumb", "RElbow", "RWrist", "RHand", "RThumb"),
}
# Lengths of a child of two years (0.87 m) over an adult's, from the proportions of growth charts: a head nearly as
# large, legs well under half as long. Those of older children are between these and one.
_CHILD = {"hips": 0.52, "legs": 0.42, "trunk": 0.56, "neck": 0.5, "head": 0.85, "shoulders": 0.58, "arms": 0.46}
# Standard deviation of the logarithm of each part's length among adults of equal size. (Sitting height over stature has
# a standard deviation of 3 %, and its mean differs by 10 % from people to people.)
_SPREAD = {"hips": 0.08, "legs": 0.05, "trunk": 0.05, "neck": 0.08, "head": 0.05, "shoulders": 0.07, "arms": 0.05}
_GROWTH = {"legs": 1.15, "arms": 1.1, "trunk": 0.85, "neck": 0.8, "head": 0.4}  # tall people are tall by their legs
_SIZE = (0.93, 1.14)  # of adults over the captured ones
_PELVIS = tuple(H36M17.index(name) for name in ("LHip", "RHip", "Spine", "Hip"))
_LEG = {side: tuple(H36M17.index(side + name) for name in ("Hip", "Knee", "Ankle")) for side in "LR"}
_MAX_TILT_DEG, _MAX_KNEE_DEG, _MAX_SWAY_DEG = 25.0, 35.0, 12.0  # of a person who stands still


def vary_people(
    options: VideoOptions, rng: np.random.Generator, world_m: Float[Array, "B L J 3"]
) -> Float[Array, "B L J 3"]:
    """World positions in metres with other bodies and postures; shares at zero draw no random numbers."""
    if options.bodies or options.children:
        factors = sample_proportions(rng, len(world_m), options.bodies, options.children, skeleton_of(world_m))
        world_m = stretch(world_m, factors)
    if options.sitting:
        bends = sample_seats(rng, len(world_m))
        seated = (rng.random(len(world_m)) < options.sitting) & stands_still(world_m)
        world_m = np.where(seated[:, None, None, None], sit(world_m, *bends), world_m)
    return world_m


def sample_proportions(
    rng: np.random.Generator, count: int, bodies: float, children: float, skeleton: Skeleton
) -> Float[Array, "B J"]:
    """Factors on the bone that ends at each joint, equal on both sides: random adults, children, or ones.

    Args:
        rng: source of randomness.
        count: of people.
        bodies: share whose proportions vary.
        children: share of all who become children.
        skeleton: H36M17 or BODY28.
    """
    size = rng.uniform(*_SIZE, count)
    varied, child, age = rng.random(count) < bodies, rng.random(count) < children, rng.uniform(0, 1, count)
    factors = np.ones((count, len(skeleton)))
    for part, names in _PARTS.items():
        other = np.exp(rng.normal(0, _SPREAD[part], count))
        adult = np.where(varied, other * size ** _GROWTH.get(part, 1.0), 1.0)
        young = other * (_CHILD[part] + (1 - _CHILD[part]) * age)
        columns = [skeleton.index(name) for name in names if name in skeleton.joints]
        factors[:, columns] = np.where(child, young, adult)[:, None]
    return factors


def stretch(world_m: Float[Array, "B L J 3"], factors: Float[Array, "B J"]) -> Float[Array, "B L J 3"]:
    """Multiply the length of the bone that ends at each joint, keeping directions, path and floor.

    The hip's path over the floor is scaled like the legs, so that steps keep their size in legs.
    """
    out, factors = world_m.copy(), factors.astype(world_m.dtype)[:, :, None, None]
    step = factors[:, H36M17.index("RKnee")]
    out[:, :, 0] = world_m[:, :1, 0] + (world_m[:, :, 0] - world_m[:, :1, 0]) * step
    for parent, child in skeleton_of(world_m).bones:
        out[:, :, child] = out[:, :, parent] + (world_m[:, :, child] - world_m[:, :, parent]) * factors[:, child]
    return on_same_floor(out, world_m)


def on_same_floor(
    moved_m: Float[Array, "B L J 3"], world_m: Float[Array, "B L J 3"], joints: tuple[int, ...] = tuple(range(17))
) -> Float[Array, "B L J 3"]:
    """Each window moved up or down as a whole, so that the lowest of the joints is as low as before."""
    lowest = (a[:, :, joints, 2].min((1, 2)) for a in (world_m, moved_m))
    out = moved_m.copy()
    out[..., 2] += np.subtract(*lowest)[:, None, None]
    return out


def _angle_deg(a: Float[Array, "*#n 3"], b: Float[Array, "*#n 3"]) -> Float[Array, "*#n"]:
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return np.asarray(np.degrees(np.arccos(np.clip((a * b).sum(-1) / np.maximum(lengths, 1e-9), -1, 1))))


def stands_still(world_m: Float[Array, "B L J 3"]) -> Bool[Array, " B"]:
    """Windows of upright people whose straight legs hardly move."""
    j = H36M17.index
    down = np.array([0.0, 0.0, -1.0])
    trunk = world_m[:, :, j("Hip")] - world_m[:, :, j("Thorax")]
    still = _angle_deg(trunk, down).max(1) < _MAX_TILT_DEG
    for hip, knee, ankle in _LEG.values():
        thigh, shin = (world_m[:, :, b] - world_m[:, :, a] for a, b in ((hip, knee), (knee, ankle)))
        still &= _angle_deg(thigh, down).max(1) < _MAX_TILT_DEG
        still &= _angle_deg(thigh, shin).max(1) < _MAX_KNEE_DEG
        still &= _angle_deg(thigh, thigh.mean(1, keepdims=True)).max(1) < _MAX_SWAY_DEG
    return np.asarray(still)


def sample_seats(
    rng: np.random.Generator, count: int
) -> tuple[Float[Array, "B 2"], Float[Array, "B 2"], Float[Array, "B 2"]]:
    """Bends of hips and knees and how far the thighs are apart, of left and right, in radians.

    Two of three sit on a chair (hips 65 to 105 degrees, knees 55 to 115), the others on the floor (80 to 125 degrees,
    and anything from stretched legs to 130).
    """
    chair = rng.random(count) < 2 / 3
    hips = np.where(chair, rng.uniform(65, 105, count), rng.uniform(80, 125, count))
    knees = np.where(chair, rng.uniform(55, 115, count), rng.uniform(0, 130, count))
    apart = rng.uniform(-3, 25, (count, 2))
    hips = hips[:, None] + rng.normal(0, 6, (count, 2))
    knees = np.clip(knees[:, None] + rng.normal(0, 10, (count, 2)), 0, 140)
    return np.radians(hips), np.radians(knees), np.radians(apart)


def sit(
    world_m: Float[Array, "B L J 3"],
    hips_rad: Float[Array, "B 2"],
    knees_rad: Float[Array, "B 2"],
    apart_rad: Float[Array, "B 2"],
) -> Float[Array, "B L J 3"]:
    """Bend hips and knees of people who stand: thighs and shins are turned rigidly in the pelvis' frame.

    Bone lengths are kept; feet turn with the shins; the whole person sinks until hips, knees or ankles are as low as
    the ankles were.

    Args:
        world_m: people who stand.
        hips_rad: by how much the left and right thigh are turned to the front.
        knees_rad: by how much the shins are turned back against the thighs.
        apart_rad: by how much the thighs are then turned outwards.
    """
    skeleton, pelvis = skeleton_of(world_m), torso_frame(world_m[:, :, :17], _PELVIS)
    out = world_m.copy()
    for side, (name, (hip, knee, ankle)) in enumerate(_LEG.items()):
        outwards = apart_rad[:, side] * (1 if name == "L" else -1)
        turns = [
            (pelvis @ _turn(bend, outwards).astype(world_m.dtype)[:, None] @ np.swapaxes(pelvis, -1, -2))
            for bend in (hips_rad[:, side], hips_rad[:, side] - knees_rad[:, side])
        ]
        feet = [child for child, parent in enumerate(skeleton.parents) if parent == ankle]
        for turn, parent, child in (
            (turns[0], hip, knee),
            *((turns[1], p, c) for p, c in [(knee, ankle)] + [(ankle, f) for f in feet]),
        ):
            bone = world_m[:, :, child] - world_m[:, :, parent]
            out[:, :, child] = out[:, :, parent] + (turn @ bone[..., None])[..., 0]
    return on_same_floor(out, world_m, _LEG["L"] + _LEG["R"])


def _turn(bend: Float[Array, " B"], outwards: Float[Array, " B"]) -> Float[Array, "B 3 3"]:
    """Rotations of (front, left, up): by ``bend`` from down to the front, then by ``outwards`` from front to left."""
    c, s, zero, one = np.cos(bend), np.sin(bend), np.zeros_like(bend), np.ones_like(bend)
    forwards = np.stack([c, zero, -s, zero, one, zero, s, zero, c], -1).reshape(-1, 3, 3)
    c, s = np.cos(outwards), np.sin(outwards)
    sideways = np.stack([c, -s, zero, s, c, zero, zero, zero, one], -1).reshape(-1, 3, 3)
    return np.asarray(sideways @ forwards)
