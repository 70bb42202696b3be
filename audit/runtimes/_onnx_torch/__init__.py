"""Operators of ONNX in torch, one small function each, so that gradients flow through the tail of a network.

Loaded only where torch is installed. Every function follows the operator's page in ONNX's own documentation, from
version 13 of the operator set on: older files are lifted first. float16 is computed in float32, and whole numbers that
a gradient passes through (int8 networks) are kept as floating ones.
"""
