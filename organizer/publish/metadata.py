"""Write metadata: MLCommons' Croissant 1.0 with Responsible AI 1.0, DataCite 4.5 and Zenodo.

Croissant can't describe the contents of HDF5 files (mlcommons/croissant issue 697). So the files
are listed with their checksums, and the data card describes the fields.
"""

from __future__ import annotations

import json
from typing import Any

from organizer.publish.release import LICENCE_URL, LIMITS, PublishedFile, Release

_GEANT4_DOI = "10.1016/S0168-9002(03)01368-8"
_KEYWORDS = ["particle physics", "liquid argon", "semantic segmentation", "Geant4"]
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
        "keywords": _KEYWORDS,
        "citeAs": release.citation,
        "isLiveDataset": False,
        "distribution": [_file_object(file, release.url) for file in release.files],
        **_responsible(release),
    }
    return _json(document)


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
    """Return the fields of Croissant's Responsible-AI extension."""
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
        "rai:dataLimitations": [LIMITS],
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


def datacite(release: Release) -> str:
    """Return datacite.json for DataCite's REST API; the archive adds DOI and URL."""
    attributes: dict[str, Any] = {
        "creators": [{"name": name, "nameType": "Organizational"} for name in release.authors],
        "titles": [{"title": f"{release.title}: data"}],
        "publisher": {"name": "Zenodo"},
        "publicationYear": release.day.year,
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Simulated events"},
        "subjects": [{"subject": word} for word in _KEYWORDS],
        "dates": [{"date": release.day.isoformat(), "dateType": "Issued"}],
        "language": "en",
        "version": release.version,
        "sizes": [f"{sum(file.n_bytes for file in release.files)} bytes"],
        "formats": ["application/x-hdf5"],
        "rightsList": [
            {
                "rights": "Creative Commons Attribution 4.0 International",
                "rightsUri": LICENCE_URL,
                "rightsIdentifier": "CC-BY-4.0",
                "rightsIdentifierScheme": "SPDX",
            }
        ],
        "descriptions": [{"description": release.summary, "descriptionType": "Abstract"}],
        "relatedIdentifiers": [
            {
                "relatedIdentifier": _GEANT4_DOI,
                "relatedIdentifierType": "DOI",
                "relationType": "Cites",
            }
        ],
        "schemaVersion": "http://datacite.org/schema/kernel-4",
    }
    return _json({"data": {"type": "dois", "attributes": attributes}})


def zenodo(release: Release) -> str:
    """Return .zenodo.json for Zenodo's deposit API."""
    metadata = {
        "upload_type": "dataset",
        "title": f"{release.title}: data",
        "creators": [{"name": name} for name in release.authors],
        "description": release.summary,
        "publication_date": release.day.isoformat(),
        "version": release.version,
        "access_right": "open",
        "license": "cc-by-4.0",
        "language": "eng",
        "keywords": _KEYWORDS,
        "related_identifiers": [{"identifier": _GEANT4_DOI, "relation": "cites", "scheme": "doi"}],
    }
    return _json(metadata)


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
