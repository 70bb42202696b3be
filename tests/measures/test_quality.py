from __future__ import annotations

import numpy as np
import pytest

from audit.measures import QUALITY, plan
from tests.support.observed import context, seen, values


@pytest.mark.parametrize("name", QUALITY)
def test_each_is_what_was_seen_when_the_picture_was_decoded(name: str) -> None:
    observed = seen(quality={n: np.array([i, 10.0 + i]) for i, n in enumerate(QUALITY)})

    assert values(context(), observed, name) == [QUALITY.index(name), 10.0 + QUALITY.index(name)]


def test_titles_say_that_it_is_the_picture_and_not_the_model() -> None:
    titles = [m.title for m in plan(context())[0] if m.family == "quality"]

    assert titles == [
        "Brightness of the picture", "Contrast of the picture", "Sharpness of the picture", "Size of the picture"
    ]  # fmt: skip
