"""Face and hands of COCO-WholeBody, as words ``joint<parent`` for ``prml.skeleton``."""

# The 68 points of a face as they mirror each other: the right one of each pair, its left twin; the others lie between
_FACE_PAIRS = {i: 16 - i for i in range(8)} | {i: 43 - i for i in range(17, 22)} | {31: 35, 32: 34}
_FACE_PAIRS |= {36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46}
_FACE_PAIRS |= {48: 54, 49: 53, 50: 52, 59: 55, 58: 56, 60: 64, 61: 63, 67: 65}
_FACE_NAMES = {i: f"Face{i}" for i in range(68)} | {r: f"RFace{r}" for r in _FACE_PAIRS}
_FACE_NAMES |= {left: f"LFace{right}" for right, left in _FACE_PAIRS.items()}
FACE68 = " ".join(f"{_FACE_NAMES[i]}<Nose" for i in range(68))
_FINGERS = ("Thumb", "Index", "Middle", "Ring", "Pinky")


def hand21(side: str) -> str:
    """A hand's 21 points: its root, then four of each finger from the palm outwards."""
    text = f"{side}HandRoot<{side}Wrist"
    for finger in _FINGERS:
        before = [f"{side}HandRoot", *(f"{side}{finger}{i}" for i in (1, 2, 3))]
        text += "".join(f" {side}{finger}{i}<{parent}" for i, parent in enumerate(before, 1))
    return text
