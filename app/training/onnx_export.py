"""Export of a network to ONNX, with softmax and metadata, and import of such a file.

The graph is written layer by layer because the networks are plain sequences and the graph should
contain only what is computed; torch's own exporter needs another package and adds its own metadata.
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


def to_onnx(net: Net, metadata: dict[str, str]) -> bytes:
    """Serialize a network; the graph maps `digits` (n, 1, 28, 28) to `probabilities` (n, 10).

    The metadata has at least a `name`. Raises TypeError for an unsupported layer.
    """
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    current = "digits"
    for index, layer in enumerate([*fuse_batch_norm(net), nn.Softmax(dim=1)]):
        parameters = [
            numpy_helper.from_array(np.asarray(parameter.detach().numpy()), f"{index}.{key}")
            for key, parameter in layer.named_parameters()
        ]
        result = "probabilities" if isinstance(layer, nn.Softmax) else f"layer{index}"
        operator, attributes = _operator_for(layer)
        inputs = [current, *(weight.name for weight in parameters)]
        nodes.append(helper.make_node(operator, inputs, [result], **attributes))
        weights.extend(parameters)
        current = result
    return bytes(
        _build_checked_model(nodes, weights, metadata).SerializeToString(deterministic=True)
    )


def from_onnx(artifact: bytes) -> Net:
    """Load a file that `to_onnx` wrote as a network that returns logits and can be trained.

    Raises TypeError for an unsupported layer.
    """
    graph = onnx.load_model_from_string(artifact).graph
    weights = {each.name: torch.tensor(numpy_helper.to_array(each)) for each in graph.initializer}
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
    raise TypeError(f"unsupported ONNX operator: {node.op_type}")


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
    raise TypeError(f"unsupported layer: {type(layer).__name__}")


def _pads(layer: nn.Conv2d) -> list[int]:
    if isinstance(layer.padding, str):
        raise TypeError("padding must be given in pixels")
    return [*layer.padding, *layer.padding]


def _build_checked_model(
    nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], metadata: dict[str, str]
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
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


def count_multiply_adds(net: Net) -> int:
    """Count the multiply-adds per digit in the convolutions and linear layers."""
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
