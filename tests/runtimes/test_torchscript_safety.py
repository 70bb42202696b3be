"""Files that must not be opened, or only with a word why not; each plant has an honest twin that opens."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 torch is an extra

from audit.errors import ExitStatus, MissingExtra, ModelError, UnsafeModel  # noqa: E402 as above
from audit.runtimes import open_model  # noqa: E402 as above
from tests.support import torch_networks as networks  # noqa: E402 as above

pytestmark = pytest.mark.torch


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return x.mean([2, 3]) * self.weight


class WritesInForward(Tiny):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean([2, 3]) * self.weight + torch.from_file("PLANTED", shared=True, size=3)


class SavesInForward(Tiny):
    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, "PLANTED")
        return x.mean([2, 3]) * self.weight


class OnLoading(Tiny):
    """Its `__setstate__` runs while the file is loaded."""

    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, bool]:
        return self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[Tensor, bool]) -> None:
        self.weight = state[0]
        self.training = state[1]


class TwoInputs(Tiny):
    def forward(self, x: Tensor, age: Tensor) -> Tensor:
        return x.mean([2, 3]) * self.weight + age


class ListInput(Tiny):
    def forward(self, pictures: list[Tensor]) -> Tensor:
        return pictures[0].mean([2, 3]) * self.weight


class WithDefault(Tiny):
    def forward(self, x: Tensor, scale: float = 2.0) -> Tensor:
        return x.mean([2, 3]) * self.weight * scale


class NoTensor(Tiny):
    def forward(self, x: Tensor) -> int:
        return x.size(0)


def rewritten(path: Path, old: str, new: str) -> Path:
    """Replace a piece of the source text inside a TorchScript file."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    changed = 0
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            source = name.endswith(".py")
            if source and old.encode() in content:
                content = content.replace(old.encode(), new.encode())  # noqa: PLW2901 the member as it will be
                changed += 1
            archive.writestr(name, content)
    assert changed == 1
    return path


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("network", [WritesInForward(), SavesInForward()], ids=["from_file", "save"])
def test_a_model_that_writes_files_is_refused_and_no_file_appears(network: nn.Module, tmp_path: Path) -> None:
    path = networks.save(network, tmp_path / "model.pt")
    with pytest.raises(UnsafeModel, match=r"model\.pt: the model's code names (from_file|save), with which") as refused:
        open_model(path)
    assert refused.value.status is ExitStatus.UNUSABLE
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "PLANTED").exists()


PLANTS = {
    "plainly": 'torch.from_file("PLANTED", True, 4)',
    "saved": 'torch.save(state, "PLANTED")',
    "as an operator": 'ops.aten.save(state, "PLANTED")',
    "over two lines": 'torch.\\\n      save(state, "PLANTED")',
    "under another name": 'here = torch\n    here.save(state, "PLANTED")',
    "in pieces": 'getattr(torch, "sa" "ve")(state, "PLANTED")',
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=list(PLANTS))
def test_code_that_would_write_while_loading_never_runs(plant: str, tmp_path: Path) -> None:
    path = networks.save(OnLoading(), tmp_path / "model.pt")
    rewritten(path, "    self.weight = (state)[0]\n", f"    self.weight = (state)[0]\n    {plant}\n")
    with pytest.raises(UnsafeModel, match="the model's code names"):
        open_model(path)
    assert not (tmp_path / "PLANTED").exists()


def test_the_plants_above_would_have_grown(tmp_path: Path) -> None:
    path = networks.save(OnLoading(), tmp_path / "model.pt")
    rewritten(path, "    self.weight = (state)[0]\n", f"    self.weight = (state)[0]\n    {PLANTS['in pieces']}\n")
    torch.jit.load(str(path))
    assert (tmp_path / "PLANTED").exists()


def test_a_model_with_an_honest_setstate_opens(tmp_path: Path) -> None:
    model = open_model(networks.save(OnLoading(), tmp_path / "model.pt"))
    assert model.describe((1, 3, 8, 8)).outputs[0].shape == (None, 3)


def test_an_operator_behind_another_name_is_found_in_the_graph(tmp_path: Path) -> None:
    path = networks.save(Tiny(), tmp_path / "model.pt")
    rewritten(
        path,
        "    weight = self.weight\n",
        '    here = torch\n    keep = here.save\n    keep(x, "PLANTED")\n    weight = self.weight\n',
    )
    with pytest.raises(UnsafeModel, match="the model calls aten::save, which reaches outside the model"):
        open_model(path)
    assert not (tmp_path / "PLANTED").exists()


def test_an_operator_of_an_unknown_library_is_refused_by_name(tmp_path: Path) -> None:
    library = torch.library.Library("bias_audit_test", "DEF")
    library.define("read(Tensor x) -> Tensor")
    library.impl("read", lambda x: x, "CPU")

    class Custom(Tiny):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ops.bias_audit_test.read(x).mean([2, 3])

    path = networks.save(Custom(), tmp_path / "model.pt")
    with pytest.raises(UnsafeModel, match=r"nobody vouches for, got 'bias_audit_test::read'. Allowed: .*aten"):
        open_model(path)
    library._destroy()


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("PLANTED"),))


def checkpoints() -> dict[str, bytes]:
    zipped, legacy = io.BytesIO(), io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, zipped)
    torch.save(Tiny().state_dict(), legacy, _use_new_zipfile_serialization=False)
    return {"pickle": pickle.dumps(Evil()), "state dict": zipped.getvalue(), "old state dict": legacy.getvalue()}


@pytest.mark.parametrize("kind", ["pickle", "state dict", "old state dict"])
def test_a_pickle_called_pt_is_refused_unread(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(checkpoints()[kind])
    with pytest.raises(UnsafeModel, match=r"a pickle or a checkpoint, not TorchScript.*torch\.jit\.trace") as refused:
        open_model(path)
    assert refused.value.status is ExitStatus.UNUSABLE
    assert not (tmp_path / "PLANTED").exists()


def test_a_text_file_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.ts"
    path.write_text("hello")
    with pytest.raises(ModelError, match="this is not a TorchScript file"):
        open_model(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_called_broken_in_one_line(share: float, tmp_path: Path) -> None:
    path = networks.save(networks.build(networks.Plain()), tmp_path / "model.pt")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match="broken or cut short") as refused:
        open_model(path)
    assert "\n" not in str(refused.value)


def test_garbage_in_the_middle_is_an_error_in_one_line(tmp_path: Path) -> None:
    path = networks.save(Tiny(), tmp_path / "model.pt")
    rewritten(path, "torch.mean", "torch.no_such_thing")
    with pytest.raises(ModelError, match="torch can't load the file: .*no_such_thing") as refused:
        open_model(path)
    assert "\n" not in str(refused.value)


def test_members_outside_the_archive_are_refused(tmp_path: Path) -> None:
    path = networks.save(Tiny(), tmp_path / "model.pt")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model/../../PLANTED", b"x")
    with pytest.raises(UnsafeModel, match=r"a member outside the archive, got 'model/../../PLANTED'"):
        open_model(path)


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = networks.save(Tiny(), tmp_path / "model.pt")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(archive.namelist()[0], b"x")
    with pytest.raises(UnsafeModel, match="two members of one name"):
        open_model(path)


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    path = networks.save(Tiny(), tmp_path / "model.pt")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("model/bomb", "w") as bomb:
        for _ in range(300):
            bomb.write(bytes(2**20))
    with pytest.raises(UnsafeModel, match="unpacks to far more than its size"):
        open_model(path)


@pytest.mark.parametrize(
    ("network", "named"),
    [(TwoInputs(), "x: Tensor, age: Tensor"), (ListInput(), r"pictures: List\[Tensor\]")],
    ids=["two", "list"],
)
def test_inputs_that_cannot_be_given_are_named(network: nn.Module, named: str, tmp_path: Path) -> None:
    path = networks.save(network, tmp_path / "model.pt")
    with pytest.raises(ModelError, match=f"needs inputs that can't be given, got '{named}'. Allowed: one image"):
        open_model(path)


def test_an_input_with_a_default_is_left_at_it(tmp_path: Path) -> None:
    model = open_model(networks.save(WithDefault(), tmp_path / "model.pt"))
    assert [spec.name for spec in model.inputs] == ["x"]
    assert model.describe((1, 3, 8, 8)).outputs[0].shape == (None, 3)


def test_a_model_without_a_tensor_to_give_is_refused(tmp_path: Path) -> None:
    model = open_model(networks.save(NoTensor(), tmp_path / "model.pt"))
    with pytest.raises(ModelError, match="no output that is a tensor"):
        model.describe((1, 3, 8, 8))


def test_torch_that_is_not_installed_is_named_with_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = networks.save(Tiny(), tmp_path / "model.pt")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"A TorchScript file needs torch.*pip install 'bias-audit\[torch\]'"):
        open_model(path)


def repacked(path: Path, ending: str, content: bytes) -> Path:
    """The same file with other bytes in one member."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    (name,) = [name for name in members if name.endswith(ending)]
    with zipfile.ZipFile(path, "w") as archive:
        for member, held in (members | {name: content}).items():
            archive.writestr(member, held)
    return path


@pytest.mark.parametrize("content", [b"", b"\0" * 8], ids=["empty", "too short"])
def test_weights_that_their_bytes_do_not_hold_are_refused(content: bytes, tmp_path: Path) -> None:
    """torch reads whatever lies behind them in memory, or ends the process."""
    path = repacked(networks.save(Tiny(), tmp_path / "model.pt"), "data/0", content)
    with pytest.raises(UnsafeModel, match="a weight claims more numbers than the file holds, got '3'"):
        open_model(path)


def test_strides_out_of_a_weight_are_refused(tmp_path: Path) -> None:
    network = Tiny()
    with torch.no_grad():
        network.weight = nn.Parameter(torch.ones(77)[:3])
    path = networks.save(network, tmp_path / "model.pt")
    with zipfile.ZipFile(path) as archive:
        content = archive.read("model/data.pkl")
    assert content.count(b"\x4b\x03") == 1  # the size, one byte
    with pytest.raises(UnsafeModel, match="reaches out of the numbers that it is made of"):
        open_model(repacked(path, "data.pkl", content.replace(b"\x4b\x03", b"\x4b\x4e")))


def test_a_weight_with_a_flipped_bit_is_called_damaged(tmp_path: Path) -> None:
    path = networks.save(Tiny(), tmp_path / "model.pt")
    content = bytearray(path.read_bytes())
    content[content.index(torch.ones(3).numpy().tobytes()) + 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="damaged: a part does not match its checksum, got 'model/data/0'"):
        open_model(path)


def test_places_in_the_source_that_are_not_there_are_refused(tmp_path: Path) -> None:
    """torch looks them up while it puts an error into words, and ends the process where it finds none."""
    path = networks.save(Tiny(), tmp_path / "model.pt")
    places = ("FORMAT_WITH_STRING_TABLE", ("",), ((0, (([], 0, 0), 0, 0), 0), (1, (([7], 0, 0), 0, 0), 0)))
    with pytest.raises(ModelError, match="the TorchScript file is broken"):
        open_model(repacked(path, ".debug_pkl", pickle.dumps(places, 2)))


class Picky(Tiny):
    def forward(self, x: Tensor) -> Tensor:
        assert x.size(2) == 7, "pictures are 7 high"
        return x.mean([2, 3]) * self.weight


def test_an_error_that_the_model_raises_is_told_in_one_line(tmp_path: Path) -> None:
    model = open_model(networks.save(Picky(), tmp_path / "model.pt"))
    with pytest.raises(ModelError, match="does not take pictures of this shape: the model itself raises .*7 high"):
        model.describe((1, 3, 8, 8))
    assert model.describe((1, 3, 7, 7)).outputs[0].shape == (None, 3)


def test_an_archive_of_fifty_thousand_members_is_refused(tmp_path: Path) -> None:
    path = networks.save(Tiny(), tmp_path / "model.pt")
    with zipfile.ZipFile(path, "a") as archive:
        for at in range(51_000):
            archive.writestr(f"model/data/{at + 9}", b"")
    with pytest.raises(UnsafeModel, match="far too many members, got '51,0"):
        open_model(path)
