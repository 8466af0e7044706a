//! Events, manifest and log against golden files that Python made (`tests/golden/make_golden.py`):
//! the same bytes in both directions, the same JSON, the same leaves and roots.

#![expect(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test fails where it unwraps, and a list of cases is long"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use holdfast::domain::configuration::ConfigurationKind;
use holdfast::domain::digest::{ChecksumAlgorithm, ContentAddress};
use holdfast::domain::event::{
    BlobReclaimed, ConfigurationSet, DeletionEligible, EligibilityRevoked, Event, FileIngested,
    HoldApplied, HoldReleased, LocationAdded, LocationVerified, MetadataSchemaRegistered,
    PackageCreated, PackageDeleted, PackageFinalized, PackageMetadataUpdated, Recorded,
    RetentionDefaultApplied, RetentionExtended, VerificationCompleted,
};
use holdfast::domain::file::{
    ChecksumKind, FilePart, FileRecord, Location, ObjectAttributes, StoredChecksum,
};
use holdfast::domain::hashers::WholeHasher;
use holdfast::domain::ids::{FileId, HoldId, PackageId, RunId, Sequence, Timestamp};
use holdfast::domain::jcs;
use holdfast::domain::lock::{
    DefaultRetention, FileLock, ObjectLockConfig, ObjectRetention, Period, RetentionMode,
};
use holdfast::domain::manifest::{Manifest, ManifestHead, ManifestWriter, manifest_address};
use holdfast::domain::merkle::{Frontier, leaf_hash};
use holdfast::domain::name::{ObjectKey, PackageName};
use holdfast::domain::package::{PackageRecord, PackageStatus, WriteMode};
use holdfast::domain::payload::payload_to_json;
use holdfast::domain::retention::{Anchor, DeletionStrategy, HoldKind, LockMode, RetentionClass};
use holdfast::domain::schema::SchemaSlug;
use holdfast::domain::version::{Marker, Versioning};
use holdfast::domain::version_event::{
    FileLegalHoldSet, FileRemoved, FileRetentionSet, FileSuperseded, MarkerRemoved,
    ObjectLockConfigured, VersionPurged, VersioningSet,
};

const PACKAGE: &str = "0193f0c4-7f1e-7c3a-9c1f-0123456789ab";
const OTHER_PACKAGE: &str = "0193f0c4-7f1e-7c3a-9c1f-ba9876543210";
const FILE: &str = "0193f0c4-8000-7000-8000-000000000001";
const NEXT_FILE: &str = "0193f0c4-8000-7000-8000-000000000002";
const LOCATION: &str = "0193f0c4-9000-7000-8000-000000000001";
const HOLD: &str = "0193f0c4-a000-4000-8000-000000000001";
const RUN: &str = "0193f0c4-b000-7000-8000-000000000001";
const SCHEMA: &str = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
const HELLO: &[u8] = b"hello, world\n";
const HELLO_MD5: &str = "22c3683b094136c3398391ae71b20f04";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(golden(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn package_id() -> PackageId {
    PACKAGE.parse().unwrap()
}

fn file_id(text: &str) -> FileId {
    text.parse().unwrap()
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn address(bytes: &[u8]) -> ContentAddress {
    ContentAddress(*blake3::hash(bytes).as_bytes())
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|&(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

fn package_created_plain() -> Event {
    Event::PackageCreated(PackageCreated {
        package_id: package_id(),
        bucket: PackageName::parse("release-1").unwrap(),
        name: "release-1".to_owned(),
        producer: "ci".to_owned(),
        subject: "release-1".to_owned(),
        retention_class: "default".to_owned(),
        metadata: json!({}),
        metadata_schema_id: None,
        write_mode: WriteMode::WriteOnce,
        tags: BTreeMap::new(),
    })
}

fn package_created_full() -> Event {
    let mut metadata = json!({
        "branch": "main",
        "a": [1, -1, 23, 24, 255, 256, 65535, 65536, 4_294_967_295_u64, 4_294_967_296_u64],
        "limits": [9_007_199_254_740_991_u64, -9_007_199_254_740_991_i64],
        "floats": [0.5, 1.0, 0.1, 1e300, -0.25, 100_000.5, 5e-324, 65504.0],
        "nested": {"\u{1f600}": true, "\u{fb33}": false, "€": null, "": {}},
        "empty": [],
    });
    for i in 0..25 {
        metadata[format!("key-{i:02}")] = json!(i);
    }
    Event::PackageCreated(PackageCreated {
        package_id: package_id(),
        bucket: PackageName::parse("release-1.2.0").unwrap(),
        name: "Release 1.2.0 \u{1f680}".to_owned(),
        producer: "ci".to_owned(),
        subject: "größe".to_owned(),
        retention_class: "releases".to_owned(),
        metadata,
        metadata_schema_id: Some(SCHEMA.to_owned()),
        write_mode: WriteMode::VersionedByRequest,
        tags: texts(&[("team", "core"), ("Zone", "eu"), ("é", "")]),
    })
}

fn retention_default_applied(class: &str, seconds: Option<u64>, until: Option<&str>) -> Event {
    Event::RetentionDefaultApplied(RetentionDefaultApplied {
        package_id: package_id(),
        retention_class: class.to_owned(),
        default_duration_seconds: seconds,
        expires_at: until.map(at),
        is_eligible_for_deletion: until.is_some(),
    })
}

fn file_ingested(content: &[u8], path: &str, etag: &str) -> FileIngested {
    FileIngested {
        package_id: package_id(),
        file_id: file_id(FILE),
        key: key(path),
        media_type: "text/plain".to_owned(),
        size_bytes: content.len() as u64,
        address: address(content),
        sha256: Sha256::digest(content).into(),
        etag: etag.to_owned(),
        attributes: ObjectAttributes::default(),
        location: Location {
            id: LOCATION.parse().unwrap(),
            backend_id: "local".to_owned(),
            object_key: format!("blake3/{}", address(content).to_hex()),
        },
        copied_from: None,
        is_versioned: false,
        lock: FileLock::default(),
    }
}

fn file_ingested_full() -> FileIngested {
    let text = |text: &str| Some(text.to_owned());
    FileIngested {
        attributes: ObjectAttributes {
            content_encoding: text("gzip"),
            cache_control: text("no-cache"),
            content_disposition: text("attachment; filename=\"a b\""),
            content_language: text("en"),
            expires: text("Thu, 01 Dec 2026 16:00:00 GMT"),
            website_redirect: text("/elsewhere"),
            user_metadata: texts(&[("mtime", "1700000000.5"), ("author", "jürgen")]),
            checksum: Some(StoredChecksum {
                algorithm: ChecksumAlgorithm::Crc64Nvme,
                kind: ChecksumKind::FullObject,
                value: "AAAAAAAAAAA=".to_owned(),
            }),
            parts: Vec::new(),
        },
        copied_from: Some((OTHER_PACKAGE.parse().unwrap(), file_id(NEXT_FILE))),
        ..file_ingested(HELLO, "hello.txt", HELLO_MD5)
    }
}

fn file_ingested_in_parts() -> FileIngested {
    let (a, b) = ([b'a'; 6000], [b'b'; 10]);
    let etag = format!("{}-2", "0".repeat(32));
    let mut event = file_ingested(&[&a[..], &b].concat(), "big.bin", &etag);
    event.location.object_key = "parts".to_owned();
    event.attributes.checksum = Some(StoredChecksum {
        algorithm: ChecksumAlgorithm::Sha256,
        kind: ChecksumKind::Composite,
        value: "eA==-2".to_owned(),
    });
    let part = |number, bytes: &[u8], backend: &str, checksum: Option<&str>| FilePart {
        number,
        size_bytes: bytes.len() as u64,
        address: address(bytes),
        backend_id: backend.to_owned(),
        object_key: address(bytes).to_hex(),
        checksum: checksum.map(str::to_owned),
    };
    event.attributes.parts = vec![
        part(1, &a, "local", Some("YQ==")),
        part(10_000, &b, "inline", None),
    ];
    event
}

fn package_archived() -> Event {
    let mut event = package_deleted(
        "retention ended",
        "archive_then_purge",
        Some(ContentAddress(*blake3::hash(HELLO).as_bytes())),
    );
    if let Event::PackageDeleted(event) = &mut event {
        event.archive_backend = Some("cold".to_owned());
    }
    event
}

fn package_deleted(reason: &str, strategy: &str, manifest: Option<ContentAddress>) -> Event {
    Event::PackageDeleted(PackageDeleted {
        package_id: package_id(),
        reason: reason.to_owned(),
        strategy: strategy.to_owned(),
        manifest_address: manifest,
        file_count: manifest.map_or(0, |_| 3),
        total_bytes: manifest.map_or(0, |_| 76_808),
        expires_at: manifest.map(|_| at("2027-11-23T08:15:00+00:00")),
        archive_backend: None,
    })
}

/// The events of the golden log, in its order.
fn events() -> Vec<(&'static str, Event)> {
    let ingested = |event: FileIngested| Event::FileIngested(Box::new(event));
    let until = Some("2027-11-23T08:15:30.1234+00:00");
    let manifest = manifest();
    vec![
        ("package_created_plain", package_created_plain()),
        ("package_created_full", package_created_full()),
        (
            "retention_default_applied_unlimited",
            retention_default_applied("default", None, None),
        ),
        (
            "retention_default_applied_limited",
            retention_default_applied("releases", Some(31_536_000), until),
        ),
        (
            "file_ingested_plain",
            ingested(file_ingested(HELLO, "hello.txt", "")),
        ),
        (
            "file_ingested_with_etag",
            ingested(file_ingested(HELLO, "hello.txt", HELLO_MD5)),
        ),
        (
            "file_ingested_unicode_key",
            ingested(file_ingested(b"", "données/日本 +%2F//\0\u{1f600}", "x")),
        ),
        ("file_ingested_full", ingested(file_ingested_full())),
        ("file_ingested_in_parts", ingested(file_ingested_in_parts())),
        (
            "file_superseded",
            Event::FileSuperseded(FileSuperseded {
                package_id: package_id(),
                file_id: file_id(FILE),
                superseded_by: file_id(NEXT_FILE),
                is_kept: false,
                key: key("hello.txt"),
            }),
        ),
        (
            "file_removed",
            Event::FileRemoved(FileRemoved {
                package_id: package_id(),
                file_id: Some(file_id(NEXT_FILE)),
                key: key("hello.txt"),
                marker: None,
            }),
        ),
        (
            "package_finalized",
            Event::PackageFinalized(PackageFinalized {
                package_id: package_id(),
                manifest: manifest.clone().into(),
            }),
        ),
        (
            "package_deleted_open",
            package_deleted("bucket deleted", "manual", None),
        ),
        (
            "package_deleted_finalized",
            package_deleted(
                "retention ended",
                "purge",
                Some(manifest_address(&manifest)),
            ),
        ),
    ]
    .into_iter()
    .chain(retention_events())
    .chain(schema_events())
    .chain(verification_events())
    .chain(version_events())
    .collect()
}

fn blob_reclaimed() -> Event {
    Event::BlobReclaimed(BlobReclaimed {
        backend_id: "local".to_owned(),
        object_key: address(HELLO).to_hex(),
        address: address(HELLO),
        size_bytes: HELLO.len() as u64,
        reason: "unreferenced".to_owned(),
    })
}

fn hold_applied(kind: HoldKind, reason: &str) -> Event {
    Event::HoldApplied(HoldApplied {
        package_id: package_id(),
        hold_id: HOLD.parse().unwrap(),
        kind,
        reason: reason.to_owned(),
    })
}

fn schema_events() -> Vec<(&'static str, Event)> {
    vec![
        (
            "metadata_schema_registered",
            Event::MetadataSchemaRegistered(MetadataSchemaRegistered {
                schema_id: SCHEMA.parse().unwrap(),
                slug: SchemaSlug::parse("release").unwrap(),
                version: 2,
                json_schema: json!({
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "type": "object",
                    "required": ["branch", "größe"],
                    "properties": {
                        "branch": {"type": "string", "pattern": "^[a-z]+$"},
                        "größe": {"type": "number", "minimum": 0.5, "maximum": 1e21},
                    },
                    "additionalProperties": false,
                }),
            }),
        ),
        (
            "package_metadata_updated_full",
            Event::PackageMetadataUpdated(PackageMetadataUpdated {
                package_id: package_id(),
                metadata: json!({"branch": "main", "größe": 1.0, "parts": [null, {"": -1}]}),
                metadata_schema_id: Some(SCHEMA.to_owned()),
                tags: texts(&[("team", "core"), ("Zone", "eu"), ("é", "")]),
            }),
        ),
        (
            "package_metadata_updated_empty",
            Event::PackageMetadataUpdated(PackageMetadataUpdated {
                package_id: package_id(),
                metadata: json!({}),
                metadata_schema_id: None,
                tags: BTreeMap::new(),
            }),
        ),
    ]
    .into_iter()
    .chain(configuration_events())
    .collect()
}

fn retention_events() -> Vec<(&'static str, Event)> {
    let package_id = package_id();
    let hold_id: HoldId = HOLD.parse().unwrap();
    let (end, later) = ("2027-11-23T08:15:00+00:00", "2028-11-23T08:15:00+00:00");
    let limited = RetentionClass {
        id: "releases".to_owned(),
        default_duration_seconds: Some(31_536_000),
        deletion_strategy: DeletionStrategy::Purge,
        lock_mode: LockMode::Compliance,
        anchor: Anchor::Finalized,
        grace_seconds: 86_400,
    };
    vec![
        (
            "retention_class_defined_limited",
            Event::RetentionClassDefined(limited),
        ),
        (
            "retention_class_defined_unlimited",
            Event::RetentionClassDefined(RetentionClass {
                lock_mode: LockMode::None,
                ..RetentionClass::unlimited("kept")
            }),
        ),
        (
            "retention_extended",
            Event::RetentionExtended(RetentionExtended {
                package_id,
                previous_expires_at: at(end),
                new_expires_at: at("2028-11-23T08:15:00.000001+00:00"),
                reason: "audit of größe".to_owned(),
            }),
        ),
        (
            "hold_applied_operator",
            hold_applied(HoldKind::Operator, "inquiry 7"),
        ),
        ("hold_applied_legal", hold_applied(HoldKind::Legal, "legal")),
        (
            "hold_released",
            Event::HoldReleased(HoldReleased {
                package_id,
                hold_id,
                reason: "inquiry 7 is closed".to_owned(),
            }),
        ),
        (
            "deletion_eligible",
            Event::DeletionEligible(DeletionEligible {
                package_id,
                expires_at: Some(at(end)),
                reason: "retention expiry reached".to_owned(),
            }),
        ),
        (
            "eligibility_revoked",
            Event::EligibilityRevoked(EligibilityRevoked {
                package_id,
                expires_at: Some(at(later)),
                reason: "retention extended".to_owned(),
                cause_sequence: Sequence(17),
            }),
        ),
        ("blob_reclaimed", blob_reclaimed()),
    ]
}

fn configuration_events() -> Vec<(&'static str, Event)> {
    let set = |kind, document: Option<&str>| {
        Event::ConfigurationSet(ConfigurationSet {
            package_id: package_id(),
            kind,
            document: document.map(str::to_owned),
        })
    };
    let cors = "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod>\
        <AllowedOrigin>https://größe.example</AllowedOrigin></CORSRule></CORSConfiguration>";
    vec![
        (
            "configuration_set",
            set(ConfigurationKind::Cors, Some(cors)),
        ),
        (
            "configuration_removed",
            set(ConfigurationKind::PublicAccessBlock, None),
        ),
    ]
}

fn version_events() -> Vec<(&'static str, Event)> {
    let (package_id, file, next) = (package_id(), file_id(FILE), file_id(NEXT_FILE));
    let key = key("hello.txt");
    let removed = |file_id, is_versioned| {
        Event::FileRemoved(FileRemoved {
            package_id,
            file_id,
            key: key.clone(),
            marker: Some(Marker {
                id: next,
                is_versioned,
            }),
        })
    };
    let until = |mode| ObjectRetention {
        mode,
        retain_until: at("2027-11-23T08:15:30+00:00"),
    };
    let retention = |retention: Option<ObjectRetention>| {
        Event::FileRetentionSet(FileRetentionSet {
            package_id,
            file_id: file,
            key: key.clone(),
            retention,
            is_bypassed: retention.is_none(),
        })
    };
    let set = |state| Event::VersioningSet(VersioningSet { package_id, state });
    let configured = |default| {
        let config = ObjectLockConfig { default };
        Event::ObjectLockConfigured(ObjectLockConfigured { package_id, config })
    };
    let locked = FileIngested {
        is_versioned: true,
        lock: FileLock {
            retention: Some(until(RetentionMode::Governance)),
            legal_hold: Some(true),
            is_unreadable: false,
        },
        ..file_ingested(HELLO, "hello.txt", "")
    };
    let superseded = FileSuperseded {
        package_id,
        file_id: file,
        superseded_by: next,
        key: key.clone(),
        is_kept: true,
    };
    let marker_removed = MarkerRemoved {
        package_id,
        marker_id: next,
        key: key.clone(),
        restored: Some(file),
    };
    let purged = VersionPurged {
        package_id,
        file_id: file,
        key: key.clone(),
        reason: "version deleted".to_owned(),
        restored: None,
    };
    let held = FileLegalHoldSet {
        package_id,
        file_id: file,
        key: key.clone(),
        is_on: true,
    };
    let default = DefaultRetention {
        mode: RetentionMode::Compliance,
        period: Period::Years(7),
    };
    vec![
        ("versioning_enabled", set(Versioning::Enabled)),
        ("versioning_suspended", set(Versioning::Suspended)),
        (
            "file_ingested_locked",
            Event::FileIngested(Box::new(locked)),
        ),
        ("file_superseded_kept", Event::FileSuperseded(superseded)),
        ("file_removed_by_marker", removed(Some(file), true)),
        ("file_removed_by_null_marker", removed(None, false)),
        ("marker_removed", Event::MarkerRemoved(marker_removed)),
        ("version_purged", Event::VersionPurged(purged)),
        ("object_lock_enabled", configured(None)),
        ("object_lock_default", configured(Some(default))),
        (
            "file_retention_set",
            retention(Some(until(RetentionMode::Compliance))),
        ),
        ("file_retention_removed", retention(None)),
        ("file_legal_hold_set", Event::FileLegalHoldSet(held)),
    ]
}

fn verification_events() -> Vec<(&'static str, Event)> {
    let package_id = package_id();
    let run_id: RunId = RUN.parse().unwrap();
    let actual = |bytes: &[u8]| {
        let mut hasher = WholeHasher::new();
        hasher.update(bytes);
        Some(hasher.digests())
    };
    let verified = |backend_id: &str, mismatch: Option<&str>, actual| {
        Event::LocationVerified(LocationVerified {
            package_id,
            file_id: file_id(FILE),
            location_id: LOCATION.parse().unwrap(),
            backend_id: backend_id.to_owned(),
            address: address(HELLO),
            mismatch: mismatch.map(str::to_owned),
            actual,
        })
    };
    let completed = |package_id, backend_id: Option<&str>, counts: [u64; 5]| {
        Event::VerificationCompleted(VerificationCompleted {
            run_id,
            package_id,
            backend_id: backend_id.map(str::to_owned),
            checked: counts[0],
            verified: counts[1],
            mismatched: counts[2],
            unreachable: counts[3],
            bytes: counts[4],
        })
    };
    let all = [1000, 997, 2, 1, 70_000_000_000];
    vec![
        (
            "location_verified_good",
            verified("local", None, actual(HELLO)),
        ),
        (
            "location_verified_changed",
            verified("inline", Some("size"), actual(b"")),
        ),
        (
            "location_verified_missing",
            verified("local", Some("missing"), None),
        ),
        ("verification_completed_all", completed(None, None, all)),
        (
            "verification_completed_scoped",
            completed(Some(package_id), Some("local"), [0; 5]),
        ),
        (
            "location_added",
            Event::LocationAdded(LocationAdded {
                package_id,
                file_id: file_id(FILE),
                location_id: LOCATION.parse().unwrap(),
                backend_id: "cold".to_owned(),
                object_key: address(HELLO).to_hex(),
                address: address(HELLO),
                size_bytes: HELLO.len() as u64,
            }),
        ),
        ("package_deleted_archived", package_archived()),
    ]
}

fn manifest_file(
    number: u64,
    path: &str,
    content: &[u8],
    media_type: &str,
    md5: &str,
) -> FileRecord {
    let event = file_ingested(content, path, md5);
    FileRecord {
        id: file_id(&format!("0193f0c4-8000-7000-8000-00000000000{number}")),
        package_id: event.package_id,
        key: event.key,
        media_type: media_type.to_owned(),
        size_bytes: event.size_bytes,
        address: event.address,
        sha256: event.sha256,
        etag: event.etag,
        created_at: at(&format!("2026-11-23T08:15:0{number}.00000{number}+00:00")),
        sequence: Sequence(2 + number),
        ingested_by: "ci".to_owned(),
        attributes: event.attributes,
        location: event.location,
        copied_from: event.copied_from,
        is_versioned: false,
        lock: FileLock::default(),
    }
}

fn manifest() -> Vec<u8> {
    manifest_with(|_| {})
}

/// The manifest of a package one of whose files was copied from another package.
fn manifest_promoted() -> Vec<u8> {
    manifest_with(|file| {
        if file.key.as_str() == "data/empty" {
            file.copied_from = Some((OTHER_PACKAGE.parse().unwrap(), file_id(NEXT_FILE)));
        }
    })
}

fn manifest_with(change: impl Fn(&mut FileRecord)) -> Vec<u8> {
    let package = PackageRecord {
        id: package_id(),
        bucket: PackageName::parse("release-1.2.0").unwrap(),
        name: "Release 1.2.0".to_owned(),
        producer: "ci".to_owned(),
        subject: "release-1.2.0".to_owned(),
        retention_class: "releases".to_owned(),
        metadata: json!({"branch": "main", "build": {"number": 42, "ratio": 0.1}}),
        metadata_schema_id: Some(SCHEMA.to_owned()),
        tags: BTreeMap::new(),
        write_mode: WriteMode::VersionedByRequest,
        owner: "ci".to_owned(),
        status: PackageStatus::Created,
        created_at: at("2026-11-23T08:15:00+00:00"),
        finalized_at: None,
        expires_at: Some(at("2027-11-23T08:15:00+00:00")),
        manifest_address: None,
        last_sequence: Sequence(5),
        file_count: 3,
        total_bytes: 76_808,
        archive_backend: None,
        versioning: None,
        object_lock: None,
        noncurrent_count: 0,
    };
    let provenance = json!({
        "source_commits": {"holdfast": "8b1a9953c4611296a827abf8c47804d7"},
        "tool_versions": {"rustc": "1.94.0"},
    });
    let bytes: Vec<u8> = (0..300).flat_map(|_| 0..=255).collect();
    let (any, text) = ("application/octet-stream", "text/markdown");
    let mut files = Vec::new();
    for (number, path, content, media_type, md5) in [
        (
            1,
            "README",
            &b"read me\n"[..],
            text,
            "2eb6f3d85c8037648139f3ae51ee5274",
        ),
        (
            3,
            "data/empty",
            b"",
            any,
            "d41d8cd98f00b204e9800998ecf8427e",
        ),
        (
            2,
            "data/é ü.bin",
            &bytes,
            any,
            "97ab7d414a0df5138afc887ee74a0aff",
        ),
    ] {
        let mut file = manifest_file(number, path, content, media_type, md5);
        change(&mut file);
        files.push(file);
    }
    let head = ManifestHead {
        active_holds: &[],
        package: &package,
        finalized_at: at("2026-11-23T08:16:00.5+00:00"),
        finalized_by: "ci",
        provenance: Some(&provenance),
        last_retention_sequence: Some(Sequence(2)),
    };
    ManifestWriter::whole(&files, &head).unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn payloads_are_those_of_cbor2_in_both_directions() {
    for (name, event) in events() {
        let bytes = read(&format!("events/{name}.cbor"));
        assert_eq!(hex::encode(event.payload()), hex::encode(&bytes), "{name}");
        let read = Event::read(event.event_type(), event.package_id(), &bytes).unwrap();
        assert_eq!(read, Some(event), "{name}");
    }
}

#[test]
fn projections_are_those_of_rfc8785() {
    for (name, event) in events() {
        let expected = text(read(&format!("events/{name}.json")));
        assert_eq!(
            text(jcs::project(&event.payload()).unwrap()),
            expected,
            "{name}"
        );
        let json = payload_to_json(&event.payload()).unwrap();
        let whole: Value = serde_json::from_str(&expected).unwrap();
        // The projection writes 1.0 as 1; as doubles they are equal.
        assert_eq!(doubles(json), doubles(whole), "{name}");
    }
}

fn doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(doubles).collect(),
        Value::Object(object) => object.into_iter().map(|(k, v)| (k, doubles(v))).collect(),
        other => other,
    }
}

#[test]
fn every_type_of_event_has_a_golden_file_and_every_file_an_event() {
    let mut named: Vec<String> = events()
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let mut there: Vec<String> = std::fs::read_dir(golden("events"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "cbor")
        })
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    named.sort();
    there.sort();
    assert_eq!(named, there);
}

#[test]
fn leaves_and_roots_are_those_of_rfc6962() {
    let log: Vec<Value> = serde_json::from_slice(&read("log.json")).unwrap();
    let events = events();
    assert_eq!(log.len(), events.len());
    let mut frontier = Frontier::default();
    for (index, ((name, event), expected)) in events.into_iter().zip(log).enumerate() {
        assert_eq!(expected["event"], name);
        let start = at("2026-11-23T08:15:00+00:00");
        let recorded = Recorded {
            sequence: Sequence(index as u64 + 1),
            created_at: Timestamp(start.0 + index as i64 * 1_000_001),
            actor: "ci".to_owned(),
            payload_digest: address(&event.payload()),
            event,
        };
        let leaf = leaf_hash(&recorded, 1);
        assert_eq!(expected["leaf_hash"], hex::encode(leaf), "{name}");
        frontier.push(leaf);
        assert_eq!(expected["root"], hex::encode(frontier.root()), "{name}");
    }
}

#[test]
fn the_manifest_is_that_of_cbor2_and_its_projection_that_of_rfc8785() {
    let bytes = read("manifest.cbor");
    assert_eq!(hex::encode(manifest()), hex::encode(&bytes));
    assert_eq!(
        text(jcs::project(&bytes).unwrap()),
        text(read("manifest.json"))
    );
}

#[test]
fn a_file_that_was_copied_says_from_where_in_the_manifest() {
    let bytes = read("manifest_promoted.cbor");
    assert_eq!(hex::encode(manifest_promoted()), hex::encode(&bytes));
    let projected = text(jcs::project(&bytes).unwrap());
    assert_eq!(projected, text(read("manifest_promoted.json")));
    // The origin is no part of the content.
    let (plain, promoted) = (manifest(), manifest_promoted());
    let content = |bytes: &[u8]| Manifest::decode(bytes).unwrap().content_digest;
    assert_eq!(content(&plain), content(&promoted));
}

#[test]
fn the_golden_manifest_is_read_with_its_files() {
    let manifest = Manifest::decode(&read("manifest.cbor")).unwrap();
    assert_eq!(manifest.package_id, PACKAGE);
    assert_eq!(manifest.name, "Release 1.2.0");
    let paths: Vec<_> = manifest.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(paths, ["README", "data/empty", "data/é ü.bin"]);
    assert_eq!(manifest.files[0].address, address(b"read me\n"));
    assert_eq!(manifest.files[1].size_bytes, 0);
}
