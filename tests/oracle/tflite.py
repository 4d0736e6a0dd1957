"""Oracle values for src/data/tflite: writes tflite.json beside this file.

data/sine.tflite on all 256 inputs, as it is and after an edit of all weights and biases; the dense layer of
data/speech.tflite alone, on random inputs; small networks with every fused activation, a scale per row and no
biases, as files. TensorFlow Lite Micro's reference kernels run them. So do LiteRT's, which round a sum's way back to
i8 once where the former round twice (gemmlowp's way): `others` counts the outputs that differ there.
Run: python -P tests/oracle/tflite.py
"""

import hashlib
import json
import pathlib
import sys

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tflite_micro.python.tflite_micro import runtime

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE))
import int8  # noqa: E402

DATA = HERE.parent.parent / "data"


def load(data):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))


def pack(model):
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def run(data, samples):
    """What Micro gives for each sample, and the number of outputs that are others by LiteRT."""
    lite = Interpreter(model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    lite.allocate_tensors()
    micro = runtime.Interpreter.from_bytes(data, arena_size=1 << 20)
    source, target = lite.get_input_details()[0], lite.get_output_details()[0]
    made, others = [], 0
    for sample in samples:
        x = sample.astype(np.int8).reshape(source["shape"])
        lite.set_tensor(source["index"], x)
        lite.invoke()
        micro.set_input(x, 0)
        micro.invoke()
        first, second = lite.get_tensor(target["index"]), micro.get_output(0)
        others += int((first.ravel() != second.ravel()).sum())
        made.append(second.ravel().tolist())
    return {"y": made, "others": others}


def edited(data):
    """The same file with other weights and biases in its dense layers, all other bytes as they were."""
    model, new = load(data), bytearray(data)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        for at, kind, change in [
            (operator.inputs[1], np.int8, lambda v, i: (v + 7 * i % 11 - 5).clip(-128, 127)),
            (operator.inputs[2], np.int32, lambda v, i: v + 100 * (3 * i % 7 - 3)),
        ]:
            old = bytes(model.buffers[graph.tensors[at].buffer].data)
            # Where it lies: 16 bytes of biases may stand in the file more than once, its length before.
            places = [p for p in range(len(data)) if data.startswith(len(old).to_bytes(4, "little") + old, p)]
            assert len(places) == 1
            values = np.frombuffer(old, kind).astype(np.int64)
            made = change(values, np.arange(len(values))).astype(kind).tobytes()
            new[places[0] + 4 : places[0] + 4 + len(old)] = made
    return bytes(new)


def alone(data, index):
    """The network of operator `index` alone."""
    model = load(data)
    graph = model.subgraphs[0]
    operator = graph.operators[index]
    graph.operators = [operator]
    graph.inputs, graph.outputs = [operator.inputs[0]], list(operator.outputs)
    return pack(model)


def chain(rng, sizes, activations, rows, biased):
    """A network of dense layers with random integers."""
    model = int8.empty()
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 12
    model.operatorCodes.append(code)
    graph = model.subgraphs[0]
    scale, zero = np.float32(0.05), -3
    first = last = int8.tensor(model, "in", np.int8, (1, sizes[0]), [scale], zero)
    for index, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        scales = rng.uniform(0.002, 0.02, outputs if rows[index] else 1).astype(np.float32)
        weights = rng.integers(-127, 128, (outputs, inputs))
        w = int8.tensor(model, f"w{index}", np.int8, weights.shape, scales, 0, weights)
        b = -1
        if biased[index]:
            bias = rng.integers(-3000, 3001, outputs)
            b = int8.tensor(model, f"b{index}", np.int32, bias.shape, [scale * s for s in scales], 0, bias)
        scale, zero = np.float32(rng.uniform(0.03, 0.06)), int(rng.integers(-40, 40))
        y = int8.tensor(model, f"y{index}", np.int8, (1, outputs), [scale], zero)
        op = schema.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = 0, [last, w, b], [y]
        op.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        op.builtinOptions = schema.FullyConnectedOptionsT()
        op.builtinOptions.fusedActivationFunction = activations[index]
        graph.operators.append(op)
        last = y
    graph.inputs, graph.outputs = [first], [last]
    return pack(model)


def errors(values):
    values = np.abs(values)
    return {"max": float(values.max()), "mean": float(values.mean()), "rms": float(np.sqrt((values**2).mean()))}


def figures(data, y):
    """Errors against the sine on 1,000 points of 0 to 6.28, and those of the best output for every input."""
    graph = load(data).subgraphs[0]
    (x_scale, x_zero), (y_scale, y_zero) = (
        (float(t.quantization.scale[0]), int(t.quantization.zeroPoint[0]))
        for t in (graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]])
    )
    x = np.linspace(0, 6.28, 1000)
    q = np.clip(np.round(x / x_scale) + x_zero, -128, 127).astype(int)
    real = y_scale * (np.arange(-128, 128) - y_zero)
    made = errors(real[np.ravel(y)[q + 128] + 128] - np.sin(x))
    # Every output is tried for every input.
    least = np.array([np.abs(real[:, None] - np.sin(x[q == code])).max(1).min() for code in np.unique(q)])
    return {"errors": made, "least": float(least.max())}


def main():
    rng = np.random.default_rng(21)
    sine, speech = (DATA / name for name in ("sine.tflite", "speech.tflite"))
    everything = np.arange(-128, 128)[:, None]
    new = edited(sine.read_bytes())
    sparse = rng.integers(-128, 128, (6, 4000)) * (rng.random((6, 4000)) < [[1], [1], [1], [0.3], [0.3], [0.1]])
    sparse[3:] = np.where(sparse[3:] == 0, -128, sparse[3:])
    activation = schema.ActivationFunctionType
    made = {
        "sine": run(sine.read_bytes(), everything),
        "edited": {"sha256": hashlib.sha256(new).hexdigest(), **run(new, everything)},
        "speech": {"x": sparse.tolist(), **run(alone(speech.read_bytes(), 2), sparse)},
        "chains": [],
    }
    for sizes, fused, rows, biased in [
        ((5, 7, 4, 3), (activation.RELU6, activation.RELU_N1_TO_1, activation.NONE), (1, 0, 1), (1, 0, 1)),
        ((33, 17, 2), (activation.RELU, activation.RELU6), (0, 1), (1, 1)),
        ((3, 4), (activation.RELU_N1_TO_1,), (0,), (0,)),
    ]:
        data = chain(rng, sizes, fused, rows, biased)
        x = rng.integers(-128, 128, (20, sizes[0]))
        made["chains"].append({"file": data.hex(), "x": x.tolist(), **run(data, x)})
    made["sine"] |= figures(sine.read_bytes(), made["sine"]["y"])
    print("others:", [case["others"] for case in [made["sine"], made["edited"], made["speech"], *made["chains"]]])
    (HERE / "tflite.json").write_text(json.dumps(made, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
