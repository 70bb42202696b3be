"""Which pictures may be copies of each other: a perceptual hash, and all pairs whose hashes differ little.

The hash is the usual one: signs of the 8 x 8 lowest frequencies of a 32 x 32 gray picture against their median, 64
bits. It survives another size, stronger compression and another exposure, and a crop of 2 % a side moves about 6 bits.

All pairs are compared, 32 hashes against 4,096 at a time: 100,000 pictures take about 5 s, and less than reading them
takes up to millions. An index over parts of the hash was tried: hashes of faces that stand at the same place are so
unevenly spread that at 12 bits it hands back more than one pair in twenty, each at twenty times the price.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_BITS = 8  # frequencies each way
_ROWS, _COLUMNS = 32, 4096
_AT_ONCE = 4096  # pictures hashed together

Hashes = NDArray[np.uint64]
Index = NDArray[np.int64]


def hashes(small: NDArray[np.uint8]) -> Hashes:
    """[N] from gray pictures [N, S, S]."""
    waves = _waves(small.shape[1])
    found = np.empty(len(small), dtype=np.uint64)
    for start in range(0, len(small), _AT_ONCE):
        some = small[start : start + _AT_ONCE].astype(np.float32)
        low = (waves @ some @ waves.T).reshape(len(some), -1)
        bits = low > np.median(low[:, 1:], axis=1, keepdims=True)  # the first is the brightness
        bits[:, 0] = False
        found[start : start + _AT_ONCE] = np.packbits(bits, axis=1).view(">u8")[:, 0]
    return found


def close_pairs(found: Hashes, bits: int, most: int) -> Iterator[tuple[Index, Index]]:
    """Pairs (i, j), i < j, of hashes that differ in at most `bits`; for each i at most the `most` closest."""
    for top in range(0, len(found), _ROWS):
        rows = found[top : top + _ROWS]
        one: list[Index] = []
        other: list[Index] = []
        apart: list[NDArray[np.uint8]] = []
        for left in range(top, len(found), _COLUMNS):
            differ = np.bitwise_count(rows[:, None] ^ found[None, left : left + _COLUMNS])
            if differ.min() > bits:
                continue
            i, j = np.nonzero(differ <= bits)
            later = j + left > i + top
            i, j = i[later], j[later]
            one.append(i + top)
            other.append(j + left)
            apart.append(differ[i, j])
        if one:
            yield _closest(np.concatenate(one), np.concatenate(other), np.concatenate(apart), most)


def _closest(one: Index, other: Index, apart: NDArray[np.uint8], most: int) -> tuple[Index, Index]:
    order = np.lexsort((other, apart, one))
    one, other = one[order], other[order]
    place = np.arange(len(one)) - np.searchsorted(one, one)  # within its row
    return one[place < most], other[place < most]


def _waves(side: int) -> NDArray[np.float32]:
    """The lowest cosines [8, S] of a discrete cosine transform."""
    k, x = np.arange(_BITS)[:, None], np.arange(side)[None, :]
    return np.cos(np.pi * (2 * x + 1) * k / (2 * side)).astype(np.float32)
