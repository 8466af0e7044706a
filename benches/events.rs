//! What an event costs on the way into the log: its payload, its leaf and its place in the tree;
//! and what a manifest costs for each file.
//!
//! `cargo bench --bench events`

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where it unwraps, and reads best as one story"
)]
#![allow(missing_docs, reason = "a benchmark is read, not called")]

use std::collections::BTreeMap;
use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use holdfast::domain::digest::{ChecksumAlgorithm, ContentAddress};
use holdfast::domain::event::{Event, FileIngested, Recorded};
use holdfast::domain::file::{
    ChecksumKind, FileRecord, Location, ObjectAttributes, StoredChecksum,
};
use holdfast::domain::ids::{FileId, LocationId, PackageId, Sequence, Timestamp};
use holdfast::domain::jcs;
use holdfast::domain::lock::FileLock;
use holdfast::domain::manifest::{Manifest, ManifestHead, ManifestWriter};
use holdfast::domain::merkle::{Frontier, leaf_hash};
use holdfast::domain::name::{ObjectKey, PackageName};
use holdfast::domain::package::{PackageRecord, PackageStatus, WriteMode};
use uuid::Uuid;

fn main() {
    divan::main();
}

const FILES: u64 = 10_000;

fn location() -> Location {
    Location {
        id: LocationId(Uuid::from_u128(3)),
        backend_id: "inline".to_owned(),
        object_key: hex::encode([7; 32]),
    }
}

/// A PutObject of a default SDK: a content type, a CRC32, one header of user metadata.
fn event() -> Event {
    Event::FileIngested(Box::new(FileIngested {
        package_id: PackageId(Uuid::from_u128(1)),
        file_id: FileId(Uuid::from_u128(2)),
        key: ObjectKey::parse("data/2026/11/measurements-000123.parquet").unwrap(),
        media_type: "application/octet-stream".to_owned(),
        size_bytes: 4096,
        address: ContentAddress([7; 32]),
        sha256: [8; 32],
        etag: hex::encode([9; 16]),
        attributes: ObjectAttributes {
            user_metadata: BTreeMap::from([("mtime".to_owned(), "1700000000.5".to_owned())]),
            checksum: Some(StoredChecksum {
                algorithm: ChecksumAlgorithm::Crc32,
                kind: ChecksumKind::FullObject,
                value: "AAAAAA==".to_owned(),
            }),
            ..ObjectAttributes::default()
        },
        location: location(),
        copied_from: None,
        is_versioned: false,
        lock: FileLock::default(),
    }))
}

fn recorded() -> Recorded {
    Recorded {
        sequence: Sequence(1_234_567),
        created_at: Timestamp(1_700_000_000_123_456),
        actor: "ci".to_owned(),
        event: event(),
        payload_digest: ContentAddress([1; 32]),
    }
}

#[divan::bench]
fn encode_payload(bencher: Bencher) {
    let event = event();
    bencher.bench_local(|| black_box(&event).payload());
}

#[divan::bench]
fn read_payload(bencher: Bencher) {
    let (event, payload) = (event(), event().payload());
    bencher.bench_local(|| Event::read(event.event_type(), event.package_id(), &payload));
}

#[divan::bench]
fn hash_leaf(bencher: Bencher) {
    let recorded = recorded();
    bencher.bench_local(|| leaf_hash(black_box(&recorded), 1));
}

#[divan::bench]
fn grow_the_tree(bencher: Bencher) {
    let mut frontier = Frontier::default();
    bencher.bench_local(|| {
        frontier.push([1; 32]);
        frontier.root()
    });
}

fn manifest() -> Vec<u8> {
    let mut files = Vec::new();
    for number in 0..FILES {
        files.push(FileRecord {
            id: FileId(Uuid::from_u128(number.into())),
            package_id: PackageId(Uuid::from_u128(1)),
            key: ObjectKey::parse(&format!("data/2026/11/{number:09}.parquet")).unwrap(),
            media_type: "application/octet-stream".to_owned(),
            size_bytes: 4096,
            address: ContentAddress([7; 32]),
            sha256: [8; 32],
            etag: hex::encode([9; 16]),
            created_at: Timestamp(1_700_000_000_123_456),
            sequence: Sequence(number),
            ingested_by: "ci".to_owned(),
            copied_from: None,
            attributes: ObjectAttributes::default(),
            location: location(),
            is_versioned: false,
            lock: FileLock::default(),
        });
    }
    let head = ManifestHead {
        active_holds: &[],
        package: &package(),
        finalized_at: Timestamp(1_700_000_001_000_000),
        finalized_by: "ci",
        provenance: None,
        last_retention_sequence: None,
    };
    ManifestWriter::whole(&files, &head).unwrap()
}

fn package() -> PackageRecord {
    PackageRecord {
        id: PackageId(Uuid::from_u128(1)),
        bucket: PackageName::parse("measurements").unwrap(),
        name: "measurements".to_owned(),
        producer: "ci".to_owned(),
        subject: "measurements".to_owned(),
        retention_class: "default".to_owned(),
        metadata: serde_json::json!({}),
        metadata_schema_id: None,
        tags: BTreeMap::new(),
        write_mode: WriteMode::VersionedByRequest,
        owner: "ci".to_owned(),
        status: PackageStatus::Created,
        created_at: Timestamp(0),
        finalized_at: None,
        expires_at: None,
        manifest_address: None,
        last_sequence: Sequence(0),
        file_count: FILES,
        total_bytes: 4096 * FILES,
        archive_backend: None,
        versioning: None,
        object_lock: None,
        noncurrent_count: 0,
    }
}

#[divan::bench(sample_count = 10)]
fn build_a_manifest(bencher: Bencher) {
    bencher
        .counter(ItemsCount::new(FILES))
        .bench_local(manifest);
}

#[divan::bench(sample_count = 10)]
fn read_a_manifest(bencher: Bencher) {
    let bytes = manifest();
    let counter = ItemsCount::new(FILES);
    bencher
        .counter(counter)
        .bench_local(|| Manifest::decode(&bytes));
}

#[divan::bench(sample_count = 10)]
fn project_a_manifest(bencher: Bencher) {
    let bytes = manifest();
    let counter = ItemsCount::new(FILES);
    bencher
        .counter(counter)
        .bench_local(|| jcs::project(&bytes));
}
