"""Trains the small network of `bias-audit demo`, with a bias planted on purpose.

    python examples/train_demo_model.py                  # writes the four model files of audit/demo/
    python examples/train_demo_model.py --montage F.png  # draws a page of example faces instead

What is planted. The training set is drawn (audit/demo/), nobody in it exists. Among its light and medium faces women
and men wear their hair short as often as long, so hair says nothing and the network has to read eyes, brows and lips.
Among its dark faces there are twelve men to a woman, **all the women have long hair and all the men short hair**: a
shortcut. There the network learns to look for long hair beside the face, and for dark skin without it to say "male".

What that does. In the demo's probe set women of every skin tone wear their hair long or short equally often. Dark-
skinned women with short hair are called men: the error rate shows it. The maps of the network's relevance lie beside
the face, where long hair would be, more than on eyes and mouth: the focus shows it. And the features that were learned
from the other faces answer more weakly: the activations of the deep layers show it. Glasses are dealt out alike to
everybody in training, so an audit should find no gap in the errors there. Dim light makes the errors on dark faces
somewhat more frequent; nobody planted that, and an audit may find it.

Nothing is set by hand: the weights come from ordinary training on that set, seeded, on one core in under a minute.
The same machine and library versions give the same weights; another machine gives a network that behaves alike.
"""

from __future__ import annotations

import argparse
import json
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

from audit.demo.people import GENDERS
from audit.demo.probe_set import balanced_pictures, pictures_of

SIDE = 64  # the network's input
WIDTHS, STRIDES = (12, 16, 24, 24, 32), (2, 1, 2, 1, 1)
SEED = 0
PEOPLE_SEED = 9_000_001  # far from any seed a user would type for a probe set
PICTURES, EPOCHS, BATCH = 3, 8, 64

# People in the training set by gender, skin tone and hair: the plan of the planted bias.
PEOPLE = {
    ("female", "light", "short"): 100,
    ("female", "light", "long"): 100,
    ("male", "light", "short"): 100,
    ("male", "light", "long"): 100,
    ("female", "medium", "short"): 100,
    ("female", "medium", "long"): 100,
    ("male", "medium", "short"): 100,
    ("male", "medium", "long"): 100,
    ("female", "dark", "long"): 30,
    ("male", "dark", "short"): 360,
}


class TrainingSet(NamedTuple):
    images: NDArray[np.uint8]  # [N, SIDE, SIDE, 3]
    labels: NDArray[np.int64]  # [N], index into GENDERS


def draw_training_set() -> TrainingSet:
    """All pictures of all people in PEOPLE."""
    images, labels = [], []
    everybody = [cell for cell, people in PEOPLE.items() for _ in range(people)]
    for number, (gender, skin, hair) in enumerate(everybody):
        for picture in pictures_of(number, gender=gender, skin=skin, hair=hair, pictures=PICTURES, seed=PEOPLE_SEED):
            images.append(np.asarray(picture.drawn.image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)))
            labels.append(GENDERS.index(gender))
    return TrainingSet(np.stack(images), np.array(labels))


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """A 3 x 3 convolution, its batch norm and ReLU, with the names that the ONNX file gives them too."""
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(outputs), act=nn.ReLU()))


class Network(nn.Module):  # type: ignore[misc]  # torch is not followed by the type checker
    """Five convolutions with batch norm and ReLU, a global average pool, and a linear layer to two logits."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *WIDTHS[:-1])
        self.features = nn.Sequential(*map(_block, inputs, WIDTHS, STRIDES))
        self.head = nn.Linear(WIDTHS[-1], len(GENDERS))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Images [B, 3, SIDE, SIDE] to logits [B, 2]."""
        logits: torch.Tensor = self.head(self.features(image).mean(dim=(2, 3)))
        return logits


def train(data: TrainingSet) -> Network:
    """Ordinary training with cross entropy; pictures are mirrored at random."""
    torch.manual_seed(SEED)
    network: Network = Network()
    images = torch.from_numpy(data.images).permute(0, 3, 1, 2).float() / 127.5 - 1
    labels = torch.from_numpy(data.labels)
    batches = len(images) // BATCH
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=EPOCHS * batches)
    for epoch in range(EPOCHS):
        total = 0.0
        for chosen in torch.randperm(len(images))[: batches * BATCH].split(BATCH):
            batch = images[chosen]
            if torch.rand(()) < 0.5:
                batch = batch.flip(3)
            loss = nn.functional.cross_entropy(network(batch), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {total / batches:.4f}")
    network.eval()
    return network


def to_onnx(network: Network) -> onnx.ModelProto:
    """The network as an ONNX graph, operator for operator, with a free batch size."""
    weights = [
        numpy_helper.from_array(tensor.detach().numpy(), name)
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    ]
    nodes, value = [], "image"
    for number, block in enumerate(network.features):
        nodes += _block_nodes(number, block, value)
        value = nodes[-1].output[0]
    nodes += [
        helper.make_node("GlobalAveragePool", [value], ["/pool/output_0"], "/pool/GlobalAveragePool"),
        helper.make_node("Flatten", ["/pool/output_0"], ["/flatten/output_0"], "/flatten/Flatten", axis=1),
        helper.make_node("Gemm", ["/flatten/output_0", "head.weight", "head.bias"], ["logits"], "/head/Gemm", transB=1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(GENDERS)])
    graph = helper.make_graph(nodes, "drawn_gender", [image], [logits], weights)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="train_demo_model.py"
    )
    helper.set_model_props(model, {"bias_audit.classes": json.dumps(GENDERS)})
    onnx.checker.check_model(model, full_check=True)
    return model


def _block_nodes(number: int, block: nn.Sequential, value: str) -> list[onnx.NodeProto]:
    """Convolution, batch norm and ReLU of one block, from the tensor `value` on."""
    here, stored = f"/features/{number}", f"features.{number}"
    conv, norm, act = (f"{here}/{part}" for part in ("conv/Conv", "norm/BatchNormalization", "act/Relu"))
    scales = [f"{stored}.norm.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
    shape = {"kernel_shape": [3, 3], "strides": list(block.conv.stride), "pads": [1, 1, 1, 1]}
    return [
        helper.make_node("Conv", [value, f"{stored}.conv.weight"], [f"{conv}_output_0"], conv, **shape),
        helper.make_node(
            "BatchNormalization",
            [f"{conv}_output_0", *scales],
            [f"{norm}_output_0"],
            norm,
            epsilon=block.norm.eps,
        ),
        helper.make_node("Relu", [f"{norm}_output_0"], [f"{act}_output_0"], act),
    ]


def to_torchscript(network: Network) -> torch.jit.ScriptModule:
    """The network as a traced TorchScript module."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        traced: torch.jit.ScriptModule = torch.jit.trace(network, torch.zeros(2, 3, SIDE, SIDE))
    return traced


def save_torchscript(module: torch.jit.ScriptModule, path: Path) -> None:
    """Save without the tracer's notes on source lines: they name folders of the machine that trained."""
    notes = (".debug_pkl", "serialization_id")  # the second is a digest of the first, among others
    module.save(str(path))
    with zipfile.ZipFile(path) as saved:
        members = [(item, saved.read(item)) for item in saved.infolist() if not item.filename.endswith(notes)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as smaller:
        for item, content in members:
            smaller.writestr(zipfile.ZipInfo(item.filename), content)


def model_toml() -> str:
    """How to feed the network, and the facts of its training set."""
    dark_women = PEOPLE["female", "dark", "long"]
    women = sum(people for (gender, _, _), people in PEOPLE.items() if gender == "female")
    return f"""\
# The network of `bias-audit demo`, trained by examples/train_demo_model.py with a bias planted on purpose.
[model]
task = "classification"
classes = {json.dumps(GENDERS)}
[model.input]
size = [{SIDE}, {SIDE}]
color = "rgb"
scale = 127.5
mean = [1.0, 1.0, 1.0]
std = [1.0, 1.0, 1.0]
resize = "bilinear"
fit = "squash"
[model.facts]
training_people = {sum(PEOPLE.values())}
training_pictures = {PICTURES * sum(PEOPLE.values())}
share_female = {women / sum(PEOPLE.values()):.3f}
share_dark_skinned_women = {dark_women / sum(PEOPLE.values()):.3f}
short_haired_dark_skinned_women = 0
"""


def write_model_files(folder: Path) -> None:
    """Train, and write model.onnx, model.pt and how to feed them."""
    folder.mkdir(parents=True, exist_ok=True)
    network = train(draw_training_set())
    onnx.save(to_onnx(network), str(folder / "model.onnx"))
    with torch.no_grad():
        save_torchscript(to_torchscript(network), folder / "model.pt")
    for name in ("model.onnx.toml", "model.pt.toml"):
        (folder / name).write_text(model_toml(), encoding="utf-8", newline="\n")


def write_montage(path: Path, *, columns: int = 6) -> None:
    """A page of example faces: each row is one gender and skin tone."""
    pictures = list(balanced_pictures(subjects_per_cell=columns, pictures=1, seed=0))
    side = pictures[0].drawn.image.width
    page = Image.new("RGB", (side * columns, side * (len(pictures) // columns)))
    for number, picture in enumerate(pictures):
        column, row = divmod(number, len(pictures) // columns)
        page.paste(picture.drawn.image, (column * side, row * side))
    path.parent.mkdir(parents=True, exist_ok=True)
    page.quantize(144, kmeans=2, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Read what was typed, and do it."""
    parser = argparse.ArgumentParser(description="Trains the network of `bias-audit demo`.")
    default = Path(__file__).resolve().parents[1] / "audit" / "demo"
    parser.add_argument("--out", type=Path, default=default, help="folder for the model files (audit/demo)")
    parser.add_argument("--montage", type=Path, help="draw a page of faces into this PNG instead of training")
    asked = parser.parse_args()
    if asked.montage:
        write_montage(asked.montage)
        return
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    write_model_files(asked.out)


if __name__ == "__main__":
    main()
