"""Bundle the best weights of a training run with the package, with scores and provenance.

    python benchmarks/bundle_weights.py RUN NAME --command "prml fit configs/mocap/prml-s.yaml" --notes "..."
    prml evaluate --weights NAME --protocol mocap-noisy --json results/NAME-mocap-noisy.json     (and the others)
    python benchmarks/bundle_weights.py RUN NAME --scores     # copy the scores of results/NAME-*.json into the card

Weights are stored as float16 (half the size); scores are those of the stored weights.
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import yaml

from prml.evaluation.result import read_result
from prml.weights.record import load_record, read_card, save_record

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "src" / "prml" / "weights"
METRICS = ("mpjpe", "p_mpjpe", "velocity", "x", "y", "z")


def bundle(run: Path, name: str, command: str, notes: str) -> Path:
    """Store the run's record under ``name`` without scores; return the path of the card."""
    record = load_record(run)
    training = {**record.card.training, "command": command, "validation_mm": record.card.scores.get("validation", {})}
    card = replace(record.card, name=name, training=training, scores={}, notes=notes)
    return save_record(FOLDER, card, record.network, record.uncertainty, half=True)


def fill_scores(name: str) -> None:
    """Copy scores into the card from the result files of exactly these weights."""
    path = FOLDER / f"{name}.yaml"
    card = read_card(path)
    scores = {}
    for file in sorted((ROOT / "results").glob(f"{name}-*.json")):
        result = read_result(file)
        if result.weights["sha256"] != card.sha256:
            raise SystemExit(f"{file.name} scores other weights; run prml evaluate again")
        scores[str(result.protocol["name"])] = {k: round(result.scores[k], 2) for k in METRICS if k in result.scores}
    text = yaml.safe_dump(asdict(replace(card, scores=scores)), sort_keys=False, allow_unicode=True, width=120)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Parse arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--command", default="")
    parser.add_argument("--notes", default="", help="what users should know about these weights")
    parser.add_argument("--scores", action="store_true")
    options = parser.parse_args()
    if options.scores:
        fill_scores(options.name)
    else:
        bundle(options.run, options.name, options.command, options.notes)


if __name__ == "__main__":
    main()
