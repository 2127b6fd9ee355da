"""A protocol and a metric from another package work like our own, without any change here."""

import json

import pytest

from fixtures.made_up import given, moving
from fixtures.outside import outside_package
from prml.cli import main
from prml.errors import PrmlError
from prml.evaluation import protocols
from prml.evaluation.run import evaluate
from prml.evaluation.scoring import metric

CODE = """
from dataclasses import replace

from prml.evaluation import metrics, protocols
from prml.evaluation.scoring import Metric

WORST = Metric("Worst", "mm", lambda s: metrics.joint_errors(*s.chosen()).amax(-1), "the joint furthest off")
PROTOCOL = replace(protocols.get("mocap-gt"), name="mocap-worst", metrics=("mpjpe", "worst"))
BROKEN = 3
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    points = {
        "prml.metrics": {"worst": "WORST"},
        "prml.protocols": {"mocap-worst": "PROTOCOL", "broken": "BROKEN", "absent": "NOWHERE"},
    }
    outside_package(monkeypatch, tmp_path, CODE, points)


@pytest.mark.usefixtures("installed")
def test_a_protocol_and_a_metric_from_outside_score(capsys):
    clip = moving(3, 12)
    target = clip.joints_m - clip.joints_m[:, :1]
    off = target.copy()
    off[:, 5, 0] += 0.034
    rules = protocols.get("mocap-worst").with_(source=given(clip).source)
    found = evaluate(lambda _: off, rules).scores.overall
    assert found["worst"] == pytest.approx(34.0, abs=1e-3)
    assert found["mpjpe"] == pytest.approx(2.0, abs=1e-3)
    assert metric("worst").unit == "mm"
    assert "mocap-worst" in protocols.names()
    assert main(["protocols", "mocap-worst", "--json"]) == 0
    assert "mocap-worst" in json.dumps(json.loads(capsys.readouterr().out))


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "message"), [("broken", "expected EvaluationProtocol, got int"), ("absent", "cannot be imported")]
)
def test_what_is_wrong_with_a_package_is_one_line_that_names_it(name, message):
    with pytest.raises(PrmlError, match=f"outside-prml.*{message}"):
        protocols.get(name)


def test_without_the_package_they_are_unknown():
    with pytest.raises(PrmlError, match="unknown protocol 'mocap-worst'"):
        protocols.get("mocap-worst")
    with pytest.raises(PrmlError, match="unknown metric 'worst'; known are mpjpe"):
        metric("worst")
