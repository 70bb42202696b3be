"""A model that was asked elsewhere, in a table of predictions: what it can say, and of which pictures it said it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from audit.errors import ModelError, SettingsError, nearest
from audit.probes import ProbeSet
from audit.runtimes import Answers
from audit.settings import ModelSettings, RunSettings, classes_or_assumed

_NAMED = 3  # pictures named in a note
_MOST_TYPED = 12  # classes written out in a message


def classes_and_notes(
    answers: Answers, said: ModelSettings, asked: RunSettings, probe: ProbeSet, model: Path
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes of the table `model`, and sentences about what it can't say.

    Raises SettingsError, ModelError, ProbeError, as the parts below do.
    """
    check_settings(answers, said, asked)
    strange = words_without_label(answers, said.classes, probe.labels)
    classes = classes_of(answers, said.classes, probe.labels, model)
    return classes, (*strange, *coverage(answers, probe, model))


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


def words_without_label(answers: Answers, stated: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    """A sentence about decisions that are taken for classes of their own, since no label is spelled like them.

    Raises ModelError where one is most likely a label, spelled otherwise: every such answer would count as wrong.
    """
    if stated or not labels:
        return ()
    own = {} if answers.complete else {word: count for word, count in answers.said.items() if word not in labels}
    folded = {label.casefold() for label in labels}
    columns = [name for name in answers.scored if name not in labels and name.casefold() in folded]
    for word in [*own, *columns]:
        hint = _misspelled(word, labels)
        if hint is not None:
            known = list(dict.fromkeys([*labels, *answers.classes]))
            named = f"--classes {','.join(known)}" if len(known) <= _MOST_TYPED else "so with --classes"
            raise ModelError(
                f"the table's {'decision' if word in own else 'column'} is no label of the probe set, but close to one",
                value=word,
                allowed=labels,
                where=answers.place(word),
                hint=f"{hint} Say {named} if it is a class of its own",
            )
    return tuple(_strange(own))


def _strange(decisions: Mapping[str, int]) -> Iterator[str]:
    listed = [f"{word} ({count:,})" for word, count in decisions.items()]
    more = f", … ({len(listed):,} in all)" if len(listed) > _MOST_TYPED else ""
    if listed:
        yield (
            f"Decisions that are no label of the probe set, and how often they occur: {', '.join(listed[:_MOST_TYPED])}"
            f"{more}. They are taken for classes that the probe set lacks; if they are none, every figure is wrong."
        )


def _misspelled(word: str, labels: Sequence[str]) -> str | None:
    """The labels that the word may stand for. Another number is another class (20-29 and 30-39), not a misspelling, and
    so is a word inside a word (male and female, man and woman)."""
    digits = re.sub(r"\D", "", word)
    alike = [label for label in labels if re.sub(r"\D", "", label) == digits and not _inside(word, label)]
    return nearest(word.strip(), alike)


def _inside(word: str, label: str) -> bool:
    short, long = sorted((word.strip().casefold(), label.casefold()), key=len)
    return len(long) - len(short) >= 2 and short in long


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
