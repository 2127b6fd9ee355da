"""How training windows are cut, seen and varied: options only, without torch or numpy."""

from dataclasses import dataclass

from prml.options import option

MIN_FACTOR, MAX_FACTOR = 0.1, 10.0  # of speed and size


@dataclass(frozen=True)
class MotionOptions:
    """How strongly the motion is augmented; the defaults leave it as captured.

    Attributes:
        arms, legs: share of windows that receive the arms (legs) of another window in the batch; bone lengths are kept.
        bones: standard deviation of the logarithm of each bone's length, left and right alike.
        tilt: share of windows turned about a random horizontal axis.
        tilt_deg: standard deviation of that turn.
    """

    arms: float = option(0.0, minimum=0, maximum=1)
    legs: float = option(0.0, minimum=0, maximum=1)
    bones: float = option(0.0, minimum=0, maximum=0.5)
    tilt: float = option(0.0, minimum=0, maximum=1)
    tilt_deg: float = option(60.0, minimum=0, maximum=180)


@dataclass(frozen=True)
class HideOptions:
    """Which joints of ``data.skeleton: body28`` some windows are not given, so that one network serves all detectors.

    Every share is the probability that a window lacks the group, each drawn apart; the defaults hide nothing. What is
    hidden is zero with confidence 0 and still has to be predicted.

    Attributes:
        feet: heels and toes.
        hands: hands and thumbs.
        face: tip of the nose and ears.
        feet_and_hands: both at once, as detectors of COCO's 17 points.
        beyond_17: feet, hands and face at once, as files and protocols of Human3.6M's 17 joints.
        limb: one arm from the elbow on or one leg from the knee on, at random.
        lower_body: both legs from the knees on, in every second such window the hips too: the picture ends there.
    """

    feet: float = option(0.0, minimum=0, maximum=1)
    hands: float = option(0.0, minimum=0, maximum=1)
    face: float = option(0.0, minimum=0, maximum=1)
    feet_and_hands: float = option(0.0, minimum=0, maximum=1)
    beyond_17: float = option(0.0, minimum=0, maximum=1)
    limb: float = option(0.0, minimum=0, maximum=1)
    lower_body: float = option(0.0, minimum=0, maximum=1)


@dataclass(frozen=True)
class CameraRanges:
    """Where a training window is seen from; every pair is a uniform range.

    Attributes:
        distance_m: from the person's mean place.
        height_m: of the camera over the floor.
        fov_deg: field of view over the longer side (used to place the person off centre).
        off_centre: how far from the optical axis the person may stand, as a share of half the field of view.
        roll_deg: standard deviation of the camera's roll.
        misjudged_focal: standard deviation of log(assumed focal length / true one).
        distortion_k1: standard deviation of an unknown first radial coefficient.
    """

    distance_m: tuple[float, float] = option((2.2, 8.0), minimum=0.1)
    height_m: tuple[float, float] = option((0.3, 2.6))
    fov_deg: tuple[float, float] = option((30.0, 80.0), minimum=1, maximum=179)
    off_centre: float = option(0.7, minimum=0, maximum=1)
    roll_deg: float = option(4.0, minimum=0)
    misjudged_focal: float = option(0.1, minimum=0)
    distortion_k1: float = option(0.02, minimum=0)


@dataclass(frozen=True)
class WideRanges:
    """Where the cameras of real video stand; every pair is a range.

    Attributes:
        distance_m: from the person's mean place, evenly on a logarithmic scale; a camera that would be too near to a
            person who walks towards it steps back.
        height_m: over the floor on which the person stands, below it if negative; as far as the pitch allows.
        pitch_deg: how steeply a camera may look up or down, at the person and along its optical axis.
        fov_deg: field of view over the longer side, evenly.
        off_centre: how far from the optical axis the person may stand, as a share of half the field of view.
        roll_deg: largest roll; small ones are likelier (a triangular distribution).
        assumed_lens: share of cameras whose field of view is unknown and taken to be 55 degrees, as at inference; that
            of the others is misjudged as in data.windows.cameras.
    """

    distance_m: tuple[float, float] = option((1.2, 15.0), minimum=0.1)
    height_m: tuple[float, float] = option((-1.5, 6.0))
    pitch_deg: float = option(60.0, minimum=0, maximum=80)
    fov_deg: tuple[float, float] = option((20.0, 100.0), minimum=1, maximum=150)
    off_centre: float = option(0.8, minimum=0, maximum=1)
    roll_deg: float = option(20.0, minimum=0, maximum=90)
    assumed_lens: float = option(0.5, minimum=0, maximum=1)


@dataclass(frozen=True)
class VideoOptions:
    """Windows as real video is. Every share is the probability that a window is made so; the defaults change nothing.

    Attributes:
        wide: share of windows seen by the cameras of data.windows.video.cameras, from below to overhead.
        cameras: where those stand.
        bodies: share of windows whose person gets other proportions: legs, trunk, arms, neck, head, shoulders and hips
            vary apart, sizes up to 2.1 m.
        children: share of windows whose person becomes a child of two years or more, with a child's proportions.
        sitting: share of windows made to sit, on a chair or on the floor; only people who stand still can be.
        convention: share of windows whose points lie where a detector (MediaPipe's lite, full or heavy model) puts
            them, beside the joints' centres that stay the target.
        convention_spread: factor on how much that differs from clip to clip.
        lite: share of batches whose noise is that of MediaPipe's lite model instead of the full one.
    """

    wide: float = option(0.0, minimum=0, maximum=1)
    cameras: WideRanges = option(factory=WideRanges)
    bodies: float = option(0.0, minimum=0, maximum=1)
    children: float = option(0.0, minimum=0, maximum=1)
    sitting: float = option(0.0, minimum=0, maximum=1)
    convention: float = option(0.0, minimum=0, maximum=1)
    convention_spread: float = option(1.0, minimum=0, maximum=3)
    lite: float = option(0.0, minimum=0, maximum=1)


@dataclass(frozen=True)
class DepthOptions:
    """What a network for depth from one image is wrong by at the joints of a person, beyond a factor and a shift.

    Attributes:
        noise_m: deviation in every frame, metres.
        steady_m: deviation that stays with a joint through a window, metres.
        reach_m: a nearer joint covers one that is this close to it in the image, metres at the person's depth.
    """

    noise_m: float = option(0.05, minimum=0, maximum=10)
    steady_m: float = option(0.05, minimum=0, maximum=10)
    reach_m: float = option(0.07, minimum=0, maximum=1)


@dataclass(frozen=True)
class WindowOptions:
    """How windows are cut.

    Attributes:
        frames: T.
        stride: frames between the starts of neighbouring windows of an epoch.
        batch: windows in a batch.
        flip: probability of mirroring left and right.
        in_channels: 2 for x, y; 3 for x, y, confidence; 4 for these and relative depth, of motion capture alone.
    """

    frames: int = option(81, minimum=1)
    stride: int = option(27, minimum=1)
    batch: int = option(16, minimum=1)
    flip: float = option(0.5, minimum=0, maximum=1)
    in_channels: int = option(3, minimum=2, maximum=4)


@dataclass(frozen=True)
class SequenceWindowOptions(WindowOptions):
    """How windows of filmed sequences are cut.

    Attributes:
        step: frames between neighbours inside a window, as P-STMO (2) and STCFormer (3) train.
    """

    step: int = option(1, minimum=1)


@dataclass(frozen=True)
class MocapWindowOptions(WindowOptions):
    """How windows of motion capture are cut, varied and seen.

    Attributes:
        step: frames between neighbours inside a window: 3 shows every third frame (dilation in time), so that a cheap
            window spans as long as one of three times its size.
        speed: range of factors on the playing speed.
        scale: range of factors on the size of the person.
        motion: how the motion is augmented.
        cameras: where the virtual cameras stand.
        clean: share of windows that get exact keypoints instead of detector noise.
        video: cameras, bodies and detectors as in real video.
        hide: which joints windows of body28 are not given.
        depth: what relative depth, the fourth channel, is wrong by.
    """

    step: int = option(1, minimum=1)
    speed: tuple[float, float] = option((0.75, 1.3), minimum=MIN_FACTOR, maximum=MAX_FACTOR)
    scale: tuple[float, float] = option((0.92, 1.08), minimum=MIN_FACTOR, maximum=MAX_FACTOR)
    motion: MotionOptions = option(factory=MotionOptions)
    cameras: CameraRanges = option(factory=CameraRanges)
    clean: float = option(0.1, minimum=0, maximum=1)
    video: VideoOptions = option(factory=VideoOptions)
    hide: HideOptions = option(factory=HideOptions)
    depth: DepthOptions = option(factory=DepthOptions)
