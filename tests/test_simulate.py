"""The simulation command: what counts as met, and that the page's tables are those that it makes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.benchmarks import _table, simulate

PAGE = Path(__file__).resolve().parents[1] / "docs" / "simulations.md"


def row(measured: float, bar: object = 0.945, **fields: object) -> dict[str, object]:
    return {"claim": "c", "cell": f"at {measured}", "bar": bar, "measured": measured, "runs": 4000, **fields}


@pytest.mark.parametrize(
    ("bar", "measured", "met"),
    [
        (0.945, 0.95, True),
        (0.945, 0.9345, True),  # 3.1 standard errors of 4,000 runs are 0.0112
        (0.945, 0.9335, False),
        ("<= 0.05", 0.06, True),
        ("<= 0.05", 0.0615, False),
        ("< 0.1", 0.095, True),
        ("< 0.1", 0.1, False),
        ("0.77 to 0.86", 0.8, True),
        ("0.77 to 0.86", 0.9, False),
        ("0.77 to 0.86", 0.7, False),
    ],
)
def test_a_bar_is_met_within_chance(bar: object, measured: float, met: bool) -> None:
    fine = {0.945: 0.95, "0.77 to 0.86": 0.8}.get(bar, 0.05)  # type: ignore[call-overload]
    (claim,) = _table.claims([row(fine, bar), row(measured, bar)])

    assert claim.met is met


def test_the_table_names_the_cell_nearest_to_the_bar_and_says_what_is_not_met() -> None:
    claims = _table.claims([row(0.99), row(0.5, width=0.1), row(0.95)])

    assert [r["measured"] for r in claims[0].rows] == [0.5, 0.95, 0.99]
    assert _table.summary(claims).splitlines()[-1].endswith("| 0.500 | 0.950 | 0.990 | **no** |")
    assert _table.details(claims).splitlines()[2] == "| at 0.5 | 0.500 | 0.100 |"


def test_one_claim_has_one_bar() -> None:
    with pytest.raises(ValueError, match="one claim has one bar"):
        _table.claims([row(0.9), row(0.9, 0.9)])


@pytest.mark.parametrize("name", simulate.files())
def test_every_simulation_gives_rows_for_the_table(name: str) -> None:
    """Only that it has the function: what it gives is simulated for minutes, and in short in tests/statistics."""
    module = simulate._module(name)

    assert callable(module.rows)
    assert module.__doc__


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", simulate.files())
def test_every_bar_is_met_with_another_seed_than_the_pages(name: str) -> None:
    claims = _table.claims(simulate.simulated(name, runs=600, seed=1)[1])

    assert [(c.name, c.rows[0]["cell"], c.rows[0]["measured"]) for c in claims if not c.met] == []


def test_the_page_shows_every_bar_met() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = text[text.index("<!-- summary -->") : text.index("<!-- /summary -->")]

    assert len(re.findall(r"\| yes \|$", table, re.MULTILINE)) >= 5
    assert "**no**" not in table
    assert text.count("<!-- made -->") == text.count("<!-- details -->") == 1
