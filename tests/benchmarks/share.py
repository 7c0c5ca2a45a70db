"""What share of the machine a finished study gave to the steps of its trainings: `python -m benchmarks.share STUDY`.

From the run records: seconds of all epochs, over cores and the time from the first job's start to the last one's end.
`benchmarks.training` says how near such an epoch is to the bare step.
"""

import argparse
import os
from datetime import datetime, timedelta

import pandas as pd

from foramen.core.files import read_json
from foramen.study import Study, load


def share(study: Study, cores: int) -> dict[str, float]:
    """wall, the study's seconds; floor, those that its epochs alone would take on all cores; share, floor / wall.

    FileNotFoundError where a training is missing. A study that was made in several goes has their pauses in `wall`.
    """
    steps = sum(pd.read_csv(run.folder / "history.csv")["seconds"].sum() for run in study.runs)
    made = [read_json(record) for record in study.paths.runs.rglob("run.json")]
    ends = [datetime.fromisoformat(record["finished"]) for record in made]
    starts = [end - timedelta(seconds=record["wall_seconds"]) for end, record in zip(ends, made, strict=True)]
    wall, floor = (max(ends) - min(starts)).total_seconds(), steps / cores
    return {"wall": wall, "floor": floor, "share": floor / wall}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="params/default.yaml")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    given = parser.parse_args()
    try:
        found = share(load(given.study), given.cores)
    except FileNotFoundError as error:
        print(f"{given.study} is not finished: {error.filename} is missing")
    else:
        print("{wall:.0f} s, of which its trainings' epochs would fill {floor:.0f} s: {share:.0%}".format(**found))


if __name__ == "__main__":
    main()
