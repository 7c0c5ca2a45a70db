"""The repository's own metadata, codemeta.json and .zenodo.json, written from CITATION.cff so that they cannot differ.

`python -m foramen.publication.repository` rewrites them; a test fails when one is out of date.
"""

import json
from typing import Any

import yaml

from foramen.core.files import write_text
from foramen.core.paths import ROOT


def codemeta(cited: dict[str, Any]) -> dict[str, Any]:
    """CodeMeta 3.0 (https://codemeta.github.io)."""
    return {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": cited["title"].partition(":")[0],
        "description": cited["abstract"],
        "version": cited["version"],
        "datePublished": str(cited["date-released"]),
        "license": f"https://spdx.org/licenses/{cited['license']}",
        "author": [_author(author) for author in cited["authors"]],
        "keywords": cited["keywords"],
        "programmingLanguage": "Python",
        "operatingSystem": "Linux",
        "referencePublication": [_publication(reference) for reference in cited["references"]],
    }


def _author(author: dict[str, str]) -> dict[str, str]:
    """A person, or an entity that has but a name."""
    if "name" in author:
        return {"@type": "Organization", "name": author["name"]}
    return {"@type": "Person", "givenName": author["given-names"], "familyName": author["family-names"]}


def _publication(reference: dict[str, Any]) -> dict[str, str]:
    return {"@type": "ScholarlyArticle", "@id": f"https://doi.org/{reference['doi']}", "name": reference["title"]}


def zenodo(cited: dict[str, Any]) -> dict[str, Any]:
    """What Zenodo reads when it archives a release (https://developers.zenodo.org)."""
    names = [author.get("name") or f"{author['family-names']}, {author['given-names']}" for author in cited["authors"]]
    return {
        "upload_type": "software",
        "title": cited["title"],
        "description": cited["abstract"],
        "version": cited["version"],
        "publication_date": str(cited["date-released"]),
        "license": cited["license"],
        "creators": [{"name": name} for name in names],
        "keywords": cited["keywords"],
        "related_identifiers": [
            {
                "identifier": reference["doi"],
                "scheme": "doi",
                "relation": "isDerivedFrom",
                "resource_type": "publication-article",
            }
            for reference in cited["references"]
        ],
    }


def current() -> dict[str, str]:
    """What each of the files has to say today, by name."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    made = {"codemeta.json": codemeta(cited), ".zenodo.json": zenodo(cited)}
    return {name: json.dumps(value, indent=2, ensure_ascii=False) + "\n" for name, value in made.items()}


if __name__ == "__main__":
    for name, text in current().items():
        write_text(ROOT / name, text)
