"""A measurement as tidy pandas tables."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from audit.errors import UsageError
from tests.support import results

FACES = results.faces()


def test_by_group_is_indexed_by_the_attributes_values() -> None:
    table = FACES["wrong_label_rate"].by_group("gender*race")

    assert table.index.names == ["gender", "race"]
    assert table.loc[("female", "black"), "value"] == pytest.approx(35 / 180)
    assert ("female", "not stated") in table.index


def test_disparities_are_one_row_an_attribute_and_kind_with_groups_by_name() -> None:
    table = FACES["wrong_label_rate"].disparities()
    row = table[(table["attribute"] == "gender*race") & (table["kind"] == "difference")].iloc[0]

    assert list(table["kind"][:4]) == ["difference", "ratio", "max_geomean", "gini"]
    assert (row["worst"], row["best"], row["left_out"]) == ("female*black", "male*black", ["male*indian"])
    assert 0 < row["p_value"] < row["p_adjusted"] < 0.05


FOCUS = {"cam": "cam", "target": "predicted", "decisions": "all"}


def test_one_variant_of_a_measure_is_picked_by_some_of_its_parameters_and_says_which_it_is() -> None:
    found = {
        (region, decisions): results.measurement(
            "relevance_mass", {("female",): results.Seen(40, 0.2), ("male",): results.Seen(40, 0.4)}, ("gender",)
        )
        for region in ("face", "mouth")
        for decisions in ("all", "wrong")
    }
    rows = tuple(
        dataclasses.replace(m, parameters={**FOCUS, "region": region, "decisions": decisions})
        for (region, decisions), m in found.items()
    )
    result = dataclasses.replace(FACES, measurements=rows)
    mouth = result["relevance_mass", {"region": "mouth"}]

    assert mouth.measurement is rows[2]
    assert result["relevance_mass"].measurement is rows[0]
    assert result["relevance_mass", {"decisions": "wrong", "region": "mouth"}].measurement is rows[3]
    assert repr(mouth).startswith("<relevance_mass[cam=cam,decisions=all,region=mouth,target=predicted]: 0.3 (")
    assert repr(mouth).endswith("), n=80, subjects=79>")
    with pytest.raises(UsageError, match=r"got 'region=mout'. Allowed: face, mouth. Did you mean mouth"):
        result["relevance_mass", {"region": "mout"}]
    with pytest.raises(UsageError, match="no such variant, got 'layer=x'"):
        result["relevance_mass", {"layer": "x"}]
    with pytest.raises(UsageError, match="no such measure"):
        result["relevance_mas", {"region": "mouth"}]
    one_less = dataclasses.replace(FACES, measurements=rows[:3])
    with pytest.raises(UsageError, match="no variant with all of these"):
        one_less["relevance_mass", {"decisions": "wrong", "region": "mouth"}]


def test_kinds_of_one_attribute_share_their_p() -> None:
    table = FACES["wrong_label_rate"].disparities("race")

    assert (set(table["attribute"]), table["p_value"].nunique(), len(table)) == ({"race"}, 1, 4)


def test_pairs_are_one_row_each_with_labels_that_find_the_group() -> None:
    measured = FACES["wrong_label_rate"]
    table = measured.pairs("gender*race")
    row = table[(table["first"] == "female*black") & (table["second"] == "male*black")].iloc[0]
    values = measured.by_group("gender*race")["value"]

    assert len(table) == 6 * 5 / 2
    assert row["difference"] == pytest.approx(values["female", "black"] - values["male", "black"])
    assert row["difference_low"] < row["difference"] < row["difference_high"]


def test_groups_can_be_sought_in_a_table_of_pairs() -> None:
    table = FACES["wrong_label_rate"].pairs("race")

    assert list(table.columns[:2]) == ["first", "second"]
    assert all(isinstance(name, str) for name in (*table["first"], *table["second"]))


@pytest.mark.parametrize("ask", ["by_group", "pairs", "disparities"])
def test_an_attribute_that_is_not_there_is_named_with_the_nearest(ask: str) -> None:
    with pytest.raises(UsageError, match=r"no such attribute.*'rase'.*race.*Did you mean") as caught:
        getattr(FACES["wrong_label_rate"], ask)("rase")

    assert "gender*race" in str(caught.value)


def test_a_measurement_without_groups_has_empty_tables_with_their_columns() -> None:
    table = results.bare()["wrong_label_rate"].disparities()

    assert (len(table), "p_adjusted" in table.columns) == (0, True)


def test_tables_are_written_and_read_as_they_are() -> None:
    table = FACES["wrong_label_rate"].pairs("race")

    assert isinstance(table, pd.DataFrame)
    assert not table.isna().any(axis=None)
