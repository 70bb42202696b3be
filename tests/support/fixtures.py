"""What a plug-in brings to the tests of its contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import pytest

T = TypeVar("T")


def fixture_of(name: str, fixtures: Mapping[str, T], *, kind: str, add: str) -> T:
    """The fixture of one plug-in. A plug-in without one fails, with what to add and where.

    Args:
        name: what the plug-in is registered as.
        fixtures: those there are, by name.
        kind: what a plug-in is called.
        add: what is wanted under its name, and where.
    """
    if name not in fixtures:
        pytest.fail(f"The {kind} {name!r} has no fixture for the tests of its contract: add {add}.", pytrace=False)
    return fixtures[name]
