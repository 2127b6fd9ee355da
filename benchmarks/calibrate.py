"""Fit the temperature of a record's standard deviations on validation subjects; report their coverage on test subjects.

    python benchmarks/calibrate.py prml-s [--clips 40] [--write] [--json results/calibration-prml-s.json]

Clips of `cmu` and `ui_prmd` seen by the benchmark's four cameras with the measured errors of a detector, lifted as by
`prml lift`. `--write` puts the factors into the record's card; the weights and their hash stay.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from prml.evaluation.calibration import NORMAL, Ratios
from prml.evaluation.protocols.mocap_benchmark import benchmark_sequences
from prml.io.files import write_file
from prml.lifting.lifter import Lifter, LiftOptions
from prml.provenance import commit, processor, versions
from prml.sequence import PoseSequence
from prml.skeleton import skeleton
from prml.weights.record import find_record, load_record, read_card

SETS = ("cmu", "ui_prmd")


def lifted(lifter: Lifter, split: str, clips: int | None) -> Iterator[tuple[PoseSequence, PoseSequence]]:
    """Lifted sequences of a split and their truth."""
    joints = skeleton(lifter.card.skeleton)
    chosen = every_nth(split, clips)
    for number, truth in enumerate(benchmark_sequences(SETS, True, split=split, skeleton=joints)):
        if number % chosen == 0:
            yield lifter.lift(truth.with_(joints_m=None, truth=None), bridge=False), truth


def every_nth(split: str, clips: int | None) -> int:
    """The step that leaves about ``clips`` of the split's sequences, an odd one so that all cameras remain."""
    if clips is None:
        return 1
    from prml.datasets.mocap import load_sets

    count = 4 * sum(1 for mocap in load_sets(SETS, None) for _ in mocap.sequences(split))
    return max(1, round(count / clips)) | 1


def largest_miss(coverage: dict[str, dict[str, list[float]]]) -> float:
    """Largest distance of a share from a normal distribution's, in percentage points."""
    misses = [
        abs(share - wanted)
        for axes in coverage.values()
        for shares in axes.values()
        for share, wanted in zip(shares, NORMAL, strict=True)
    ]
    return round(100 * max(misses), 2)


def calibrate(name: str, clips: int | None) -> dict[str, Any]:
    """Fit on validation subjects, score on test subjects."""
    record = load_record(name)
    plain = replace(record, card=replace(record.card, temperature={}))
    lifter = Lifter(plain, LiftOptions(overlap=2))
    factors = Ratios.of(lifted(lifter, "val", clips)).temperature()
    test = Ratios.of(lifted(lifter, "test", clips))
    before, after = test.coverage(), test.coverage(factors)
    return {
        "weights": name,
        "sha256": record.card.sha256,
        "sequences": "all" if clips is None else f"about {clips} of each split",
        "temperature": factors,
        "test coverage before": before,
        "test coverage": after,
        "largest miss before, points": largest_miss(before),
        "largest miss, points": largest_miss(after),
        "commit": commit(),
        "versions": versions(),
        "processor": processor(),
    }


def main() -> None:
    """Parse and do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="bundled weights or a record's path")
    parser.add_argument("--clips", type=int, help="about so many sequences of each split; default all")
    parser.add_argument("--write", action="store_true", help="put the factors into the card")
    parser.add_argument("--json", type=Path, help="file for the figures, replaced")
    given = parser.parse_args()
    found = calibrate(given.name, given.clips)
    print(json.dumps({k: v for k, v in found.items() if k.startswith("largest") or k == "temperature"}, indent=1))
    if given.json:
        write_file(given.json, json.dumps(found, indent=1) + "\n", overwrite=True)
    if given.write:
        path = find_record(given.name)
        card = asdict(replace(read_card(path), temperature=found["temperature"]))
        write_file(path, yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=120), overwrite=True)


if __name__ == "__main__":
    main()
