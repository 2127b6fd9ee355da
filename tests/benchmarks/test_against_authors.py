"""The record of the authors' figures beside ours: every row near or with its reason, the page as the record says."""

import json
from pathlib import Path

import against_authors
import pytest

ROOT = Path(__file__).parents[2]
RECORD = json.loads((ROOT / "results" / "authors.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", RECORD["rows"], ids=lambda r: f"{r['network']}-{r['protocol']}-{r['metric']}")
def test_every_row_is_near_or_says_why_not(row):
    assert row["difference"] == pytest.approx(row["ours"] - row["authors"], abs=1e-9)
    assert abs(row["difference"]) < against_authors.NEAR_MM or row["reason"]
    assert len(row["commit"]) == 40


def test_every_repository_has_rows_and_the_page_shows_them():
    cases = {(case.network, case.protocol) for case in against_authors.CASES}
    assert {(row["network"], row["protocol"]) for row in RECORD["rows"]} <= cases
    assert {row["repository"] for row in RECORD["rows"]} == {case.repository for case in against_authors.CASES}
    page = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
    between = page.split(against_authors.BEGIN)[1].split(against_authors.END)[0]
    assert between.strip() == against_authors.table(RECORD["rows"])


def test_made_up_rows_go_into_a_page_and_nothing_else_changes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{against_authors.BEGIN}\nold\n{against_authors.END}\nafter\n", encoding="utf-8")
    row = {**RECORD["rows"][0], "reason": "for a reason", "difference": 0.5}
    against_authors.write_into(page, against_authors.table([row]))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "+5.0e-01: for a reason" in text
    assert "old" not in text
