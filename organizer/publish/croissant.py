"""croissant.json: the data set as MLCommons' Croissant 1.0 describes it, with Responsible AI 1.0.

Croissant has no words for the inside of HDF5 (mlcommons/croissant issue 697), so that the files are
listed with their sums and the fields are described in the data card.
"""

from __future__ import annotations

import json
from typing import Any

from organizer.publish.release import LICENCE_URL, PublishedFile, Release

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(release: Release) -> str:
    """The file's text."""
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
            "Simulated with Geant4: particles drawn at random are followed through liquid argon "
            "and their energy deposits are summed in voxels of 3 mm; in one cycle a simple model "
            "of the detector follows."
        ),
        "rai:dataCollectionType": ["Software Collection"],
        "rai:dataAnnotationProtocol": (
            "No person labelled anything: a voxel's label is the class of particle that left most "
            f"of its energy, as the simulation knows it. {hidden}"
        ),
        "rai:dataPreprocessingProtocol": [
            "Voxels below a threshold are dropped; energies are rounded to 12 bits and particle "
            "properties are rounded, so that nothing leads back to an event's random numbers."
        ],
        "rai:dataLimitations": [
            "The mix of particles and energies is chosen and no experiment's; the detector is "
            "ideal or simple; there is no electronics, no reconstruction and no neutrino. Not fit "
            "for conclusions about a real detector without training and tests on its data."
        ],
        "rai:dataBiases": [
            "Physics follows Geant4's models; classes are as frequent as the chosen mix makes them."
        ],
        "rai:personalSensitiveInformation": ["None: no person stands behind any of the data."],
        "rai:dataUseCases": [
            "Training and comparing methods of semantic segmentation on sparse 3D data; teaching."
        ],
        "rai:dataSocialImpact": "None is known beyond the energy that training takes.",
        "rai:dataReleaseMaintenancePlan": (
            "A release is never changed; a correction gets a new version with new sums."
        ),
    }
