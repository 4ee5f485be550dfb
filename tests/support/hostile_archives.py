"""Archives that are no good backups, each with what the rejection must say."""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator

from tests.support.backup_files import (
    DATABASE,
    MANIFEST,
    Good,
    header,
    member,
    pack,
    special_member,
    to_json,
)
from tests.support.hostile_databases import hostile_databases

_MEMBER_TYPES = {
    "symbolic link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "pipe": tarfile.FIFOTYPE,
    "folder": tarfile.DIRTYPE,
    "contiguous file": tarfile.CONTTYPE,
    "sparse file": tarfile.GNUTYPE_SPARSE,
    "long name": tarfile.GNUTYPE_LONGNAME,
    "extended header": tarfile.XHDTYPE,
    "global header": tarfile.XGLTYPE,
    "unknown type": b"?",
}
_NAMES = (
    "/etc/passwd",
    "../app.db",
    "./app.db",
    "APP.DB",
    "app.db/x",
    "\N{CYRILLIC SMALL LETTER A}pp.db",
)


Case = tuple[bytes, str]
"""The bytes of a file, and a part of the message that must reject it."""


def hostile_archives(good: Good) -> dict[str, Case]:
    """Return the whole family, by name."""
    families = (
        _no_archives,
        _cut_off,
        _members,
        _sizes,
        _arrangements,
        _manifests,
        _secrets,
        hostile_databases,
    )
    return {name: case for family in families for name, case in family(good)}


def _no_archives(good: Good) -> Iterator[tuple[str, Case]]:
    plain = gzip.decompress(good.pack())
    yield "empty file", (b"", "it is empty")
    yield "text", (b"some other file" * 1_000, "it is of another kind")
    yield "plain tar", (plain, "it is of another kind, not the gzip archive")
    yield "bzip2", (bz2.compress(plain), "compressed with bzip2")
    yield "xz", (lzma.compress(plain), "compressed with xz")
    yield "bare database", (good.database, "a SQLite database")
    yield "PostgreSQL dump", (b"PGDMP" + bytes(100), "pg_restore")
    yield "gzip of text", (gzip.compress(b"some text" * 1_000), "manifest.json is missing")
    yield "gzip of zeros", (gzip.compress(bytes(100_000)), "manifest.json is missing")
    yield "gzip of nothing", (gzip.compress(b""), "cut off or damaged")
    yield "gzip header alone", (b"\x1f\x8b", "cut off or damaged")


def _cut_off(good: Good) -> Iterator[tuple[str, Case]]:
    whole = good.pack()
    for tenth in range(1, 10):
        yield f"cut at {tenth}/10", (whole[: len(whole) * tenth // 10], "is not a")
        flipped = _flip_a_byte(whole, len(whole) * tenth // 10)
        yield f"flipped byte at {tenth}/10", (flipped, "is not a")
    for missing in (1, 4, 8, 9, 100):
        yield f"without the last {missing} bytes", (whole[:-missing], "cut off or damaged")
    yield "garbage after the end", (whole + b"garbage", "cut off or damaged")


def _flip_a_byte(whole: bytes, start: int) -> bytes:
    """Flip a byte from there on; one in thousands changes nothing of the content, and is skipped.

    Zeros can be a copy of those before them at any distance.
    """
    content = gzip.decompress(whole)
    for at in range(start, len(whole)):
        flipped = whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]
        try:
            if gzip.decompress(flipped) == content:
                continue
        except (OSError, EOFError, zlib.error):
            pass
        return flipped
    raise AssertionError("no byte changes the content")


def _members(good: Good) -> Iterator[tuple[str, Case]]:
    manifest, database = (
        member(MANIFEST, to_json(good.manifest)),
        member(DATABASE, good.database),
    )
    for kind, member_type in _MEMBER_TYPES.items():
        first, second = special_member(MANIFEST, member_type), special_member(DATABASE, member_type)
        yield f"{kind} as manifest", (pack(first, database), "where manifest.json belongs")
        yield f"{kind} as database", (pack(manifest, second), "where app.db belongs")
    loop = special_member(MANIFEST, tarfile.SYMTYPE, DATABASE)
    back = special_member(DATABASE, tarfile.SYMTYPE, MANIFEST)
    yield "loop of symbolic links", (pack(loop, back), "where manifest.json belongs")
    itself = special_member(MANIFEST, tarfile.SYMTYPE, MANIFEST)
    yield "symbolic link to itself", (pack(itself), "where manifest.json belongs")
    for name in _NAMES:
        yield (
            f"database named {name}",
            (pack(manifest, member(name, good.database)), "where app.db"),
        )


def _sizes(good: Good) -> Iterator[tuple[str, Case]]:
    manifest, length = to_json(good.manifest), len(good.database)
    for size in (-1, -512, -(2**62), 65_537, 2**40, 2**62):
        announced = header(MANIFEST, size)
        yield f"manifest of {size} bytes", (pack(announced, (manifest, b"")), "the manifest has")
    for size in (-1, -512, -(2**62), 0, length - 1, length + 1, 2**40, 2**62):
        packed = pack(member(MANIFEST, manifest), (header(DATABASE, size)[0], good.database))
        yield f"database of {size} bytes", (packed, f"app.db has {size} bytes in it")
    for size in (2**50, 10**18):
        files = {DATABASE: {"size": size, "sha256": "0" * 64}}
        packed = pack(
            member(MANIFEST, to_json(good.manifest | {"files": files})),
            (header(DATABASE, size)[0], good.database),
        )
        yield f"announced {size} bytes", (packed, "free some space")


def _arrangements(good: Good) -> Iterator[tuple[str, Case]]:
    manifest, database = (
        member(MANIFEST, to_json(good.manifest)),
        member(DATABASE, good.database),
    )
    other = member("other", b"other")
    yield "no manifest", (pack(database), "where manifest.json belongs")
    yield "no database", (pack(manifest), "app.db is missing")
    yield "database first", (pack(database, manifest), "where manifest.json belongs")
    yield "manifest twice", (pack(manifest, manifest, database), "where app.db belongs")
    yield "database twice", (pack(manifest, database, database), "more than the manifest lists")
    yield "another file last", (pack(manifest, database, other), "more than the manifest lists")
    yield "another file between", (pack(manifest, other, database), "where app.db belongs")
    bomb = gzip.decompress(good.pack()) + bytes(64 * 1024 * 1024)
    yield "64 MB of zeros at the end", (gzip.compress(bomb, 1), "more than the manifest lists")
    changed = bytearray(good.database)
    changed[-1] ^= 1
    wrong = pack(manifest, member(DATABASE, bytes(changed)))
    yield "changed database", (wrong, "does not match its checksum")


def _manifests(good: Good) -> Iterator[tuple[str, Case]]:
    entry = good.manifest["files"][DATABASE]
    for name, text in {
        "no JSON": b"files: app.db",
        "no object": b"[]",
        "no UTF-8": b"\xff\xfe{}",
        "60,000 brackets": b"[" * 60_000,
        "empty": b"",
    }.items():
        packed = pack(member(MANIFEST, text), member(DATABASE, good.database))
        yield f"manifest: {name}", (packed, "not one that Cifra writes")
    for field in ("format", "cifra", "made_at", "revision", "files"):
        without = {name: value for name, value in good.manifest.items() if name != field}
        packed = pack(member(MANIFEST, to_json(without)), member(DATABASE, good.database))
        yield f"manifest without {field}", (packed, "not one that Cifra writes")
    for name, changes in {
        "a negative size": {"files": {DATABASE: entry | {"size": -1}}},
        "a size of 5,000 digits": {"files": {DATABASE: entry | {"size": 10**4_000}}},
        "half a byte": {"files": {DATABASE: entry | {"size": 0.5}}},
        "a time before all time": {"made_at": "0001-01-01T00:00:00+14:00"},
        "a time without a zone": {"made_at": "2026-01-01T00:00:00"},
        "a line break in the version": {"cifra": "1\n2"},
        "an escape sequence in the version": {"cifra": "\x1b[2J"},
        "a path as installation": {"installation": "../x"},
    }.items():
        yield f"manifest: {name}", (good.pack(**changes), "not one that Cifra writes")
    yield "manifest of format 2", (good.pack(format=2), "backup format 2")
    for name in ("../escaped", "/etc/passwd", "config.py", "a\nb", "x" * 500):
        files = {DATABASE: entry, name: entry}
        yield f"manifest lists {name[:20]!r}", (good.pack(files=files), "the manifest lists")
    yield "manifest lists no database", (good.pack(files={}), "the manifest lists")
    yield "manifest of another migration", (good.pack(revision="0007"), "manifest says migration")
    yield (
        "manifest of an unknown migration",
        (good.pack(revision="9999"), "manifest says migration"),
    )


def _secrets(good: Good) -> Iterator[tuple[str, Case]]:
    for name in ("secret_key", "jwt_secret_key"):
        for content in (b"", b"abc", b" " * 100, b"x" * 31):
            packed = good.pack_files({DATABASE: good.database, name: content})
            yield f"{name} of {content[:9]!r}", (packed, f"the {name} has")
    for name in ("secret_key", "jwt_secret_key", "jwt_retired_keys", "admin_password"):
        packed = good.pack_files({DATABASE: good.database, name: b"\xff" * 64})
        yield f"{name} that is no text", (packed, f"the {name} is not text")
        packed = good.pack_files({DATABASE: good.database, name: b"x" * 65_537})
        yield f"{name} of 65,537 bytes", (packed, f"the {name} has 65537 bytes")
    for line in ("x" * 64, f"yesterday {'x' * 64}", "2026-01-01T00:00:00+00:00 short"):
        packed = good.pack_files({DATABASE: good.database, "jwt_retired_keys": line.encode()})
        yield f"retired key {line[:12]!r}", (packed, "a line without a time and a key")
