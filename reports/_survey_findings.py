"""What to know about a probe set, in sentences: errors of the set first, then what it can't show, then what to mind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from audit.result import Attributes, attribute_name
from reports import _numbers as numbers
from reports._document import Finding
from reports._findings import findings as record_findings
from reports._reading import Reading
from reports._survey_words import (
    KINDS_OF_COPIES,
    RATE,
    assumed,
    at_rate,
    conflict_lines,
    copy_line,
    gap_text,
    round_percent,
    round_points,
    tie_line,
)
from reports._wording import attribute_title, group_phrase, joined, shown

if TYPE_CHECKING:
    from audit.survey import Association, Survey

MOST = 4  # examples beneath a sentence
STRONG = 0.1  # Cramér's V from which two columns are said to hang together
_TWO_PEOPLE = (
    "A copy under another name counts as another person: intervals come out too narrow, and one mistake of a model "
    "counts twice."
)


def survey_findings(survey: Survey) -> tuple[Finding, ...]:
    """What is wrong with the set, what it can't show, then what to mind."""
    return (
        *_copies(survey),
        *_conflicts(survey),
        *_reach(survey),
        *_empty(survey),
        *_thin(survey),
        *_unreadable(survey),
        *_ties(survey),
        *record_findings(Reading(survey.result)),
        *_missing(survey),
    )


def _copies(survey: Survey) -> Iterator[Finding]:
    found, label = survey.copies, str(survey.result.probe["label"])
    wrong = [s for s in found.listed if "subject" in s.differs or "label" in s.differs]
    if found.contradicting:
        many = "is one picture" if found.contradicting == 1 else f"are {found.contradicting:,} pictures"
        times = numbers.plural(found.images_contradicting, "row")
        yield Finding(
            topic="Copies that contradict each other",
            level="clear",
            sentence=f"There {many} in the set more than once under different people or labels ({times}): "
            f"{'one of its rows is' if found.contradicting == 1 else 'at least one row of each is'} wrong.",
            details=(
                *([_TWO_PEOPLE] if any("subject" in s.differs for s in wrong) else []),
                *(copy_line(s, label) for s in wrong[:MOST]),
                *_more(found.contradicting - MOST, "set"),
            ),
        )
    extra = sum(found.extra.values())
    rest = sum(found.sets.values()) - found.contradicting
    if rest:
        kinds = joined([f"{numbers.plural(n, 'set')} of {KINDS_OF_COPIES[k]}" for k, n in found.sets.items()])
        yield Finding(
            topic="Copies",
            level="caution",
            sentence=f"In all, {numbers.plural(extra, 'picture')} {'repeats' if extra == 1 else 'repeat'} another one "
            f"({kinds}).",
            details=(
                "What is there twice weighs double.",
                *[copy_line(s, label) for s in found.listed if s not in wrong][:MOST],
            ),
        )
    if not found.sets:
        yield Finding(topic="Copies", level="none", sentence="No picture was found to be in the set twice.")


def _conflicts(survey: Survey) -> Iterator[Finding]:
    for found in survey.conflicts:
        have = "has" if found.several == 1 else "have"
        yield Finding(
            topic=f"Subjects with several values of {attribute_title(found.column)}",
            level="clear" if found.role == "label" else "caution",
            sentence=f"{found.several:,} of {numbers.plural(found.subjects, 'subject')} with several pictures {have} "
            f"more than one {attribute_title(found.column)}.",
            details=(
                "The others have one. Where this stays with a person, a row or a subject is wrong.",
                *conflict_lines(found)[:MOST],
                *_more(found.several - MOST, "subject"),
            ),
        )


def _reach(survey: Survey) -> Iterator[Finding]:
    rows = at_rate(survey)
    fewest = Reading(survey.result).fewest
    topic = "What this set can find"
    if not rows:
        yield Finding(
            topic=topic,
            level="clear",
            sentence=f"Nothing can be compared: no column has two groups of at least {fewest} subjects.",
        )
        return
    blind = [r for r in rows if r.worst_gap is None or r.worst_gap > r.points]
    points = round_points(rows[0].points)
    told = "; ".join(f"{attribute_title(r.attribute)}: {gap_text(r.worst_gap)}" for r in rows)
    lead = f"Where {round_percent(RATE)} are wrong in one group"
    if not blind:
        sentence = f"{lead}, a gap of {points} points is found four times in five, between any two groups."
    elif len(blind) == len(rows):
        sentence = f"{lead}, no gap of {points} points is sure to be found: the set is too small for that."
    else:
        names = joined([attribute_title(r.attribute) for r in blind])
        sentence = f"{lead}, a gap of {points} points can be missed between groups of {names}."
    most = max(blind or rows, key=lambda r: r.to_find)
    needed = (
        f"To find {points} points by {attribute_title(most.attribute)} takes {most.to_find:,} subjects in each group "
        f"(the smallest has {most.fewest:,}); {most.to_pass:,} to show that there is no such gap."
    )
    yield Finding(
        topic=topic,
        level="caution" if blind else "none",
        sentence=sentence,
        details=(
            f"Smallest gap that is found four times in five, for the worst pair of groups{assumed(survey)}: {told}.",
            needed,
        ),
    )


def _empty(survey: Survey) -> Iterator[Finding]:
    label = str(survey.result.probe.get("label", ""))
    for found in survey.crossings:
        if found.empty:
            named = [group_phrase(a, label) for a in found.listed[:MOST]]
            be = "is" if found.empty == 1 else "are"
            yield Finding(
                topic=f"Empty cells of {attribute_title(found.attribute)}",
                level="caution",
                sentence=f"{found.empty:,} of the {found.cells:,} combinations of {attribute_title(found.attribute)} "
                f"{be} empty: an audit can say nothing about them.",
                details=(f"Nobody: {'; '.join(named)}{_and_more(found.empty - MOST)}.",),
            )


def _thin(survey: Survey) -> Iterator[Finding]:
    reading = Reading(survey.result)
    thin: dict[str, list[Attributes]] = {}
    for cell in survey.result.probe["cells"]:
        attributes = cell["attributes"]
        if None not in attributes.values() and cell["subjects"] < reading.fewest:
            thin.setdefault(attribute_name(attributes), []).append(attributes)
    if not thin:
        return
    yield Finding(
        topic="Small groups",
        level="caution",
        sentence=f"{numbers.plural(sum(map(len, thin.values())), 'group')} with fewer than {reading.fewest} subjects: "
        "shown by an audit, never judged, and in no gap.",
        details=tuple(
            f"{attribute_title(name)}: {'; '.join(group_phrase(a, reading.label) for a in groups[:MOST])}"
            f"{_and_more(len(groups) - MOST)}."
            for name, groups in list(thin.items())[:MOST]
        ),
    )


def _unreadable(survey: Survey) -> Iterator[Finding]:
    count = int(survey.result.probe.get("unreadable", 0))
    if count:
        yield Finding(
            topic="Unreadable pictures",
            level="caution",
            sentence=f"{numbers.plural(count, 'picture')} can't be read.",
            details=(
                *(f"{shown(u.path, 80)}: {shown(u.reason, 120)}." for u in survey.unreadable[:MOST]),
                *_more(count - MOST, "picture"),
            ),
        )


def strong(survey: Survey) -> list[Association]:
    """Columns that hang together by more than chance and more than a little, strongest first."""
    alpha = Reading(survey.result).alpha
    found = [a for a in survey.associations if a.p_adjusted is not None and a.p_adjusted < alpha]
    return sorted((a for a in found if a.v is not None and a.v >= STRONG), key=lambda a: -(a.v or 0.0))


def _ties(survey: Survey) -> Iterator[Finding]:
    """What goes together with the label, then what else hangs together."""
    label = str(survey.result.probe.get("label", ""))
    found = strong(survey)
    own = [a for a in found if a.first == label]
    others = [a for a in found if a.first != label]
    if own:
        names = joined([attribute_title(a.second) for a in own[:MOST]])
        yield _tied(
            survey,
            own,
            f"The label {attribute_title(label)} goes together with {names}: a difference by one may be one by the "
            "other.",
        )
    if others:
        names = joined([f"{attribute_title(a.first)} with {attribute_title(a.second)}" for a in others[:MOST]])
        which = f"{'Other' if own else 'Some'} columns go together ({names})"
        yield _tied(survey, others, f"{which}: a difference by one may be one by the other.")


def _tied(survey: Survey, found: Sequence[Association], sentence: str) -> Finding:
    return Finding(
        topic="Columns that hang together",
        level="caution",
        sentence=sentence,
        details=(*(tie_line(a, survey) for a in found[:MOST]), *_more(len(found) - MOST, "pair")),
    )


def _missing(survey: Survey) -> Iterator[Finding]:
    if survey.missing:
        total = int(survey.result.probe.get("images", 0))
        told = joined([f"{shown(m.column)} of {m.images:,}" for m in survey.missing])
        yield Finding(
            topic="Not stated",
            level="caution",
            sentence=f"Of {numbers.plural(total, 'image')}, not stated: {told}.",
            details=("They form a group of their own, which takes part in no gap.",),
        )


def _more(count: int, what: str) -> Iterator[str]:
    if count > 0:
        yield f"And {numbers.plural(count, f'more {what}', f'more {what}s')}."


def _and_more(count: int) -> str:
    return f"; and {count:,} more" if count > 0 else ""
