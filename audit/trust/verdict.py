"""What came out, by rules that fit in a sentence each. Every check is supported, not supported or inconclusive.

* Randomization, at the network with all weights drawn anew: **not supported** where the whole interval of the likeness
  (the mean size of the rank correlation) lies above 0.5 (the map stays much as it was, or is turned round),
  **supported** where it lies below, else inconclusive.
* Deletion and insertion: **not supported** where the whole interval of the difference to a random order lies below 0.02
  (two percentage points of probability, on average over the curve: no gain worth the name, as in a network that has
  learned nothing), else **supported** where all of it lies above 0, else inconclusive.
* The map: **not supported** where randomization is not, or deletion and insertion both are not; **supported** where
  randomization is and deletion or insertion, too; else inconclusive.

The bounds 0.5 and 0.02 are our own: the sources draw curves and leave the judgment to the eye.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.result import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED, Estimate, Trust, TrustCheck, TrustLevel

if TYPE_CHECKING:
    from audit.trust.deletion import Parts

SIMILAR = 0.5
GAIN = 0.02


def judged(against: tuple[TrustLevel, ...] | str, parts: Parts, *, cam: str, images: int, cells: int) -> Trust:
    """The block of the record. `against` is a reason where the weights could not be changed."""
    if isinstance(against, str):
        first = TrustCheck(name="randomization", state=INCONCLUSIVE, estimate=None, reason=against)
    else:
        first = _randomization(against[-1])
    deletion = TrustCheck(name="deletion", state=order_state(parts.deletion), estimate=parts.deletion)
    insertion = TrustCheck(name="insertion", state=order_state(parts.insertion), estimate=parts.insertion)
    state, because = together(first.state, deletion.state, insertion.state)
    return Trust(
        state=state,
        because=because,
        cam=cam,
        target="predicted",
        images=images,
        subjects=parts.deletion.subjects,
        cells=cells,
        checks=(first, deletion, insertion),
        levels=() if isinstance(against, str) else against,
        curves=parts.curves,
    )


def _randomization(last: TrustLevel) -> TrustCheck:
    if last.likeness.value is None:
        nothing = "with its weights drawn anew the network gives no map that could be compared"
        return TrustCheck(name="randomization", state=INCONCLUSIVE, estimate=None, reason=nothing)
    return TrustCheck(name="randomization", state=randomization_state(last.likeness), estimate=last.likeness)


def randomization_state(likeness: Estimate) -> str:
    """Of the mean size of the rank correlation with the map of the network that has learned nothing."""
    if likeness.low is None or likeness.high is None:
        return INCONCLUSIVE
    if likeness.low > SIMILAR:
        return NOT_SUPPORTED
    return SUPPORTED if likeness.high < SIMILAR else INCONCLUSIVE


def order_state(gain: Estimate) -> str:
    """Of the area between the map's curve and that of a random order, positive where the map knows better."""
    if gain.low is None or gain.high is None:
        return INCONCLUSIVE
    if gain.high < GAIN:
        return NOT_SUPPORTED
    return SUPPORTED if gain.low > 0 else INCONCLUSIVE


def together(randomization: str, deletion: str, insertion: str) -> tuple[str, str]:
    """State of the map, and why, as a clause."""
    orders = (deletion, insertion)
    if randomization == NOT_SUPPORTED:
        return (
            NOT_SUPPORTED,
            "it stays much the same, or is only turned round, when all that the network has learned is wiped out",
        )
    if orders == (NOT_SUPPORTED, NOT_SUPPORTED):
        return NOT_SUPPORTED, "what it points at matters no more to the answer than places drawn by chance"
    if randomization == SUPPORTED and SUPPORTED in orders:
        other = next((state for state in orders if state != SUPPORTED), None)
        said = "" if other is None else f", by one of two tests; the other is {other}"
        return SUPPORTED, (
            "it changes when what the network has learned is wiped out, and what it points at matters more to the "
            f"answer than places drawn by chance{said}"
        )
    if randomization != SUPPORTED:
        return INCONCLUSIVE, "it can't be told whether it hangs on what the network has learned"
    return INCONCLUSIVE, "it can't be told whether what it points at matters more to the answer than places by chance"
