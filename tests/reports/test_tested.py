"""What was tested: the record's blocks in words."""

from __future__ import annotations

from reports._tested import flat


def test_a_block_within_a_block_says_what_belongs_to_what() -> None:
    rows = dict(flat({"input": {"mean": [1, 2, 3], "fit": "squash", "channel_order": None}, "sha256": "ab"}))

    assert rows == {"Fed with": "mean: 1, 2, 3; fit: squash", "SHA-256": "ab"}
