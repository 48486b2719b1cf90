"""Read the CSV form of 2018: columns event, x, y, z and label (or pred), one row per voxel.

Rows and columns may be in any order. Every voxel of every test event must have exactly one row.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np

from lartpc_challenge.format import GRID_SHAPE, GRID_SIZE, SubmissionError
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.labels import add_not_labels, file_title, find_not_labels
from lartpc_challenge.submission.problems import Cases, Problems, shown
from lartpc_challenge.submission.upload import READ_ERRORS, Upload

# The position of each column in the table that the code works with; some have two names.
_COLUMNS = {"event": 0, "event_id": 0, "x": 1, "y": 2, "z": 3, "label": 4, "pred": 4}
_N_COLUMNS = 5
_HEADER = "event,x,y,z,label (or pred), each once and no others"
_TO_CSV = "table[['event', 'x', 'y', 'z', 'label']].to_csv(..., index=False)"
_SAVETXT = "np.savetxt(..., fmt='%d', delimiter=',', header='event,x,y,z,label', comments='')"
_ROW = "five whole numbers, 0 or larger, separated by commas"

_BLOCK_BYTES = 1 << 18  # fits into the CPU cache; blocks of several MB take three times longer
_MAX_LINE = 1 << 12  # characters
MAX_EXTRA = 1 << 26  # bytes in addition to the rows
MAX_ROW = 128  # bytes per voxel; five quoted numbers of 16 digits take 96
_COMMA, _NEWLINE, _QUOTE, _POINT = b',\n".'
_ROW_MARKS = np.array([_COMMA] * (_N_COLUMNS - 1) + [_NEWLINE], np.uint8)

_MAX_DIGITS = 16


class _Rows(NamedTuple):
    """The rows of the CSV file, in its order.

    event (n,): index of the event in the test file. cell (n,) uint32: flat index of the voxel in
    the grid. label (n,) uint8.
    """

    event: np.ndarray
    cell: np.ndarray
    label: np.ndarray


def read_csv(upload: Upload, manifest: Manifest, coords: np.ndarray, out: np.ndarray) -> None:
    """Read the labels of all test voxels into `out`.

    coords: (M, 3) uint8, the voxels in test-file order. out: (M,) uint8, is filled in that order.
    Raises SubmissionError for malformed rows and for unknown, missing or repeated voxels.
    """
    lines = _lines(upload, most_bytes=MAX_EXTRA + MAX_ROW * manifest.n_voxels)
    places = _column_places(upload, next(lines))
    rows = _read_rows(lines, places, manifest, upload.name)
    _fill(out, rows, manifest, coords, upload.name)


# ---- text


def _lines(upload: Upload, most_bytes: int) -> Iterator[bytes]:
    """Yield the header, then the rows in blocks of whole lines that all end with a newline.

    Blank lines at the end of the file are skipped. Raises SubmissionError for a file of more than
    `most_bytes` bytes.
    """
    rest, is_header, n_bytes = b"", True, 0
    # The last line may have no newline. If it has one, the added newline is a blank line.
    for text in chain(iter(lambda: _read(upload), b""), [b"\n"]):
        n_bytes += len(text)
        if n_bytes > most_bytes:
            raise SubmissionError(
                f"{upload.name}: is longer than {most_bytes:,} bytes, more than one row per voxel "
                "of the test file can take; remove everything after the last row"
            )
        rest = (rest + text).replace(b"\r\n", b"\n")
        if is_header:
            header, newline, below = rest.partition(b"\n")
            if newline:
                is_header, rest = False, below
                yield header
        if not is_header:
            # Keep the newlines at the end of a block: they are blank lines only if the file ends.
            whole = rest[: rest.rfind(b"\n") + 1].rstrip(b"\n")
            if whole:
                yield whole + b"\n"
                rest = rest[len(whole) + 1 :]
            if not rest.strip(b"\n"):
                rest = rest[:1]
        if len(rest) > _MAX_LINE:
            raise SubmissionError(
                f"{upload.name}: has a line of more than {_MAX_LINE:,} characters, expected {_ROW}"
                ", and a newline after each row"
            )


def _read(upload: Upload) -> bytes:
    try:
        return upload.stream.read(_BLOCK_BYTES)
    except READ_ERRORS as reason:
        raise SubmissionError(
            f"{upload.name}: is damaged or cut short. Zip and upload it again."
        ) from reason


def _column_places(upload: Upload, header: bytes) -> list[int]:
    """Return the positions of event, x, y, z and label in a row of the file."""
    text = header.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    names = [name.strip().strip('"').lower() for name in text.split(",")]
    ours = [_COLUMNS.get(name, -1) for name in names]
    if sorted(ours) != list(range(_N_COLUMNS)):
        raise SubmissionError(
            f"{upload.name}: the first line must name the columns {_HEADER}; found {shown(header)}"
            f"{_header_advice(header, names)}"
        )
    return [ours.index(column) for column in range(_N_COLUMNS)]


def _header_advice(header: bytes, names: list[str]) -> str:
    if b"\r" in header:
        return r". End each line with \n or \r\n, not with \r alone"
    if header.startswith(b"#") and b"event" in header:
        return f". Write no # before the names: {_SAVETXT}"
    if {names.count(name) for name in ("x", "y", "z")} == {1}:
        if set(names) & {"label", "pred"} and set(names) & {"event", "event_id"}:
            return f". Write these columns alone, without the table's index: {_TO_CSV}"
        return f". Give the columns these names: {_TO_CSV}; for class scores the label, argmax + 1"
    if len(names) == 1 and b"event" in header and any(mark in header for mark in b";\t "):
        return ". Separate the columns by commas: to_csv(..., sep=',')"
    if header[:1].isdigit() and not header.isdigit():
        return f". Write the column names as the first line: {_TO_CSV} or {_SAVETXT}"
    return ". Write the file with lartpc_challenge.submission.write_submission"


def _parse(block: bytes) -> np.ndarray | None:
    """Return the numbers in n whole lines as (n, 5) int64, or None if a line is malformed."""
    characters = np.frombuffer(block, np.uint8)
    end = np.flatnonzero((characters == _COMMA) | (characters == _NEWLINE))
    if len(end) % _N_COLUMNS or (characters[end].reshape(-1, _N_COLUMNS) != _ROW_MARKS).any():
        return None
    length = np.diff(end, prepend=-1) - 1
    if _QUOTE in block:
        quoted = (characters[end - length] == _QUOTE) & (characters[end - 1] == _QUOTE)
        if block.count(_QUOTE) != 2 * np.count_nonzero(quoted & (length > 1)):
            return None
        length -= 2 * quoted
        block = block.replace(b'"', b"")
    if length.min() < 1 or length.max() > _MAX_DIGITS or block.translate(None, b"0123456789,\n"):
        return None
    # Only digits and separators are left, so np.fromstring can't stop early.
    return np.fromstring(block.replace(b"\n", b","), np.int64, sep=",").reshape(-1, _N_COLUMNS)


def _note_bad_lines(
    problems: Problems, block: bytes, rest: Iterator[bytes], first_line: int
) -> None:
    """Add the malformed lines of `block` to `problems`.

    If a decimal point is wrong in all of them, the lines in `rest` are counted as well.
    """
    cases = _bad_lines(block, first_line)
    if cases.count == _count_points(block):
        cases.count += sum(map(_count_points, rest))
        problems.add_cases(
            f"has lines with a decimal point, expected {_ROW}",
            cases,
            "Convert labels with astype(int), probabilities to labels by argmax + 1; copy event, "
            "x, y and z from the test file, as integers.",
        )
    else:
        last_line = first_line + block.count(b"\n") - 1
        advice = "The label is a number too; no column is empty or has signs or spaces."
        if b"tensor(" in block or b"[" in block:
            advice = "Convert tensors and lists to numbers: label.cpu().numpy().ravel()."
        elif b"\r" in block:
            advice = r"End each line with \n or \r\n; csv.writer needs open(..., 'w', newline='')."
        advice += f" Lines after {last_line:,} were not read."
        problems.add_cases(f"has malformed lines, expected {_ROW}", cases, advice)


def _bad_lines(block: bytes, first_line: int) -> Cases:
    """Return the lines of a block that `_parse` can't read."""
    lines, cases = block.split(b"\n")[:-1], Cases()
    wrong = [i for i, line in enumerate(lines) if not _is_row(line)]
    cases.add(np.array(wrong), lambda i: f"line {first_line + i} {shown(lines[i])}")
    return cases


def _count_points(block: bytes) -> int:
    """Return the number of lines in a block that contain a decimal point."""
    characters = np.frombuffer(block, np.uint8)
    ends, points = np.flatnonzero(characters == _NEWLINE), np.flatnonzero(characters == _POINT)
    lines = np.searchsorted(ends, points)
    return int(np.count_nonzero(np.diff(lines, prepend=-1)))


def _is_row(line: bytes) -> bool:
    fields = [
        field[1:-1] if len(field) > 1 and field[:1] == field[-1:] == b'"' else field
        for field in line.split(b",")
    ]
    return len(fields) == _N_COLUMNS and all(
        field.isdigit() and len(field) <= _MAX_DIGITS for field in fields
    )


# ---- rows


def _read_rows(blocks: Iterator[bytes], places: list[int], manifest: Manifest, where: str) -> _Rows:
    """Read all rows and check their values. Raises SubmissionError."""
    capacity, title = manifest.n_voxels, file_title(manifest)
    rows = _Rows(
        event=np.empty(capacity, np.min_scalar_type(manifest.n_events)),
        cell=np.empty(capacity, np.uint32),
        label=np.empty(capacity, np.uint8),
    )
    unknown, outside, bad = Cases(), Cases(), Cases()
    stop = 0
    with Problems(where) as problems:
        for block in blocks:
            first_line = stop + 2  # the header is line 1
            table = _parse(block)
            if table is None:
                _note_bad_lines(problems, block, blocks, first_line)
                break
            start, stop = stop, stop + len(table)
            if stop > capacity:
                problems.add(f"has more than {capacity:,} rows, expected one per voxel of {title}")
                break
            event, x, y, z, label = table.T[places]
            row = manifest.rows(event)

            def at_line(i, first_line=first_line, table=table):
                event, x, y, z, label = table[i, places]
                return f"line {first_line + i} (event {event} at ({x}, {y}, {z}): {label})"

            unknown.add(np.flatnonzero(row < 0), at_line)
            outside.add(np.flatnonzero(table.T[places[1:4]].max(axis=0) >= GRID_SIZE), at_line)
            bad.add(find_not_labels(label, manifest.cycle), at_line)
            rows.event[start:stop] = row
            rows.cell[start:stop] = (x * GRID_SIZE + y) * GRID_SIZE + z
            rows.label[start:stop] = label
        problems.add_cases(
            f"names events that are not in {title}",
            unknown,
            f"Copy the numbers of the events from event_id of {title}, which belongs to cycle "
            f"{manifest.cycle.number}.",
        )
        problems.add_cases(
            f"has coordinates outside 0 to {GRID_SIZE - 1}",
            outside,
            f"Copy x, y and z from {title}: they count voxels from 0.",
        )
        add_not_labels(problems, bad, manifest.cycle)
    return _Rows(*(column[:stop] for column in rows))


def _fill(out: np.ndarray, rows: _Rows, manifest: Manifest, coords: np.ndarray, where: str) -> None:
    """Write the labels into `out` in test-file order.

    Raises SubmissionError unless every voxel has exactly one row.
    """
    if (rows.event[1:] < rows.event[:-1]).any():
        order = np.argsort(rows.event, kind="stable")
        rows = _Rows(*(column[order] for column in rows))
    bounds = np.searchsorted(rows.event, np.arange(manifest.n_events + 1, dtype=rows.event.dtype))
    bounds, offset = bounds.tolist(), manifest.offset.tolist()
    place_of = np.zeros(np.prod(GRID_SHAPE), np.int32)  # cell -> 1 + voxel's place in the event
    unknown, twice, missing = Cases(), Cases(), Cases()
    for i, event in enumerate(manifest.event_id.tolist()):
        first, last = offset[i], offset[i + 1]
        cells = np.asarray(np.ravel_multi_index(coords[first:last].T.astype(np.int64), GRID_SHAPE))
        place_of[cells] = np.arange(1, last - first + 1)
        mine = slice(bounds[i], bounds[i + 1])
        place = place_of[rows.cell[mine]]
        place_of[cells] = 0
        times = np.bincount(place, minlength=last - first + 1)
        if times[0] == 0 and (times[1:] == 1).all():
            out[first:last][place - 1] = rows.label[mine]
            continue

        def in_event(cell, event=event):
            return f"event {event} at {tuple(map(int, np.unravel_index(cell, GRID_SHAPE)))}"

        unknown.add(rows.cell[mine][place == 0], in_event)
        twice.add(cells[times[1:] > 1], in_event)
        missing.add(cells[times[1:] == 0], in_event)
    title = file_title(manifest)
    with Problems(where) as problems:
        problems.add_cases(
            f"has voxels that are not in {title}",
            unknown,
            f"Copy x, y and z, in this order, from {title}: the kit of 2018 shifted nine "
            "coordinates by one.",
        )
        problems.add_cases("has voxels more than once", twice, "Write one row per voxel.")
        if not unknown.count:  # else the same rows at wrong places, most likely
            problems.add_cases(f"lacks voxels of {title}", missing, "Write one row per voxel.")
