"""What no honest model asks of a machine: pictures without end, more memory than it has."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

from audit.errors import AuditError, MachineError, ModelError

MOST = 2**26  # numbers in a picture: 4,729 x 4,729 in three colors
MOST_FIXED = 2**28  # and in a batch whose size is fixed
_NO_MEMORY = re.compile(r"bad_alloc|bad allocation|out of memory|(can't|failed to) allocate memory", re.IGNORECASE)
_ASKED = re.compile(r"(?:tried to allocate|requested buffer of size)\s*(\d+)")


def check_size(batch: int | None, shape: Sequence[int], path: Path) -> None:
    """Raises ModelError for a picture, or a fixed batch of them, that is larger than pictures are."""
    numbers = math.prod(shape)
    if numbers > MOST or numbers * (batch or 1) > MOST_FIXED:
        batches = f" in batches of {batch}" if batch is not None else ""
        size = " x ".join(str(n) for n in shape)
        raise ModelError("the model wants pictures larger than pictures are", value=f"{size}{batches}", where=path)


def out_of_memory(text: str, *, trial: Path | None = None) -> AuditError | None:
    """The error for what a library says where it can't have memory; None where it says something else.

    In a trial with a picture or two, of the model in the file `trial`, more in one piece than the machine has is the
    model's doing; anything less may be there another time.
    """
    if not _NO_MEMORY.search(text):
        return None
    asked = _ASKED.search(text)
    if trial and asked and int(asked.group(1)) > _memory():
        gigabytes = f"{int(asked.group(1)) / 2**30:,.0f} GB"
        return ModelError("the model asks for more memory than this machine has", value=gigabytes, where=trial)
    return MachineError("out of memory in the model", hint="Try a smaller --batch-size")


def _memory() -> int:
    """Bytes that this machine has; 2 TB where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 2**41
