"""Regions: their area on the input grid, where they come from, and that they follow the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from audit.cli import main
from audit.errors import ProbeError, SettingsError
from audit.inputs import InputSpec
from audit.probes import GRID, ProbeOptions, batches, read_probe
from audit.probes._geometry import place
from audit.probes._shapes import Bitmap, Box, Outline, cover, hull
from tests.support.pictures import write_manifest, write_probe


def view_of(picture: tuple[int, int], **spec: object):
    wanted = InputSpec(**spec)
    return place(picture, wanted).view((min(GRID, wanted.size[0]), min(GRID, wanted.size[1])))


def inside(points: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points lie in a polygon: an odd number of its sides lie to their right."""
    odd = np.zeros(x.shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            odd ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return odd


def sampled_shares(rings: list[np.ndarray], grid: tuple[int, int], times: int = 16) -> np.ndarray:
    """The share of each cell by looking at 16 x 16 points in it."""
    ys, xs = ((np.arange(n * times) + 0.5) / times for n in grid)
    x, y = np.meshgrid(xs, ys)
    covered = np.any([inside(ring, x, y) for ring in rings], axis=0)
    return covered.reshape(grid[0], times, grid[1], times).mean(axis=(1, 3))


@pytest.mark.parametrize("seed", range(6))
def test_hulls_cover_what_a_16_fold_oracle_says(seed) -> None:
    rng = np.random.default_rng(seed)
    ring = hull(rng.normal(28, 9 + seed, (68, 2)))

    seen, expected = cover([ring], (56, 56)), sampled_shares([ring], (56, 56))

    assert abs(seen.mean() - expected.mean()) < 0.0005
    assert np.abs(seen - expected).max() < 0.15


def test_hollow_and_star_shaped_polygons_are_covered_too() -> None:
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    radius = np.where(np.arange(12) % 2, 8, 25)
    star = np.column_stack([28 + radius * np.cos(angle), 28 + radius * np.sin(angle)])
    hollow = np.array([[3, 3], [50, 3], [50, 50], [40, 50], [40, 12], [12, 12], [12, 50], [3, 50.0]])

    for ring in (star, star[::-1], hollow):
        seen, expected = cover([ring], (56, 56)), sampled_shares([ring], (56, 56))

        assert abs(seen.mean() - expected.mean()) < 0.0005


def test_polygons_that_overlap_count_once_whichever_way_they_run() -> None:
    first = np.array([[10, 10], [40, 10], [40, 40], [10, 40.0]])
    second = (first + 10)[::-1]

    seen = cover([first, second], (56, 56))

    assert seen.sum() == pytest.approx(2 * 900 - 400)
    assert seen.max() == 1


def test_a_polygon_beside_the_grid_covers_nothing() -> None:
    ring = np.array([[60, 60], [70, 60], [70, 70.0]])

    assert cover([ring], (56, 56)).sum() == 0
    assert cover([ring - 100], (56, 56)).sum() == 0


def test_a_hull_has_the_outer_points_only() -> None:
    square = np.array([[0, 0], [4, 0], [4, 4], [0, 4], [2, 2], [2, 0], [4, 0.0]])

    assert sorted(map(tuple, hull(square))) == [(0, 0), (0, 4), (4, 0), (4, 4)]


sizes = st.integers(2, 300)
share = st.floats(0, 1)


@settings(deadline=None)
@given(sizes, sizes, st.integers(8, 90), st.integers(8, 90), st.sampled_from(["squash", "crop", "pad"]),
       st.sampled_from([0.0, 0.1, 0.5]), share, share, share, share)  # fmt: skip
def test_the_area_of_a_box_is_what_geometry_says(wide, high, in_w, in_h, fit, margin, a, b, c, d) -> None:
    x0, x1 = sorted((a * wide, b * wide))
    y0, y1 = sorted((c * high, d * high))
    spec = {"size": (in_h, in_w), "fit": fit, "margin": margin}
    border = round(margin * wide), round(margin * high)
    full = wide + 2 * border[0], high + 2 * border[1]
    box = [x0 + border[0], y0 + border[1], x1 + border[0], y1 + border[1]]
    if fit == "squash":
        expected = (box[2] - box[0]) * (box[3] - box[1]) / (full[0] * full[1])
    elif fit == "crop":
        cut = min(full[0], full[1] * in_w / in_h), min(full[1], full[0] * in_h / in_w)
        edges = [(full[i] - cut[i]) / 2 for i in (0, 1)]
        sides = [max(0, min(box[2 + i], edges[i] + cut[i]) - max(box[i], edges[i])) for i in (0, 1)]
        expected = sides[0] * sides[1] / (cut[0] * cut[1])
    else:
        zoom = min(in_w / full[0], in_h / full[1])
        inner = [min((in_w, in_h)[i], max(1, round(full[i] * zoom))) for i in (0, 1)]
        expected = (box[2] - box[0]) * (box[3] - box[1]) / (full[0] * full[1]) * inner[0] * inner[1] / (in_w * in_h)

    view = view_of((wide, high), **spec)
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])

    assert Box((x0, y0, x1, y1)).shares(view).mean() == pytest.approx(expected, abs=1e-5)
    assert Outline((corners,)).shares(view).mean() == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    "spec", [{"fit": "squash"}, {"fit": "crop"}, {"fit": "pad"}, {"margin": 0.3}, {"fit": "pad", "margin": 0.2}]
)
def test_mask_box_and_polygon_of_the_same_place_agree(spec) -> None:
    levels = np.zeros((60, 90), dtype=bool)
    levels[10:45, 20:80] = True
    view = view_of((90, 60), size=(112, 112), **spec)

    mask, box = Bitmap(levels).shares(view), Box((20, 10, 80, 45)).shares(view)
    outline = Outline((np.array([[20, 10], [80, 10], [80, 45], [20, 45.0]]),)).shares(view)

    assert np.allclose(mask, box, atol=1e-5)
    assert np.abs(outline - box).max() < 0.08


def test_regions_reach_no_further_than_the_picture() -> None:
    view = view_of((40, 40), size=(80, 80), margin=0.5)

    far = Outline((np.array([[-40, -40], [80, -40], [80, 80], [-40, 80.0]]),)).shares(view)

    assert np.allclose(far, Box((0, 0, 40, 40)).shares(view))
    assert far.mean() == pytest.approx(0.25)


SPEC = InputSpec(size=(112, 112))


def first_regions(folder, spec: InputSpec = SPEC, **options: object):
    probe = read_probe(folder, ProbeOptions(**options))
    (batch,) = batches(probe, spec, np.arange(len(probe)), batch_size=64, workers=2, regions=probe.regions)
    return probe, batch.regions


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_region_follows_its_picture_through_every_orientation(tmp_path, orientation) -> None:
    """A bright patch in the picture, a box round it in upright pixels: the region lies where the input is bright."""
    upright = np.zeros((60, 80, 3), dtype=np.uint8)
    upright[10:30, 50:70] = 255
    undo = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2), 8: lambda a: np.rot90(a, -1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(undo[orientation](upright))).save(tmp_path / "1.png", exif=exif)
    write_manifest(tmp_path, [{"path": "1.png", "gender": "f", "region.patch": "50,10,70,30"}])
    spec = InputSpec(size=(48, 48), fit="pad", margin=0.25, resize="area", color="gray")
    probe = read_probe(tmp_path)

    (batch,) = batches(probe, spec, np.arange(1), batch_size=1, workers=1, regions=("patch",))

    assert np.abs(batch.regions["patch"][0] - batch.images[0, 0]).max() < 0.01


def test_columns_hold_boxes_and_masks_and_empty_cells(tmp_path) -> None:
    rows = [
        {"path": "1.png", "gender": "f", "region.mouth": "0,0,6,10"},
        {"path": "2.png", "gender": "f", "region.mouth": "masks/2.png"},
        {"path": "3.png", "gender": "f", "region.mouth": ""},
        {"path": "4.png", "gender": "f", "region.mouth": "masks/none.png"},
        {"path": "5.png", "gender": "f", "region.mouth": "masks/wide.png"},
        {"path": "6.png", "gender": "f", "region.mouth": "masks/zero_one.png"},
    ]
    write_probe(tmp_path, rows)
    (tmp_path / "masks").mkdir()
    mask = np.zeros((10, 12), dtype=np.uint8)
    mask[:5, :3] = 255
    Image.fromarray(mask).save(tmp_path / "masks/2.png")
    Image.fromarray(mask[:5]).save(tmp_path / "masks/wide.png")
    Image.fromarray(mask // 255).save(tmp_path / "masks/zero_one.png")

    probe, regions = first_regions(tmp_path)

    areas = regions["mouth"].mean(axis=(1, 2))
    assert areas == pytest.approx([0.5, 0.125, np.nan, np.nan, np.nan, 0.125], nan_ok=True)
    assert regions["mouth"].shape == (6, 56, 56)
    assert "1 images name a mask for the region mouth that is not there." in probe.notes


def test_the_folders_file_gives_one_shape_for_all(tmp_path) -> None:
    write_probe(tmp_path, [{"path": f"{i}.png", "gender": "f", "subject": i} for i in range(2)])
    mask = np.zeros((10, 12), dtype=np.uint8)
    mask[5:] = 255
    Image.fromarray(mask).save(tmp_path / "half.png")
    (tmp_path / "bias-audit.toml").write_text(
        '[regions]\nlow = "half.png"\nleft = {box = [0, 0, 3, 10]}\nwedge = {polygon = [[0, 0], [12, 0], [0, 10]]}\n'
    )

    probe, regions = first_regions(tmp_path)

    assert probe.regions == ("low", "left", "wedge")
    assert {n: list(s.mean(axis=(1, 2)).round(3)) for n, s in regions.items()} == {
        "low": [0.5, 0.5], "left": [0.25, 0.25], "wedge": [0.5, 0.5],
    }  # fmt: skip


def face_points() -> np.ndarray:
    """68 points: every region an axis-parallel rectangle, in pixels of a 100 x 100 picture."""
    points = np.empty((68, 2))

    def fill(first: int, last: int, box: tuple[int, int, int, int]) -> None:
        x0, y0, x1, y1 = box
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        for i in range(first, last + 1):
            points[i] = corners[(i - first) % 4] if i - first < 4 else ((x0 + x1) / 2, (y0 + y1) / 2)

    for first, last, box in [
        (0, 16, (10, 50, 90, 90)), (17, 21, (20, 20, 40, 25)), (22, 26, (60, 20, 80, 25)), (27, 35, (45, 35, 55, 60)),
        (36, 41, (20, 30, 40, 40)), (42, 47, (60, 30, 80, 40)), (48, 67, (35, 70, 65, 80)),
    ]:  # fmt: skip
        fill(first, last, box)
    return points


def landmark_rows(paths: list[str], points: np.ndarray) -> list[dict[str, object]]:
    flat = {f"{axis}{i}": points[i, k] for i in range(68) for k, axis in enumerate("xy")}
    return [{"path": path, **flat} for path in paths]


def test_68_landmarks_give_six_regions_by_themselves(tmp_path) -> None:
    write_probe(tmp_path, [{"path": f"{i}.png", "gender": "f", "subject": i} for i in range(2)], size=(100, 100))
    write_manifest(tmp_path, landmark_rows(["1.png", "unknown.png"], face_points()), "landmarks68.csv")

    probe, regions = first_regions(tmp_path)

    assert probe.regions == ("face", "eyes", "brows", "nose", "mouth", "jaw")
    areas = {name: round(float(shares[1].mean()), 3) for name, shares in regions.items()}
    hull_area = 0.5 * abs(_shoelace(hull(face_points()))) / 10_000
    assert areas == {
        "face": round(hull_area, 3), "eyes": 0.04, "brows": 0.02, "nose": 0.025, "mouth": 0.03, "jaw": 0.32,
    }  # fmt: skip
    assert all(np.isnan(shares[0]).all() for shares in regions.values())
    assert "landmarks68.csv" in probe.files


def _shoelace(ring: np.ndarray) -> float:
    ahead = np.roll(ring, -1, axis=0)
    return float(np.sum(ring[:, 0] * ahead[:, 1] - ahead[:, 0] * ring[:, 1]))


def test_the_folders_file_names_landmarks_and_a_column_stands_before_both(tmp_path) -> None:
    rows = [{"path": "0.png", "gender": "f", "subject": 0, "region.nose": "0,0,10,10"}]
    write_probe(tmp_path, rows, size=(100, 100))
    write_manifest(tmp_path, landmark_rows(["0.png"], face_points()), "landmarks68.csv")
    (tmp_path / "bias-audit.toml").write_text(
        '[regions]\nlips = {landmarks = "48-67"}\n'
        'look = {landmarks = ["36-41", "47-42"]}\nnose = {landmarks = "0-16"}\n'
    )

    _, regions = first_regions(tmp_path)

    areas = {name: round(float(regions[name].mean()), 3) for name in ("lips", "look", "nose")}
    assert areas == {"lips": 0.03, "look": 0.04, "nose": 0.01}


def test_landmarks_of_none_of_the_images_are_noted(tmp_path) -> None:
    write_probe(tmp_path, [{"path": "0.png", "gender": "f", "subject": 0}])
    write_manifest(tmp_path, landmark_rows(["else.png"], face_points()), "landmarks68.csv")

    probe = read_probe(tmp_path)

    assert probe.regions == ()
    assert probe.notes == ("landmarks68.csv has points for none of the images.",)


def edited(**changes: object) -> list[dict[str, object]]:
    (row,) = landmark_rows(["0.png"], face_points())
    return [{**row, **changes}]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (edited(x7="left"), "row 1, column x7: this is no coordinate, got 'left'"),
        (edited(y0="inf"), "row 1, column y0: this is no coordinate"),
        (edited() * 2, "the same image stands in rows 1 and 2, got '0.png'"),
        (edited(path="../0.png"), "row 1: the path of an image leaves"),
        (edited(path=""), "row 1: .*`path` is empty|`path` is empty"),
        ([{"path": "0.png", "x0": 1, "y0": 1}], "the landmark file lacks the column x1"),
    ],
)
def test_a_broken_landmark_file_names_the_cell(tmp_path, rows, words) -> None:
    write_probe(tmp_path, [{"path": "0.png", "gender": "f"}])
    write_manifest(tmp_path, rows, "landmarks68.csv")

    with pytest.raises(ProbeError, match=words):
        read_probe(tmp_path)


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ("mouth = 3", SettingsError, "regions.mouth: this is no region"),
        ("mouth = {boxes = [0, 0, 1, 1]}", SettingsError, "this is no region"),
        ("mouth = {box = [0, 0, 1, 1], x = 1}", SettingsError, "this is no region"),
        ("mouth = {box = [5, 0, 1, 1]}", SettingsError, "this is no box"),
        ("mouth = {box = [0, 0, 1]}", SettingsError, "this is no box"),
        ("mouth = {box = [-20, 60, 50, 100]}", SettingsError, "in pixels from 0 on"),
        ("mouth = {box = [0, -1, 50, 100]}", SettingsError, r"regions\.mouth: this is no box"),
        ("mouth = {box = [0, 0, 1, nan]}", SettingsError, "this is no box"),
        ("mouth = {polygon = [[0, 0], [1, 1]]}", SettingsError, "this is no polygon"),
        ("mouth = {polygon = [[0, 0], [1, 1], [2]]}", SettingsError, "this is no polygon"),
        ('mouth = {landmarks = "48-67"}', ProbeError, "needs landmarks68.csv, which is not there"),
        ('mouth = "../m.png"', ProbeError, "the path of a mask leaves"),
        ('mouth = "none.png"', ProbeError, "the mask can't be used: there is no such file, got 'none.png'"),
        ('"a,b" = {box = [0, 0, 1, 1]}', SettingsError, "can't be the name of a region, got 'a,b'"),
    ],
)
def test_a_region_that_cannot_be_had_is_named(tmp_path, line, error, words) -> None:
    write_probe(tmp_path, [{"path": "0.png", "gender": "f"}])
    (tmp_path / "bias-audit.toml").write_text(f"[regions]\n{line}\n")

    with pytest.raises(error, match=words):
        read_probe(tmp_path)


@pytest.mark.parametrize("text", ['"48"', '"48-99"', '"a-b"', '""', "7", '["48-67", "1"]'])
def test_landmarks_that_outline_nothing_are_refused(tmp_path, text) -> None:
    write_probe(tmp_path, [{"path": "0.png", "gender": "f"}])
    write_manifest(tmp_path, landmark_rows(["0.png"], face_points()), "landmarks68.csv")
    (tmp_path / "bias-audit.toml").write_text(f"[regions]\nmouth = {{landmarks = {text}}}\n")

    with pytest.raises(SettingsError, match="regions.mouth: these are no landmarks"):
        read_probe(tmp_path)


@pytest.mark.parametrize(
    ("status", "cell", "line", "words"),
    [
        (4, "5,0,1,1", "", "row 1: this is no box"),
        (4, "../m.png", "", "row 1: the path of a mask leaves"),
        (4, "", 'mouth = "none.png"', "the mask can't be used"),
        (2, "", "mouth = {box = [5, 0, 1, 1]}", "regions.mouth: this is no box"),
        (2, "", "mouth = {polygon = [[0, 0]]}", "regions.mouth: this is no polygon"),
        (2, "", "mouth = {circle = [3, 3]}", "regions.mouth: this is no region"),
        (2, "", '"a,b" = {box = [0, 0, 1, 1]}', "regions: this can't be the name"),
    ],
)
def test_what_is_configured_ends_in_2_and_what_the_set_holds_in_4(tmp_path, capsys, status, cell, line, words) -> None:
    write_probe(tmp_path, [{"path": "0.png", "gender": "f", "region.eyes": cell}])
    (tmp_path / "bias-audit.toml").write_text(f"[regions]\n{line}\n")

    assert main(["probe", str(tmp_path)]) == status
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("cell", ["5,0,1,1", "0,0,1", "0,0,1,inf"])
def test_a_box_that_is_none_names_its_row(tmp_path, cell) -> None:
    write_probe(tmp_path, [{"path": "0.png", "gender": "f", "region.mouth": cell}])

    with pytest.raises(ProbeError, match="column region.mouth, row 1: this is no box"):
        read_probe(tmp_path)


def test_the_first_mask_is_looked_at_before_anything_runs(tmp_path) -> None:
    write_probe(tmp_path, [{"path": "0.png", "gender": "f", "region.mouth": "m.png"}])
    (tmp_path / "m.png").write_text("no mask")

    with pytest.raises(ProbeError, match="row 1: the mask can't be used: this is no JPEG"):
        read_probe(tmp_path)


def test_a_sample_keeps_each_image_with_its_own_region(tmp_path) -> None:
    rows = [{"path": f"{i}.png", "gender": "f", "subject": i, "region.bar": f"0,0,{i + 1},10"} for i in range(10)]
    write_probe(tmp_path, rows, size=(10, 10))

    probe, regions = first_regions(tmp_path, limit=4)

    expected = [(int(path.split(".")[0]) + 1) / 10 for path in probe.table["path"]]
    assert regions["bar"].mean(axis=(1, 2)) == pytest.approx(expected)
