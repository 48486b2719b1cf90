"""Measure time and memory of the scoring program, its minimum, and other ways to do the same.

    python benchmarks/scoring.py [--full] [--only sparse dense csv]

sparse  a whole run of score.py in a hidden phase with its child processes. Minimum: a process that
        imports numpy and h5py and reads the same data sets. Others: a table of voxels with pandas
        and scikit-learn; the dense arrays of 2018 with a mask, event by event.
dense   reading a submission of 2018. Minimum: HDF5 reads only the chunks with voxels of test
        events, into one buffer.
csv     reading a CSV. Others: pandas; row by row with DataFrame.iterrows, as in notebooks of 2018;
        row by row with csv.reader, the fastest loop in Python.

Every contender runs in its own processes, alternating with the others, on one thread. Times are
medians of CPU seconds, so that other work on the machine has little effect. Memory is the largest
sum of the unshared memory of a contender's processes, sampled in a separate run.
"""

from __future__ import annotations

import csv
import itertools
import os
import signal
import statistics
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "scoring_program"
PHASES = {"public": 5, "hidden": 6}
SAMPLE_SECONDS = 0.02
N_VOXELS = 2500  # of an event, about
FULL = 20  # times the events with --full


@dataclass(frozen=True)
class Contender:
    """A way to do a task: one of the workers below, or the script score.py, with its arguments.

    share: the part of the task that a slow contender does. It prints the seconds of its loop, which
    are scaled up.
    """

    name: str
    what: Callable | Path
    arguments: tuple
    share: float = 1.0

    def __str__(self) -> str:
        return self.name if self.share == 1 else f"{self.name} (from {self.share:.1%})"


def main() -> None:
    from lartpc_challenge.command import at_least, new_parser
    from organizer.scratch import scratch_folder

    parser = new_parser("python benchmarks/scoring.py", __doc__)
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--repeat", type=at_least(1), default=3, help="runs of each contender")
    parser.add_argument("--full", action="store_true", help=f"{FULL} times the events")
    options = parser.parse_args()
    for task in options.only:
        with scratch_folder("benchmarks") as folder:
            groups = TASKS[task](folder, FULL if options.full else 1)
            for title, contenders in groups.items():
                print(f"\n{title}", flush=True)
                report(contenders, options.repeat)


def report(contenders: list, repeat: int) -> None:
    """Run the contenders alternately; print a row for each, relative to the first one."""
    seconds = {contender: [] for contender in contenders}
    for _ in range(repeat):
        for contender in contenders:
            seconds[contender].append(own_seconds(contender))
    medians = {contender: statistics.median(times) for contender, times in seconds.items()}
    ours = medians[contenders[0]]
    print(f"{'':44}{'seconds':>9}{'ours / it':>11}{'it / ours':>11}{'memory':>12}")
    for contender, median in medians.items():
        memory = f"{peak_memory(contender) / 1e6:9,.0f} MB"
        ratios = f"{ours / median:11.2f}{median / ours:11.2f}"
        print(f"{contender!s:44}{median:9.2f}{ratios}{memory}", flush=True)


def start(contender: Contender) -> subprocess.Popen:
    what = contender.what
    script = [what] if isinstance(what, Path) else [__file__, "--worker", what.__name__]
    command = [sys.executable, *map(str, [*script, *contender.arguments])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROGRAM)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)


def own_seconds(contender: Contender) -> float:
    """Return the CPU seconds of a contender's processes, or of its loop scaled up."""
    process = start(contender)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        sys.exit(f"{contender.name}: failed")
    if contender.share < 1:
        return float(printed) / contender.share
    return usage.ru_utime + usage.ru_stime


def peak_memory(contender: Contender) -> int:
    """Return the peak memory of a contender's processes in bytes; shared pages count once."""
    peak = 0
    with start(contender) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(memory_of, [process.pid, *children_of(process.pid)])))
            time.sleep(SAMPLE_SECONDS)
    return peak


def children_of(pid: int) -> list:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def memory_of(pid) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


# ---- the tasks


def make_events(n_events: int) -> list:
    """Make events similar to cycle 3: random walks of about N_VOXELS voxels."""
    import numpy as np

    from lartpc_challenge.events import Event
    from lartpc_challenge.format import GRID_SHAPE, GRID_SIZE

    rng = np.random.default_rng(2018)
    period = 2 * GRID_SIZE - 2
    events = []
    for event_id in rng.permutation(n_events):
        steps = rng.integers(-1, 2, (int(1.1 * N_VOXELS), 3))
        walk = (rng.integers(0, GRID_SIZE, 3) + np.cumsum(steps, axis=0)) % period
        walk = np.minimum(walk, period - walk)  # reflected at the walls
        cells = np.unique(np.ravel_multi_index(tuple(walk.T), GRID_SHAPE))
        cells = rng.permutation(cells)[:N_VOXELS]
        coords = np.column_stack(np.unravel_index(cells, GRID_SHAPE)).astype(np.uint8)
        label = (1 + cells // 6000 % 3).astype(np.uint8)
        energy = rng.exponential(0.5, len(cells)).astype(np.float32)
        events.append(Event(int(event_id), coords, energy, label))
    return events


def write_test_file(path: Path, events: list) -> None:
    from lartpc_challenge.events import Event, write_events

    unlabelled = (Event(event.event_id, event.coords, event.energy) for event in events)
    write_events(path, unlabelled, kind="test", cycle=3, scale="full")


def write_dense(path: Path, events: list, chunks: tuple | bool) -> None:
    """Write /pred (N, 192, 192, 192) uint32 with gzip, as in 2018. chunks: True for h5py's own."""
    import h5py
    import numpy as np

    from lartpc_challenge.format import GRID_SHAPE

    packed = {}
    with h5py.File(path, "w") as file:
        shape = (len(events), *GRID_SHAPE)
        pred = file.create_dataset("pred", shape, "<u4", chunks=chunks, compression="gzip")
        chunk = pred.chunks or shape
        for row in range(0, len(events), chunk[0]):
            block = events[row : row + chunk[0]]
            place = np.concatenate([np.insert(e.coords, 0, i, 1) for i, e in enumerate(block)])
            label = np.concatenate([event.label for event in block])
            # Write chunk by chunk and pack each distinct one once: pred[i] = grid takes an hour.
            corner = place // chunk * chunk
            for spot in np.unique(corner, axis=0):
                mine = (corner == spot).all(axis=1)
                content = np.zeros(chunk, "<u4")
                content[tuple((place[mine] - spot).T)] = label[mine]
                key = hash(content.tobytes())
                if key not in packed:
                    packed[key] = zlib.compress(content.tobytes(), 4)
                pred.id.write_direct_chunk((row + spot[0], *spot[1:]), packed[key])


def sparse(folder: Path, scale: int) -> dict:
    import numpy as np

    from lartpc_challenge.cycles import CYCLES
    from lartpc_challenge.reference import write_reference
    from lartpc_challenge.submission.forms import write_submission

    events = make_events(500 * scale)
    offset = np.cumsum([0, *map(len, events)])
    labels = np.concatenate([event.label for event in events])
    rng = np.random.default_rng(50)
    pred = np.where(rng.random(len(labels)) < 0.9, labels, rng.integers(1, 4, len(labels)))
    packed = folder / "submission.zip"
    write_submission(packed, [e.event_id for e in events], offset, pred.astype(np.uint8))
    run = {}
    for half, (name, phase) in enumerate(PHASES.items()):
        run[name] = folder / name
        (run[name] / "ref").mkdir(parents=True)
        write_reference(
            run[name] / "ref/reference.h5",
            cycle=CYCLES[3],
            phase=phase,
            hidden=name == "hidden",
            scale="full",
            truth=iter(events[half::2]),
            test=iter(events),
            trivial={},
        )
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(run[name] / "res")
    few = min(len(events) // 4, 20)
    write_dense(folder / "dense.h5", events[:few], (1, 192, 192, 192))
    files = (run["hidden"] / "ref/reference.h5", run["hidden"] / "res/predictions.h5")
    title = f"sparse: {len(events):,} events, {offset[-1]:,} voxels"
    program, out = PROGRAM / "score.py", folder / "out"
    contenders = [
        Contender("score.py, hidden phase", program, (run["hidden"], out)),
        Contender("score.py, public phase, with its page", program, (run["public"], out)),
        Contender("floor: import, read", read_files, files),
        Contender("pandas and scikit-learn", score_table, files),
        Contender("2018: dense arrays", score_dense, (folder / "dense.h5",), 2 * few / len(events)),
    ]
    return {title: contenders}


def dense(folder: Path, scale: int) -> dict:
    from dataclasses import replace

    distinct = make_events(20)
    events = [replace(distinct[i % 20], event_id=i) for i in range(50 * scale)]
    test = folder / "test.h5"
    write_test_file(test, events)
    groups = {}
    for name, chunks in {"an event a chunk": (1, 192, 192, 192), "h5py's own chunks": True}.items():
        path = folder / f"{name}.h5"
        write_dense(path, events, chunks)
        groups[f"dense: {len(events):,} events, {name}"] = [
            Contender("read_guarded", read, (path, test)),
            Contender("floor: HDF5 reads the chunks", read_chunks, (path, test)),
        ]
    return groups


def csv_rows(folder: Path, scale: int) -> dict:
    events = make_events(250 * scale)
    test, path = folder / "test.h5", folder / "predictions.csv"
    write_test_file(test, events)
    with open(path, "w") as file:
        file.write("event,x,y,z,label\n")
        for event in events:
            number = itertools.repeat(event.event_id)
            rows = zip(number, *event.coords.T.tolist(), event.label.tolist())
            file.writelines("{},{},{},{},{}\n".format(*row) for row in rows)
    n_rows = sum(map(len, events))
    slow, loop = 20_000, 500_000
    contenders = [
        Contender("read_guarded", read, (path, test)),
        Contender("pandas.read_csv, merge", merge_table, (path, test)),
        Contender("row by row, iterrows", read_by_iterrows, (path, slow), slow / n_rows),
        Contender("row by row, csv.reader", read_by_loop, (path, loop), loop / n_rows),
    ]
    return {f"csv: {n_rows:,} rows": contenders}


TASKS = {"sparse": sparse, "dense": dense, "csv": csv_rows}


# ---- the workers: each a process of its own, which imports what it needs and no more


def read(path: str, test: str) -> None:
    from lartpc_challenge.reference import Manifest
    from lartpc_challenge.submission.sandbox import read_guarded

    read_guarded(path, Manifest.from_events(test), time_limit=3600)


def read_files(reference: str, predictions: str) -> None:
    import h5py

    names = ("event_id", "offset", "label", "test/event_id", "test/offset", "test/energy")
    with h5py.File(reference) as truth, h5py.File(predictions) as submission:
        [truth[name][:] for name in names]
        [submission[name][:] for name in ("event_id", "offset", "pred")]


def score_table(reference: str, predictions: str) -> None:
    import h5py
    import numpy as np
    import pandas
    from sklearn.metrics import accuracy_score

    with h5py.File(reference) as truth, h5py.File(predictions) as submission:
        tables = [
            pandas.DataFrame(
                {"event": np.repeat(file["event_id"][:], lengths), name: file[name][:]}
            )
            for file, name in ((truth, "label"), (submission, "pred"))
            for lengths in [np.diff(file["offset"][:])]
        ]
    for table in tables:
        table["voxel"] = table.groupby("event").cumcount()
    joined = tables[0].merge(tables[1], on=["event", "voxel"])
    joined = joined[joined.label > 0]
    scores = [accuracy_score(e.label, e.pred) for _, e in joined.groupby("event")]
    _ = np.percentile(scores, 80), np.median(scores), np.mean(scores)


def score_dense(path: str) -> None:
    import h5py
    import numpy as np

    start = time.process_time()
    with h5py.File(path) as file:
        scores = []
        for i in range(len(file["pred"])):
            label, pred = file["pred"][i], file["pred"][i]
            mask = label > 0
            scores.append((pred[mask] == label[mask]).mean())
    _ = np.percentile(scores, 80), np.median(scores), np.mean(scores)
    print(time.process_time() - start)


def read_chunks(path: str, test: str) -> None:
    import h5py
    import numpy as np

    from lartpc_challenge.events import EventFile

    with h5py.File(path) as file, EventFile(test) as events:
        pred = file["pred"]
        buffer = np.empty(pred.chunks, pred.dtype)
        for row in range(0, len(pred), pred.chunks[0]):
            stop = min(row + pred.chunks[0], len(pred))
            coords = np.concatenate([events[i].coords for i in range(row, stop)])
            for spot in np.unique(coords // pred.chunks[1:], axis=0) * pred.chunks[1:]:
                corner = (row, *spot.tolist())
                extent = np.minimum(np.subtract(pred.shape, corner), pred.chunks)
                source = tuple(slice(a, a + n) for a, n in zip(corner, extent))
                pred.read_direct(buffer, source, tuple(slice(n) for n in extent))


def merge_table(path: str, test: str) -> None:
    import numpy as np
    import pandas

    from lartpc_challenge.events import EventFile

    with EventFile(test) as events:
        table = pandas.DataFrame(events.column("coords").astype("i8"), columns=["x", "y", "z"])
        table.insert(0, "event", np.repeat(events.event_id, np.diff(events.offset)).astype("i8"))
    table.merge(pandas.read_csv(path), on=["event", "x", "y", "z"], how="left", validate="1:1")


def read_by_iterrows(path: str, n_rows: str) -> None:
    import pandas

    table = pandas.read_csv(path, nrows=int(n_rows))
    start, labels = time.process_time(), {}
    for _, row in table.iterrows():
        labels[row.event, row.x, row.y, row.z] = row.label
    print(time.process_time() - start)


def read_by_loop(path: str, n_rows: str) -> None:
    start, labels = time.process_time(), {}
    with open(path, newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for event, x, y, z, label in itertools.islice(rows, int(n_rows)):
            labels[int(event), int(x), int(y), int(z)] = int(label)
    print(time.process_time() - start)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C: the command says so, once
        globals()[sys.argv[2]](*sys.argv[3:])
    else:
        from lartpc_challenge.command import run

        sys.exit(run("scoring", main))
