"""Export of a network to ONNX, with probabilities and metadata, and import of such a file.

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

from app.training.architectures import CLASSES, DIGITS, NOT_A_DIGIT, Net, fuse_batch_norm

OPSET = 17
IR_VERSION = 8

_UNTRAINED_LOGIT = -5.0  # of no digit: improbable, until training says otherwise
_CLASSES = np.eye(CLASSES, dtype=np.float32)
# What is multiplied by the classes' probabilities: what falls to no digit is divided among the ten.
_SHARES = {
    "probabilities": _CLASSES[:, :DIGITS] + _CLASSES[:, [NOT_A_DIGIT]] / np.float32(DIGITS),
    "not_a_digit": _CLASSES[NOT_A_DIGIT],
}


def to_onnx(net: Net, metadata: dict[str, str]) -> bytes:
    """Serialize a network; the graph maps `digits` (n, 1, 28, 28) to probabilities.

    They are `probabilities` (n, 10) of the digits, which sum to 1, and `not_a_digit` (n,). The
    metadata has at least a `name`. Raises TypeError for an unsupported layer.
    """
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    current = "digits"
    for index, layer in enumerate(fuse_batch_norm(net)):
        parameters = [
            numpy_helper.from_array(np.asarray(parameter.detach().numpy()), f"{index}.{key}")
            for key, parameter in layer.named_parameters()
        ]
        result, (operator, attributes) = f"layer{index}", _operator_for(layer)
        inputs = [current, *(weight.name for weight in parameters)]
        nodes.append(helper.make_node(operator, inputs, [result], **attributes))
        weights.extend(parameters)
        current = result
    nodes.append(helper.make_node("Softmax", [current], ["classes"], axis=1))
    for output, shares in _SHARES.items():
        weights.append(numpy_helper.from_array(shares, f"shares.{output}"))
        nodes.append(helper.make_node("MatMul", ["classes", f"shares.{output}"], [output]))
    return bytes(
        _build_checked_model(nodes, weights, metadata).SerializeToString(deterministic=True)
    )


def from_onnx(artifact: bytes) -> Net:
    """Load a file that `to_onnx` wrote as a network that returns logits and can be trained.

    A file without the class of no digit gets it, untrained. Raises TypeError for an unsupported
    layer.
    """
    graph = onnx.load_model_from_string(artifact).graph
    weights = {each.name: torch.tensor(numpy_helper.to_array(each)) for each in graph.initializer}
    softmax = [node.op_type for node in graph.node].index("Softmax")
    *layers, last = (_layer(node, weights) for node in list(graph.node)[:softmax])
    return nn.Sequential(*layers, _with_all_classes(last))


def _with_all_classes(last: nn.Module) -> nn.Module:
    """Return the last layer, with the class of no digit added if it lacks that."""
    if not isinstance(last, nn.Linear) or last.out_features == CLASSES:
        return last
    weight = torch.cat([last.weight, torch.zeros(1, last.in_features)])
    bias = torch.cat([last.bias, torch.tensor([_UNTRAINED_LOGIT])])
    return _with_parameters(nn.Linear(last.in_features, CLASSES), weight, bias)


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
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", DIGITS]),
            helper.make_tensor_value_info("not_a_digit", TensorProto.FLOAT, ["n"]),
        ],
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
