#!/usr/bin/env python3
"""Make the golden files of events, manifest and log, without any code of Holdfast.

Every document is a plain dict written down here, encoded by cbor2 (canonical) and projected by
rfc8785; digests are blake3's and hashlib's; the tree is RFC 6962 word for word. `tests/golden.rs`
builds the same values in Rust and compares byte for byte, in both directions.

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install cbor2==6.3.0 rfc8785==0.1.4 blake3==1.0.11
    /tmp/golden/bin/python tests/golden/make_golden.py            # write
    /tmp/golden/bin/python tests/golden/make_golden.py --check    # compare with what is there

The files are committed, so the tests need no Python. A golden file is never changed for an event
that was released: a new case is added instead.
"""

import hashlib
import json
import os
import pathlib
import sys

import blake3
import cbor2
import rfc8785

HERE = pathlib.Path(__file__).resolve().parent

PACKAGE = "0193f0c4-7f1e-7c3a-9c1f-0123456789ab"
OTHER_PACKAGE = "0193f0c4-7f1e-7c3a-9c1f-ba9876543210"
FILE = "0193f0c4-8000-7000-8000-000000000001"
NEXT_FILE = "0193f0c4-8000-7000-8000-000000000002"
LOCATION = "0193f0c4-9000-7000-8000-000000000001"
HOLD = "0193f0c4-a000-4000-8000-000000000001"
RUN = "0193f0c4-b000-7000-8000-000000000001"
SCHEMA = "7d444840-9dc0-41d1-b245-5ffdce74fad2"


def canonical(value):
    return cbor2.dumps(value, canonical=True)


def address(data):
    return "blake3:" + blake3.blake3(data).hexdigest()


def file_ingested(content, path, **extra):
    """What the registry wrote before it knew S3, and nothing else unless given."""
    return {
        "file_id": FILE,
        "relative_path": path,
        "media_type": "text/plain",
        "size_bytes": len(content),
        "digest_algorithm": "blake3",
        "digest_primary_hex": blake3.blake3(content).hexdigest(),
        "digest_sha256_hex": hashlib.sha256(content).hexdigest(),
        "backend_id": "local",
        "object_key": "blake3/" + blake3.blake3(content).hexdigest(),
        "storage_location_id": LOCATION,
        "retrieval_tier": "hot",
        "storage_status": "recorded",
        **extra,
    }


def manifest_file(number, path, content, media_type):
    return {
        "id": f"0193f0c4-8000-7000-8000-00000000000{number}",
        "relative_path": path,
        "media_type": media_type,
        "size_bytes": len(content),
        "digest_algorithm": "blake3",
        "digest_primary_hex": blake3.blake3(content).hexdigest(),
        "digest_sha256_hex": hashlib.sha256(content).hexdigest(),
        "etag": hashlib.md5(content).hexdigest(),
        "ingested_by": "ci",
        "ingested_at": f"2026-11-23T08:15:0{number}.00000{number}+00:00",
        "event_sequence": 2 + number,
    }


def tree_hash(leaves):
    """MTH of RFC 6962, section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def make_manifest(copied_from=None):
    """The manifest; with an origin, that of a package whose empty file was copied from there."""
    files = [
        manifest_file(1, "README", b"read me\n", "text/markdown"),
        manifest_file(2, "data/é ü.bin", bytes(range(256)) * 300, "application/octet-stream"),
        manifest_file(3, "data/empty", b"", "application/octet-stream"),
    ]
    if copied_from:
        files[2]["copied_from"] = copied_from
    files.sort(key=lambda entry: entry["relative_path"].encode())
    content = blake3.blake3()
    keys = (
        "relative_path",
        "size_bytes",
        "media_type",
        "digest_algorithm",
        "digest_primary_hex",
        "digest_sha256_hex",
    )
    for entry in files:
        content.update(canonical({key: entry[key] for key in keys}))
    return {
        "manifest_version": 1,
        "package": {
            "id": PACKAGE,
            "name": "Release 1.2.0",
            "producer": "ci",
            "subject": "release-1.2.0",
            "retention_class": "releases",
            "status": "finalized",
            "created_at": "2026-11-23T08:15:00+00:00",
            "finalized_at": "2026-11-23T08:16:00.500000+00:00",
            "expires_at": "2027-11-23T08:15:00+00:00",
            "metadata": {"branch": "main", "build": {"number": 42, "ratio": 0.1}},
            "metadata_schema_id": SCHEMA,
        },
        "files": files,
        "storage_receipts": [
            {
                "file_id": entry["id"],
                "backend_id": "local",
                "content_address": "blake3:" + entry["digest_primary_hex"],
                "retrieval_tier": "hot",
                "status": "recorded",
            }
            for entry in files
        ],
        "retention_summary": {
            "retention_class": "releases",
            "expires_at": "2027-11-23T08:15:00+00:00",
            "active_holds": [],
            "last_retention_event_sequence": 2,
        },
        "provenance": {
            "source_commits": {"holdfast": "8b1a9953c4611296a827abf8c47804d7"},
            "tool_versions": {"rustc": "1.94.0"},
            "environment": {},
            "ingest_actor": "ci",
            "ingest_timestamps": {"finalized_at": "2026-11-23T08:16:00.500000+00:00"},
        },
        "content_digest": "blake3:" + content.hexdigest(),
        "files_root": "sha256:" + tree_hash([canonical(entry) for entry in files]).hex(),
    }


def make_events():
    """(name, type, subject, payload), in the order in which the log has them. A subject is its kind
    and id, or only its kind when it is the package."""
    hello = b"hello, world\n"
    return [
        (
            "package_created_plain",
            "v1.package.created",
            "package",
            {
                "name": "release-1",
                "producer": "ci",
                "subject": "release-1",
                "retention_class": "default",
                "metadata": {},
                "metadata_schema_id": None,
            },
        ),
        (
            "package_created_full",
            "v1.package.created",
            "package",
            {
                "name": "Release 1.2.0 \U0001f680",
                "producer": "ci",
                "subject": "größe",
                "retention_class": "releases",
                "metadata": {
                    "branch": "main",
                    "a": [1, -1, 23, 24, 255, 256, 65535, 65536, 4294967295, 4294967296],
                    "limits": [9007199254740991, -9007199254740991],
                    "floats": [0.5, 1.0, 0.1, 1e300, -0.25, 100000.5, 5e-324, 65504.0],
                    "nested": {"\U0001f600": True, "\ufb33": False, "€": None, "": {}},
                    "empty": [],
                    **{f"key-{i:02}": i for i in range(25)},
                },
                "metadata_schema_id": SCHEMA,
                "bucket": "release-1.2.0",
                "write_mode": "versioned-by-request",
                "tags": {"team": "core", "Zone": "eu", "é": ""},
            },
        ),
        (
            "retention_default_applied_unlimited",
            "v1.retention.default_applied",
            "retention",
            {
                "retention_class": "default",
                "default_duration_seconds": None,
                "expires_at": None,
                "eligible_for_deletion": False,
            },
        ),
        (
            "retention_default_applied_limited",
            "v1.retention.default_applied",
            "retention",
            {
                "retention_class": "releases",
                "default_duration_seconds": 31536000,
                "expires_at": "2027-11-23T08:15:30.123400+00:00",
                "eligible_for_deletion": True,
            },
        ),
        (
            "file_ingested_plain",
            "v1.file.ingested",
            "package",
            file_ingested(hello, "hello.txt"),
        ),
        (
            "file_ingested_with_etag",
            "v1.file.ingested",
            "package",
            file_ingested(hello, "hello.txt", etag=hashlib.md5(hello).hexdigest()),
        ),
        (
            "file_ingested_unicode_key",
            "v1.file.ingested",
            "package",
            file_ingested(b"", "données/日本 +%2F//\x00\U0001f600", etag="x"),
        ),
        (
            "file_ingested_full",
            "v1.file.ingested",
            "package",
            file_ingested(
                hello,
                "hello.txt",
                etag=hashlib.md5(hello).hexdigest(),
                s3={
                    "content_encoding": "gzip",
                    "cache_control": "no-cache",
                    "content_disposition": 'attachment; filename="a b"',
                    "content_language": "en",
                    "expires": "Thu, 01 Dec 2026 16:00:00 GMT",
                    "website_redirect": "/elsewhere",
                    "user_metadata": {"mtime": "1700000000.5", "author": "jürgen"},
                    "checksum": {
                        "algorithm": "CRC64NVME",
                        "type": "FULL_OBJECT",
                        "value": "AAAAAAAAAAA=",
                    },
                },
                copied_from={"package_id": OTHER_PACKAGE, "file_id": NEXT_FILE},
            ),
        ),
        (
            "file_ingested_in_parts",
            "v1.file.ingested",
            "package",
            {
                **file_ingested(b"a" * 6000 + b"b" * 10, "big.bin", etag="0" * 32 + "-2"),
                "object_key": "parts",
                "s3": {
                    "checksum": {"algorithm": "SHA256", "type": "COMPOSITE", "value": "eA==-2"},
                    "parts": [
                        {
                            "number": 1,
                            "size_bytes": 6000,
                            "content_address": address(b"a" * 6000),
                            "backend_id": "local",
                            "object_key": blake3.blake3(b"a" * 6000).hexdigest(),
                            "checksum": "YQ==",
                        },
                        {
                            "number": 10000,
                            "size_bytes": 10,
                            "content_address": address(b"b" * 10),
                            "backend_id": "inline",
                            "object_key": blake3.blake3(b"b" * 10).hexdigest(),
                        },
                    ],
                },
            },
        ),
        (
            "file_superseded",
            "v1.file.superseded",
            "package",
            {"file_id": FILE, "superseded_by": NEXT_FILE, "relative_path": "hello.txt"},
        ),
        (
            "file_removed",
            "v1.file.removed",
            "package",
            {"file_id": NEXT_FILE, "relative_path": "hello.txt"},
        ),
        ("package_finalized", "v1.package.finalized", "package", make_manifest()),
        (
            "package_deleted_open",
            "v1.package.deleted",
            "package",
            {
                "reason": "bucket deleted",
                "strategy": "manual",
                "manifest_digest": None,
                "file_count": 0,
                "total_bytes": 0,
                "expires_at": None,
            },
        ),
        (
            "package_deleted_finalized",
            "v1.package.deleted",
            "package",
            {
                "reason": "retention ended",
                "strategy": "purge",
                "manifest_digest": address(canonical(make_manifest())),
                "file_count": 3,
                "total_bytes": 76808,
                "expires_at": "2027-11-23T08:15:00+00:00",
            },
        ),
        (
            "retention_class_defined_limited",
            "v1.retention_class.defined",
            ("class", "releases"),
            {
                "class_id": "releases",
                "default_duration_seconds": 31536000,
                "deletion_strategy": "purge",
                "lock_mode": "compliance",
                "anchor": "finalized",
                "grace_seconds": 86400,
            },
        ),
        (
            "retention_class_defined_unlimited",
            "v1.retention_class.defined",
            ("class", "kept"),
            {
                "class_id": "kept",
                "default_duration_seconds": None,
                "deletion_strategy": "manual",
                "lock_mode": "none",
                "anchor": "created",
                "grace_seconds": 0,
            },
        ),
        (
            "retention_extended",
            "v1.retention.extended",
            "retention",
            {
                "previous_expires_at": "2027-11-23T08:15:00+00:00",
                "new_expires_at": "2028-11-23T08:15:00.000001+00:00",
                "reason": "audit of größe",
            },
        ),
        (
            "hold_applied_operator",
            "v1.retention.hold_applied",
            "retention",
            {"hold_id": HOLD, "reason": "inquiry 7"},
        ),
        (
            "hold_applied_legal",
            "v1.retention.hold_applied",
            "retention",
            {"hold_id": HOLD, "reason": "legal", "kind": "legal"},
        ),
        (
            "hold_released",
            "v1.retention.hold_released",
            "retention",
            {"hold_id": HOLD, "reason": "inquiry 7 is closed"},
        ),
        (
            "deletion_eligible",
            "v1.retention.deletion_eligible",
            "retention",
            {
                "expires_at": "2027-11-23T08:15:00+00:00",
                "reason": "retention expiry reached",
            },
        ),
        (
            "eligibility_revoked",
            "v1.retention.eligibility_revoked",
            "retention",
            {
                "expires_at": "2028-11-23T08:15:00+00:00",
                "reason": "retention extended",
                "cause_sequence": 17,
            },
        ),
        (
            "blob_reclaimed",
            "v1.storage.blob_reclaimed",
            ("storage", address(hello)),
            {
                "backend_id": "local",
                "object_key": blake3.blake3(hello).hexdigest(),
                "content_address": address(hello),
                "size_bytes": len(hello),
                "reason": "unreferenced",
            },
        ),
        (
            "metadata_schema_registered",
            "v1.metadata_schema.registered",
            ("schema", SCHEMA),
            {
                "schema_id": SCHEMA,
                "slug": "release",
                "version": 2,
                "json_schema": {
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "type": "object",
                    "required": ["branch", "größe"],
                    "properties": {
                        "branch": {"type": "string", "pattern": "^[a-z]+$"},
                        "größe": {"type": "number", "minimum": 0.5, "maximum": 1e21},
                    },
                    "additionalProperties": False,
                },
            },
        ),
        (
            "package_metadata_updated_full",
            "v1.package.metadata_updated",
            "package",
            {
                "metadata": {"branch": "main", "größe": 1.0, "parts": [None, {"": -1}]},
                "metadata_schema_id": SCHEMA,
                "tags": {"team": "core", "Zone": "eu", "é": ""},
            },
        ),
        (
            "package_metadata_updated_empty",
            "v1.package.metadata_updated",
            "package",
            {"metadata": {}, "metadata_schema_id": None, "tags": {}},
        ),
        (
            "configuration_set",
            "v1.package.configuration_set",
            "package",
            {
                "kind": "cors",
                "document": "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod>"
                "<AllowedOrigin>https://größe.example</AllowedOrigin></CORSRule></CORSConfiguration>",
            },
        ),
        (
            "configuration_removed",
            "v1.package.configuration_set",
            "package",
            {"kind": "public_access_block", "document": None},
        ),
        (
            "location_verified_good",
            "v1.storage.location_verified",
            ("storage", FILE),
            {
                "storage_location_id": LOCATION,
                "file_id": FILE,
                "backend_id": "local",
                "content_address": address(hello),
                "verified": True,
                "mismatch": None,
                "actual_size_bytes": len(hello),
                "actual_primary_hex": blake3.blake3(hello).hexdigest(),
                "actual_sha256_hex": hashlib.sha256(hello).hexdigest(),
            },
        ),
        (
            "location_verified_changed",
            "v1.storage.location_verified",
            ("storage", FILE),
            {
                "storage_location_id": LOCATION,
                "file_id": FILE,
                "backend_id": "inline",
                "content_address": address(hello),
                "verified": False,
                "mismatch": "size",
                "actual_size_bytes": 0,
                "actual_primary_hex": blake3.blake3(b"").hexdigest(),
                "actual_sha256_hex": hashlib.sha256(b"").hexdigest(),
            },
        ),
        (
            "location_verified_missing",
            "v1.storage.location_verified",
            ("storage", FILE),
            {
                "storage_location_id": LOCATION,
                "file_id": FILE,
                "backend_id": "local",
                "content_address": address(hello),
                "verified": False,
                "mismatch": "missing",
                "actual_size_bytes": None,
                "actual_primary_hex": None,
                "actual_sha256_hex": None,
            },
        ),
        (
            "verification_completed_all",
            "v1.storage.verification_completed",
            ("storage", RUN),
            {
                "run_id": RUN,
                "backend_id": None,
                "checked": 1000,
                "verified": 997,
                "mismatched": 2,
                "unreachable": 1,
                "bytes": 70_000_000_000,
            },
        ),
        (
            "verification_completed_scoped",
            "v1.storage.verification_completed",
            ("storage", RUN),
            {
                "run_id": RUN,
                "package_id": PACKAGE,
                "backend_id": "local",
                "checked": 0,
                "verified": 0,
                "mismatched": 0,
                "unreachable": 0,
                "bytes": 0,
            },
        ),
        (
            "location_added",
            "v1.storage.location_added",
            ("storage", FILE),
            {
                "storage_location_id": LOCATION,
                "file_id": FILE,
                "backend_id": "cold",
                "object_key": blake3.blake3(hello).hexdigest(),
                "content_address": address(hello),
                "size_bytes": len(hello),
            },
        ),
        (
            "package_deleted_archived",
            "v1.package.deleted",
            "package",
            {
                "reason": "retention ended",
                "strategy": "archive_then_purge",
                "manifest_digest": address(hello),
                "file_count": 3,
                "total_bytes": 76808,
                "expires_at": "2027-11-23T08:15:00+00:00",
                "archive_backend": "cold",
            },
        ),
        ("versioning_enabled", "v1.package.versioning_set", "package", {"state": "enabled"}),
        ("versioning_suspended", "v1.package.versioning_set", "package", {"state": "suspended"}),
        (
            "file_ingested_locked",
            "v1.file.ingested",
            "package",
            file_ingested(
                hello,
                "hello.txt",
                versioned=True,
                retention={"mode": "governance", "retain_until": "2027-11-23T08:15:30+00:00"},
                legal_hold=True,
            ),
        ),
        (
            "file_superseded_kept",
            "v1.file.superseded",
            "package",
            {
                "file_id": FILE,
                "superseded_by": NEXT_FILE,
                "relative_path": "hello.txt",
                "kept": True,
            },
        ),
        (
            "file_removed_by_marker",
            "v1.file.removed",
            "package",
            {
                "file_id": FILE,
                "marker_id": NEXT_FILE,
                "relative_path": "hello.txt",
                "versioned": True,
            },
        ),
        (
            "file_removed_by_null_marker",
            "v1.file.removed",
            "package",
            {"marker_id": NEXT_FILE, "relative_path": "hello.txt"},
        ),
        (
            "marker_removed",
            "v1.file.marker_removed",
            "package",
            {"marker_id": NEXT_FILE, "relative_path": "hello.txt", "restored": FILE},
        ),
        (
            "version_purged",
            "v1.file.version_purged",
            "package",
            {"file_id": FILE, "relative_path": "hello.txt", "reason": "version deleted"},
        ),
        (
            "object_lock_enabled",
            "v1.package.object_lock_configured",
            "package",
            {"enabled": True},
        ),
        (
            "object_lock_default",
            "v1.package.object_lock_configured",
            "package",
            {"enabled": True, "default_mode": "compliance", "years": 7},
        ),
        (
            "file_retention_set",
            "v1.file.retention_set",
            "package",
            {
                "file_id": FILE,
                "relative_path": "hello.txt",
                "mode": "compliance",
                "retain_until": "2027-11-23T08:15:30+00:00",
            },
        ),
        (
            "file_retention_removed",
            "v1.file.retention_set",
            "package",
            {
                "file_id": FILE,
                "relative_path": "hello.txt",
                "mode": None,
                "retain_until": None,
                "bypassed": True,
            },
        ),
        (
            "file_legal_hold_set",
            "v1.file.legal_hold_set",
            "package",
            {"file_id": FILE, "relative_path": "hello.txt", "status": "on"},
        ),
    ]


def make_log(events):
    """The events above as a log: their envelopes, leaf hashes and the root after each."""
    envelopes, entries = [], []
    for index, (name, event_type, subject, payload) in enumerate(events):
        subject_kind, subject_id = (subject, PACKAGE) if isinstance(subject, str) else subject
        envelope = {
            "sequence": index + 1,
            "event_type": event_type,
            "subject_kind": subject_kind,
            "subject_id": subject_id,
            "actor": "ci",
            "created_at": f"2026-11-23T08:15:{index:02}"
            + (f".{index:06}" if index else "")
            + "+00:00",
            "payload_digest": address(canonical(payload)),
            "epoch": 1,
        }
        envelopes.append(canonical(envelope))
        entries.append(
            {
                "event": name,
                "envelope_hex": envelopes[-1].hex(),
                "leaf_hash": hashlib.sha256(b"\x00" + envelopes[-1]).hexdigest(),
                "root": tree_hash(envelopes).hex(),
            }
        )
    return entries


def make_files():
    events = make_events()
    manifest = make_manifest()
    promoted = make_manifest({"package_id": OTHER_PACKAGE, "file_id": NEXT_FILE})
    files = {
        "manifest.cbor": canonical(manifest),
        "manifest.json": rfc8785.dumps(manifest),
        "manifest_promoted.cbor": canonical(promoted),
        "manifest_promoted.json": rfc8785.dumps(promoted),
        "log.json": json.dumps(make_log(events), indent=1).encode() + b"\n",
    }
    for name, _, _, payload in events:
        files[f"events/{name}.cbor"] = canonical(payload)
        files[f"events/{name}.json"] = rfc8785.dumps(payload)
    return files


def run_recipe():
    """Runs the Python of docs/manifest.md on the golden manifest."""
    page = (HERE.parent.parent / "docs" / "manifest.md").read_text()
    recipe = page.split("```python\n")[1].split("```")[0]
    os.chdir(HERE)
    exec(compile(recipe, "docs/manifest.md", "exec"), {})


def main():
    wrong = []
    for name, data in make_files().items():
        path = HERE / name
        if "--check" in sys.argv:
            if not path.exists() or path.read_bytes() != data:
                wrong.append(name)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
    if "--check" in sys.argv:
        run_recipe()
    if wrong:
        sys.exit("differ: " + ", ".join(wrong))


if __name__ == "__main__":
    main()
