"""Oracle values for src/kernel/int8: writes int8.json beside this file.

Models of one operator are run by two interpreters, LiteRT's with its reference kernels and TensorFlow
Lite Micro's: requantisations (QUANTIZE of i32 to i16 and of i16 to i32), dense layers (FULLY_CONNECTED,
one scale or one per row) and convolutions of one position (CONV_2D). Both have to agree.
Run: python -P tests/oracle/int8.py
"""

import json
import pathlib

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tflite_micro.python.tflite_micro import runtime

TYPES = {
    np.int8: schema.TensorType.INT8,
    np.int16: schema.TensorType.INT16,
    np.int32: schema.TensorType.INT32,
}


def tensor(model, name, kind, shape, scales, zero, values=None, axis=0):
    """Adds a tensor with its scales and, for a constant, its values; returns its index."""
    buffer = schema.BufferT()
    if values is not None:
        buffer.data = np.frombuffer(values.astype(kind).tobytes(), np.uint8)
    model.buffers.append(buffer)
    made = schema.TensorT()
    made.name, made.type, made.shape = name, TYPES[kind], list(shape)
    made.buffer = len(model.buffers) - 1
    made.quantization = schema.QuantizationParametersT()
    made.quantization.scale = [float(s) for s in scales]
    made.quantization.zeroPoint = [int(zero)] * len(scales)
    made.quantization.quantizedDimension = axis
    model.subgraphs[0].tensors.append(made)
    return len(model.subgraphs[0].tensors) - 1


def empty():
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = [], []
    model.subgraphs, model.operatorCodes = [graph], []
    return model


def operator(model, code, version, options, inputs, outputs):
    made = schema.OperatorCodeT()
    made.builtinCode, made.deprecatedBuiltinCode, made.version = code, code, version
    model.operatorCodes.append(made)
    op = schema.OperatorT()
    op.opcodeIndex, op.inputs, op.outputs = 0, inputs, outputs
    if options is not None:
        op.builtinOptionsType, op.builtinOptions = options
    graph = model.subgraphs[0]
    graph.operators.append(op)
    graph.inputs, graph.outputs = [inputs[0]], outputs


def run(model, x):
    """What both interpreters give for `x`."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    data = bytes(builder.Output())
    lite = Interpreter(model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    lite.allocate_tensors()
    lite.set_tensor(lite.get_input_details()[0]["index"], x)
    lite.invoke()
    first = lite.get_tensor(lite.get_output_details()[0]["index"])
    micro = runtime.Interpreter.from_bytes(data, arena_size=1 << 20)
    micro.set_input(x, 0)
    micro.invoke()
    second = micro.get_output(0)
    return first.ravel(), second.ravel()


def requantise(kind, to, scale, out_scale, values):
    model = empty()
    x = np.array(values, kind)[None]
    source = tensor(model, "x", kind, x.shape, [scale], 0)
    target = tensor(model, "y", to, x.shape, [out_scale], 0)
    options = (schema.BuiltinOptions.QuantizeOptions, schema.QuantizeOptionsT())
    operator(model, schema.BuiltinOperator.QUANTIZE, 2, options, [source], [target])
    first, second = run(model, x)
    limits = np.iinfo(to)
    return first, second, {
        "scale": float(np.float64(np.float32(scale)) / np.float64(np.float32(out_scale))),
        "low": int(limits.min), "high": int(limits.max),
        "sums": x.ravel().tolist(), "values": first.tolist(),
    }


def layer(rng, samples, inputs, outputs, x_zero, y_zero, relu, rows, conv, scales=None, bias=20000):
    """A dense layer, or a convolution of one position, on random integers."""
    model = empty()
    x = rng.integers(-128, 128, (samples, inputs))
    w = rng.integers(-127, 128, (outputs, inputs))
    b = rng.integers(-bias, bias + 1, outputs)
    if scales is None:
        w_scales = rng.uniform(0.001, 0.01, outputs if rows else 1).astype(np.float32)
        scales = np.float32(0.02), w_scales, np.float32(0.025 * inputs**0.5)
    x_scale, w_scales, y_scale = scales
    shape = (samples, 1, 1, inputs) if conv else (samples, inputs)
    source = tensor(model, "x", np.int8, shape, [x_scale], x_zero)
    filters = (outputs, 1, 1, inputs) if conv else (outputs, inputs)
    weights = tensor(model, "w", np.int8, filters, w_scales, 0, w)
    b_scales = [np.float32(x_scale) * np.float32(s) for s in w_scales]
    biases = tensor(model, "b", np.int32, (outputs,), b_scales, 0, b)
    target = tensor(model, "y", np.int8, (*shape[:-1], outputs), [y_scale], y_zero)
    activation = schema.ActivationFunctionType.RELU if relu else schema.ActivationFunctionType.NONE
    if conv:
        made = schema.Conv2DOptionsT()
        made.strideH = made.strideW = made.dilationHFactor = made.dilationWFactor = 1
        made.padding = schema.Padding.VALID
        options = (schema.BuiltinOptions.Conv2DOptions, made)
        code, version = schema.BuiltinOperator.CONV_2D, 3
    else:
        made = schema.FullyConnectedOptionsT()
        options = (schema.BuiltinOptions.FullyConnectedOptions, made)
        code, version = schema.BuiltinOperator.FULLY_CONNECTED, 12 if rows else 4
    made.fusedActivationFunction = activation
    operator(model, code, version, options, [source, weights, biases], [target])
    first, second = run(model, x.astype(np.int8).reshape(shape))
    # With one scale for all rows the product of the first two is taken in f32.
    if rows:
        effective = [np.float64(x_scale) * np.float64(s) / np.float64(y_scale) for s in w_scales]
    else:
        effective = [np.float64(np.float32(x_scale) * np.float32(w_scales[0])) / np.float64(y_scale)]
    return first, second, {
        "samples": samples, "inputs": inputs, "outputs": outputs, "x_zero": x_zero, "y_zero": y_zero,
        "low": y_zero if relu else -128, "scales": [float(s) for s in effective],
        "x": x.ravel().tolist(), "w": w.ravel().tolist(), "b": b.tolist(), "y": first.tolist(),
    }


def main():
    rng = np.random.default_rng(8)
    made, agree = {"requantise": [], "layers": []}, []

    def keep(what, results):
        first, second, case = results
        agree.append(np.array_equal(first, second))
        made[what].append(case)

    halves = np.arange(-20, 21)
    edges = [-(2**31), -(2**31) + 1, 2**31 - 1, 2**31 - 2, -(2**30), 2**30, 0, 1, -1, 2, -2, 3, -3]
    for power in [1, 2, 5, 12, 17, 23, 30]:
        # Exact halves of the last place, and their neighbours.
        around = np.concatenate([halves * 2**power // 2 + d for d in (-1, 0, 1)])
        values = np.clip(around, -(2**31), 2**31 - 1).tolist() + edges
        keep("requantise", requantise(np.int32, np.int16, 1.0, float(2**power), values))
    for scale in [0.0003, 0.0117, 0.37, 0.75, 0.9999999, 1.0, 1e-7, 3e-9]:
        values = rng.integers(-(2**31), 2**31, 120).tolist()
        values += (rng.integers(-(2**15), 2**15, 80) / scale).clip(-(2**31), 2**31 - 1).astype(int).tolist()
        keep("requantise", requantise(np.int32, np.int16, scale, 1.0, values + edges))
    for scale in [0.75, 1.0, 1.5, 2.0, 3.7, 100.3, 4095.9, 32767.0]:
        values = rng.integers(-(2**15), 2**15, 60).tolist() + [-(2**15), 2**15 - 1, 0, 1, -1]
        keep("requantise", requantise(np.int16, np.int32, scale, 1.0, values))

    for samples, inputs, outputs, x_zero, y_zero, relu, rows, conv in [
        (5, 7, 3, 0, 0, False, False, False),
        (9, 128, 32, -128, -128, True, False, False),
        (6, 36, 8, 3, -5, True, True, True),
        (7, 128, 32, -128, -128, True, True, False),
        (4, 32, 10, -128, 11, False, True, False),
        (3, 300, 17, 127, 0, True, True, False),
        (33, 1, 1, -7, 4, False, True, True),
    ]:
        keep("layers", layer(rng, samples, inputs, outputs, x_zero, y_zero, relu, rows, conv))
    # Multipliers that round up to 2^31, a little below 1 and above, and tiny ones.
    rows = [1 - 2**-23, 1 - 2**-24, 1, 1 + 2**-23, 0.5, 3.5, 1e-9, 1e-12]
    near = np.float32(1 + 2**-23), np.array(rows, np.float32)
    keep("layers", layer(rng, 20, 3, 8, 1, 2, False, True, True, (*near, np.float32(1)), 100))
    keep("layers", layer(rng, 20, 3, 8, 1, 2, False, True, True, (*near, np.float32(64)), 2000))
    print("interpreters agree:", agree)
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(made, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
