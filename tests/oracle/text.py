"""Words and bags of a few texts, by scikit-learn.

The words are those of the pattern \\w\\w+ on the text in lower case. The vocabulary is that of the 40
words that occur in most texts (ties by alphabet). Rows are counts, and counts times inverse document
frequency (rounded to f32 first, as it is stored), each divided by its Euclidean norm.

    python tests/oracle/text.py > tests/oracle/text.json
"""

import json
import re

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import normalize

TEXTS = [
    "The quick brown fox jumps over the lazy dog; the dog sleeps.",
    "It's 3.14 or 42, isn't it? I_am_one word, a b c dd",
    "ΟΔΥΣΣΕΥΣ sailed home. STRASSE, straße; naïve café déjà-vu",
    "İstanbul'da güneş; 東京 は 首都, Привет МИР, ½ ² Ⅷ x² no1",
    "",
    "the the the",
    "!!! ??? ...",
    "dog dog fox quick-quick over the sea and over the hill",
    'quoted "words" (and brackets) [too]\n\twith\r\nlines',
    "e\u0301tude and étude, a\u200bb zero-width, soft\u00adhyphen",
    "over and over and OVER again the dog is not the fox",
    "x" * 300 + " long",
]
STOP = ["the", "and", "is"]


def rows(matrix):
    matrix = matrix.tocsr().astype(np.float32)
    matrix.sort_indices()
    cut = zip(matrix.indptr, matrix.indptr[1:])
    return [
        [matrix.indices[a:b].tolist(), [float(value) for value in matrix.data[a:b]]]
        for a, b in cut
    ]


def main():
    words = [re.findall(r"\w\w+", text.lower()) for text in TEXTS]
    documents = {}
    for text in words:
        for word in set(text):
            documents[word] = documents.get(word, 0) + 1
    kept = sorted(sorted(documents, key=lambda word: (-documents[word], word))[:40])
    counts = CountVectorizer(vocabulary=kept).transform(TEXTS).astype(np.float64)
    tfidf = TfidfVectorizer(vocabulary=kept, stop_words=STOP)
    tfidf.fit(TEXTS)
    idf = tfidf.idf_.astype(np.float32)
    tfidf.idf_ = idf.astype(np.float64)
    values = {
        "texts": TEXTS,
        "words": words,
        "vocabulary": kept,
        "counts": rows(normalize(counts)),
        "stop_words": STOP,
        "idf": [float(value) for value in idf],
        "tfidf": rows(tfidf.transform(TEXTS)),
    }
    print(json.dumps(values))


if __name__ == "__main__":
    main()
