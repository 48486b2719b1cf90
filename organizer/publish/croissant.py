"""Write croissant.json: metadata in MLCommons' Croissant 1.0 with Responsible AI 1.0.

Croissant can't describe the contents of HDF5 files (mlcommons/croissant issue 697). So the files
are listed with their checksums, and the data card describes the fields.
"""

from __future__ import annotations

import json
from typing import Any

from organizer.publish.release import LICENCE_URL, PublishedFile, Release

# The context that the specification recommends. These words are those of Croissant's vocabulary.
_WORDS = (
    "citeAs column equivalentProperty extract field fileObject fileProperty fileSet format "
    "includes isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated "
    "replace samplingRate separator source subField transform"
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{word: f"cr:{word}" for word in _WORDS.split()},
}


def croissant(release: Release) -> str:
    """Return the text of croissant.json."""
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.0",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": release.title,
        "description": release.summary,
        "license": LICENCE_URL,
        "url": release.url or "https://example.org/",
        "version": release.version,
        "datePublished": release.day.isoformat(),
        "creator": [{"@type": "Organization", "name": name} for name in release.authors],
        "keywords": ["particle physics", "liquid argon", "semantic segmentation", "Geant4"],
        "citeAs": f"{'; '.join(release.authors)} ({release.day.year}). {release.title}",
        "isLiveDataset": False,
        "distribution": [_file_object(file, release.url) for file in release.files],
        **_responsible(release),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _file_object(file: PublishedFile, url: str) -> dict[str, str]:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "description": file.what,
        "contentUrl": f"{url}/{file.name}" if url else file.name,
        "contentSize": f"{file.n_bytes} B",
        "encodingFormat": "application/x-hdf5",
        "sha256": file.sha256,
    }


def _responsible(release: Release) -> dict[str, Any]:
    hidden = (
        "The labels of the test events are part of the release."
        if release.with_references
        else "The labels of the test events are kept back for the competition."
    )
    return {
        "rai:dataCollection": (
            "Simulated with Geant4: random particles are tracked through liquid argon, and their "
            "energy deposits are summed in voxels of 3 mm; in one cycle with a simple model of the "
            "detector."
        ),
        "rai:dataCollectionType": ["Software Collection"],
        "rai:dataAnnotationProtocol": (
            "The labels come from the simulation: a voxel's label is the class of particle that "
            f"left most of its energy. {hidden}"
        ),
        "rai:dataPreprocessingProtocol": [
            "Voxels below a threshold are dropped. Energies are rounded to 12 bits, and particle "
            "properties are rounded, so that an event's random numbers can't be reconstructed."
        ],
        "rai:dataLimitations": [
            "The mix of particles and energies was chosen and is not that of an experiment. The "
            "detector is ideal or simple; electronics, reconstruction and neutrinos are not "
            "simulated. For a real detector, training and tests on its own data are needed."
        ],
        "rai:dataBiases": [
            "The physics is that of Geant4's models; the mix defines how frequent the classes are."
        ],
        "rai:personalSensitiveInformation": ["None: the data are simulated."],
        "rai:dataUseCases": [
            "Training and comparing methods of semantic segmentation on sparse 3D data; teaching."
        ],
        "rai:dataSocialImpact": "None known, except the energy for training.",
        "rai:dataReleaseMaintenancePlan": (
            "A release is never changed; a correction gets a new version with new checksums."
        ),
    }
