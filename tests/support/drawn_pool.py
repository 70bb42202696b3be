"""Many drawn people and what the demo's network says of their pictures: a population to draw probe sets from.

Drawing is what takes time (7 ms a picture), so it is done once; the network reads the pictures in one go.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Self

import numpy as np

import audit.demo
from audit.demo.people import GENDERS
from audit.demo.probe_set import balanced_pictures

PICTURES = 2  # a person
SURE = 0.6  # below it no answer counts, so that there is a failure rate


@dataclasses.dataclass(frozen=True)
class Pool:
    """One row a person, one column a picture."""

    wrong: np.ndarray  # 1 where the other gender was said
    confidence: np.ndarray
    gender: np.ndarray  # [people]
    skin: np.ndarray

    @classmethod
    def drawn(cls, people: int, seed: int) -> Self:
        """`people` of each gender and skin tone, in two pictures each."""
        import onnxruntime
        from PIL import Image

        wrong, confidence, rows = [], [], []
        session = onnxruntime.InferenceSession(Path(audit.demo.__file__).parent / "model.onnx")
        pictures = list(balanced_pictures(subjects_per_cell=people, pictures=PICTURES, seed=seed))
        for start in range(0, len(pictures), 128):
            some = pictures[start : start + 128]
            small = [np.asarray(p.drawn.image.resize((64, 64), Image.Resampling.BILINEAR), np.float32) for p in some]
            (logits,) = session.run(None, {"image": np.stack(small).transpose(0, 3, 1, 2) / 127.5 - 1})[:1]
            odds = logits[:, 1] - logits[:, 0]
            said = (odds > 0).astype(int)
            wrong += [GENDERS[k] != p.columns["gender"] for k, p in zip(said, some, strict=True)]
            confidence.append(1 / (1 + np.exp(-np.abs(odds))))
            rows += [(p.columns["gender"], p.columns["skin"]) for p in some]
        genders, skins = np.array(rows[::PICTURES]).T
        shape = (-1, PICTURES)
        return cls(np.reshape(wrong, shape).astype(float), np.concatenate(confidence).reshape(shape), genders, skins)

    def of(self, gender: str, skin: str) -> np.ndarray:
        """Who they are."""
        return np.flatnonzero((self.gender == gender) & (self.skin == skin))

    def rate(self, people: np.ndarray) -> float:
        return float(self.wrong[people].mean())

    def alike(self, *groups: np.ndarray) -> float:
        """How alike the two pictures of a person are, within these groups (the intra-class correlation)."""
        away = [self.wrong[people] - self.rate(people) for people in groups]
        return float(np.mean([a.prod(axis=1).mean() for a in away]) / np.mean([(a**2).mean() for a in away]))
