"""`python -m tests.diagnosis`: makes every fault of the corpus happen and prints the confusion matrix."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.diagnosis.corpus.run import CASES, run
from tests.diagnosis.matrix import matrix


def main() -> None:
    words = sys.argv[1:]
    cases = [case for case in CASES if not words or any(word in case.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="qhub-faults-") as folder:
        said = run(Path(folder), cases, lambda text: print(text, file=sys.stderr, flush=True))
    for one in said if words else ():
        print(f"{one.name}: {one.told or 'nothing'} ({one.confidence}, {one.rule}): {one.sentence}")
    print(matrix(said))


if __name__ == "__main__":
    main()
