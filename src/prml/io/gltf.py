"""The container of glTF 2.0: nodes, arrays in one binary chunk, and the animation of a rig (glb.py, vrma.py).

Metres, Y up, seconds; quaternions are x y z w. https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

import json
import struct
from typing import Any

import numpy as np
from jaxtyping import Shaped

from prml._version import __version__
from prml.rig import RigMotion

Array = np.ndarray
Node = dict[str, Any]
_KINDS = {np.dtype("float32"): 5126, np.dtype("uint8"): 5121, np.dtype("uint16"): 5123, np.dtype("uint32"): 5125}
_SHAPES = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
VERTICES, INDICES = 34962, 34963  # what a buffer view is for


class Gltf:
    """A file that is being put together; ``json`` may be added to."""

    def __init__(self) -> None:
        self.json: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": f"prml {__version__}"},
            "scene": 0,
            "scenes": [{"nodes": []}],
            "nodes": [],
        }
        self._chunk = bytearray()

    def add(self, kind: str, entry: dict[str, Any]) -> int:
        """Append an entry to one of the lists of the file, such as "nodes"; return its index."""
        entries: list[Any] = self.json.setdefault(kind, [])
        entries.append(entry)
        return len(entries) - 1

    def array(self, values: Shaped[Array, "N ..."], target: int | None = None, limits: bool = False) -> int:
        """Store an array of numbers, triples, quaternions or 4 x 4 matrices (row by row); return its accessor.

        Args:
            values: float32, uint8, uint16 or uint32.
            target: VERTICES or INDICES for what a mesh draws.
            limits: whether to state the smallest and largest values, as positions and key times must.
        """
        shape = values.shape[1:]
        if shape == (4, 4):
            values = np.swapaxes(values, 1, 2)  # stored by columns
        data = np.ascontiguousarray(values).tobytes()
        view = {"buffer": 0, "byteOffset": len(self._chunk), "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        self._chunk += data + b"\0" * (-len(data) % 4)
        entry = {
            "bufferView": self.add("bufferViews", view),
            "componentType": _KINDS[values.dtype],
            "count": len(values),
            "type": _SHAPES[shape],
        }
        if limits:
            flat = values.reshape(len(values), -1)
            entry |= {"min": flat.min(0).tolist(), "max": flat.max(0).tolist()}
        return self.add("accessors", entry)

    def bones(self, motion: RigMotion, height_m: float, prefix: str = "") -> list[int]:
        """Add a node for each bone, in the rest pose with the hips ``height_m`` up; return their indices."""
        rig, first = motion.rig, len(self.json["nodes"])
        for bone, name in enumerate(rig.names):
            at = rig.offsets_m[bone] + ([0, height_m, 0] if bone == 0 else 0)
            node: Node = {"name": prefix + name, "translation": at.tolist()}
            if children := [first + child for child in rig.children(bone)]:
                node["children"] = children
            self.add("nodes", node)
        return list(range(first, first + len(rig)))

    def animate(self, animation: dict[str, Any], motion: RigMotion, nodes: list[int], times: int) -> None:
        """Add to an animation the rotation of every bone, and the way of the hips.

        Args:
            animation: an entry of "animations".
            motion: without gaps, on regular times.
            nodes: of the bones.
            times: accessor of the times of its frames.
        """
        quaternions = motion.rotations[..., [1, 2, 3, 0]].astype(np.float32)
        quaternions /= np.linalg.norm(quaternions, axis=-1, keepdims=True)
        self._channel(animation, nodes[0], "translation", times, motion.root_m.astype(np.float32))
        for bone, node in enumerate(nodes):
            self._channel(animation, node, "rotation", times, quaternions[:, bone])

    def _channel(self, animation: dict[str, Any], node: int, path: str, times: int, values: Array) -> None:
        samplers = animation["samplers"]
        samplers.append({"input": times, "output": self.array(values), "interpolation": "LINEAR"})
        animation["channels"].append({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}})

    def data(self) -> bytes:
        """Return the file in its binary form."""
        self.json["buffers"] = [{"byteLength": len(self._chunk)}]
        text = json.dumps(self.json, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        length = 12 + 8 + len(text) + 8 + len(self._chunk)
        return b"".join(
            (
                struct.pack("<4sII", b"glTF", 2, length),
                struct.pack("<I4s", len(text), b"JSON"),
                text,
                struct.pack("<I4s", len(self._chunk), b"BIN\0"),
                bytes(self._chunk),
            )
        )
