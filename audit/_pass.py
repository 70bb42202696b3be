"""The pass over the images: every one that has no shard yet goes through the model once."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from audit.engines import ENGINES
from audit.errors import AuditError, Interrupted, MachineError

if TYPE_CHECKING:
    from audit.engines import Plan
    from audit.run_folder import RunFolder

Progress = Callable[[int, int], None]

_LOG = logging.getLogger(__name__)
_FIRST = 16  # images of a first batch


def one_pass(plan: Plan, folder: RunFolder, progress: Progress | None) -> int:
    """Leave a shard of every image in the folder; gives how many had none.

    Raises:
        Interrupted, MachineError: what was done is kept, to be gone on with.
        AuditError: nothing is kept.
    """
    import numpy as np

    total, done = len(plan.probe), folder.shards.done()
    rows = np.setdiff1d(np.arange(total, dtype=np.int64), done)
    seen = len(done)
    if seen:
        _LOG.info("going on after %d of %d images", seen, total)
    if len(rows) == 0:
        _first_batch(plan)
    if progress:
        progress(seen, total)
    try:
        with contextlib.closing(ENGINES.get("local").shards(plan, rows)) as shards:
            for shard in shards:
                folder.shards.add(shard)
                seen += len(shard.rows)
                if progress:
                    progress(seen, total)
        folder.shards.flush()
    except KeyboardInterrupt:
        folder.shards.flush()
        _LOG.warning("interrupted after %d of %d images", seen, total)
        raise Interrupted(
            f"interrupted after {seen} of {total} images; what was done is kept in {folder.folder}",
            hint="Go on with the same command and --resume",
        ) from None
    except MemoryError:
        raise MachineError("out of memory", hint="Try a smaller --batch-size, then go on with --resume") from None
    except MachineError:
        raise  # the disk is full: the shards that fitted are kept for --resume
    except AuditError:
        folder.abandon()
        raise
    return len(rows)


def _first_batch(plan: Plan) -> None:
    """What the first batch says of the taps belongs to the record of a run that had nothing left to do, too."""
    import numpy as np

    with contextlib.closing(ENGINES.get("local").shards(plan, np.arange(min(len(plan.probe), _FIRST)))) as shards:
        next(shards, None)
