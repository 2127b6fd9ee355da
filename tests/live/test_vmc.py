"""OSC and VMC, read by another program's reader and played as Unity plays them."""

import socket
import struct

import numpy as np
import pytest
from live_run import RUN, frame

from prml.errors import PrmlError
from prml.live.osc import bundles, message
from prml.live.vmc import RigStream, Vmc, messages
from prml.skeleton import BODY28

# Somebody who faces the camera, x right, y down, z forward; the left side is at the image's right.
_BODY = {
    "Hip": (0, 0, 0), "RHip": (-0.11, 0, 0), "RKnee": (-0.12, 0.43, -0.05), "RAnkle": (-0.12, 0.86, 0.02),
    "LHip": (0.11, 0, 0), "LKnee": (0.14, 0.40, -0.16), "LAnkle": (0.13, 0.82, -0.05), "Spine": (0, -0.23, 0),
    "Thorax": (0, -0.50, 0), "Nose": (0, -0.62, -0.05), "Head": (0, -0.73, -0.03), "LShoulder": (0.17, -0.46, 0),
    "LElbow": (0.40, -0.60, -0.05), "LWrist": (0.52, -0.82, -0.12), "RShoulder": (-0.17, -0.46, 0),
    "RElbow": (-0.24, -0.18, 0.03), "RWrist": (-0.22, 0.06, -0.06), "RHeel": (-0.12, 0.93, 0.07),
    "RToe": (-0.13, 0.93, -0.17), "LHeel": (0.13, 0.89, 0.01), "LToe": (0.15, 0.89, -0.22),
    "LHand": (0.55, -0.89, -0.14), "LThumb": (0.51, -0.88, -0.16), "RHand": (-0.22, 0.14, -0.09),
    "RThumb": (-0.19, 0.12, -0.11), "NoseTip": (0, -0.64, -0.13), "LEar": (0.07, -0.65, -0.02),
    "REar": (-0.07, -0.65, -0.02),
}  # fmt: skip
BODY = np.array([_BODY[name] for name in BODY28.joints])
_CHAIN = {
    "UpperLeg": "Hips",
    "LowerLeg": "UpperLeg",
    "Foot": "LowerLeg",
    "Toes": "Foot",
    "Shoulder": "Chest",
    "UpperArm": "Shoulder",
    "LowerArm": "UpperArm",
    "Hand": "LowerArm",
}
PARENT = {"Spine": "Hips", "Chest": "Spine", "Neck": "Chest", "Head": "Neck"} | {
    side + bone: above if above in ("Hips", "Chest") else side + above
    for side in ("Left", "Right")
    for bone, above in _CHAIN.items()
}
JOINTS = {"LowerLeg": "Knee", "Foot": "Ankle", "UpperArm": "Shoulder", "LowerArm": "Elbow", "Hand": "Wrist"}


def turned(q, v):
    """A vector turned by a quaternion x y z w."""
    u, w = np.asarray(q[:3]), q[3]
    return v + 2 * np.cross(u, np.cross(u, v) + w * v)


def product(a, b):
    (ax, ay, az, aw), (bx, by, bz, bw) = a, b
    u, v = np.array([ax, ay, az]), np.array([bx, by, bz])
    return (*(aw * v + bw * u + np.cross(u, v)), aw * bw - u @ v)


def as_unity(bones):
    """Places of the bones of received messages: name -> (place, rotation) relative to the parent."""
    places = {}

    def of(name):
        if name not in places:
            place, turn = np.array(bones[name][:3]), bones[name][3:]
            if name in PARENT:
                above, above_turn = of(PARENT[name])
                place, turn = above + turned(above_turn, place), product(above_turn, turn)
            places[name] = place, turn
        return places[name]

    return {name: of(name)[0] for name in bones}


def parsed(packets):
    """Messages of UDP packets, read by python-osc: (address, values)."""
    osc_bundle = pytest.importorskip("pythonosc.osc_bundle", reason="python-osc reads what we write")
    return [(m.address, m.params) for data in packets for m in osc_bundle.OscBundle(data)]


def test_a_message_is_as_the_specification_prints_it():
    assert message("/oscillator/4/frequency", 440.0) == b"/oscillator/4/frequency\0,f\0\0" + struct.pack(">f", 440)
    assert message("/foo", 1000, -1, "hello", 1.234, 5.678) == (
        b"/foo\0\0\0\0,iisff\0\0" + struct.pack(">ii", 1000, -1) + b"hello\0\0\0" + struct.pack(">ff", 1.234, 5.678)
    )


def test_an_outside_reader_finds_every_value_and_no_packet_is_too_long():
    given = [("/a", ("text", 3, 0.5)), *((f"/b/{'x' * k}", (k, k / 2)) for k in range(1, 90))]
    packets = bundles([message(address, *values) for address, values in given])
    assert max(map(len, packets)) <= 1400
    assert len(packets) > 1
    assert [(address, tuple(values)) for address, values in parsed(packets)] == given


def test_an_avatar_in_unity_stands_as_the_person_does():
    stream = RigStream(BODY28)
    for k in range(6):
        motion = stream(BODY, k / 25)
    received = parsed(bundles(messages(motion, 0.2)))
    bones = {values[0]: values[1:] for address, values in received if address == "/VMC/Ext/Bone/Pos"}
    assert set(bones) == {"Hips", *PARENT}
    places = as_unity(bones)
    for bone, joint in JOINTS.items():
        for side in ("Left", "Right"):
            want = -BODY[BODY28.index(side[0] + joint)]  # Unity: x to the person's right, y up, z ahead
            found = places[side + bone] - places["Hips"]
            np.testing.assert_allclose(found, want, atol=0.004, err_msg=side + bone)
    assert min(place[1] for place in places.values()) == pytest.approx(0.05, abs=0.05)  # they stand on the floor
    assert places["LeftHand"][0] < 0 < places["RightHand"][0]
    assert all(np.linalg.norm(turn[3:]) == pytest.approx(1, abs=1e-5) for turn in bones.values())


def test_the_state_says_whether_somebody_is_there():
    stream = RigStream(BODY28)
    there = dict(parsed(bundles(messages(stream(BODY, 0.0), 0.0))))
    nobody = dict(parsed(bundles(messages(None, 1.5))))
    assert there["/VMC/Ext/OK"] == [1, 3, 0, 1]
    assert nobody == {"/VMC/Ext/OK": [1, 3, 0, 0], "/VMC/Ext/T": [1.5]}
    assert there["/VMC/Ext/Root/Pos"] == ["root", 0, 0, 0, 0, 0, 0, 1]


def test_frames_arrive_over_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        port = receiver.getsockname()[1]
        vmc = Vmc(f"127.0.0.1:{port}")
        vmc.start(RUN)
        vmc.send(frame(0, joints=BODY))
        vmc.send(frame(1, person=False))
        assert vmc.close() == f"sent 2 frames as VMC to 127.0.0.1:{port}"
        packets = []
        while True:
            packets.append(receiver.recv(4096))
            if parsed(packets[-1:])[0][1] == [1, 3, 0, 0]:
                break
    assert sum(address == "/VMC/Ext/Bone/Pos" for address, _ in parsed(packets)) == len(PARENT) + 1


@pytest.mark.parametrize("target", ["127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", ":39539", "host:port"])
def test_a_target_that_is_none_is_refused(target):
    with pytest.raises(PrmlError, match="HOST:PORT"):
        Vmc(target)
