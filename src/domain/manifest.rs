//! Build and encode a manifest; read one back and check that it agrees with itself.
//!
//! The fields and digests are those of `docs/manifest.md`. Reads no file: comparing a directory
//! with a manifest is for who has the directory.

use serde_json::Value as Json;

use crate::domain::cbor::decode::{Item, MAX_DEPTH, NotCanonical, Reader, Value};
use crate::domain::cbor::encode::{MapWriter, append_map};
use crate::domain::cbor::fields::{Fields, InvalidField};
use crate::domain::cbor::head::{ARRAY, MAP, UNSIGNED, put_head, put_text};
use crate::domain::cbor::json::{self, NotCarriable};
use crate::domain::digest::ContentAddress;
use crate::domain::file::FileRecord;
use crate::domain::ids::{HoldId, Sequence, Timestamp};
use crate::domain::merkle::{Frontier, TreeHash, hash_leaf};
use crate::domain::name::ObjectKey;
use crate::domain::package::{PackageRecord, PackageStatus};
use crate::domain::payload::{LOCATION_RECORDED, RETRIEVAL_TIER};
use crate::domain::version::MarkerRecord;

/// The version of the manifest's form.
pub const MANIFEST_VERSION: u64 = 1;

/// The parts of provenance that are given at finalize.
const PROVENANCE_KEYS: [&str; 3] = ["environment", "source_commits", "tool_versions"];

/// The address of a manifest: BLAKE3 of its canonical CBOR.
pub fn manifest_address(manifest: &[u8]) -> ContentAddress {
    ContentAddress(*blake3::hash(manifest).as_bytes())
}

// ---- building ----

/// What a manifest says besides its files.
#[derive(Debug, Clone)]
pub struct ManifestHead<'a> {
    /// The package as it stands just before it is finalized.
    pub package: &'a PackageRecord,
    /// The instant of the finalize.
    pub finalized_at: Timestamp,
    /// Who finalizes.
    pub finalized_by: &'a str,
    /// `source_commits`, `tool_versions`, `environment`: a JSON object of JSON objects, which
    /// [`check_provenance`] has accepted.
    pub provenance: Option<&'a Json>,
    /// The holds that stand.
    pub active_holds: &'a [HoldId],
    /// The position of the package's last retention event.
    pub last_retention_sequence: Option<Sequence>,
}

/// Refuses provenance that is not an object of the objects `source_commits`, `tool_versions` and
/// `environment`, each of them optional, or that JSON readers could not carry.
pub fn check_provenance(provenance: &Json) -> Result<(), NotCarriable> {
    let refuse = |pointer: String, reason| Err(NotCarriable { pointer, reason });
    let Json::Object(parts) = provenance else {
        return refuse(String::new(), "provenance is a JSON object");
    };
    for (key, value) in parts {
        if !PROVENANCE_KEYS.contains(&key.as_str()) {
            let reason = "provenance has source_commits, tool_versions and environment only";
            return refuse(format!("/{key}"), reason);
        }
        if !value.is_object() {
            return refuse(
                format!("/{key}"),
                "this part of provenance is a JSON object",
            );
        }
    }
    json::check(provenance)
}

/// Writes the manifest from its beginning to its end, so that nobody holds the whole: first every
/// file, then every receipt, both in key order. What is written is taken away as it comes.
///
/// In canonical order, key by key: `files`, `package`, `files_root`, `provenance`,
/// `content_digest`, `manifest_version`, `storage_receipts`, `retention_summary`, and, where there are
/// any, `noncurrent_versions`.
pub struct ManifestWriter {
    count: u64,
    files: u64,
    receipts: u64,
    /// How many versions that are not current it shall have, and has.
    noncurrent: (u64, u64),
    pending: Vec<u8>,
    taken: blake3::Hasher,
    digests: FilesDigests,
    last_key: Option<ObjectKey>,
}

/// A version that is not current, or a marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoncurrentVersion {
    /// An older file.
    File(Box<FileRecord>),
    /// A delete marker of a key.
    Marker(ObjectKey, MarkerRecord),
}

/// The manifest was begun for another number of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a manifest of {expected} files got {found}")]
pub struct WrongCount {
    expected: u64,
    found: u64,
}

impl ManifestWriter {
    /// A manifest of so many files, and of so many versions that are not current and delete markers.
    pub fn new(count: u64, noncurrent: u64) -> Self {
        let mut pending = Vec::new();
        put_head(&mut pending, MAP, if noncurrent == 0 { 8 } else { 9 });
        put_text(&mut pending, "files");
        put_head(&mut pending, ARRAY, count);
        Self {
            count,
            files: 0,
            receipts: 0,
            noncurrent: (noncurrent, 0),
            pending,
            taken: blake3::Hasher::new(),
            digests: FilesDigests::default(),
            last_key: None,
        }
    }

    /// Adds the next file; files come in ascending byte order of their keys.
    pub fn push_file(&mut self, file: &FileRecord) {
        assert!(
            self.last_key.as_ref() < Some(&file.key),
            "a manifest's files come in ascending order of their keys"
        );
        self.last_key = Some(file.key.clone());
        self.files += 1;
        let start = self.pending.len();
        append_map(&mut self.pending, |map| file_entry(map, file));
        let content = FileContent {
            path: &file.key,
            media_type: &file.media_type,
            size_bytes: file.size_bytes,
            address: file.address,
            sha256: file.sha256,
        };
        self.digests.push(&self.pending[start..], &content);
    }

    /// The digest over (path, size, digests, media type) of every file so far, and nothing else, so
    /// that equal content has an equal digest.
    pub fn content_digest(&self) -> ContentAddress {
        self.digests.content_digest()
    }

    /// After the last file: what stands between files and receipts.
    pub fn end_files(&mut self, head: &ManifestHead<'_>) -> Result<(), WrongCount> {
        self.check(self.files)?;
        let out = &mut self.pending;
        put_text(out, "package");
        append_map(out, |map| package(map, head));
        put_text(out, "files_root");
        put_text(out, &root_text(&self.digests.root()));
        put_text(out, "provenance");
        append_map(out, |map| provenance(map, head));
        put_text(out, "content_digest");
        put_text(out, &self.digests.content_digest().to_string());
        put_text(out, "manifest_version");
        put_head(out, UNSIGNED, MANIFEST_VERSION);
        put_text(out, "storage_receipts");
        put_head(out, ARRAY, self.count);
        Ok(())
    }

    /// Adds the next receipt, in the order of the files.
    pub fn push_receipt(&mut self, file: &FileRecord) {
        self.receipts += 1;
        append_map(&mut self.pending, |map| receipt(map, file));
    }

    /// After the last receipt: the end, but for versions that are not current.
    pub fn end(&mut self, head: &ManifestHead<'_>) -> Result<(), WrongCount> {
        self.check(self.receipts)?;
        put_text(&mut self.pending, "retention_summary");
        append_map(&mut self.pending, |map| retention_summary(map, head));
        if self.noncurrent.0 > 0 {
            put_text(&mut self.pending, "noncurrent_versions");
            put_head(&mut self.pending, ARRAY, self.noncurrent.0);
        }
        Ok(())
    }

    /// Adds the next version that is not current, or marker: by key, the newest first.
    pub fn push_noncurrent(&mut self, version: &NoncurrentVersion) {
        self.noncurrent.1 += 1;
        append_map(&mut self.pending, |map| match version {
            NoncurrentVersion::File(file) => {
                file_entry(map, file);
                if !file.is_versioned {
                    map.bool("null_version", true);
                }
            }
            NoncurrentVersion::Marker(key, found) => {
                map.text("id", &found.marker.id.to_string());
                map.text("removed_at", &found.created_at.to_isoformat());
                if !found.marker.is_versioned {
                    map.bool("null_version", true);
                }
                map.bool("delete_marker", true);
                map.text("relative_path", key.as_str());
                map.uint("event_sequence", found.sequence.0);
            }
        });
    }

    /// After the last version: whether all came.
    pub fn check_noncurrent(&self) -> Result<(), WrongCount> {
        let (expected, found) = self.noncurrent;
        if expected == found {
            return Ok(());
        }
        Err(WrongCount { expected, found })
    }

    fn check(&self, found: u64) -> Result<(), WrongCount> {
        if found == self.count {
            return Ok(());
        }
        let expected = self.count;
        Err(WrongCount { expected, found })
    }

    /// How much is written and not yet taken.
    pub fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// Takes away the next bytes, at most so many.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        let rest = self.pending.split_off(most.min(self.pending.len()));
        let taken = std::mem::replace(&mut self.pending, rest);
        self.taken.update(&taken);
        taken
    }

    /// The address and the length of what was taken: of the manifest, once all of it is.
    pub fn taken(&self) -> (ContentAddress, u64) {
        let address = ContentAddress(*self.taken.finalize().as_bytes());
        (address, self.taken.count())
    }

    /// A manifest in one piece.
    pub fn whole(files: &[FileRecord], head: &ManifestHead<'_>) -> Result<Vec<u8>, WrongCount> {
        let mut writer = Self::new(files.len() as u64, 0);
        for file in files {
            writer.push_file(file);
        }
        writer.end_files(head)?;
        for file in files {
            writer.push_receipt(file);
        }
        writer.end(head)?;
        Ok(writer.take(usize::MAX))
    }
}

fn file_entry(map: &mut MapWriter<'_>, file: &FileRecord) {
    map.text("id", &file.id.to_string());
    map.text("etag", &file.etag);
    map.text("media_type", &file.media_type);
    map.uint("size_bytes", file.size_bytes);
    if let Some((package_id, file_id)) = file.copied_from {
        map.map("copied_from", |map| {
            map.text("file_id", &file_id.to_string());
            map.text("package_id", &package_id.to_string());
        });
    }
    map.text("ingested_at", &file.created_at.to_isoformat());
    map.text("ingested_by", &file.ingested_by);
    map.text("relative_path", file.key.as_str());
    map.uint("event_sequence", file.sequence.0);
    map.text("digest_algorithm", ContentAddress::ALGORITHM);
    map.text("digest_sha256_hex", &hex::encode(file.sha256));
    map.text("digest_primary_hex", &file.address.to_hex());
}

fn receipt(map: &mut MapWriter<'_>, file: &FileRecord) {
    map.text("status", LOCATION_RECORDED);
    map.text("file_id", &file.id.to_string());
    map.text("backend_id", &file.location.backend_id);
    map.text("retrieval_tier", RETRIEVAL_TIER);
    map.text("content_address", &file.address.to_string());
}

fn package(map: &mut MapWriter<'_>, head: &ManifestHead<'_>) {
    let package = head.package;
    let expires_at = package.expires_at.map(Timestamp::to_isoformat);
    map.text("id", &package.id.to_string());
    map.text("name", &package.name);
    map.text("status", PackageStatus::Finalized.as_str());
    map.text("subject", &package.subject);
    map.json("metadata", &package.metadata);
    map.text("producer", &package.producer);
    map.text("created_at", &package.created_at.to_isoformat());
    map.nullable_text("expires_at", expires_at.as_deref());
    map.text("finalized_at", &head.finalized_at.to_isoformat());
    map.text("retention_class", &package.retention_class);
    map.nullable_text("metadata_schema_id", package.metadata_schema_id.as_deref());
}

fn provenance(map: &mut MapWriter<'_>, head: &ManifestHead<'_>) {
    let empty = Json::Object(serde_json::Map::new());
    for key in PROVENANCE_KEYS {
        let given = head.provenance.and_then(|provenance| provenance.get(key));
        map.json(key, given.filter(|part| part.is_object()).unwrap_or(&empty));
    }
    map.text("ingest_actor", head.finalized_by);
    map.map("ingest_timestamps", |map| {
        map.text("finalized_at", &head.finalized_at.to_isoformat());
    });
}

fn retention_summary(map: &mut MapWriter<'_>, head: &ManifestHead<'_>) {
    let expires_at = head.package.expires_at.map(Timestamp::to_isoformat);
    let last_sequence = head.last_retention_sequence.map(|sequence| sequence.0);
    map.nullable_text("expires_at", expires_at.as_deref());
    let holds: Vec<String> = head.active_holds.iter().map(HoldId::to_string).collect();
    map.json("active_holds", &Json::from(holds));
    map.text("retention_class", &head.package.retention_class);
    map.nullable_uint("last_retention_event_sequence", last_sequence);
}

// ---- the digests over the files ----

/// What of a file is its content: everything that `content_digest` covers.
struct FileContent<'a> {
    path: &'a ObjectKey,
    media_type: &'a str,
    size_bytes: u64,
    address: ContentAddress,
    sha256: [u8; 32],
}

/// The two digests over a manifest's files, fed in key order.
#[derive(Default)]
struct FilesDigests {
    entries: Frontier,
    content: blake3::Hasher,
    scratch: Vec<u8>,
}

impl FilesDigests {
    /// Adds a file: its entry as encoded, and what it says of the content.
    fn push(&mut self, entry: &[u8], file: &FileContent<'_>) {
        self.entries.push(hash_leaf(entry));
        self.scratch.clear();
        append_map(&mut self.scratch, |map| {
            map.text("media_type", file.media_type);
            map.uint("size_bytes", file.size_bytes);
            map.text("relative_path", file.path.as_str());
            map.text("digest_algorithm", ContentAddress::ALGORITHM);
            map.text("digest_sha256_hex", &hex::encode(file.sha256));
            map.text("digest_primary_hex", &file.address.to_hex());
        });
        self.content.update(&self.scratch);
    }

    fn root(&self) -> TreeHash {
        self.entries.root()
    }

    fn content_digest(&self) -> ContentAddress {
        ContentAddress(*self.content.finalize().as_bytes())
    }
}

fn root_text(root: &TreeHash) -> String {
    format!("sha256:{}", hex::encode(root))
}

// ---- reading ----

/// A manifest that was read, and whose digests agree with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The package's identifier.
    pub package_id: String,
    /// The package's name.
    pub name: String,
    /// When it was finalized, as the manifest writes it.
    pub finalized_at: String,
    /// The files, in byte order of their paths.
    pub files: Vec<ManifestFile>,
    /// The digest over the content.
    pub content_digest: ContentAddress,
}

/// A file as a manifest gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// The relative path, which is the S3 key. It may be no path at all on a file system: see
    /// [`Self::local_path`].
    pub path: ObjectKey,
    /// `Content-Type`.
    pub media_type: String,
    /// The length in bytes.
    pub size_bytes: u64,
    /// BLAKE3 of the bytes.
    pub address: ContentAddress,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// The ETag without quotes.
    pub etag: String,
}

/// Why bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableManifest {
    /// Not canonical CBOR.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// A field is missing or not what it should be.
    #[error(transparent)]
    Field(#[from] InvalidField),
    /// A version this program does not know.
    #[error("the manifest's version is {0}, and this program reads version {MANIFEST_VERSION}")]
    Version(u64),
    /// The files are not in ascending order of their paths, or one stands twice.
    #[error("the file '{0}' is out of order")]
    Order(ObjectKey),
    /// A digest in the manifest is not that of its files.
    #[error("the manifest's {0} is not that of its files")]
    Digest(&'static str),
}

impl Manifest {
    /// Reads a manifest and checks that its digests are those of its files.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnreadableManifest> {
        let mut reader = Reader::new(bytes);
        let Item::Map(count) = reader.item()? else {
            return Err(InvalidField("a manifest is a map".to_owned()).into());
        };
        let (mut files, mut digests) = (Vec::new(), FilesDigests::default());
        let (mut entries, mut previous) = (Vec::new(), None);
        for _ in 0..count {
            match reader.key(&mut previous)? {
                "files" => files = read_files(&mut reader, bytes, &mut digests)?,
                "storage_receipts" | "noncurrent_versions" => reader.skip(MAX_DEPTH - 1)?,
                key => entries.push((key, reader.value(MAX_DEPTH - 1)?)),
            }
        }
        reader.finish()?;
        let top = Value::Map(entries);
        let fields = Fields::of(&top)?;
        let version = fields.uint("manifest_version")?;
        if version != MANIFEST_VERSION {
            return Err(UnreadableManifest::Version(version));
        }
        if fields.text("files_root")? != root_text(&digests.root()) {
            return Err(UnreadableManifest::Digest("files_root"));
        }
        let content_digest = digests.content_digest();
        if fields.text("content_digest")? != content_digest.to_string() {
            return Err(UnreadableManifest::Digest("content_digest"));
        }
        let package = fields
            .optional_map("package")?
            .ok_or_else(|| InvalidField("the key 'package' is missing".to_owned()))?;
        Ok(Self {
            package_id: package.text("id")?.to_owned(),
            name: package.text("name")?.to_owned(),
            finalized_at: package.text("finalized_at")?.to_owned(),
            files,
            content_digest,
        })
    }
}

fn read_files(
    reader: &mut Reader<'_>,
    bytes: &[u8],
    digests: &mut FilesDigests,
) -> Result<Vec<ManifestFile>, UnreadableManifest> {
    let Item::Array(count) = reader.item()? else {
        return Err(InvalidField("the key 'files' is not an array".to_owned()).into());
    };
    let mut files: Vec<ManifestFile> = Vec::new();
    for _ in 0..count {
        let start = reader.offset();
        let entry = reader.value(MAX_DEPTH - 2)?;
        let file = read_file(Fields::of(&entry)?)?;
        if files.last().is_some_and(|last| last.path >= file.path) {
            return Err(UnreadableManifest::Order(file.path));
        }
        let content = FileContent {
            path: &file.path,
            media_type: &file.media_type,
            size_bytes: file.size_bytes,
            address: file.address,
            sha256: file.sha256,
        };
        digests.push(&bytes[start..reader.offset()], &content);
        files.push(file);
    }
    Ok(files)
}

fn read_file(fields: Fields<'_, '_>) -> Result<ManifestFile, InvalidField> {
    let algorithm = fields.text("digest_algorithm")?;
    if algorithm != ContentAddress::ALGORITHM {
        return Err(InvalidField(format!(
            "unknown digest algorithm '{algorithm}'"
        )));
    }
    Ok(ManifestFile {
        path: fields.parse("relative_path", |text| ObjectKey::parse(text).ok())?,
        media_type: fields.text("media_type")?.to_owned(),
        size_bytes: fields.uint("size_bytes")?,
        address: ContentAddress(fields.digest("digest_primary_hex")?),
        sha256: fields.digest("digest_sha256_hex")?,
        etag: fields.optional_text("etag")?.unwrap_or_default().to_owned(),
    })
}

impl ManifestFile {
    /// The path below a directory that a download of this key has, if every client agrees on it:
    /// `None` for keys with empty, `.` or `..` segments (`/a`, `a//b`, `a/`, `../a`) or a NUL,
    /// which would not be a file there, or one elsewhere.
    pub fn local_path(&self) -> Option<&str> {
        let path = self.path.as_str();
        let is_name = |segment: &str| !matches!(segment, "" | "." | "..");
        (path.split('/').all(is_name) && !path.contains('\0')).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::file::{Location, ObjectAttributes};
    use crate::domain::ids::{FileId, LocationId, PackageId};
    use crate::domain::lock::FileLock;
    use crate::domain::name::PackageName;
    use crate::domain::package::WriteMode;

    fn package() -> PackageRecord {
        PackageRecord {
            id: PackageId(Uuid::from_u128(1)),
            bucket: PackageName::parse("release-1").unwrap(),
            name: "release 1".to_owned(),
            producer: "ci".to_owned(),
            subject: "release-1".to_owned(),
            retention_class: "default".to_owned(),
            metadata: json!({}),
            metadata_schema_id: None,
            tags: BTreeMap::new(),
            write_mode: WriteMode::WriteOnce,
            owner: "ci".to_owned(),
            status: PackageStatus::Created,
            created_at: Timestamp(1),
            finalized_at: None,
            expires_at: None,
            manifest_address: None,
            last_sequence: Sequence(9),
            file_count: 3,
            total_bytes: 6,
            archive_backend: None,
            versioning: None,
            object_lock: None,
            noncurrent_count: 0,
        }
    }

    fn file(key: &str, seed: u8) -> FileRecord {
        FileRecord {
            id: FileId(Uuid::from_u128(seed.into())),
            package_id: PackageId(Uuid::from_u128(1)),
            key: ObjectKey::parse(key).unwrap(),
            media_type: "text/plain".to_owned(),
            size_bytes: seed.into(),
            address: ContentAddress([seed; 32]),
            sha256: [seed; 32],
            etag: "e".to_owned(),
            created_at: Timestamp(seed.into()),
            sequence: Sequence(seed.into()),
            ingested_by: "ci".to_owned(),
            attributes: ObjectAttributes::default(),
            location: Location {
                id: LocationId(Uuid::from_u128(seed.into())),
                backend_id: "local".to_owned(),
                object_key: "x".to_owned(),
            },
            copied_from: None,
            is_versioned: false,
            lock: FileLock::default(),
        }
    }

    fn build(files: &[FileRecord], provenance: Option<&Json>) -> (ContentAddress, Vec<u8>) {
        let head = ManifestHead {
            package: &package(),
            finalized_at: Timestamp(5_000_000),
            finalized_by: "ci",
            provenance,
            active_holds: &[],
            last_retention_sequence: Some(Sequence(2)),
        };
        let mut writer = ManifestWriter::new(files.len() as u64, 0);
        let mut taken = Vec::new();
        for file in files {
            writer.push_file(file);
            taken.extend(writer.take(100));
        }
        let digest = writer.content_digest();
        writer.end_files(&head).unwrap();
        for file in files {
            writer.push_receipt(file);
        }
        writer.end(&head).unwrap();
        taken.extend(writer.take(usize::MAX));
        assert_eq!(taken, ManifestWriter::whole(files, &head).unwrap());
        let address = manifest_address(&taken);
        assert_eq!(writer.taken(), (address, taken.len() as u64));
        (digest, taken)
    }

    #[test]
    fn a_manifest_is_read_back_with_its_files() {
        let files = [file("Z", 1), file("a", 2), file("a/b", 3)];
        let (digest, bytes) = build(&files, None);
        let manifest = Manifest::decode(&bytes).unwrap();
        assert_eq!(manifest.content_digest, digest);
        assert_eq!(manifest.name, "release 1");
        assert_eq!(manifest.finalized_at, "1970-01-01T00:00:05+00:00");
        let paths: Vec<_> = manifest.files.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["Z", "a", "a/b"]);
        assert_eq!(manifest.files[2].address, ContentAddress([3; 32]));
        let (_, empty) = build(&[], None);
        assert_eq!(Manifest::decode(&empty).unwrap().files, []);
    }

    #[test]
    fn the_content_digest_depends_on_the_content_only() {
        let (digest, _) = build(&[file("a", 1)], None);
        let mut same = file("a", 1);
        same.id = FileId(Uuid::from_u128(99));
        same.etag = "other".to_owned();
        same.created_at = Timestamp(99);
        same.location.backend_id = "remote".to_owned();
        assert_eq!(build(&[same], None).0, digest);
        let changes: [fn(&mut FileRecord); 5] = [
            |f| f.key = ObjectKey::parse("b").unwrap(),
            |f| f.size_bytes += 1,
            |f| f.media_type.push('x'),
            |f| f.address = ContentAddress([9; 32]),
            |f| f.sha256 = [9; 32],
        ];
        for change in changes {
            let mut other = file("a", 1);
            change(&mut other);
            assert_ne!(build(&[other], None).0, digest);
        }
    }

    #[test]
    fn a_manifest_that_was_changed_is_refused() {
        let (_, bytes) = build(&[file("a", 1), file("b", 2)], None);
        let find = |text: &str| {
            let found = bytes.windows(text.len()).position(|w| w == text.as_bytes());
            found.unwrap() + text.len()
        };
        let replace = |at: usize, with: u8| {
            let mut changed = bytes.clone();
            changed[at] = with;
            Manifest::decode(&changed).unwrap_err().to_string()
        };
        let root = "the manifest's files_root is not that of its files";
        let content = "the manifest's content_digest is not that of its files";
        assert_eq!(replace(find("etag") + 1, b'x'), root);
        assert_eq!(replace(find("text/plai"), b'x'), root);
        assert_eq!(replace(find("files_rootxGsha256") - 1, b'x'), root);
        assert_eq!(replace(find("content_digestxGblake3"), b'x'), content);
        assert_eq!(
            replace(find("relative_path") + 1, b'c'),
            "the file 'b' is out of order"
        );
        assert!(replace(find("manifest_version"), 2).contains("version is 2"));
        assert!(replace(bytes.len() - 1, 0xf7).contains("unknown simple value"));
        for end in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_manifest_of_another_number_of_files_is_refused() {
        let (package, file) = (package(), file("a", 1));
        let head = ManifestHead {
            package: &package,
            finalized_at: Timestamp(0),
            finalized_by: "ci",
            provenance: None,
            active_holds: &[],
            last_retention_sequence: None,
        };
        let mut writer = ManifestWriter::new(2, 0);
        writer.push_file(&file);
        let (expected, found) = (2, 1);
        assert_eq!(writer.end_files(&head), Err(WrongCount { expected, found }));
        writer.push_receipt(&file);
        assert_eq!(writer.end(&head), Err(WrongCount { expected, found }));
    }

    #[test]
    #[should_panic(expected = "ascending order")]
    fn files_must_come_in_order() {
        build(&[file("b", 1), file("a", 2)], None);
    }

    #[test]
    fn provenance_is_an_object_of_the_known_objects() {
        let cases = [
            (json!({}), None),
            (
                json!({"source_commits": {"a": "b"}, "environment": {}}),
                None,
            ),
            (json!([]), Some("")),
            (json!({"other": {}}), Some("/other")),
            (json!({"environment": "x"}), Some("/environment")),
            (
                json!({"environment": {"n": u64::MAX}}),
                Some("/environment/n"),
            ),
        ];
        for (provenance, pointer) in cases {
            let refused = check_provenance(&provenance).err().map(|e| e.pointer);
            assert_eq!(refused.as_deref(), pointer, "{provenance}");
        }
        let given = json!({"source_commits": {"repo": "abc"}});
        let (_, bytes) = build(&[], Some(&given));
        let json = json::to_json(&bytes, bytes.len()).unwrap();
        assert_eq!(json["provenance"]["source_commits"], json!({"repo": "abc"}));
        assert_eq!(json["provenance"]["tool_versions"], json!({}));
    }

    #[test]
    fn only_plain_keys_are_local_paths() {
        let local = |key: &str| {
            let (_, bytes) = build(&[file(key, 1)], None);
            let manifest = Manifest::decode(&bytes).unwrap();
            manifest.files[0].local_path().map(str::to_owned)
        };
        for key in ["a", "a/b c", "..a", ".a", "a.", "...", "C:\\x"] {
            assert_eq!(local(key).as_deref(), Some(key));
        }
        for key in [
            "/a", "a/", "a//b", "..", "../a", "a/../b", "./a", "a/.", "a\0b", "/",
        ] {
            assert_eq!(local(key), None, "{key}");
        }
    }
}
