"""Comments of CSV files, read by Python's csv module.

Writes comments.json: small files of awkward texts in both of Jigsaw's formats, written by csv.writer
(rows end in \\n or \\r\\n, fields quoted where they must be or always), with what csv.DictReader makes of
them, and the line on which each row begins. With a folder as argument it also counts the files of its
folder `text`, which are not part of this repository; without, it keeps the counts that are there.

Run: python tests/oracle/comments.py [FOLDER]
"""

import csv
import gzip
import hashlib
import io
import json
import pathlib
import random
import re
import sys

HERE = pathlib.Path(__file__).parent
GROUPS = [
    "male", "female", "homosexual_gay_or_lesbian", "christian", "jewish", "muslim", "black", "white",
    "psychiatric_or_mental_illness",
]
PIECES = [
    "you", "fool", " ", " ", ",", '"', '""', "\n", "\r\n", "\n\n", "'", ";", "\t", "é", "未未", "😀", "gay",
    "Muslim", "women", "black coffee", "0.5", "x" * 40,
]
csv.field_size_limit(1 << 30)


def text(draw):
    return "a" + "".join(draw.choice(PIECES) for _ in range(draw.randrange(12)))


def share(draw):
    return draw.choice(["", "0", "0.0", "0.4999999", "0.5", ".5", "1", "1.0", "5e-1", "0.75", "1e-3"])


def case(draw, number):
    identities = draw.sample(GROUPS, draw.randrange(1, 10))
    columns = ["comment_text", "target", "id", "created", "severe_toxicity"] + identities
    draw.shuffle(columns)
    rows = []
    for row in range(draw.randrange(4, 12)):
        values = {name: share(draw) for name in identities}
        target = ["0.2", "0.8"][row] if row < 2 else share(draw)
        values |= {"comment_text": text(draw), "target": target, "id": f"{row},", "created": text(draw)}
        rows.append({"severe_toxicity": "n/a"} | values)
    out = io.StringIO(newline="")
    quoting = [csv.QUOTE_MINIMAL, csv.QUOTE_ALL][number % 2]
    writer = csv.DictWriter(out, columns, quoting=quoting, lineterminator=["\n", "\r\n"][number // 2 % 2])
    writer.writeheader()
    writer.writerows(rows)
    content = out.getvalue()
    if number % 3 == 0:
        content = content.rstrip("\r\n")
    return content


def number(cell):
    return None if cell == "" else float(cell)


def expected(content):
    # Iterated by "\n" alone, so that line_num counts as editors do.
    reader = csv.DictReader(io.StringIO(content, newline="\n"))
    result = {"texts": [], "labels": [], "members": [], "missing": [], "lines": []}
    present = [name for name in GROUPS if name in reader.fieldnames]
    begins = reader.line_num + 1
    for row in reader:
        if row["target"] != "":
            result["texts"].append(row["comment_text"])
            result["labels"].append(int(number(row["target"]) >= 0.5))
            cells = [(name, number(row[name])) for name in present]
            result["members"].append([name for name, cell in cells if cell is not None and cell >= 0.5])
            result["missing"].append([name for name, cell in cells if cell is None])
            result["lines"].append(begins)
        begins = reader.line_num + 1
    return {"csv": content} | result


def digest(texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def counts(folder):
    folder = pathlib.Path(folder) / "text"
    files = {}
    for name in ["wikipedia_comments_unintended_bias_format.csv", "toxic_comment_2018_format_sample.csv"]:
        with open(folder / name, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        label = "target" if "target" in rows[0] else "toxic"
        files[name] = {
            "rows": len(rows),
            "toxic": sum(float(row[label]) >= 0.5 for row in rows),
            "texts": digest(row["comment_text"] for row in rows),
            "file": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
            "members": {
                group: sum(float(row[group]) >= 0.5 for row in rows) for group in GROUPS if group in rows[0]
            },
        }
    name = "identity_templates_77k.csv.gz"
    with gzip.open(folder / name, "rt", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    # The texts end in the identity, or in "is" and a word about it: none of these words is an identity.
    words = [re.findall(r"\w+", row["Text"].lower()) for row in rows]
    kinds = [row["Template"] for row in rows]
    ends = [(kind, word) for kind, word in zip(kinds, words) if kind in ("verb_adj", "am_hate_adj")]
    skip = {"verb_adj": 1, "am_hate_adj": 2}
    terms = sorted({" ".join(word[skip[kind]:]) for kind, word in ends})
    spaced = [f" {' '.join(word)} " for word in words]
    members = {term: sum(f" {term} " in text for text in spaced) for term in terms}
    # "african american" is a term of its own, no mention of its words.
    for word in ("african", "american"):
        members[word] -= members["african american"]
    files[name] = {
        "rows": len(rows),
        "toxic": sum(row["Label"] == "BAD" for row in rows),
        "texts": digest(row["Text"] for row in rows),
        "file": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
        "members": members,
        "kinds": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
    }
    return files


def main():
    path = HERE / "comments.json"
    draw = random.Random(0)
    cases = [expected(case(draw, index)) for index in range(24)]
    if len(sys.argv) > 1:
        files = counts(sys.argv[1])
    else:
        files = json.loads(path.read_text())["files"]
    path.write_text(json.dumps({"cases": cases, "files": files}, indent=1, ensure_ascii=True) + "\n")


main()
