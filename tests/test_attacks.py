"""Hostile and careless submissions: each is refused with one clear message.

An attack is a function that leaves its file in a worker's input/res, or returns another path.
"""

import io
import os
import pickle
import re
import socket
import stat
import struct
import zipfile
import zlib
from contextlib import suppress

import forms
import h5py
import numpy as np
import pytest
import toy
from calls import call_in_small_process

from lartpc_challenge.__main__ import main
from lartpc_challenge.format import GRID_SHAPE, SubmissionError
from lartpc_challenge.seal import MAGIC
from lartpc_challenge.submission.forms import read_submission, write_submission
from lartpc_challenge.submission.sandbox import read_guarded

N_EVENTS = 5
ATTACKS = {}


def refused(pattern):
    """An attack on cycle 2 that must be refused with a text that matches `pattern`."""

    def register(attack):
        ATTACKS[attack.__name__] = (attack, pattern)
        return attack

    return register


def h5(run, name="predictions.h5"):
    return h5py.File(run.res / name, "w")


def put(run, pred=None, **storage):
    """A sparse file whose pred is stored in a special way."""
    path = run.sparse(pred=None)
    with h5py.File(path, "r+") as file:
        file.create_dataset("pred", data=run.labels if pred is None else pred, **storage)
    return path


# ---- HDF5: links that lead out of the file


@refused("pred is a virtual data set or has external storage")
def virtual_data_set_onto_the_truth(run):
    """With this file a scorer without guard gave the score 1.0."""
    layout = h5py.VirtualLayout(run.labels.shape, np.uint8)
    with h5py.File(run.reference) as truth:
        n_labels = len(truth["label"])
    layout[:n_labels] = h5py.VirtualSource("../ref/reference.h5", "label", (n_labels,))
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file.create_virtual_dataset("pred", layout)


@refused("soft or external links.*'pred'")
def external_link_to_the_truth(run):
    """event_id and offset are copied, pred is a link to the truth."""
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file["pred"] = h5py.ExternalLink("../ref/reference.h5", "/label")


@refused("soft or external links.*'event_id'")
def external_link_to_the_event_ids(run):
    with h5py.File(run.sparse(event_id=None), "r+") as file:
        file["event_id"] = h5py.ExternalLink("../ref/reference.h5", "/test/event_id")


@refused("soft or external links.*'pred'")
def soft_link(run):
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file["other"] = run.labels
        file["pred"] = h5py.SoftLink("/other")


@refused("soft or external links.*'pred'")
def soft_link_to_itself(run):
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file["pred"] = h5py.SoftLink("/pred")


@refused("soft or external links.*'unused'")
def link_beside_good_data(run):
    with h5py.File(run.sparse(), "r+") as file:
        file["unused"] = h5py.ExternalLink("../ref/reference.h5", "/")


@refused("soft or external links.*'pred'")
def soft_link_through_an_external_one(run):
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file["out"] = h5py.ExternalLink("../ref/reference.h5", "/")
        file["pred"] = h5py.SoftLink("/out/label")


@refused("pred is a virtual data set or has external storage")
def external_raw_storage(run):
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file.create_dataset(
            "pred", run.labels.shape, np.uint8, external=[("../ref/reference.h5", 0, 1 << 20)]
        )


@refused("pred is a virtual data set or has external storage")
def virtual_dense_data_set(run):
    layout = h5py.VirtualLayout((N_EVENTS, *GRID_SHAPE), np.uint8)
    layout[0] = h5py.VirtualSource("../ref/reference.h5", "dense", GRID_SHAPE)
    with h5(run) as file:
        file.create_virtual_dataset("pred", layout)


@refused("pred is a virtual data set")
def virtual_data_set_in_the_same_file(run):
    with h5py.File(run.sparse(pred=None), "r+", libver="latest") as file:
        file["labels"] = run.labels
        layout = h5py.VirtualLayout(run.labels.shape, "u1")
        layout[:] = h5py.VirtualSource(".", "labels", run.labels.shape)
        file.create_virtual_dataset("pred", layout)


@refused("offset is a virtual data set or has external storage")
def virtual_offset(run):
    layout = h5py.VirtualLayout((N_EVENTS + 1,), np.int64)
    layout[:] = h5py.VirtualSource("../ref/reference.h5", "/test/offset", (N_EVENTS + 1,))
    with h5py.File(run.sparse(offset=None), "r+") as file:
        file.create_virtual_dataset("offset", layout)


# ---- HDF5: types, filters, storage


def typed(name, kind, pattern):
    """An attack with a `pred` of another type than integers."""

    def attack(run):
        pred = run.labels
        with h5py.File(run.sparse(pred=None), "r+") as file:
            data = file.create_dataset("pred", pred.shape, kind)
            with suppress(
                TypeError, ValueError, OSError
            ):  # some types can't even be written like this
                data[:] = pred

    attack.__name__ = f"pred_of_{name}"
    refused(pattern)(attack)


PLAIN = "expected integers of 8, 16, 32 or 64 bits"
typed("bool", np.bool_, f"is bool or an enumeration, {PLAIN}")
typed("float16", np.float16, f"is floating point, {PLAIN}")
typed("float32", np.float32, f"is floating point, {PLAIN}")
typed("float64", ">f8", f"is floating point, {PLAIN}")
typed("complex", np.complex64, f"is [a-z ]+, {PLAIN}")
typed("text", "S1", f"is text, {PLAIN}")
typed("variable_text", h5py.string_dtype(), f"is text, {PLAIN}")
typed("objects", h5py.vlen_dtype(np.uint8), f"is of variable length, {PLAIN}")
typed("references", h5py.ref_dtype, f"is references, {PLAIN}")
typed("regions", h5py.regionref_dtype, f"is references, {PLAIN}")
typed("enum", h5py.enum_dtype({"EM": 1, "OTHER": 2}, "u1"), f"enumeration, {PLAIN}")
typed("compound", [("label", "u1")], f"is compound, {PLAIN}")
typed("opaque", np.dtype("V1"), f"is opaque, {PLAIN}")


@refused(f"pred is arrays, {PLAIN}")
def pred_of_arrays(run):
    kind = h5py.h5t.array_create(h5py.h5t.STD_U8LE, (1,))
    with h5py.File(run.sparse(pred=None), "r+") as file:
        h5py.h5d.create(file.id, b"pred", kind, h5py.h5s.create_simple(run.labels.shape))


@refused(f"pred is bit fields, {PLAIN}")
def pred_of_bit_fields(run):
    kind = h5py.h5t.STD_B8LE.copy()
    with h5py.File(run.sparse(pred=None), "r+") as file:
        h5py.h5d.create(file.id, b"pred", kind, h5py.h5s.create_simple(run.labels.shape))


def odd_integers(name, n_bytes, n_bits, shift=0):
    def attack(run):
        kind = h5py.h5t.STD_U64LE.copy()
        kind.set_precision(n_bits)
        kind.set_size(n_bytes)
        kind.set_offset(shift)
        with h5py.File(run.sparse(pred=None), "r+") as file:
            h5py.h5d.create(file.id, b"pred", kind, h5py.h5s.create_simple(run.labels.shape))

    attack.__name__ = f"pred_of_{name}"
    refused(f"pred is integers that use {n_bits} of {8 * n_bytes} bits, {PLAIN}")(attack)


odd_integers("half_bytes", 1, 4)
odd_integers("upper_bytes", 2, 8, shift=8)
odd_integers("three_bytes", 3, 24)
odd_integers("sixteen_bytes", 16, 64)


@refused(f"event_id is floating point, {PLAIN}")
def event_id_of_floats(run):
    run.sparse(event_id=run.event_id.astype(float))


@refused(f"offset is floating point, {PLAIN}")
def offset_of_floats(run):
    run.sparse(offset=run.offset.astype(float))


@refused(f"pred is floating point, {PLAIN}")
def not_a_number(run):
    run.sparse(pred=np.full(len(run.labels), np.nan))


@refused(f"pred is floating point, {PLAIN}")
def infinity(run):
    run.dense(dtype=np.float32, change=(1, np.inf))


@refused("pred is not a data set")
def group_named_pred(run):
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file.create_group("pred")["pred"] = run.labels


@refused("pred is not a data set")
def root_group_linked_as_pred(run):
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file["pred"] = file["/"]


@refused("pred is not a data set")
def type_named_pred(run):
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file["pred"] = np.dtype("u1")


@refused("stored with the filters number 6")
def scale_offset_filter(run):
    put(run, run.labels.astype(int), scaleoffset=True, chunks=(4,))


def with_filters(run, *codes):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((len(run.labels),))
    for code in codes:
        plist.set_filter(code, h5py.h5z.FLAG_OPTIONAL, (6,))
    with h5py.File(run.sparse(pred=None), "r+") as file:
        space = h5py.h5s.create_simple(run.labels.shape)
        h5py.h5d.create(file.id, b"pred", h5py.h5t.STD_U8LE, space, plist)


@refused("stored with the filters number 32015; expected none or some of gzip")
def filter_that_needs_a_plugin(run):
    with_filters(run, 32015)


@refused("stored with the filters gzip, gzip, gzip; expected .* each once")
def filter_three_times(run):
    with_filters(run, 1, 1, 1)


def declare(run, dtype, chunk):
    with h5py.File(run.sparse(pred=None), "r+") as file:
        n = len(run.labels)
        file.create_dataset("pred", (n,), dtype, chunks=(chunk,), maxshape=(None,))


@refused(r"chunks \(4294967295,\) of 4,294,967,295 bytes, expected at most 134,217,728")
def chunk_of_4_gib(run):
    declare(run, np.uint8, 2**32 - 1)


@refused(r"chunks \(33554432,\) of 268,435,456 bytes")
def chunk_counted_in_bytes(run):
    declare(run, np.int64, 1 << 25)


# ---- HDF5: names and shapes


@refused("holds no data set pred, found: 'event_id', 'offset'")
def no_pred(run):
    run.sparse(pred=None)


@refused("holds no data set offset, found: 'event_id', 'pred'")
def no_offset(run):
    run.sparse(offset=None)


@refused("holds no data set event_id and offset, found: 'pred'")
def pred_alone(run):
    run.sparse(event_id=None, offset=None)


@refused("holds no data set pred, found: 'Pred'")
def wrong_case(run):
    with h5(run) as file:
        file["Pred"] = run.labels


@refused("differ only in upper and lower case.*'PRED'.*'pred'")
def data_sets_in_both_cases(run):
    with h5py.File(run.sparse(), "r+") as file:
        file["PRED"] = run.labels


@refused("no data set pred, it is empty")
def empty_hdf5(run):
    h5(run).close()


@refused("holds 10,003 objects, expected at most 100")
def thousands_of_data_sets(run):
    with h5py.File(run.sparse(), "r+") as file:
        for i in range(10_000):
            file.create_group(f"g{i}")


@refused(r"pred has shape \(1,\), expected \(\d+,\)")
def shape_that_broadcasts(run):
    run.sparse(pred=np.ones(1, np.uint8))


@refused(r"pred has shape \(\), expected \(\d+,\)")
def scalar(run):
    run.sparse(pred=np.uint8(1))


@refused(r"pred has shape \(\), expected \(\d+,\)")
def null_space(run):
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file["pred"] = h5py.Empty("u1")


@refused(r"pred has shape \(\d+, 1\), expected \(\d+,\)")
def a_column(run):
    run.sparse(pred=run.labels[:, np.newaxis])


@refused(r"pred has shape \(0,\), expected \(\d+,\)")
def nothing(run):
    run.sparse(pred=run.labels[:0])


@refused(r"covers 4 events with \d+ voxels, expected the 5 events with \d+ voxels of the test file")
def one_event_short(run):
    n = len(run.events[-1])
    run.sparse(event_id=run.event_id[:-1], offset=run.offset[:-1], pred=run.labels[:-n])


@refused(r"covers 6 events with \d+ voxels, expected the 5 events")
def one_event_too_many(run):
    run.sparse(
        event_id=np.append(run.event_id, 9999),
        offset=np.append(run.offset, run.offset[-1] + 2),
        pred=np.append(run.labels, [1, 1]).astype(np.uint8),
    )


@refused(r"pred has shape \(1099511627776,\), expected")
def declared_a_terabyte(run):
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file.create_dataset("pred", (1 << 40,), np.uint8, chunks=(1 << 20,))


@refused(r"pred has shape \(4, 192, 192, 192\), expected \(5, 192, 192, 192\)")
def dense_one_event_short(run):
    with h5(run) as file:
        file.create_dataset("pred", (N_EVENTS - 1, *GRID_SHAPE), np.uint8, chunks=True)


@refused(r"pred has shape \(1, 192, 192, 192\), expected")
def dense_that_broadcasts(run):
    with h5(run) as file:
        file.create_dataset("pred", (1, *GRID_SHAPE), np.uint8, chunks=True)


@refused(r"pred has shape \(1000000000, 192, 192, 192\), expected")
def dense_bomb(run):
    with h5(run) as file:
        file.create_dataset("pred", (10**9, *GRID_SHAPE), np.uint64, chunks=(1, 8, 8, 8))


@refused(r"pred has shape \(5, 191, 192, 192\), expected")
def dense_one_plane_short(run):
    with h5(run) as file:
        file.create_dataset("pred", (N_EVENTS, 191, 192, 192), np.uint8, chunks=True)


@refused("event_id differs from that of the test file.*Row i of a dense pred")
def dense_in_an_order_of_its_own(run):
    with h5py.File(run.dense(chunks=True), "r+") as file:
        file["event_id"] = run.event_id[::-1]


# ---- HDF5: values


@refused("event_id names events that are not in the test file: event 9999\\.")
def unknown_event(run):
    run.sparse(event_id=np.append(run.event_id[:-1], 9999))


@refused("names events more than once: event (\\d+)\\.[^\n]*\n.*lacks events of the test file")
def event_twice(run):
    run.sparse(event_id=np.append(run.event_id[:-1], run.event_id[0]))


@refused("not in the test file: event -1\\.")
def negative_event(run):
    run.sparse(event_id=np.append(run.event_id[:-1].astype(np.int64), -1))


@refused("not in the test file: event \\d{10}\\.")
def event_that_wraps_to_32_bits(run):
    event_id = run.event_id.astype(np.int64)
    event_id[2] += 1 << 32
    run.sparse(event_id=event_id)


@refused("not in the test file: event 18446744073709551615\\.")
def event_beyond_int64(run):
    event_id = run.event_id.astype(np.uint64)
    event_id[2] = 2**64 - 1
    run.sparse(event_id=event_id)


@refused("another number of voxels than the test file.*expected")
def voxel_moved_to_the_next_event(run):
    offset = run.offset.copy()
    offset[2] += 1
    run.sparse(offset=offset)


@refused("another number of voxels than the test file")
def offset_that_descends(run):
    offset = run.offset.copy()
    offset[1:3] = offset[2:0:-1]
    run.sparse(offset=offset)


@refused("offset starts at 1, expected 0")
def offset_from_one(run):
    run.sparse(offset=run.offset + 1)


@refused("offset starts at -9223372036854775808, expected 0")
def offset_that_overflows(run):
    run.sparse(offset=run.offset.astype(np.uint64) + np.uint64(1 << 63))


@refused("offset gives events another number")
def offset_out_of_the_file(run):
    offset = run.offset.copy()
    offset[2] = 2**62
    run.sparse(offset=offset)


@refused("another number of voxels than the test file")
def events_of_equal_ids_but_other_lengths(run):
    run.sparse(event_id=run.event_id[::-1])


def valued(name, value, dtype, shown=None):
    def sparse(run):
        pred = run.labels.astype(dtype)
        pred[run.offset[3] + 1] = value
        run.sparse(pred=pred)

    def dense(run):
        run.dense(dtype=dtype, change=(3, value), chunks=(1, 64, 64, 64))

    text = f"not labels of cycle 2, expected 0, 1, 2, 3: {value} in event \\d+"
    sparse.__name__, dense.__name__ = f"sparse_{name}", f"dense_{name}"
    refused(f"{text}, voxel 1\\.")(sparse)
    refused(f"{text} at \\(\\d+, \\d+, \\d+\\)\\.")(dense)


valued("unknown_class", 4, np.uint8)
valued("class_255", 255, np.uint8)
valued("class_that_wraps", 257, np.int32)
valued("class_that_wraps_far", 2**56 + 1, ">u8")
valued("negative_class", -1, np.int8)
valued("negative_wide_class", -255, np.int64)


@refused("not labels of cycle 2.*: 9 in event .*(, 9 in event [^,]+, voxel \\d+){9} and \\d+ more")
def all_values_wrong(run):
    run.sparse(pred=np.full(len(run.labels), 9, np.uint8))


# ---- HDF5: damage


@refused("'predictions.h5'.* damaged or cut short")
def cut_short(run):
    path = run.sparse()
    path.write_bytes(path.read_bytes()[:-7])


@refused("'predictions.h5'.* damaged or cut short")
def signature_alone(run):
    (run.res / "predictions.h5").write_bytes(b"\x89HDF\r\n\x1a\n")


@refused("pred.* damaged or cut short")
def checksum_is_wrong(run):
    path = put(run, fletcher32=True, chunks=(len(run.labels),))
    content = bytearray(path.read_bytes())
    content[content.index(run.labels.tobytes())] ^= 1
    path.write_bytes(content)


@refused("pred.* damaged or cut short")
def chunk_is_no_gzip(run):
    path = put(run, chunks=(len(run.labels),), compression="gzip")
    with h5py.File(path, "r+") as file:
        file["pred"].id.write_direct_chunk((0,), b"rubbish")


def short_chunk(name, packed, **storage):
    """An attack with a chunk that unpacks to 5 bytes: HDF5 itself would read memory after it."""

    def attack(run):
        n = len(run.labels)
        with h5py.File(run.sparse(pred=None), "r+") as file:
            pred = file.create_dataset("pred", (n,), np.uint8, chunks=(n,), **storage)
            pred.id.write_direct_chunk((0,), packed)

    attack.__name__ = f"short_chunk_{name}"
    refused("pred.* damaged or cut short")(attack)


ONES = b"\1" * 5
short_chunk("gzip", zlib.compress(ONES), compression="gzip")
short_chunk("shuffle", ONES, shuffle=True)
short_chunk("gzip_shuffle", zlib.compress(ONES), compression="gzip", shuffle=True)
short_chunk("lzf", b"\4" + ONES, compression="lzf")
short_chunk("fletcher32", b"\1\1" + b"\1\1\1\1", fletcher32=True)
short_chunk("long", zlib.compress(bytes(1000)), compression="gzip")


@refused("pred.* damaged or cut short")
def chunk_of_one_byte(run):
    path = put(run, chunks=(len(run.labels),), compression="lzf")
    with h5py.File(path, "r+") as file:
        file["pred"].id.write_direct_chunk((0,), b"\x1f")


# ---- what is in the upload


@refused("holds 0 files, expected one file")
def empty_folder(run):
    pass


@refused("holds 0 files, expected one file")
def the_platforms_file_alone(run):
    (run.res / "metadata").write_text("description: mine\n")


@refused(
    "holds 2 files, expected one file.*'other.csv'.*'predictions.h5'|'predictions.h5', 'other.csv'"
)
def two_candidates(run):
    run.sparse()
    run.csv(name="other.csv")


@refused("holds 2 files.*'PREDICTIONS.h5'|'predictions.h5'")
def twins(run):
    run.sparse()
    run.sparse("PREDICTIONS.h5")


@refused("links or special files.*'predictions.h5'")
def symbolic_link_to_the_truth(run):
    (run.res / "predictions.h5").symlink_to("../ref/reference.h5")


@refused("links or special files.*'inside'")
def symbolic_link_to_a_folder(run):
    (run.res / "inside").symlink_to("../ref")


@refused("links or special files.*'predictions.h5'")
def pipe(run):
    os.mkfifo(run.res / "predictions.h5")


@refused("not a regular file")
def pipe_itself(run):
    os.mkfifo(run.res / "predictions.h5")
    return run.res / "predictions.h5"


@refused("not a regular file")
def device(run):
    return "/dev/zero"


@refused("links or special files.*'s'")
def unix_socket(run):
    folder = os.getcwd()
    os.chdir(run.res)  # a socket's path must be short
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind("s")
    finally:
        os.chdir(folder)


@refused("folders in folders")
def deep_folders(run):
    (run.res / "/".join("abcdefgh")).mkdir(parents=True)
    os.replace(run.sparse(), run.res / "a/b/c/d/e/f/g/h/predictions.h5")


@refused("more than 100 files")
def a_thousand_files(run):
    for i in range(1000):
        (run.res / f"{i}.csv").touch()


@refused("holds 0 files")
def folder_of_that_name(run):
    (run.res / "predictions.h5").mkdir()


@refused("'missing.zip': can't be read: No such file")
def no_file(run):
    os.chdir(run.res)
    return "missing.zip"


@refused("'nothing.zip': is empty")
def no_zip(run):
    (run.root / "nothing.zip").touch()
    return run.root / "nothing.zip"


@refused("holds 0 files")
def empty_zip(run):
    return run.zip()


@refused("holds 0 files")
def zip_of_clutter(run):
    return run.zip(("__MACOSX/._p.h5", b"x"), (".DS_Store", b"x"), ("a/._b", b"x"), ("a/", b""))


@refused("damaged zip")
def zip_cut_short(run):
    path = run.zip(("predictions.csv", run.csv().read_bytes()))
    path.write_bytes(path.read_bytes()[:-30])
    return path


@refused("'submission.zip': is neither|first line must name")
def zip_without_its_head(run):
    path = run.zip(("predictions.csv", run.csv().read_bytes()))
    path.write_bytes(path.read_bytes()[4:])
    return path


@refused("a zip, or a file that is packed as one .* inside the upload")
def zip_in_a_zip(run):
    inner = io.BytesIO()
    zipfile.ZipFile(inner, "w").close()
    return run.zip(("submission.zip", inner.getvalue()))


@refused("a zip, or a file that is packed as one .* inside the upload")
def zip_in_the_folder(run):
    write_submission(run.res / "submission.zip", run.event_id, run.offset, run.labels)


def joined(run, first, comment=b""):
    """A file that one program reads as `first`, another as the zip behind it."""
    path, last = run.root / "both.zip", run.zip(("p.csv", run.csv().read_bytes()))
    with zipfile.ZipFile(last, "a") as archive:
        archive.comment = comment
    path.write_bytes(first.read_bytes() + last.read_bytes())
    return path


@refused("both.zip': is a zip only at its end")
def hdf5_and_a_zip(run):
    return joined(run, run.sparse())


@refused("both.zip': is a zip only at its end")
def hdf5_and_a_zip_with_a_comment(run):
    return joined(run, run.sparse(), b"PK" * 1000)


@refused("both.zip': is a zip only at its end")
def rows_and_a_zip(run):
    return joined(run, run.csv(name="first.csv"))


@refused("holds names of more than 255 bytes")
def name_that_no_platform_can_unpack(run):
    return run.zip(("\N{SNOWMAN}" * 85 + ".h5", run.sparse().read_bytes()))


@refused("run as a program.*'metadata'")
def command_for_the_platform(run):
    return run.zip(("predictions.h5", run.sparse().read_bytes()), ("metadata", b"command: sh x"))


@refused("run as a program.*'mine/metadata'")
def a_predictions_file_named_as_the_platforms_command_in_a_folder(run):
    return run.zip(("mine/metadata", run.sparse().read_bytes()))


@refused("run as a program.*'metadata.yaml'")
def yaml_command_for_the_platform(run):
    return run.zip(("predictions.csv", b"event"), ("metadata.yaml", b"command: sh x"))


@refused("more than 100 files")
def zip_of_thousands(run):
    return run.zip(*((f"{i}.csv", b"") for i in range(5000)))


@refused("folders in folders")
def deep_zip(run):
    return run.zip(("a/" * 500 + "p.csv", run.csv().read_bytes()))


@pytest.mark.parametrize("name", ["../p.csv", "/p.csv", "a/../../p.csv", "..\\p.csv", "C:p.csv"])
def test_names_that_lead_out_of_a_zip_are_refused(run, name):
    path = run.zip((zipfile.ZipInfo(name), run.csv().read_bytes()))
    with pytest.raises(SubmissionError, match="paths outside the upload"):
        read_guarded(path, run.manifest)
    assert not list(run.root.glob("**/p.csv"))


@refused("paths outside the upload")
def name_with_a_nul(run):
    path = run.zip(("p.csv_.txt", run.csv().read_bytes()))
    path.write_bytes(path.read_bytes().replace(b"p.csv_.txt", b"p.csv\0.txt"))
    return path


@refused("links or special files.*'predictions.h5'")
def symbolic_link_in_a_zip(run):
    link = zipfile.ZipInfo("predictions.h5")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return run.zip((link, b"../ref/reference.h5"))


@refused("holds 2 files")
def member_twice(run):
    with pytest.warns(UserWarning, match="Duplicate name"):
        return run.zip(("p.csv", b"event"), ("p.csv", run.csv().read_bytes()))


@refused("encrypted")
def encrypted_zip(run):
    path = run.zip(("p.csv", run.csv().read_bytes()))
    content = bytearray(path.read_bytes())
    content[6] |= 1  # flag of the local header, and of the central directory below
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    return path


@refused("zip method 14, expected deflate")
def zip_by_another_method(run):
    return run.zip(("p.csv", run.csv().read_bytes()), method=zipfile.ZIP_LZMA)


@refused("is damaged")
def zip_with_a_wrong_checksum(run):
    path = run.zip(("predictions.h5", run.sparse().read_bytes()))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 16] ^= 1
    path.write_bytes(content)
    return path


def declare_size(path, n_bytes, packed=None):
    """Change the size that a zip's central directory states."""
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, start + 24, n_bytes)
    if packed is not None:
        struct.pack_into("<I", content, start + 20, packed)
    path.write_bytes(content)
    return path


@refused("unpack to 2,000,000,000, which is impossible")
def zip_that_declares_a_bomb(run):
    path = run.zip(("predictions.h5", run.sparse().read_bytes()))
    return declare_size(path, 2_000_000_000)


@refused("is damaged; zip or upload it again")
def zip_that_overruns_its_end(run):
    path = run.zip(("predictions.h5", run.sparse().read_bytes()))
    return declare_size(path, 2_000_000_000, packed=2_000_000_000)


@refused("unpacks to 1,099,511,627,776 bytes, expected at most 2,147,483,648")
def zip_bomb_of_a_terabyte(run):
    member = zipfile.ZipInfo("predictions.h5")
    path = run.zip((member, run.sparse().read_bytes()))
    content = path.read_bytes()
    start = content.index(b"PK\x01\x02")
    entry = bytearray(content[start:])
    name_end = 46 + len(member.filename)
    # Sizes of 32 ones stand in the extra field with 64 bits.
    struct.pack_into("<II", entry, 20, 0xFFFFFFFF, 0xFFFFFFFF)
    extra = struct.pack("<HHQQ", 1, 16, 1 << 40, 1 << 30)
    struct.pack_into("<H", entry, 30, len(extra))
    end = entry.index(b"PK\x05\x06")
    directory = bytes(entry[:name_end]) + extra + bytes(entry[name_end:end])
    tail = bytearray(entry[end:])
    struct.pack_into("<I", tail, 12, len(directory))
    path.write_bytes(content[:start] + directory + bytes(tail))
    return path


@refused("holds more than 100 files")
def zip_whose_directory_is_longer_than_it_says(run):
    """zipfile needs 20 seconds for a million entries and does not check their number."""
    path = run.zip(*((f"{i}.csv", b"") for i in range(16_000)))
    content = bytearray(path.read_bytes())
    end = content.index(b"PK\x05\x06")
    struct.pack_into("<HH", content, end + 8, 1, 1)
    path.write_bytes(content + bytes(1000))
    return path


@refused("is damaged; zip or upload it again")
def zip_whose_file_is_larger_than_it(run):
    path = run.zip(("predictions.h5", run.sparse().read_bytes()))
    return declare_size(path, 1_000_000_000, packed=1_000_000)


@refused("holds links or special files, expected one file")
def device_in_a_zip(run):
    member = zipfile.ZipInfo("predictions.h5")
    member.create_system, member.external_attr = 3, (stat.S_IFBLK | 0o644) << 16
    return run.zip((member, run.sparse().read_bytes()))


@refused("is damaged; zip or upload it again")
def zip_with_two_names_for_its_file(run):
    """The names in the directory and before the content differ; programs use one or the other."""
    path = run.zip(("predictions.h5", run.sparse().read_bytes()))
    path.write_bytes(path.read_bytes().replace(b"predictions.h5", b"../ref/a_ref.h5"[:14], 1))
    return path


@refused("holds 0 files, expected one file")
def zip_whose_file_has_no_name(run):
    content = bytearray(run.zip(("p", run.sparse().read_bytes())).read_bytes())
    start, end = content.index(b"PK\x01\x02"), content.rindex(b"PK\x05\x06")
    struct.pack_into("<II", content, end + 12, end - start - 1, start - 1)
    for header, length, name in ((start, 28, 46), (0, 26, 30)):
        struct.pack_into("<H", content, header + length, 0)
        del content[header + name]
    path = run.root / "nameless.zip"
    path.write_bytes(content)
    return path


def with_second_name(run, name):
    """Info-ZIP's extra field 0x7075: newer programs take its name, older ones the directory's."""
    member = zipfile.ZipInfo("predictions.h5")
    field = struct.pack("<BI", 1, zlib.crc32(b"predictions.h5")) + name
    another = struct.pack("<HHI", 0xCAFE, 4, 0)
    member.extra = another + struct.pack("<HH", 0x7075, len(field)) + field
    return run.zip((member, run.sparse().read_bytes()))


@refused("has a second name, '../ref/predictions.h5'; zip the file itself")
def zip_with_a_unicode_path_that_leads_out(run):
    return with_second_name(run, b"../ref/predictions.h5")


@refused("has a second name, 'metadata'; zip the file itself")
def zip_with_a_unicode_path_that_a_platform_would_run(run):
    return with_second_name(run, b"metadata")


@refused(r"holds 2 files.*'a\\u\{202e\}5h.h5', 'b\\x1b\[2J.csv'")
def names_that_turn_and_clear_a_terminal(run):
    return run.zip(("a\u202e5h.h5", run.sparse().read_bytes()), ("b\x1b[2J.csv", b"event"))


@refused("unpacks to 42,949,673,008 bytes, expected at most 2,147,483,648")
def hole_of_40_gib_with_a_seal(run):
    """To compute its digest would take most of a minute."""
    path = run.sparse()
    os.truncate(path, 40 << 30)
    with open(path, "ab") as file:
        file.write(MAGIC + bytes(32))


@refused("unpacks to 3,221,225,472 bytes, expected at most 2,147,483,648")
def hole_after_the_rows(run):
    os.truncate(run.csv(), 3 << 30)


@refused("event_id names events more than once.*\n.*event_id lacks events")
def event_ids_that_were_never_written(run):
    with h5py.File(run.sparse(event_id=None), "r+") as file:
        file.create_dataset("event_id", (5,), np.uint32, fillvalue=run.event_id[0])


@refused("can't be read: damaged or cut short")
def file_that_a_writer_has_open(run):
    with h5py.File(run.res / "predictions.h5", "w", libver="latest") as file:
        file.update(run.columns())
    with open(run.res / "predictions.h5", "r+b") as file:
        file.seek(11)
        file.write(b"\5")  # the superblock's flags: open for writing by one, reading by others


# ---- files that are something else


def content_of(name, content, pattern):
    def attack(run):
        (run.res / "predictions.csv").write_bytes(content)

    attack.__name__ = name
    refused(pattern)(attack)


HEADER = "first line must name the columns event,x,y,z,label"
NEITHER = "neither an HDF5 file nor a CSV|" + HEADER
content_of("empty_file", b"", "'predictions.csv': is empty")
content_of("python_pickle", pickle.dumps({"pred": [1]}, 4), NEITHER)
content_of("numpy_file", b"\x93NUMPY\x01\x00v\x00{'descr': '|O'}", NEITHER)
content_of("gzip_file", b"\x1f\x8b\x08" + b"x" * 40, "neither an HDF5 file nor a CSV")
content_of("utf_16", "event,x,y,z,label\n1,2,3,4,1\n".encode("utf-16"), "neither an HDF5 file")
content_of("shell_script", b"#!/bin/sh\nrm -rf /\n", HEADER)
content_of("html_page", b"<html><script>alert(1)</script>", "plain text but a web page")
content_of(
    "hdf5_behind_a_block", bytes(512) + b"\x89HDF\r\n\x1a\n", "HDF5 file behind a user block"
)
content_of("utf_16_big", "\ufeffevent,x".encode("utf-16-be"), "plain text but text in UTF-16")
content_of("separator_of_excel", b"sep=,\nevent,x,y,z,label\n", HEADER + "[^.]*'sep=,'. Write")
content_of("blank_first_line", b"\nevent,x,y,z,label\n", HEADER + "[^.]*''. Write")
content_of("no_header", b"1,2,3,4,1\n", HEADER)
content_of("header_lacks_a_column", b"event,x,y,label\n", HEADER)
content_of("header_with_one_more", b"event,x,y,z,val,label\n", HEADER)
content_of("header_has_label_twice", b"event,x,y,z,label,pred\n", HEADER)
content_of("header_has_x_twice", b"event,x,x,z,label\n", HEADER)
content_of("header_by_semicolons", b"event;x;y;z;label\n1;2;3;4;1\n", HEADER)
content_of("header_by_tabs", b"event\tx\ty\tz\tlabel\n", HEADER)
content_of("header_without_end", b"event," * 100_000, HEADER + "|line of more than 4,096")
content_of("line_without_end", b"event,x,y,z,label\n" + b"1," * 9999, "more than 4,096 characters")
content_of("macintosh_lines", b"event,x,y,z,label\r1,2,3,4,1\r", HEADER + ".* not with")
content_of("header_alone", b"event,x,y,z,label\n", "lacks voxels of the test file: event")


# ---- CSV rows


def rowed(name, change, pattern):
    """An attack with another third data row (line 4 of the file)."""

    def attack(run):
        rows = run.rows()
        rows[2] = change(rows[2])
        run.csv(rows)

    attack.__name__ = f"csv_{name}"
    refused(pattern)(attack)


def field(place, value):
    return lambda row: [*row[:place], value, *row[place + 1 :]]


NO_ROW = "(malformed lines|lines with a decimal point), expected five whole numbers.*: line 4 '"
for name, value in {
    "nan": "nan",
    "infinite": "inf",
    "negative": "-1",
    "fractional": "1.0",
    "exponential": "1e0",
    "full-width": "\uff11",
    "one_after_2_to_64": 2**64 + 1,
    "signed": "+1",
    "hexadecimal": "0x1",
    "spaced": " 1",
    "arabic": "\N{ARABIC-INDIC DIGIT ONE}",
    "wide": "\N{FULLWIDTH DIGIT ONE}",
    "formula": "=1",
    "underscored": "1_0",
    "missing": "",
    "quoted_twice": '""1""',
    "half_quoted": '"1',
    "nothing_quoted": '""',
    "longer_than_any_number": "1" * 17,
}.items():
    rowed(name, field(4, value), NO_ROW)
    rowed(f"{name}_event", field(0, value), NO_ROW)
rowed("short_row", lambda row: row[:-1], NO_ROW)
rowed("long_row", lambda row: [*row, 1], NO_ROW)
rowed("two_rows_of_uneven_length", lambda row: [*row, "1\n1,2,3,4"], NO_ROW)
rowed("blank_line", lambda row: [""], NO_ROW)
rowed("nul", lambda row: [*row[:4], "1\0"], "neither an HDF5 file nor a CSV in plain text")
rowed("two_carriage_returns", lambda r: [*r[:4], f"{r[4]}\r\r"], NO_ROW + ".*newline=''")
rowed("html", lambda row: ["<script>"], NO_ROW + r"\\x3cscript\\x3e'")
rowed("terminal_escape", lambda row: ["\x1b[2J"], NO_ROW + r"\\x1b\[2J'")

LINE = "line 4 \\(event \\d+ at \\(\\d+, \\d+, \\d+\\): "
rowed("class_that_wraps", field(4, 257), f"not labels of cycle 2, expected 0, 1, 2, 3: {LINE}257")
rowed("unknown_class", field(4, 4), f"not labels of cycle 2.*{LINE}4")
rowed("huge_class", field(4, 10**15 + 1), f"not labels of cycle 2.*{LINE}{10**15 + 1}")
rowed("coordinate_192", field(1, 192), "coordinates outside 0 to 191: line 4")
rowed("coordinate_that_wraps", lambda r: [r[0], r[1] + 256, *r[2:]], "outside 0 to 191: line 4")
rowed("coordinate_that_wraps_far", lambda r: [*r[:3], r[3] + 2**32, r[4]], "outside 0 to 191")
rowed("unknown_event", field(0, 9999), "events that are not in the test file: line 4")
rowed("event_that_wraps", lambda r: [r[0] + 2**32, *r[1:]], "not in the test file: line 4")
OFF = "has voxels that are not in the test file: event \\d+ at "
rowed("off_by_one", lambda r: [r[0], r[1], r[2], r[3] - 1 if r[3] else 1, r[4]], OFF)


@refused("has voxels more than once: event .*\n.*lacks voxels of the test file: event")
def csv_voxel_twice(run):
    rows = run.rows()
    run.csv([*rows[:-1], rows[0]])


@refused("has more than \\d+ rows, expected one per voxel")
def csv_voxel_twice_with_another_label(run):
    rows = run.rows()
    run.csv([*rows, [*rows[0][:4], 1 + rows[0][4] % 3]])


@refused("lacks voxels of the test file: event \\d+ at \\(\\d+, \\d+, \\d+\\)\\. ")
def csv_voxel_missing(run):
    run.csv(run.rows()[:-1])


@refused("lacks voxels of the test file: event .*(, event [^)]*\\)){9} and \\d+ more")
def csv_hard_events_left_out(run):
    n = len(run.events[-1])
    run.csv(run.rows()[: -n - 12])


@refused("voxels that are not in the test file.*the kit of 2018 shifted nine coordinates by one")
def csv_by_the_kit_of_2018(run):
    shift = {v: int(v / 191 * 191) for v in range(192)}
    moved = [v for v in shift if shift[v] != v]
    assert moved == [7, 14, 28, 56, 101, 103, 112, 121, 123]
    rows = run.rows()
    at = next(i for i, row in enumerate(rows) if set(row[1:4]) & set(moved))
    rows[at][1:4] = [shift[v] for v in rows[at][1:4]]
    run.csv(rows)


@refused("malformed lines.*: line 8 'a', line 9 'b', line 10 'c'\\.")
def csv_several_lines_wrong(run):
    rows = run.rows()
    rows[6:9] = ["a"], ["b"], ["c"]
    run.csv(rows)


@refused("malformed lines")
def csv_blank_lines_and_more(run):
    path = run.csv()
    path.write_bytes(path.read_bytes() + b"\n" * 9000 + b"1,2,3,4,1\n")


# ---- the tests


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return forms.Run(tmp_path, toy.make_events(N_EVENTS, n_voxels=(20, 40)))


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_is_refused(run, ask, attack):
    """The command ends with exit status 1 and one clear text without control characters.

    Where no process can be forked the same parser, without limits, says the same.
    """
    prepare, pattern = ATTACKS[attack]
    path = prepare(run) or run.res
    done = ask(call_in_small_process, main, run.root, "check", path, "--events", run.test)
    assert (done.returncode, done.stdout) == (1, "")
    err = done.stderr
    assert re.search(pattern, err, re.DOTALL), err
    assert "Traceback" not in err
    assert len(err) < 4000
    assert re.fullmatch(r"[\x20-\x7e\n]*", err)
    assert "<" not in err
    with pytest.raises(SubmissionError) as refusal:
        read_submission(path, run.manifest)
    assert err == f"check: {refusal.value}\n"


def test_class_3_is_refused_in_cycle_1(tmp_path):
    events = toy.make_events(N_EVENTS, cycle=1, n_voxels=(3, 9))
    run = forms.Run(tmp_path, events, phase=1)
    pred = run.labels
    pred[0] = 3
    run.sparse(pred=pred)
    with pytest.raises(
        SubmissionError, match="not labels of cycle 1, expected 0, 1, 2: 3 in event"
    ):
        read_guarded(run.res, run.manifest)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(run):
    path = run.sparse()
    path.chmod(0)
    with pytest.raises(SubmissionError, match="can't be read: Permission denied"):
        read_guarded(path, run.manifest)


@pytest.mark.parametrize(
    "name",
    [
        "\x1b[31mred.csv",
        "<img src=x onerror=alert(1)>.csv",
        "a\nb.csv",
        "\u202egnp.csv",
        "\udcff.csv",
    ],
)
def test_hostile_names_come_out_escaped(run, name):
    run.csv(name=name, header="x<b>\x1b]0;owned\x07")
    with pytest.raises(SubmissionError, match=r"\\x3cb\\x3e\\x1b\]0;owned\\x07") as refusal:
        read_guarded(run.res, run.manifest)
    assert re.fullmatch(r"[ -~]*", str(refusal.value))
    assert not set('<>&"') & set(str(refusal.value))


def test_a_refusal_does_not_depend_on_the_truth(tmp_path):
    """Two phases with the same test events but other labels give the same message."""
    events = toy.make_events(N_EVENTS, n_voxels=(20, 40))
    others = [
        type(e)(e.event_id, e.coords, e.energy, (e.label % 3 + 1).astype(np.uint8)) for e in events
    ]
    refusals = []
    for name, truth in (("a", events), ("b", others)):
        run = forms.Run(tmp_path / name, truth)
        pred = np.concatenate([e.label for e in events])
        pred[::7] = 8
        run.sparse(pred=pred)
        with pytest.raises(SubmissionError) as refusal:
            read_guarded(run.res, run.manifest)
        refusals.append(str(refusal.value))
    assert refusals[0] == refusals[1]
