"""Write the data card: README.md for Hugging Face, with the participants' data page."""

from __future__ import annotations

import yaml

from organizer.pages.render import COMMENT
from organizer.publish.release import LIMITS, Release

_SIZES = (1_000, 10_000, 100_000, 1_000_000)


def card(release: Release, data_page: str) -> str:
    """Return README.md. data_page: the competition's page about the data, with its tables."""
    header = {
        "license": "cc-by-4.0",
        "pretty_name": release.title,
        "task_categories": ["other"],
        "tags": [
            "physics",
            "particle-physics",
            "liquid-argon-tpc",
            "semantic-segmentation",
            "3d",
            "sparse-voxels",
            "simulation",
            "croissant",
        ],
        "size_categories": [_size_category(release.n_events)],
        "viewer": False,
    }
    page = COMMENT.sub("", data_page).strip().replace("\n## ", "\n### ")
    page = page.removeprefix("# Data\n").strip()
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True)}---\n",
        f"# {release.title}: data {release.version}\n\n{release.summary}\n",
        _classes(release),
        _files(release),
        f"## What the events are\n\n{page}\n",
        _use(release),
        _licence(release),
    ]
    return "\n".join(parts)


def _size_category(n_events: int) -> str:
    """Return Hugging Face's name of a size."""
    names = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M")
    return names[sum(n_events >= size for size in _SIZES)]


def _classes(release: Release) -> str:
    rows = []
    for cycle in release.cycles:
        labels = ", ".join(f"{n} {name}" for n, name in zip(cycle.labels, cycle.class_names))
        rows.append(f"| {cycle.number} | {labels} |")
    return "## Classes\n\n| cycle | labels |\n|---|---|\n" + "\n".join(rows) + "\n"


def _files(release: Release) -> str:
    rows = [f"| `{f.name}` | {f.what} | {f.n_bytes:,} | `{f.sha256}` |" for f in release.files]
    return (
        "## Files\n\n| file | what | bytes | sha256 |\n|---|---|--:|---|\n"
        + "\n".join(rows)
        + "\n\n`sha256sum -c sha256sums.txt` checks all of them.\n"
    )


def _use(release: Release) -> str:
    truth = (
        "The labels of the test events are in `reference_data/`: train only on the train files, "
        "or say that you used others."
        if release.with_references
        else "The labels of the test events are not published; the competition scores predictions."
    )
    return (
        "## Use and limits\n\n"
        "For methods that classify particles in sparse three-dimensional images, and for "
        f"teaching. {truth}\n\n"
        f"The events are simulated. {LIMITS} The data contain no information about persons or "
        "places.\n"
    )


def _licence(release: Release) -> str:
    return (
        "## Licence and citation\n\n"
        "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), see LICENSE-DATA.md. Please "
        f"cite as: {release.citation}, data {release.version}; "
        "CITATION.cff contains the same for programs. The events were simulated with Geant4; "
        "please cite S. Agostinelli et al., Nucl. Instrum. Meth. A 506 (2003) 250, too.\n"
    )
