"""Messages say what, the value, what is allowed, where, and what to do."""

from __future__ import annotations

import pytest

from audit import errors
from audit.errors import AuditError, ExitStatus, MissingExtra, UsageError, nearest


def test_a_message_has_all_its_parts() -> None:
    error = UsageError(
        "unknown column", value="gendr", allowed=("gender", "race"), where="--label", hint="Did you mean gender?"
    )

    assert str(error) == "--label: unknown column, got 'gendr'. Allowed: gender, race. Did you mean gender?"


def test_a_long_value_and_a_long_list_are_cut() -> None:
    error = AuditError("too much", value="x" * 500, allowed=[f"n{i}" for i in range(40)])

    assert len(str(error)) < 300
    assert "(40 in all)" in str(error)


def test_control_characters_of_untrusted_names_never_reach_the_terminal() -> None:
    error = AuditError("bad", value="a\x1b[31mred\x07")

    assert "\x1b" not in str(error)


def test_every_error_ends_in_a_status_of_the_table() -> None:
    tree = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, AuditError)]

    assert {e.status for e in tree} <= set(ExitStatus)
    assert len(tree) >= 10


def test_a_missing_library_names_its_extra() -> None:
    assert "pip install 'bias-audit[torch]'" in str(MissingExtra("torch", "torch", "A TorchScript file"))


@pytest.mark.parametrize(
    ("typed", "hint"), [("gendr", "Did you mean gender?"), ("zzz", None), ("GENDER", "Did you mean gender?")]
)
def test_nearest(typed: str, hint: str | None) -> None:
    assert nearest(typed, ["gender", "race"]) == hint
