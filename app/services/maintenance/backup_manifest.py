"""The manifest of a backup: what is in it, of which version, with sizes and checksums."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC
from typing import Annotated

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from app.domain.errors import InvalidInput

FORMAT = 1
DATABASE = "app.db"
MANIFEST = "manifest.json"
SECRETS = ("secret_key", "jwt_secret_key", "jwt_retired_keys", "admin_password")
MAX_MANIFEST_BYTES = MAX_SECRET_BYTES = 64 * 1024


@dataclass(frozen=True)
class FileEntry:
    """A file's size in bytes and its checksum."""

    size: Annotated[int, Field(ge=0, lt=2**63)]
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The manifest of an archive; `revision` is the migration of its database.

    `installation` tells which one made it, "" if the release that did so did not say.
    """

    format: int
    cifra: Annotated[str, Field(pattern=r"^[0-9A-Za-z.+-]{1,40}$")]
    made_at: AwareDatetime
    revision: str
    files: Mapping[str, FileEntry]
    installation: Annotated[str, Field(pattern=r"^[0-9a-f]{0,64}$")] = ""

    @property
    def total_bytes(self) -> int:
        """Return the size of all files."""
        return sum(entry.size for entry in self.files.values())

    @property
    def made_at_text(self) -> str:
        """Return when it was made, as a person reads it."""
        return f"{self.made_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

    def to_json(self) -> bytes:
        """Return the file for an archive."""
        return json.dumps(asdict(self), default=str, indent=2).encode()


def parse(text: bytes) -> Manifest:
    """Parse a manifest. Raises InvalidInput if it is not one, or not one that Cifra writes."""
    try:
        manifest = TypeAdapter(Manifest).validate_json(text)
        _ = manifest.made_at_text  # a year that has no UTC raises here
    except (ValidationError, OverflowError) as error:
        raise InvalidInput("the manifest is not one that Cifra writes") from error
    if manifest.format != FORMAT:
        raise InvalidInput(
            f"it has backup format {manifest.format}, and this release reads format {FORMAT}"
        )
    if DATABASE not in manifest.files or not manifest.files.keys() <= {DATABASE, *SECRETS}:
        names = [name[:40] for name in sorted(manifest.files)][:5]
        raise InvalidInput(f"the manifest lists {names}, not {DATABASE} and secrets of Cifra")
    for name, entry in manifest.files.items():
        if name != DATABASE and entry.size > MAX_SECRET_BYTES:
            raise InvalidInput(f"the {name} has {entry.size} bytes, {MAX_SECRET_BYTES} is the most")
    return manifest
