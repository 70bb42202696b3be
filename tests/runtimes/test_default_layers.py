"""Which layers are looked at when nobody names any."""

from __future__ import annotations

import pytest

from audit.runtimes import Layer, default_layers


def layers(kinds: str) -> list[Layer]:
    """One layer a letter: r a ReLU after a convolution, c a bare convolution, t a map that no convolution makes, u one
    that nothing reads, v a vector, x out of reach."""
    return [
        Layer(
            name=f"{place}{letter}",
            kind={"c": "conv", "t": "gelu", "u": "gelu"}.get(letter, "relu"),
            shape=(8,) if letter == "v" else (8, 4, 4),
            depth=(place + 1) / len(kinds),
            convolution=letter in "rc",
            non_negative=letter != "c",
            reason="it stands in a branch" if letter == "x" else None,
            unread=letter == "u",
        )
        for place, letter in enumerate(kinds)
    ]


def chosen(kinds: str) -> str:
    return " ".join(layer.name for layer in default_layers(layers(kinds)))


def test_they_are_spread_evenly_over_the_depth() -> None:
    assert chosen("r" * 11) == "0r 2r 4r 6r 8r 10r"


def test_bare_convolutions_stand_back_where_there_are_enough_others() -> None:
    assert chosen("rc" * 6) == "0r 2r 4r 6r 8r 11c"
    assert chosen("crcrcrcrcrcr") == "1r 3r 5r 7r 9r 11r"


def test_bare_convolutions_are_taken_where_there_are_too_few_others() -> None:
    assert chosen("rccccr") == "0r 1c 2c 3c 4c 5r"
    assert chosen("c" * 11) == "0c 2c 4c 6c 8c 10c"


def test_the_spread_goes_by_depth_and_not_by_number() -> None:
    assert chosen("rrrccrccrccrccc") == "0r 2r 5r 8r 11r 14c"


@pytest.mark.parametrize("kinds", ["rrc", "rrrrrrrrrc", "rcrrrrcrrrrc", "rrrrrrrr", "rrrrrrrrrrrrcv", "c"])
def test_the_last_convolution_or_what_follows_it_is_always_among_them(kinds: str) -> None:
    last = max(place for place, letter in enumerate(kinds) if letter in "rc")

    assert chosen(kinds).endswith(f"{last}{kinds[last]}")


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("cttttttttttu", "1t 3t 5t 6t 8t 10t"),  # a vision transformer: one convolution, and its last block unread
        ("cttu", "0c 1t 2t"),
        ("rccrcccrcccrct", "0r 3r 5c 8c 10c 13t"),  # a dense network: a normalization and ReLU behind the last one
    ],
)
def test_what_goes_on_behind_the_last_convolution_is_looked_at(kinds: str, expected: str) -> None:
    assert chosen(kinds) == expected


def test_all_are_taken_of_a_few() -> None:
    assert chosen("rcr") == "0r 1c 2r"


def test_what_is_out_of_reach_is_never_taken_and_vectors_only_where_there_is_no_map() -> None:
    assert chosen("rxrv") == "0r 2r"
    assert chosen("xvxv") == "1v 3v"
    assert chosen("v" * 11) == "0v 2v 4v 6v 8v 10v"
    assert default_layers(layers("xx")) == ()


@pytest.mark.parametrize("count", [6, 7, 8, 12, 17, 40])
def test_six_are_taken_of_many(count: int) -> None:
    assert len(default_layers(layers("r" * count))) == 6
