"""A batch is measured while the network sees the next one; what comes out is as if it were done in turn."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from audit.engines import _look, _shard
from audit.engines.local import in_step


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was looked at and measured, in the order in which it began. A batch is a letter, "!" can't be looked at."""
    begun: list[str] = []

    def look(plan: Any, batch: str) -> str:
        if batch == "!":
            raise ValueError(batch)
        begun.append(f"look {batch}")
        return batch.upper()

    def shard_of(plan: Any, batch: str, seen: str) -> str:
        begun.append(f"measure {batch}")
        return seen

    monkeypatch.setattr(_look, "look", look)
    monkeypatch.setattr(_shard, "shard_of", shard_of)
    return begun


def test_shards_come_in_order_one_for_each_batch(calls: list[str]) -> None:
    assert list(in_step(None, "abc")) == ["A", "B", "C"]
    assert sorted(calls) == sorted(f"{what} {batch}" for batch in "abc" for what in ("look", "measure"))
    assert list(in_step(None, "")) == []


def test_what_has_been_seen_is_not_lost_when_the_network_fails_on_the_next(calls: list[str]) -> None:
    shards = in_step(None, "ab!c")

    assert [next(shards), next(shards)] == ["A", "B"]
    with pytest.raises(ValueError, match="!"):
        next(shards)
    assert "look c" not in calls


def test_an_error_in_measuring_is_told_and_nothing_follows(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(plan: Any, batch: str, seen: str) -> str:
        if batch == "b":
            raise KeyError(batch)
        return seen

    monkeypatch.setattr(_shard, "shard_of", fails)
    shards = in_step(None, "abcd")

    assert next(shards) == "A"
    with pytest.raises(KeyError, match="b"):
        next(shards)
    assert "look d" not in calls


def test_the_network_does_not_wait_for_the_measures(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    looked = {batch: threading.Event() for batch in "ab"}
    look = _look.look

    def told(plan: Any, batch: str) -> Any:
        looked[batch].set()
        return look(plan, batch)

    def waits(plan: Any, batch: str, seen: str) -> str:
        return seen if batch == "b" or looked["b"].wait(20) else "the second batch has not been looked at"

    monkeypatch.setattr(_look, "look", told)
    monkeypatch.setattr(_shard, "shard_of", waits)

    assert list(in_step(None, "ab")) == ["A", "B"]
    assert calls == ["look a", "look b"]


def test_a_pass_that_is_left_early_ends_its_thread(calls: list[str]) -> None:
    shards = in_step(None, "abc")
    next(shards)
    shards.close()

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("measure")]
    assert "look c" not in calls
