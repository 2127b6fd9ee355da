"""Read the files that we write with the programs that their users have; say how far joints are from where they were.

    python benchmarks/check_formats.py [--json results/formats.json] [--tools FOLDER] [--only blender,glb]

The tools are Blender (as the package bpy), usd-core, bvhio, pybvh, pygltflib, trimesh, three.js, three-vrm-animation,
the Khronos validator, OpenSim, Pose2Sim's kinematics and its reader of OpenPose JSON, pyomeca, trc-data-reader, ezc3d,
python-c3d, pandas, pycocotools, the loader of holosoma's retargeting, and GMR's. They are installed into an
environment of their own in ``--tools`` (default: ``prml/format-tools`` in the cache folder), about 2 GB, with
``--light`` (without Blender, OpenSim, Pose2Sim and holosoma) 0.7 GB; each runs in a process of its own, with one of the
programs in ``benchmarks/formats``. GMR is in no registry: a checkout goes into the folder ``GMR`` there, else its rules
are followed. Tools that are not there, or cannot be installed, are named as skipped, and the exit code is 1 only if a
check fails.

The motions: a walk of motion capture at 50 frames/s, the same at 60/1.001, on 17 joints, with a gap, and two people in
one file; files of 2D have what a camera sees of them. What counts as right is what ``prml.rig`` says of every bone, or
where the joints are in files of points: less than 1 mm (0.01 pixels) off in every frame, and the frame rate within
0.1 %. The rig's own distance from the joints is a law of its own (``tests/rig``).
"""

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from prml.camera import Camera, look_at
from prml.datasets.mocap import MocapSet, data_directory
from prml.io.bvh_flavours import as_lafan1, as_mixamo, as_rokoko
from prml.io.files import write_file
from prml.io.mot import coordinates
from prml.io.registry import get_format, save_file
from prml.io.trc import markers_of
from prml.pipeline.export import file_name, parts_of
from prml.provenance import commit, processor, versions
from prml.rig import RigMotion, to_rig
from prml.rig.rig import z_up
from prml.scene import Scene
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, COCO17, H36M17, OPENPOSE25

HERE = Path(__file__).parent / "formats"
MAX_MM, MAX_PX, MAX_RATE = 1.0, 0.01, 1e-3
LARGE = (
    *("bpy==4.5.15", "opensim==4.6", "lxml", "anytree", "matplotlib"),
    *("--no-deps pose2sim==0.10.49", "--no-deps holosoma-retargeting==0.1.0"),  # a detector's and a solver's packages
)
PYTHON = (
    *("usd-core==26.11", "bvhio==1.5.4", "pybvh==0.9.0", "pygltflib==1.16.5", "trimesh==5.2.0", "pycocotools==2.0.11"),
    *("pyomeca==2026.0.2", "trc-data-reader==0.4.1", "ezc3d==1.7.2", "c3d==0.6.0", "pandas", "pyarrow", "scipy"),
)
NODE = ("three@0.187.0", "@pixiv/three-vrm@3.5.5", "@pixiv/three-vrm-animation@3.5.5", "gltf-validator@2.0.0-dev.3.10")


@dataclass(frozen=True)
class Check:
    """A tool that reads a format.

    Attributes:
        tool: its name.
        program: file in ``benchmarks/formats``.
        formats: names of the formats that it reads.
        package: the modules or the npm package without which it cannot run; "" for none.
    """

    tool: str
    program: str
    formats: tuple[str, ...]
    package: str

    @property
    def large(self) -> bool:
        """Whether it needs Blender, OpenSim, Pose2Sim or holosoma, which are large."""
        return bool({"bpy", "opensim", "Pose2Sim", "holosoma_retargeting"} & set(self.package.split(", ")))


BVH = ("bvh", "bvh_mixamo", "bvh_rokoko", "bvh_lafan1")
TABLES = ("csv", "csv_long", "parquet", "parquet_long")
CHECKS = (
    Check("Blender", "blender.py", (*BVH, "glb", "usd"), "bpy"),
    Check("bvhio", "bvhio_reader.py", BVH, "bvhio"),
    Check("pybvh", "pybvh_reader.py", BVH, "pybvh"),
    Check("three.js BVHLoader", "three_bvh.mjs", BVH, "three"),
    Check("three.js GLTFLoader", "three_gltf.mjs", ("glb",), "three"),
    Check("Khronos validator", "validator.mjs", ("glb", "vrma"), "gltf-validator"),
    Check("pygltflib and trimesh", "gltf_readers.py", ("glb",), "trimesh"),
    Check("three-vrm-animation", "three_vrma.mjs", ("vrma",), "@pixiv/three-vrm-animation"),
    Check("usd-core", "usd_core.py", ("usd",), "pxr"),
    Check("OpenSim", "opensim_reader.py", ("trc", "mot"), "opensim"),
    Check("Pose2Sim kinematics", "pose2sim_kinematics.py", ("trc",), "lxml, opensim, Pose2Sim"),
    Check("pyomeca", "pyomeca_reader.py", ("trc", "c3d"), "pyomeca"),
    Check("trc-data-reader", "trc_reader.py", ("trc",), "trc"),
    Check("ezc3d", "ezc3d_reader.py", ("c3d",), "ezc3d"),
    Check("python-c3d", "c3d_reader.py", ("c3d",), "c3d"),
    Check("pandas", "pandas_reader.py", TABLES, "pandas, pyarrow"),
    Check("GMR", "gmr_reader.py", ("bvh_lafan1",), "scipy"),
    Check("holosoma", "holosoma_reader.py", ("holosoma",), "holosoma_retargeting"),
    Check("Pose2Sim's OpenPose JSON", "openpose_reader.py", ("openpose",), "Pose2Sim, anytree, pandas"),
    Check("pycocotools", "coco_reader.py", ("coco",), "pycocotools"),
)
_AS: dict[str, Callable[[RigMotion], RigMotion]] = {
    "bvh_mixamo": as_mixamo,
    "bvh_rokoko": as_rokoko,
    "bvh_lafan1": as_lafan1,
}
_ONE_PERSON = (*BVH, "vrma")
_POINTS = ("trc", "c3d", "holosoma", *TABLES)  # hold joints, not bones
_NO_FEET = "17 joints"


def motions(frames: int | None = None) -> dict[str, Scene]:
    """Return the motions that the formats are checked on, by name."""
    cmu = MocapSet.read(data_directory() / "cmu.npz")
    walk, climb = (cmu.sequence(int(np.flatnonzero(cmu.clip_name == name)[0]), BODY28) for name in ("07_06", "01_01"))
    walk = walk.take(slice(0, frames)).with_(has_person=None)
    gap = walk.joints_m.copy()
    gap[len(walk) // 3 : len(walk) // 2] = np.nan
    other = climb.take(slice(0, len(walk)))
    return {
        "walk": Scene.of(walk),
        "60/1.001 frames/s": Scene.of(walk.with_(fps=60 / 1.001, times_s=np.arange(len(walk)) * 1.001 / 60)),
        _NO_FEET: Scene.of(walk.to_skeleton(H36M17)),
        "a gap": Scene.of(walk.with_(joints_m=gap)),
        "two people": Scene((walk.with_(track_id=0), other.with_(track_id=1, joints_m=other.joints_m + [1.0, 0, 0]))),
    }


def seen(scene: Scene) -> Scene:
    """Return what a camera sees of people: OpenPose's 25 points, eyes between nose and ears."""
    R, t = look_at(np.array([6.0, 1.0, 1.5]), np.array([0.0, 0.0, 0.9]), 0.0)
    camera = Camera(1920, 1080, 1200.0, 1200.0, 960.0, 540.0, R_world_to_camera=R, t_m=t)
    return replace(scene, people=tuple(_seen(person, camera) for person in scene))


def _seen(person: PoseSequence, camera: Camera) -> PoseSequence:
    joints = dict(zip(BODY28.joints, np.moveaxis(np.asarray(person.joints_m, float), 1, 0), strict=True))
    joints |= {"Neck": joints["Thorax"], "Nose": joints["NoseTip"]}
    for side in "LR":
        joints[f"{side}BigToe"] = joints[f"{side}SmallToe"] = joints[f"{side}Toe"]
        joints[f"{side}Eye"] = (joints["NoseTip"] + joints[f"{side}Ear"]) / 2
    places = np.stack([joints[name] for name in OPENPOSE25.joints], axis=1)
    return PoseSequence(
        skeleton=OPENPOSE25,
        times_s=person.times_s,
        fps=person.fps,
        keypoints_px=camera.project(camera.to_camera(places)),
        confidence=np.where(np.isfinite(places).all(-1), 0.9, 0.0),
        track_id=person.track_id,
        image_size=(1920, 1080),
    )


def wanted(scene: Scene, name: str) -> dict[str, Any]:
    """Return what must be found in a file: rate, frames, and places of every person's bones in metres, Z up.

    Files of 2D have pixels instead.
    """
    if get_format(name).wants == "2d":
        people = [p.to_skeleton(COCO17) if name == "coco" else p for p in scene]
        return {"fps": scene.fps, "frames": len(scene.times_s), "people": [_pixels(person) for person in people]}
    if name == "mot":
        angles = {column: values.tolist() for column, values in coordinates(scene.prominent).items()}
        return {"fps": scene.fps, "frames": len(scene.times_s), "people": [angles]}
    if name in _POINTS:
        return {"fps": scene.fps, "frames": len(scene.times_s), "people": [_points(p, scene, name) for p in scene]}
    people = []
    for number, person in enumerate(scene):
        motion = _AS.get(name, lambda same: same)(to_rig(person)).regular()
        prefix = f"P{number + 1}_" if number and name == "glb" else ""
        places = z_up(motion.pose()[1])
        people.append({prefix + bone: places[:, k].tolist() for k, bone in enumerate(motion.rig.names)})
    return {"fps": scene.fps, "frames": len(next(iter(people[0].values()))), "people": people}


def _points(person: PoseSequence, scene: Scene, name: str) -> dict[str, Any]:
    """Return the places of a person's joints by their names in a file; NaN where they are not known."""
    names = {joint: joint for joint in person.skeleton.joints}
    if name == "trc":
        names = markers_of(person.skeleton)
    elif name == "holosoma":
        names = {
            f"{s}_{part}": s + part for s in "LR" for part in ("Hip", "Knee", "Ankle", "Shoulder", "Elbow", "Wrist")
        }
        names |= {"Pelvis": "Hip", "L_Foot": "LToe", "R_Foot": "RToe"}
    prefix = f"Person{person.track_id}:" if name == "c3d" and len(scene) > 1 else ""
    joints = np.asarray(person.joints_m, float)
    return {prefix + label: joints[:, person.skeleton.index(joint)].tolist() for label, joint in names.items()}


def _pixels(person: PoseSequence) -> dict[str, Any]:
    points = np.asarray(person.keypoints_px, float)
    return {joint: points[:, k].tolist() for k, joint in enumerate(person.skeleton.joints)}


@dataclass(frozen=True)
class Tools:
    """Where the tools are.

    Attributes:
        folder: has ``venv`` for Python and ``node_modules`` for node; either may lack.
    """

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter that has the tools."""
        return self.folder / "venv" / "bin" / "python"

    def lacking(self, check: Check) -> str:
        """Return why a check cannot run; "" if it can."""
        if check.program.endswith(".mjs"):
            if not shutil.which("node"):
                return "node is not installed"
            there = (self.folder / "node_modules" / check.package).is_dir()
        else:
            there = self.python.exists() and not self._run([self.python, "-c", f"import {check.package}"]).returncode
        return "" if there else f"{check.package} is not installed"

    def install(self, light: bool = False) -> Iterator[str]:
        """Install what is missing, ``light``: without what is large; yield a line about what cannot be.

        Other processes wait until it is done.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield from self._install(PYTHON if light else (*LARGE, *PYTHON))

    def _install(self, packages: tuple[str, ...]) -> Iterator[str]:
        if not self.python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(self.folder / "venv")], check=True)
        for package in packages:
            pip = [self.python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *package.split()]
            if (done := self._run(pip)).returncode:
                yield f"{package}: {(done.stderr.strip().splitlines() or ['pip failed'])[-1][:200]}"
        if not shutil.which("npm"):
            yield "npm is not installed"
        elif self._run(["npm", "install", "--no-audit", "--no-fund", "--silent", *NODE]).returncode:
            yield f"npm could not install {', '.join(NODE)}"

    def read(self, check: Check, file: Path, told: Path) -> dict[str, Any]:
        """Run a check; return what it prints, or an ``error``."""
        program = HERE / check.program
        if program.suffix == ".mjs":  # node looks for packages beside the program
            for helper in HERE.glob("*.mjs"):
                shutil.copy(helper, self.folder)
            words = ["node", self.folder / program.name]
        else:
            words = [self.python, program]
        done = self._run([*words, file, told])
        if done.returncode:
            return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1][:300]}
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return found

    def _run(self, words: list[Any]) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        return subprocess.run(
            list(map(str, words)), capture_output=True, text=True, cwd=self.folder, env=environment, timeout=900
        )


def verdict(found: dict[str, Any], fps: float) -> str:
    """Return "right", or what is not."""
    if "error" in found:
        return found["error"]
    wrong = []
    off = found.get("error_mm", 0)
    if off is None or not off < MAX_MM:  # NaN is null in the JSON of node
        wrong.append(f"{off} mm off")
    if not found.get("error_px", 0) < MAX_PX:
        wrong.append(f"{found['error_px']} pixels off")
    if abs(found.get("fps", fps) / fps - 1) > MAX_RATE:
        wrong.append(f"plays at {found['fps']:.5g} frames/s")
    wrong += [f"{found[kind]} {kind}" for kind in ("errors", "warnings") if found.get(kind)]
    return ", ".join(wrong) or "right"


def run(
    tools: Tools, only: set[str], frames: int | None = None, titles: tuple[str, ...] = ()
) -> Iterator[dict[str, Any]]:
    """Yield a row of results for every tool, format and motion; one for a tool that cannot run."""
    scenes = {title: scene for title, scene in motions(frames).items() if not titles or title in titles}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for check in CHECKS:
            formats = [
                f for f in check.formats if not only or only & {f, check.tool.lower(), check.program.split(".")[0]}
            ]
            if not formats:
                continue
            if reason := tools.lacking(check):
                yield {"tool": check.tool, "formats": formats, "verdict": f"skipped: {reason}"}
                continue
            for form in formats:
                for title, scene in scenes.items():
                    if not _holds(form, title, scene):
                        continue
                    chosen = get_format(form)
                    shown = seen(scene) if chosen.wants == "2d" else scene
                    held = parts_of(shown, chosen, "x")[0].scene  # the first file, if there is one of each stretch
                    file, told = folder / file_name(chosen, "x"), folder / "wanted.json"
                    save_file(held, file, form, overwrite=True)
                    told.write_text(json.dumps(wanted(held, form)))
                    found = tools.read(check, file, told)
                    row = {"tool": check.tool, "format": form, "motion": title}
                    yield row | found | {"verdict": verdict(found, scene.fps)}


def _holds(form: str, title: str, scene: Scene) -> bool:
    chosen = get_format(form)
    if title == _NO_FEET and (form == "holosoma" or chosen.wants == "2d"):
        return False  # needs feet
    return len(scene) == 1 or not (form in _ONE_PERSON or chosen.one_person)


def kept(file: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of an earlier run about tools and formats that this one did not check (``--only``)."""
    if not file.is_file():
        return []
    done = {(row["tool"], form) for row in rows for form in row.get("formats", [row.get("format")])}
    earlier = json.loads(file.read_text(encoding="utf-8"))
    rest = [row for row in earlier["checks"] if (row["tool"], row.get("format")) not in done]
    return [{"commit": earlier["commit"], **row} for row in rest]


def default_folder() -> Path:
    """Return where the tools are if nothing else is said."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "prml" / "format-tools"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--tools", type=Path, default=default_folder(), help="folder with the tools, made if it is not there"
    )
    parser.add_argument("--no-install", action="store_true", help="take the tools as they are")
    parser.add_argument("--light", action="store_true", help="do not install what is large")
    parser.add_argument("--only", default="", help="tools or formats, separated by commas")
    parser.add_argument("--frames", type=int, help="frames of each motion (default: all)")
    parser.add_argument("--json", type=Path, help="file for the results; rows of tools that are not checked are kept")
    given = parser.parse_args()
    tools = Tools(given.tools.resolve())
    if not given.no_install:
        for line in tools.install(given.light):
            print(f"not installed: {line}", flush=True)
    rows = []
    for row in run(tools, set(filter(None, given.only.lower().split(","))), given.frames):
        rows.append(row | {"commit": commit()})
        off = f"{row['error_mm']:.4f} mm" if "error_mm" in row else ""
        off = f"{row['error_px']:.4f} px" if "error_px" in row else off
        place = row.get("format", ", ".join(row.get("formats", ())))
        print(f"{row['tool']:<26}{place:<13}{row.get('motion', ''):<20}{off:>12}  {row['verdict']}", flush=True)
    failed = [row for row in rows if row["verdict"] != "right" and not row["verdict"].startswith("skipped")]
    print(f"{len(rows)} rows, {len(failed)} wrong")
    if given.json:
        record = {
            "commit": commit(),
            "versions": versions(),
            "processor": processor(),
            "limits": {"error_mm": MAX_MM, "error_px": MAX_PX, "rate": MAX_RATE},
            "checks": [*kept(given.json, rows), *rows],
        }
        write_file(given.json, json.dumps(record, indent=1, ensure_ascii=False) + "\n", overwrite=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
