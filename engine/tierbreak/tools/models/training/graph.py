"""The ONNX graph of a model: encoder, pooling, head, top-k; written node by node, in float32 or in int8.

Written by hand and not traced, because the int8 form is the point of it. Every linear layer of the int8 graph
is a product of integers, whose sum is exact whatever the order of its terms; activations get one scale a token,
taken from that token alone; all else works on one token or one key at a time. So a key's scores do not depend
on the batch around it, bit for bit. A scale for each batch (what onnxruntime's own dynamic quantisation does)
moves answers with the batch; fixed scales were tried and lost too much of the scores: see models/README.md.

Outlying channels are evened out beforehand: activation channel j is divided by c_j and row j of the weights
multiplied by it, c_j = sqrt(largest activation of j / largest weight of j).
Source: Xiao et al. 2023, "SmoothQuant", equation 4 with alpha = 0.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from tierbreak.core.tables import NO_BRAND_LABEL, NOT_A_MERCHANT_LABEL, TOP_BRANDS, TOP_K

Array = npt.NDArray[Any]

#: Sizes of the encoder: MiniLM, a BERT of any number of layers.
HEADS, HIDDEN, EPSILON = 12, 384, 1e-12

#: The longest key in tokens, with the two that mark its ends; longer ones are cut.
MAX_TOKENS = 64

#: GELU is never below -0.17: moved up by so much, its range fits unsigned bytes without a sign to waste.
_GELU_SHIFT = 0.17

_CONTRIB = "com.microsoft"


@dataclass
class Graph:
    """Nodes and constants of a graph in the making; `add` returns the name of a node's output."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def add(self, kind: str, *inputs: str, outputs: tuple[str, ...] = (), domain: str = "", **attributes: Any) -> str:
        outputs = outputs or (f"{kind}.{len(self.nodes)}",)
        self.nodes.append(helper.make_node(kind, list(inputs), list(outputs), domain=domain, **attributes))
        return outputs[0]

    def constant(self, name: str, value: Any, dtype: str = "float32") -> str:
        """Name the constant; the first value given for a name stands."""
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(np.asarray(value, dtype)), name)
        return name

    def ints(self, *values: int) -> str:
        return self.constant("ints." + ".".join(map(str, values)), values, "int64")


class Linear:
    """x @ weight + bias in float32. Keeps the name of every layer's input, so that its range can be measured."""

    def __init__(self) -> None:
        self.inputs: dict[str, str] = {}

    def embed(self, graph: Graph, table: Array) -> str:
        return graph.add("Gather", graph.constant("words", table), "input_ids")

    def __call__(self, graph: Graph, name: str, x: str, weight: Array, bias: Array | None, gelu: bool = False) -> str:
        self.inputs[name] = x
        y = graph.add("MatMul", x, graph.constant(f"{name}.weight", weight))
        return y if bias is None else graph.add("Add", y, graph.constant(f"{name}.bias", bias))


class Int8Linear(Linear):
    """The same in int8: weights with one scale a column, activations with one scale a token.

    largest   layer name -> float32 [K], the largest size each input channel takes on the calibration texts;
              a layer that is not named (the head, whose channels are even) is not smoothed
    """

    def __init__(self, largest: Mapping[str, Array]) -> None:
        super().__init__()
        self.largest = largest

    def embed(self, graph: Graph, table: Array) -> str:
        scale = np.abs(table).max(axis=1, keepdims=True) / 127
        rows = graph.add("Gather", graph.constant("words", np.round(table / scale), "int8"), "input_ids")
        scales = graph.add("Gather", graph.constant("words.scale", scale), "input_ids")
        return graph.add("Mul", graph.add("Cast", rows, to=TensorProto.FLOAT), scales)

    def __call__(self, graph: Graph, name: str, x: str, weight: Array, bias: Array | None, gelu: bool = False) -> str:
        shift = _GELU_SHIFT if gelu else 0.0
        if gelu:
            x = graph.add("Add", x, graph.constant("gelu.shift", shift))
            # In double precision, so that every machine writes the same bytes whatever order it adds up in.
            moved = (0.0 if bias is None else bias) - shift * weight.sum(axis=0, dtype=np.float64)
            bias = moved.astype(np.float32)
        if name in self.largest:
            smooth = np.sqrt((self.largest[name] + shift) / np.maximum(np.abs(weight).max(axis=1), 1e-6))
            smooth = np.maximum(smooth, 1e-6)
            x = graph.add("Mul", x, graph.constant(f"{name}.smooth", 1 / smooth))
            weight = weight * smooth[:, None]
        column = np.abs(weight).max(axis=0) / 127
        # Unsigned bytes: 0 stands for 0 behind a GELU, for -127 elsewhere (with 128 for 0).
        zero, steps = (0, 255) if gelu else (128, 127)
        zero_point = graph.constant(f"zero.{zero}", zero, "uint8")
        size = graph.add("ReduceMax", x if gelu else graph.add("Abs", x), axes=[-1], keepdims=1)
        # The floor keeps a token of zeros from dividing by zero.
        token = graph.add(
            "Max", graph.add("Mul", size, graph.constant(f"steps.{steps}", 1 / steps)), self._floor(graph)
        )
        one = graph.constant("one", 1.0)
        y = graph.add(
            "MatMulIntegerToFloat",
            graph.add("QuantizeLinear", graph.add("Div", x, token), one, zero_point),
            graph.constant(f"{name}.weight", np.round(weight / column), "int8"),
            one,
            graph.constant(f"{name}.scale", column),
            zero_point,
            domain=_CONTRIB,
        )
        y = graph.add("Mul", y, token)
        return y if bias is None else graph.add("Add", y, graph.constant(f"{name}.bias", bias))

    @staticmethod
    def _floor(graph: Graph) -> str:
        return graph.constant("floor", 1e-12)


def layers(weights: Mapping[str, Array]) -> int:
    """How many layers the encoder has: one for each `encoder.layer.<n>` that has a query.

    >>> layers({f"encoder.layer.{n}.attention.self.query.weight": np.zeros(1) for n in range(4)})
    4
    """
    return sum(name.endswith(".attention.self.query.weight") for name in weights)


def build(
    weights: Mapping[str, Array], linear: Linear, head: Array | None = None, reserved: Array | None = None
) -> onnx.ModelProto:
    """Write the graph.

    weights    float32, the encoder's, by their names in a BERT checkpoint; as many layers as there are
    linear     how linear layers are written: Linear() or Int8Linear(largest)
    head       float32 [prototypes, brands, 384], unit length: a brand's score is its best prototype's; None leaves
               the graph at the embedding
    reserved   float32 [prototypes, 2, 384], unit length, of the answers "no brand" and "not a merchant"

    Input: `input_ids` int64 [n, tokens], tokens <= MAX_TOKENS; the keys of a batch have one length, so that none is
    padded and there is no attention mask. Outputs: `labels` int64 and `scores` float32 [n, TOP_K], best first, equal
    scores by label; with `reserved` the best TOP_BRANDS brands, then always the labels -1 and -2 with the score of
    "no brand" and of "not a merchant". Without a head `embedding` float32 [n, 384].
    """
    graph = Graph()
    shape = graph.add("Shape", "input_ids")
    tokens = graph.add("Slice", shape, graph.ints(1), graph.ints(2))
    embedding = _pool(graph, _encode(graph, weights, linear, shape, tokens), tokens)
    if head is None:
        graph.add("Identity", embedding, outputs=("embedding",))
        outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", HIDDEN])]
    else:
        scores = _nearest(graph, linear, "head", embedding, head)
        if reserved is None:
            graph.add("TopK", scores, graph.ints(TOP_K), outputs=("scores", "labels"), axis=-1)
        else:
            # Two products, not one that is cut in two: cutting would copy the scores of all brands.
            aside = _nearest(graph, linear, "reserved", embedding, reserved)
            always = graph.constant("reserved.labels", [[NO_BRAND_LABEL, NOT_A_MERCHANT_LABEL]], "int64")
            always = graph.add("Expand", always, graph.add("Shape", aside))
            graph.add("TopK", scores, graph.ints(TOP_BRANDS), outputs=("brands.scores", "brands.labels"), axis=-1)
            graph.add("Concat", "brands.scores", aside, outputs=("scores",), axis=-1)
            graph.add("Concat", "brands.labels", always, outputs=("labels",), axis=-1)
        outputs = [
            helper.make_tensor_value_info("labels", TensorProto.INT64, ["n", TOP_K]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", TOP_K]),
        ]
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "tokens"])]
    whole = helper.make_graph(graph.nodes, "tierbreak", inputs, outputs, list(graph.constants.values()))
    # Opset 17 and IR 9: older than the oldest onnxruntime that we allow, which reads them.
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(_CONTRIB, 1)])
    model.ir_version = 9
    return model


def _nearest(graph: Graph, linear: Linear, name: str, embedding: str, prototypes: Array) -> str:
    """The cosine with the best prototype of each answer, float32 [n, answers]."""
    count, answers, _ = prototypes.shape
    scores = linear(graph, name, embedding, prototypes.reshape(-1, HIDDEN).T, None)
    scores = graph.add("Reshape", scores, graph.ints(-1, count, answers))
    return graph.add("ReduceMax", scores, axes=[1], keepdims=0)


def _encode(graph: Graph, weights: Mapping[str, Array], linear: Linear, shape: str, tokens: str) -> str:
    """BERT's embeddings and layers -> float32 [n, tokens, 384]."""

    def norm(x: str, name: str) -> str:
        gain, bias = (graph.constant(f"{name}.{part}", weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return graph.add("LayerNormalization", x, gain, bias, axis=-1, epsilon=EPSILON)

    def dense(x: str, name: str, gelu: bool = False) -> str:
        return linear(graph, name, x, weights[f"{name}.weight"].T, weights[f"{name}.bias"], gelu)

    # All tokens are of segment 0, so that its vector belongs to the position.
    positions = weights["embeddings.position_embeddings.weight"][:MAX_TOKENS]
    table = graph.constant("places", positions + weights["embeddings.token_type_embeddings.weight"][0])
    places = graph.add("Slice", table, graph.ints(0), tokens, graph.ints(0))
    words = linear.embed(graph, weights["embeddings.word_embeddings.weight"])
    x = norm(graph.add("Add", words, places), "embeddings.LayerNorm")

    by_head = graph.add("Concat", shape, graph.ints(HEADS, HIDDEN // HEADS), axis=0)
    whole = graph.add("Concat", shape, graph.ints(HIDDEN), axis=0)
    for layer in range(layers(weights)):
        name = f"encoder.layer.{layer}"
        context = _attend(graph, weights, linear, f"{name}.attention.self", x, by_head, whole)
        x = norm(
            graph.add("Add", x, dense(context, f"{name}.attention.output.dense")), f"{name}.attention.output.LayerNorm"
        )
        inner = graph.add("Gelu", dense(x, f"{name}.intermediate.dense"), domain=_CONTRIB)
        x = norm(graph.add("Add", x, dense(inner, f"{name}.output.dense", gelu=True)), f"{name}.output.LayerNorm")
    return x


def _attend(
    graph: Graph, weights: Mapping[str, Array], linear: Linear, name: str, x: str, by_head: str, whole: str
) -> str:
    """Self-attention before its output layer; query, key and value are one product, so that x is quantised once."""
    # The query takes the division by the root of a head's width along.
    parts = {"query": (HIDDEN / HEADS) ** -0.5, "key": 1.0, "value": 1.0}
    weight = np.concatenate([weights[f"{name}.{part}.weight"].T * scale for part, scale in parts.items()], axis=1)
    bias = np.concatenate([weights[f"{name}.{part}.bias"] * scale for part, scale in parts.items()])
    joint = linear(graph, name, x, weight, bias)
    names = tuple(f"{name}.{part}" for part in parts)
    graph.add("Split", joint, outputs=names, axis=-1)
    orders = {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3]}
    query, key, value = (
        graph.add("Transpose", graph.add("Reshape", part, by_head), perm=order)
        for part, order in zip(names, orders.values(), strict=True)
    )
    looks = graph.add("Softmax", graph.add("MatMul", query, key), axis=-1)
    context = graph.add("Transpose", graph.add("MatMul", looks, value), perm=[0, 2, 1, 3])
    return graph.add("Reshape", context, whole)


def _pool(graph: Graph, hidden: str, tokens: str) -> str:
    """Mean over the tokens, of unit length. The sum will do for the mean: only its direction is left."""
    # A product with ones, not ReduceSum: that one adds up in another order when the batch is a single key.
    ones = graph.add("Slice", graph.constant("ones", np.ones((1, MAX_TOKENS))), graph.ints(0), tokens, graph.ints(1))
    total = graph.add("Squeeze", graph.add("MatMul", ones, hidden), graph.ints(1))
    return graph.add("Div", total, graph.add("ReduceL2", total, axes=[-1], keepdims=1))
