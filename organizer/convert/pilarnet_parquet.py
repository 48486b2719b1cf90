"""Read PILArNet-M in pimm's parquet format: columns point, cluster, cluster_extra of lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lartpc_challenge.files import check_file
from lartpc_challenge.format import ChallengeError
from organizer.convert.deposits import ReadOptions, SourceEvent
from organizer.convert.pilarnet_rows import event_of_rows

_BLOCK_EVENTS = 64
_COLUMNS = ("point", "cluster", "cluster_extra")


def import_parquet() -> Any:
    """Return the module pyarrow.parquet. Raises ChallengeError if it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError as reason:
        raise ChallengeError("parquet files need pyarrow: pip install pyarrow") from reason
    return pyarrow.parquet


def columns_of(path: Path) -> list[str]:
    """Return the names of a parquet file's columns. Raises ChallengeError if it can't be read."""
    parquet = import_parquet()
    check_file(path)
    try:
        return list(parquet.read_schema(path).names)
    except (OSError, ValueError) as reason:
        raise ChallengeError(f"{path}: not a readable parquet file, or a damaged one") from reason


def read(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of a parquet file; event_id is the row."""
    names = [name for name in _COLUMNS if name in columns_of(path)]
    if names[:2] != list(_COLUMNS[:2]):
        raise ChallengeError(
            f"{path}: expected the columns point and cluster, found {', '.join(columns_of(path))}"
        )
    parquet = import_parquet()
    try:
        with parquet.ParquetFile(path) as file:
            n_events, entry = file.metadata.num_rows, 0
            for batch in file.iter_batches(batch_size=_BLOCK_EVENTS, columns=names):
                for row in zip(*(_rows(batch.column(name)) for name in names)):
                    yield event_of_rows(
                        f"{path} row {entry}",
                        entry,
                        n_events,
                        row[0],
                        row[1],
                        row[2] if len(row) > 2 else None,
                        options,
                    )
                    entry += 1
    except (OSError, ValueError) as reason:
        raise ChallengeError(f"{path}: not a readable parquet file, or a damaged one") from reason


def _rows(column: Any) -> Iterator[np.ndarray]:
    """Yield each row's (nested) list as one flat array of numbers."""
    for row in range(len(column)):
        values = column[row].values
        while hasattr(values, "flatten") and str(values.type).startswith(("list", "large_list")):
            values = values.flatten()
        yield values.to_numpy(zero_copy_only=False)
