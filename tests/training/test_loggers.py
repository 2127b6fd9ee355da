"""Where a run writes its figures: services that the configuration names, and what happens without them."""

import csv

import pytest
from lightning.pytorch.loggers import CSVLogger

from prml.errors import PrmlError
from prml.training import loggers
from prml.training.config import FitConfig, RunConfig, record_of


def tracked(*names: str) -> FitConfig:
    return FitConfig(run=RunConfig(track=list(names), project="desk"))


def test_a_service_without_its_package_is_refused_before_the_run(monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda _: None)
    with pytest.raises(PrmlError, match=r"run\.track wandb needs its package: pip install 'prml-pose\[wandb\]'"):
        loggers.check_trackers(tracked("wandb"))
    loggers.check_trackers(FitConfig())


def test_a_service_gets_the_configuration_and_the_figures(monkeypatch, tmp_path):
    monkeypatch.setattr(loggers, "check_trackers", lambda _: None)
    fake = {"wandb": lambda config, out: CSVLogger(out, name=config.run.project, version=out.name)}
    monkeypatch.setattr(loggers, "_TRACKERS", fake)
    *_, found = loggers.loggers(tracked("wandb"), tmp_path / "run", resumed=False)
    found.log_metrics({"train/loss": 0.5}, 1)
    found.save()
    folder = tmp_path / "run" / "desk" / "run"
    assert "kind: mocap" in (folder / "hparams.yaml").read_text()
    assert next(csv.DictReader((folder / "metrics.csv").open()))["train/loss"] == "0.5"


def test_a_service_that_does_not_start_is_one_line(monkeypatch, tmp_path):
    def broken(config, out):
        raise RuntimeError("no login\nrun wandb login")

    monkeypatch.setattr(loggers, "check_trackers", lambda _: None)
    monkeypatch.setattr(loggers, "_TRACKERS", {"mlflow": broken})
    with pytest.raises(PrmlError, match=r"run\.track mlflow does not start: no login .*; leave it out") as caught:
        loggers.loggers(tracked("mlflow"), tmp_path, resumed=False)
    assert "\n" not in str(caught.value)


def test_where_a_run_is_logged_is_no_part_of_its_result():
    assert record_of(FitConfig()) == {**record_of(tracked()), "run": record_of(FitConfig())["run"]}
    assert "track" not in record_of(FitConfig())["run"]
