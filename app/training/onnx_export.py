"""A fitted net to the ONNX file that serves, and back: layer by layer, softmax last, notes inside.

Written layer by layer because the nets are plain sequences and the graph should hold what is
computed and nothing else; torch's own exporter needs a further package and leaves its traces.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from app.training.architectures import Net, fuse_batch_norm

OPSET = 17
IR_VERSION = 8


def to_onnx(net: Net, notes: dict[str, str]) -> bytes:
    """Serialise a net; the graph takes `digits` (n, 1, 28, 28) and gives `probabilities` (n, 10).

    The notes, `name` at least, become the file's metadata.

    Raises TypeError for a layer that no net of ours has.
    """
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    flowing = "digits"
    for index, layer in enumerate([*fuse_batch_norm(net), nn.Softmax(dim=1)]):
        held = [
            numpy_helper.from_array(np.asarray(parameter.detach().numpy()), f"{index}.{key}")
            for key, parameter in layer.named_parameters()
        ]
        result = "probabilities" if isinstance(layer, nn.Softmax) else f"layer{index}"
        operator, attributes = _operator_for(layer)
        inputs = [flowing, *(weight.name for weight in held)]
        nodes.append(helper.make_node(operator, inputs, [result], **attributes))
        weights.extend(held)
        flowing = result
    return bytes(_build_checked_model(nodes, weights, notes).SerializeToString(deterministic=True))


def from_onnx(artefact: bytes) -> Net:
    """Make the net of a file that `to_onnx` wrote; it gives logits, and can be taught further.

    Raises TypeError for a file that holds another kind of layer.
    """
    graph = onnx.load_model_from_string(artefact).graph
    weights = {held.name: torch.tensor(numpy_helper.to_array(held)) for held in graph.initializer}
    nodes = [node for node in graph.node if node.op_type != "Softmax"]
    return nn.Sequential(*(_layer(node, weights) for node in nodes))


def _layer(node: onnx.NodeProto, weights: dict[str, torch.Tensor]) -> nn.Module:
    options = {option.name: helper.get_attribute_value(option) for option in node.attribute}
    match node.op_type:
        case "Conv":
            weight, bias = (weights[name] for name in node.input[1:])
            size, pads = options["kernel_shape"], options["pads"][:2]
            convolution = nn.Conv2d(weight.shape[1], weight.shape[0], size, padding=tuple(pads))
            return _with_parameters(convolution, weight, bias)
        case "Relu":
            return nn.ReLU()
        case "MaxPool":
            return nn.MaxPool2d(options["kernel_shape"][0])
        case "Flatten":
            return nn.Flatten()
        case "Gemm":
            weight, bias = (weights[name] for name in node.input[1:])
            return _with_parameters(nn.Linear(weight.shape[1], weight.shape[0]), weight, bias)
    raise TypeError(f"no layer is written down for {node.op_type}")


def _with_parameters(
    layer: nn.Conv2d | nn.Linear, weight: torch.Tensor, bias: torch.Tensor
) -> nn.Module:
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def _operator_for(layer: nn.Module) -> tuple[str, dict[str, Any]]:
    match layer:
        case nn.Conv2d():
            return "Conv", {"kernel_shape": list(layer.kernel_size), "pads": _pads(layer)}
        case nn.ReLU():
            return "Relu", {}
        case nn.MaxPool2d():
            return "MaxPool", {
                "kernel_shape": [layer.kernel_size] * 2,
                "strides": [layer.stride] * 2,
            }
        case nn.Flatten():
            return "Flatten", {}
        case nn.Linear():
            return "Gemm", {"transB": 1}
        case nn.Softmax():
            return "Softmax", {"axis": 1}
    raise TypeError(f"no ONNX operator is written down for {type(layer).__name__}")


def _pads(layer: nn.Conv2d) -> list[int]:
    if isinstance(layer.padding, str):
        raise TypeError("padding is given in pixels")
    return [*layer.padding, *layer.padding]


def _build_checked_model(
    nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], notes: dict[str, str]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "digit",
        [helper.make_tensor_value_info("digits", TensorProto.FLOAT, ["n", 1, 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 10])],
        initializer=weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="cifra"
    )
    model.ir_version = IR_VERSION
    helper.set_model_props(model, notes)
    onnx.checker.check_model(model, full_check=True)
    return model


def count_multiply_adds(net: Net) -> int:
    """Count the multiply-adds that one digit costs in the convolutions and linear layers."""
    return sum(_multiply_adds_per_layer(net))


def _multiply_adds_per_layer(net: Net) -> Iterator[int]:
    side = 28
    for layer in fuse_batch_norm(net):
        if isinstance(layer, nn.Conv2d):
            side = side + 2 * int(layer.padding[0]) - int(layer.kernel_size[0]) + 1
            yield layer.weight.numel() * side * side
        elif isinstance(layer, nn.MaxPool2d):
            side //= 2
        elif isinstance(layer, nn.Linear):
            yield layer.weight.numel()
