"""A model that was asked elsewhere, in a table of predictions: what it can say, and of which pictures it said it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from audit.errors import ModelError, SettingsError
from audit.probes import ProbeSet
from audit.runtimes import Answers
from audit.settings import ModelSettings, RunSettings, classes_or_assumed

_NAMED = 3  # pictures named in a note


def classes_of(answers: Answers, stated: Sequence[str], labels: Sequence[str], model: Path) -> tuple[str, ...]:
    """The classes: those stated, else the table's own, and the labels too where it may have more.

    Raises:
        ProbeError: the probe set holds a label that the table can't say.
        ModelError: there is one class only.
    """
    known = answers.classes if answers.complete else tuple(sorted({*answers.classes, *labels}))
    classes, _ = classes_or_assumed(stated or known, labels, len(stated or known))
    if len(classes) < 2:
        raise ModelError(
            "decisions and labels name one class only, so nothing is told apart",
            value=", ".join(classes),
            where=model,
            hint="Name all classes with --classes",
        )
    return classes


def check_settings(answers: Answers, said: ModelSettings, asked: RunSettings) -> None:
    """Raises SettingsError: something was asked for that would change nothing, so figures would be misread."""
    if asked.preprocess is not None:
        raise SettingsError(
            "a table of predictions is fed no pictures",
            value=asked.preprocess,
            where="--preprocess",
            hint="Leave it out",
        )
    unmoved = {"--threshold": said.threshold != 0.5, "--abstain-below": said.abstain_below != 0}
    for flag, moved in unmoved.items():
        if moved and answers.decided:
            raise SettingsError(
                "the table's column `decision` stands, so this would change nothing",
                where=flag,
                hint="Leave it out, or take the column out so that decisions are made from the probabilities",
            )


def coverage(answers: Answers, probe: ProbeSet, model: Path) -> tuple[str, ...]:
    """Sentences about pictures that only one of the two knows. Raises ModelError where they share none."""
    own = list(probe.table["path"])
    missing = [path for path in own if path not in answers.paths]
    if len(missing) == len(own):
        raise ModelError(
            "the table of predictions names none of the probe set's pictures; its first is "
            f"{next(iter(answers.paths))}, the probe set's first is {own[0]}",
            where=model,
            hint="Write paths relative to the probe folder, as its manifest does",
        )
    return tuple(_sentences(missing, own, answers, sampled=probe.sampled))


def _sentences(missing: list[str], own: list[str], answers: Answers, *, sampled: bool) -> Iterator[str]:
    yield (
        "What was audited is a table of predictions, taken at its word: nothing inside the model could be seen, and "
        "how it was fed is not known."
    )
    if missing:
        yield (
            f"The table holds no prediction for {len(missing):,} of {len(own):,} pictures ({_first(missing)}): they "
            "count as pictures without an answer."
        )
    known = set(own)
    strangers = [path for path in answers.paths if path not in known]
    if strangers and not sampled:  # of a sample, most of a table's pictures are strangers
        pictures = "1 picture" if len(strangers) == 1 else f"{len(strangers):,} pictures"
        yield f"The table names {pictures} that the probe set lacks ({_first(strangers)}): left aside."


def _first(paths: Iterable[str]) -> str:
    listed = list(paths)
    return ", ".join(listed[:_NAMED]) + (", …" if len(listed) > _NAMED else "")
