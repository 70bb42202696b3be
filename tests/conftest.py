"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import threads


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For a module whose networks are of torch: `pytest.mark.usefixtures("one_thread")`."""
    with threads.one_thread():
        yield
