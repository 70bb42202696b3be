"""Batches: in order, ahead of the consumer, bounded, and closed without a trace."""

from __future__ import annotations

import hashlib
import threading
import tracemalloc

import numpy as np
import pytest

from audit.inputs import InputSpec
from audit.measures import QUALITY
from audit.probes import _stream, batches, read_probe
from tests.support.data import shared_data
from tests.support.pictures import write_manifest, write_probe

SPEC = InputSpec(size=(10, 12), scale=1.0)


@pytest.fixture
def probe(tmp_path):
    return read_probe(write_probe(tmp_path, [{"path": f"{i}.png", "gender": "f", "subject": i} for i in range(23)]))


def all_of(probe, rows, **options):
    return list(batches(probe, SPEC, np.asarray(rows, dtype=np.int64), **{"batch_size": 5, "workers": 3, **options}))


def test_rows_come_in_the_order_asked_for(probe) -> None:
    rows = np.random.default_rng(0).permutation(23)[:17]

    seen = all_of(probe, rows)

    assert np.array_equal(np.concatenate([b.rows for b in seen]), rows)
    assert [len(b.rows) for b in seen] == [5, 5, 5, 2]


def test_workers_and_batch_size_do_not_change_a_picture(probe) -> None:
    one = np.concatenate([b.images for b in all_of(probe, range(23), workers=1, batch_size=1)])
    many = np.concatenate([b.images for b in all_of(probe, range(23), workers=4, batch_size=23)])

    assert np.array_equal(one, many)
    assert one.shape == SPEC.shape(23)


def test_hashes_are_those_of_the_files(probe) -> None:
    (batch,) = all_of(probe, range(23), batch_size=23)

    assert batch.sha256 == tuple(
        hashlib.sha256((probe.folder / path).read_bytes()).hexdigest() for path in probe.table["path"]
    )


def test_unreadable_files_stand_apart_with_their_reason(probe) -> None:
    (probe.folder / "1.png").write_text("text")
    (probe.folder / "3.png").unlink()

    (batch,) = all_of(probe, range(5))

    assert batch.rows.tolist() == [0, 2, 4]
    assert (len(batch.images), len(batch.sha256)) == (3, 3)
    assert {name: len(values) for name, values in batch.quality.items()} == dict.fromkeys(QUALITY, 3)
    assert batch.unreadable == (
        (1, "this is no JPEG, PNG, WebP, BMP or TIFF picture"),
        (3, "there is no such file"),
    )
    assert batch.unreadable_sha256 == {1: hashlib.sha256(b"text").hexdigest()}


def test_a_batch_without_a_readable_image_has_the_right_shape(probe) -> None:
    for i in range(5):
        (probe.folder / f"{i}.png").write_bytes(b"")

    first, second = all_of(probe, range(7))

    assert first.images.shape == SPEC.shape(0)
    assert [reason for _, reason in first.unreadable] == ["the file is empty"] * 5
    assert len(second.rows) == 2


def test_no_rows_give_no_batch(probe) -> None:
    assert all_of(probe, []) == []


def test_quality_stands_under_its_measures_names(probe) -> None:
    (batch,) = all_of(probe, range(3))

    assert tuple(batch.quality) == QUALITY
    assert batch.quality["pixels"].tolist() == [120.0] * 3


def test_quality_can_be_left_out(probe) -> None:
    (batch,) = all_of(probe, range(3), quality=False)

    assert batch.quality == {}


def decoders() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("decode")]


def test_closing_early_leaves_no_thread(probe) -> None:
    stream = batches(probe, SPEC, np.arange(23), batch_size=2, workers=3)
    next(stream)
    stream.close()

    assert decoders() == []


def test_an_interrupt_in_the_consumer_leaves_no_thread(probe) -> None:
    def consume() -> None:
        stream = batches(probe, SPEC, np.arange(23), batch_size=2, workers=3)
        try:
            for _ in stream:
                raise KeyboardInterrupt
        finally:
            stream.close()

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert decoders() == []


def test_an_error_while_decoding_reaches_the_consumer(probe, monkeypatch) -> None:
    def fail(data: bytes) -> None:
        raise MemoryError

    monkeypatch.setattr(_stream, "decode", fail)

    with pytest.raises(MemoryError):
        all_of(probe, range(23))
    assert decoders() == []


def test_only_a_few_batches_are_begun_ahead(probe, monkeypatch) -> None:
    begun: list[bytes] = []
    decode = _stream.decode
    monkeypatch.setattr(_stream, "decode", lambda data: begun.append(data) or decode(data))

    stream = batches(probe, SPEC, np.arange(23), batch_size=2, workers=3)
    next(stream)
    held = len(begun)
    stream.close()

    assert 2 <= held <= 6


def test_memory_does_not_grow_with_the_number_of_images(tmp_path) -> None:
    folder = write_probe(tmp_path, [{"path": "0.png", "gender": "f"}], size=(64, 64))
    rows = [{"path": f"{i}.png", "gender": "f", "subject": i} for i in range(240)]
    data = (folder / "0.png").read_bytes()
    for row in rows:
        (folder / row["path"]).write_bytes(data)
    write_manifest(folder, rows)
    probe = read_probe(folder)

    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in batches(probe, InputSpec(size=(64, 64)), np.arange(count), batch_size=8, workers=2):
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(40)

    assert peak(240) <= 1.2 * peak(40)


@pytest.mark.parametrize(("name", "classes", "mean", "scale", "size", "wrong"), [
    ("gender.onnx", ("male", "female"), (122.782, 117.001, 104.298), (1.0, 256.0), 112, 154),
    ("gender_imdb_rgb.onnx", ("female", "male"), (0.0, 0.0, 0.0), (255.0, 1.0), 128, 331),
])  # fmt: skip
def test_the_counts_on_real_faces_are_exact(name, classes, mean, scale, size, wrong) -> None:
    """The record of independently counted errors: one pixel of another resize would show here."""
    import onnxruntime

    faces, model = shared_data("faces"), shared_data("models", name)
    probe = read_probe(faces)
    spec = InputSpec(size=(size, size), scale=scale[0], mean=mean, std=(scale[1],) * 3)
    rows = np.arange(len(probe))
    session = onnxruntime.InferenceSession(model)
    decisions = [
        classes[k]
        for batch in batches(probe, spec, rows, batch_size=64, workers=2)
        for k in session.run(None, {session.get_inputs()[0].name: batch.images})[0].argmax(axis=1)
    ]
    missed = sum(a != b for a, b in zip(decisions, probe.table["label"].to_numpy()[rows], strict=True))

    assert missed == wrong
