"""Recognise files of other programs by their first bytes, to say what was given by mistake."""

from __future__ import annotations

import codecs

HEAD_BYTES = 1024  # as many as `kind_of` needs
ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # of the first file, and of the end of the directory
_KINDS = {
    **dict.fromkeys(ZIP, "a zip, or a file that is packed as one (.npz, .pt, .xlsx)"),
    b"\x93NUMPY": "a NumPy array (.npy)",
    b"\x1f\x8b": "packed with gzip (.gz, .tar.gz)",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"PAR1": "a Parquet table",
    b"ARROW1": "an Arrow table",
    b"MATLAB": "a MATLAB file",
    b"root": "a ROOT file",
    b"\xff\xfe": "text in UTF-16 or UTF-32",
    b"\xfe\xff": "text in UTF-16",
    b"<": "a web page (HTML, XML)",
    b"{": "JSON",
    b"[": "JSON",
    b"version https://git-lfs": "a pointer of Git LFS, in place of the file",
    b"\xd0\xcf\x11\xe0": "an office document",
    **{b"\x80" + bytes([protocol]): "a pickle" for protocol in range(2, 6)},
}


def kind_of(head: bytes) -> str:
    """Return in words what a file is that begins with `head`; no text for other files."""
    if head[257:262] == b"ustar":
        return "a tar archive"
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    return next((kind for start, kind in _KINDS.items() if text.startswith(start)), "")
