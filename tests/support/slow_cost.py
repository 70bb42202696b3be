"""Multiplications counted one by one, in the plainest loops that compute the thing."""

from __future__ import annotations

from itertools import product


def convolution(out: tuple[int, ...], channels: int, groups: int, kernel: tuple[int, int]) -> int:
    """Of a convolution from `channels` to a map [B, O, h, w]."""
    count = 0
    for _ in product(*map(range, out)):
        for _ in range(channels // groups):
            for _ in range(kernel[0]):
                for _ in range(kernel[1]):
                    count += 1
    return count


def transposed(into: tuple[int, ...], channels: int, kernel: tuple[int, int]) -> int:
    """Of a transposed convolution from a map [B, I, h, w] to `channels`: every number is spread over its window."""
    count = 0
    for _ in product(*map(range, into)):
        for _ in range(channels):
            for _ in range(kernel[0] * kernel[1]):
                count += 1
    return count


def matrices(rows: int, inner: int, columns: int, batch: int = 1) -> int:
    """Of a product of matrices, one for each of a batch."""
    count = 0
    for _ in range(batch):
        for _ in range(rows):
            for _ in range(columns):
                for _ in range(inner):
                    count += 1
    return count
