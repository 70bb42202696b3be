"""ONNX operators by what they do in a network: which make layers, and which may stand between."""

from __future__ import annotations

CONVOLUTIONS = {"Conv", "ConvTranspose", "FusedConv"}
ACTIVATIONS = {
    "Relu": "relu",
    "LeakyRelu": "leaky_relu",
    "PRelu": "prelu",
    "ThresholdedRelu": "thresholded_relu",
    "Clip": "clip",
    "Elu": "elu",
    "Celu": "celu",
    "Selu": "selu",
    "Gelu": "gelu",
    "FastGelu": "gelu",
    "BiasGelu": "gelu",
    "QuickGelu": "gelu",
    "Swish": "silu",
    "HardSwish": "hard_swish",
    "Mish": "mish",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hard_sigmoid",
}
NON_NEGATIVE = {"relu", "relu6", "sigmoid", "hard_sigmoid", "softplus"}
# x * gate(x): what the function is called by the operator inside the gate, the most telling first.
GATED = {
    "Erf": "gelu",
    "Softplus": "mish",
    "Tanh": "gelu",
    "HardSigmoid": "hard_swish",
    "Clip": "hard_swish",
    "Sigmoid": "silu",
}
ELEMENTWISE = {*GATED, "Relu", "Add", "Sub", "Mul", "Div", "Pow", "Cast", "Identity"}
# What may stand between a convolution and its non-linearity.
NORMS = {"BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization"}
SETTLING = {*NORMS, "Add", "Sum", "Sub", "Mul", "Div", "Identity", "Dropout"}
LINEAR = {*SETTLING, "Cast", "QuantizeLinear", "DequantizeLinear", "Transpose"}
# Without an input that depends on the picture, and yet not known beforehand: chance, and bodies that see outer values.
NOT_CONSTANT = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"}
NOT_CONSTANT |= {"If", "Loop", "Scan"}
TO_LAST, TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
