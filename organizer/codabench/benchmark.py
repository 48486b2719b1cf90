"""Write the open benchmark: bundles with a phase without an end, for use after the competition.

On Codabench only the last phase of a competition can be without an end, so each cycle gets its own
bundle with one phase. It scores the hidden events with the same program, data and kit.
"""

from __future__ import annotations

import zipfile
from datetime import datetime
from pathlib import Path

import yaml

from lartpc_challenge.files import replacing
from organizer.codabench.bundle import Bundle
from organizer.competition import Phase

_DAY = "%Y-%m-%d %H:%M"


def write_benchmark(
    bundle: Bundle, hidden: Phase, reference: Path, start: datetime, path: Path
) -> Path:
    """Write the bundle of a cycle's benchmark and return its path.

    hidden: the cycle's hidden phase. reference: the zip with its truth. start: the begin, UTC.
    """
    held = bundle.keys
    public = bundle.phase(hidden.number - 1)
    listed = {
        **bundle.listed(public),
        "index": 1,
        "name": f"Benchmark {hidden.cycle.number}",
        "description": f"{bundle.task(hidden)['description']} Open without an end.",
        "start": start.strftime(_DAY),
        "tasks": [1],
        "hide_output": True,
        "auto_migrate_to_this_phase": False,
    }
    del listed["end"]
    # Codabench ignores the key `cycle`; `upload` reads it.
    task = {**bundle.task(hidden), "index": 1, "cycle": hidden.cycle.number}
    task["reference_data"] = reference.name
    competition = {
        **held,
        "title": f"{held['title']} Benchmark, cycle {hidden.cycle.number}"[:256],
        "competition_type": "benchmark",
        "tasks": [task],
        "phases": [listed],
    }
    competition.pop("solutions", None)
    names = [held["image"], held["terms"], *(page["file"] for page in held["pages"])]
    names += [task["scoring_program"]]
    names += [listed[name] for name in ("starting_kit", "public_data") if name in listed]
    text = yaml.safe_dump(competition, sort_keys=False, allow_unicode=True)
    with (
        replacing(path, private=True) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr("competition.yaml", text)
        for name in dict.fromkeys(names):
            archive.writestr(name, bundle.read(name))
        archive.write(reference, reference.name)
    return path
