"""Write metadata for archives: DataCite (schema 4.5) and Zenodo."""

from __future__ import annotations

import json
from typing import Any

from organizer.publish.release import LICENCE_URL, Release

_GEANT4_DOI = "10.1016/S0168-9002(03)01368-8"
_KEYWORDS = ("liquid argon", "time projection chamber", "semantic segmentation", "Geant4")


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
    return json.dumps({"data": {"type": "dois", "attributes": attributes}}, indent=2) + "\n"


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
        "keywords": list(_KEYWORDS),
        "related_identifiers": [{"identifier": _GEANT4_DOI, "relation": "cites", "scheme": "doi"}],
    }
    return json.dumps(metadata, indent=2) + "\n"
