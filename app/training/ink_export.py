"""Export of the ink network to ONNX.

The graph takes views as they are, uint8 with colors last, of any side that is a multiple of 16, and
returns probabilities.
"""

from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from app.imaging.ink_finder import Content
from app.training.architectures import fuse_batch_norm
from app.training.ink_network import InkNetwork
from app.training.onnx_export import IR_VERSION, OPSET


class _Graph:
    """Nodes and weights, as they are added; each method returns the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        result = name or f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [result], **attributes))
        return result

    def constant(self, values: torch.Tensor | np.ndarray) -> str:
        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def convolve(self, layer: nn.Conv2d, features: str) -> str:
        parameters = [self.constant(each.detach().numpy()) for each in layer.parameters()]
        size, stride = layer.kernel_size[0], layer.stride[0]
        return self.add(
            "Conv",
            features,
            *parameters,
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[size // 2] * 4,
        )

    def block(self, layers: nn.Module, features: str) -> str:
        """Add convolutions, each with its ReLU."""
        if not isinstance(layers, nn.Sequential):
            raise TypeError(f"expected a Sequential, not {type(layers).__name__}")
        for layer in fuse_batch_norm(layers):
            if isinstance(layer, nn.Conv2d):
                features = self.convolve(layer, features)
            else:
                features = self.add("Relu", features)
        return features

    def linear(self, layer: nn.Linear, features: str) -> str:
        parameters = [self.constant(each.detach().numpy()) for each in layer.parameters()]
        return self.add("Gemm", features, *parameters, transB=1)


def to_onnx(network: InkNetwork, metadata: dict[str, str]) -> bytes:
    """Serialize a network.

    The graph maps `views` uint8 (n, side, side, 3) to `ink` float32 (n, side, side), a probability
    for each pixel, and `contents` (n, 3), those of none, one and several digits.
    """
    graph = _Graph()
    _build(graph, network.eval())
    side = ["n", "side", "side"]
    inputs = [helper.make_tensor_value_info("views", TensorProto.UINT8, [*side, 3])]
    outputs = [
        helper.make_tensor_value_info("ink", TensorProto.FLOAT, side),
        helper.make_tensor_value_info("contents", TensorProto.FLOAT, ["n", len(Content)]),
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "ink", inputs, outputs, initializer=graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="cifra",
    )
    model.ir_version = IR_VERSION
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _build(graph: _Graph, network: InkNetwork) -> None:
    floats = graph.add("Cast", "views", to=TensorProto.FLOAT)
    scaled = graph.add("Mul", floats, graph.constant(np.array(1 / 255, np.float32)))
    features = graph.add("Transpose", scaled, perm=[0, 3, 1, 2])
    levels = []
    for block in network.down:
        features = graph.block(block, features)
        levels.append(features)
    average = graph.add("Flatten", graph.add("GlobalAveragePool", features))
    peak = graph.add("Flatten", graph.add("GlobalMaxPool", features))
    content = graph.linear(network.content, graph.add("Concat", average, peak, axis=1))
    graph.add("Softmax", content, name="contents", axis=1)
    axes = graph.constant(np.array([2, 3], np.int64))
    context = graph.add("Unsqueeze", graph.linear(network.context, average), axes)
    features = graph.add("Add", features, context)
    scales = graph.constant(np.array([1, 1, 2, 2], np.float32))
    for block, level in zip(network.up, levels[-2::-1], strict=True):
        larger = graph.add(
            "Resize",
            features,
            "",
            scales,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        features = graph.block(block, graph.add("Concat", larger, level, axis=1))
    marked = graph.convolve(network.ink, features)
    shuffled = graph.add("DepthToSpace", marked, blocksize=2, mode="CRD")
    channel = graph.constant(np.array([1], np.int64))
    graph.add("Sigmoid", graph.add("Squeeze", shuffled, channel), name="ink")
