"""What onnxruntime is told, seen in what it works out."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tierbreak.tiers.model.runtime import session


def test_sums_of_int8_products_are_exact_on_every_processor():
    """32 products of 255 and 127 are 1,036,320. Two at a time they do not fit into 16 bits: 524,272 where cut off."""
    constants = {
        "weight": np.full((32, 8), 127, np.int8),
        "one": np.float32(1.0),
        "zero": np.uint8(0),
    }
    graph = helper.make_graph(
        [
            helper.make_node(
                "MatMulIntegerToFloat", ["x", "weight", "one", "one", "zero"], ["y"], domain="com.microsoft"
            )
        ],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    (found,) = session(model.SerializeToString(), threads=1).run(["y"], {"x": np.full((1, 32), 255, np.uint8)})
    assert found.tolist() == [[255 * 127 * 32] * 8]
