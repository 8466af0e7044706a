//! Event payloads: what the log keeps of each event, as canonical CBOR.
//!
//! The keys are those of `docs/events.md`. A key that is absent means what the registry did before
//! the key existed (a write-once package whose bucket has the package's name, a file without S3
//! attributes), so an event without S3 extras has the bytes that the older registry wrote.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::domain::cbor::decode::{NotCanonical, Value, decode};
use crate::domain::cbor::encode::{MapWriter, encode_map};
use crate::domain::cbor::fields::{Fields, InvalidField};
use crate::domain::cbor::json::to_json;
use crate::domain::configuration_payload::{configuration_set, read_configuration_set};
use crate::domain::digest::{ChecksumAlgorithm, ContentAddress};
use crate::domain::event::{
    BlobReclaimed, ConfigurationSet, DeletionEligible, EligibilityRevoked, Event, FileIngested,
    HoldApplied, HoldReleased, LocationAdded, LocationVerified, MetadataSchemaRegistered,
    PackageCreated, PackageDeleted, PackageFinalized, PackageMetadataUpdated,
    RetentionDefaultApplied, RetentionExtended, UnreadableEvent, VerificationCompleted,
};
use crate::domain::file::{ChecksumKind, FilePart, Location, ObjectAttributes, StoredChecksum};
use crate::domain::ids::{PackageId, Sequence, Timestamp};
use crate::domain::name::{ObjectKey, PackageName};
use crate::domain::package::WriteMode;
use crate::domain::retention::{Anchor, DeletionStrategy, HoldKind, LockMode, RetentionClass};
use crate::domain::schema::SchemaSlug;
use crate::domain::storage_payload::{
    location_added, location_verified, read_blob_reclaimed, read_location_added,
    read_location_verified, read_verification_completed, verification_completed,
};
use crate::domain::version_event::{
    FileLegalHoldSet, FileRemoved, FileRetentionSet, FileSuperseded, MarkerRemoved,
    ObjectLockConfigured, VersionPurged, VersioningSet,
};
use crate::domain::version_payload::{
    file_legal_hold_set, file_removed, file_retention_set, file_superseded, ingested_version,
    marker_removed, object_lock_configured, read_file_legal_hold_set, read_file_removed,
    read_file_retention_set, read_file_superseded, read_ingested_version, read_marker_removed,
    read_object_lock_configured, read_version_purged, read_versioning_set, version_purged,
    versioning_set,
};

/// The most bytes of a payload that is decoded. The largest is an upload in 10,000 parts, some
/// 2.5 MB; manifests are payloads too, but are not decoded here.
pub const MAX_PAYLOAD_BYTES: usize = 16 << 20;

/// The only retrieval tier so far.
pub const RETRIEVAL_TIER: &str = "hot";

/// The status of a location as its file is ingested.
pub const LOCATION_RECORDED: &str = "recorded";

/// The JSON form of a payload, whatever its type: for people and for readers without CBOR.
pub fn payload_to_json(payload: &[u8]) -> Result<serde_json::Value, NotCanonical> {
    to_json(payload, usize::MAX)
}

impl Event {
    /// The payload: canonical CBOR, byte for byte what Python's cbor2 writes with
    /// `canonical=True`.
    pub fn payload(&self) -> Vec<u8> {
        match self {
            Self::PackageCreated(event) => encode_map(|map| package_created(map, event)),
            Self::RetentionDefaultApplied(event) => {
                encode_map(|map| retention_default_applied(map, event))
            }
            Self::FileIngested(event) => encode_map(|map| file_ingested(map, event)),
            Self::FileSuperseded(event) => encode_map(|map| file_superseded(map, event)),
            Self::FileRemoved(event) => encode_map(|map| file_removed(map, event)),
            Self::MarkerRemoved(event) => encode_map(|map| marker_removed(map, event)),
            Self::VersionPurged(event) => encode_map(|map| version_purged(map, event)),
            Self::VersioningSet(event) => encode_map(|map| versioning_set(map, event)),
            Self::ObjectLockConfigured(event) => {
                encode_map(|map| object_lock_configured(map, event))
            }
            Self::FileRetentionSet(event) => encode_map(|map| file_retention_set(map, event)),
            Self::FileLegalHoldSet(event) => encode_map(|map| file_legal_hold_set(map, event)),
            Self::PackageFinalized(event) => event.manifest.to_vec(),
            Self::PackageDeleted(event) => encode_map(|map| package_deleted(map, event)),
            Self::RetentionClassDefined(class) => encode_map(|map| retention_class(map, class)),
            Self::RetentionExtended(event) => encode_map(|map| {
                map.text("reason", &event.reason);
                map.text("new_expires_at", &event.new_expires_at.to_isoformat());
                map.text(
                    "previous_expires_at",
                    &event.previous_expires_at.to_isoformat(),
                );
            }),
            Self::HoldApplied(event) => encode_map(|map| hold_applied(map, event)),
            Self::HoldReleased(event) => encode_map(|map| {
                map.text("reason", &event.reason);
                map.text("hold_id", &event.hold_id.to_string());
            }),
            Self::DeletionEligible(event) => encode_map(|map| {
                map.text("reason", &event.reason);
                map.nullable_text("expires_at", isoformat(event.expires_at).as_deref());
            }),
            Self::EligibilityRevoked(event) => encode_map(|map| {
                map.text("reason", &event.reason);
                map.nullable_text("expires_at", isoformat(event.expires_at).as_deref());
                map.uint("cause_sequence", event.cause_sequence.0);
            }),
            Self::MetadataSchemaRegistered(event) => encode_map(|map| {
                map.text("slug", event.slug.as_str());
                map.uint("version", event.version);
                map.text("schema_id", &event.schema_id.to_string());
                map.json("json_schema", &event.json_schema);
            }),
            Self::PackageMetadataUpdated(event) => encode_map(|map| {
                map.map("tags", |map| texts(map, &event.tags));
                map.json("metadata", &event.metadata);
                map.nullable_text("metadata_schema_id", event.metadata_schema_id.as_deref());
            }),
            Self::BlobReclaimed(event) => encode_map(|map| {
                map.text("reason", &event.reason);
                map.text("backend_id", &event.backend_id);
                map.text("object_key", &event.object_key);
                map.uint("size_bytes", event.size_bytes);
                map.text("content_address", &event.address.to_string());
            }),
            Self::LocationVerified(event) => encode_map(|map| location_verified(map, event)),
            Self::LocationAdded(event) => encode_map(|map| location_added(map, event)),
            Self::VerificationCompleted(event) => {
                encode_map(|map| verification_completed(map, event))
            }
            Self::ConfigurationSet(event) => encode_map(|map| configuration_set(map, event)),
        }
    }

    /// The event of a stored type, package and payload; `Ok(None)` for a type this program does
    /// not know, which readers keep and ignore. Unknown payload keys are ignored.
    pub fn read(
        event_type: &str,
        package_id: Option<PackageId>,
        payload: &[u8],
    ) -> Result<Option<Self>, UnreadableEvent> {
        let unreadable = |reason: String| UnreadableEvent {
            event_type: event_type.to_owned(),
            reason,
        };
        let reader = match event_type {
            PackageCreated::TYPE => Reader::OfPackage(read_package_created),
            RetentionDefaultApplied::TYPE => Reader::OfPackage(read_retention_default_applied),
            FileIngested::TYPE => Reader::OfPackage(read_file_ingested),
            FileSuperseded::TYPE => Reader::OfPackage(read_file_superseded),
            FileRemoved::TYPE => Reader::OfPackage(read_file_removed),
            MarkerRemoved::TYPE => Reader::OfPackage(read_marker_removed),
            VersionPurged::TYPE => Reader::OfPackage(read_version_purged),
            VersioningSet::TYPE => Reader::OfPackage(read_versioning_set),
            ObjectLockConfigured::TYPE => Reader::OfPackage(read_object_lock_configured),
            FileRetentionSet::TYPE => Reader::OfPackage(read_file_retention_set),
            FileLegalHoldSet::TYPE => Reader::OfPackage(read_file_legal_hold_set),
            PackageDeleted::TYPE => Reader::OfPackage(read_package_deleted),
            RetentionExtended::TYPE => Reader::OfPackage(read_retention_extended),
            HoldApplied::TYPE => Reader::OfPackage(read_hold_applied),
            HoldReleased::TYPE => Reader::OfPackage(read_hold_released),
            DeletionEligible::TYPE => Reader::OfPackage(read_deletion_eligible),
            EligibilityRevoked::TYPE => Reader::OfPackage(read_eligibility_revoked),
            RetentionClass::TYPE => Reader::OfNone(read_retention_class),
            BlobReclaimed::TYPE => Reader::OfNone(read_blob_reclaimed),
            MetadataSchemaRegistered::TYPE => Reader::OfNone(read_metadata_schema_registered),
            PackageMetadataUpdated::TYPE => Reader::OfPackage(read_package_metadata_updated),
            LocationVerified::TYPE => Reader::OfPackage(read_location_verified),
            LocationAdded::TYPE => Reader::OfPackage(read_location_added),
            VerificationCompleted::TYPE => Reader::OfNone(read_verification_completed),
            ConfigurationSet::TYPE => Reader::OfPackage(read_configuration_set),
            PackageFinalized::TYPE => {
                let package_id = package_id.ok_or_else(|| unreadable(NO_PACKAGE.to_owned()))?;
                return Ok(Some(Self::PackageFinalized(PackageFinalized {
                    package_id,
                    manifest: Bytes::copy_from_slice(payload),
                })));
            }
            _ => return Ok(None),
        };
        let value = decode(payload, MAX_PAYLOAD_BYTES).map_err(|e| unreadable(e.to_string()))?;
        Fields::of(&value)
            .and_then(|fields| match reader {
                Reader::OfNone(read) => read(fields),
                Reader::OfPackage(read) => {
                    let id = package_id.ok_or_else(|| InvalidField(NO_PACKAGE.to_owned()))?;
                    read(id, fields)
                }
            })
            .map(Some)
            .map_err(|e| unreadable(e.to_string()))
    }
}

/// What reads a payload.
enum Reader {
    /// Of an event that belongs to a package.
    OfPackage(fn(PackageId, Fields<'_, '_>) -> Result<Event, InvalidField>),
    /// Of one that does not.
    OfNone(fn(Fields<'_, '_>) -> Result<Event, InvalidField>),
}

const NO_PACKAGE: &str = "the event belongs to no package";

// The entries below stand in canonical order, shorter keys first, which spares sorting them.

fn package_created(map: &mut MapWriter<'_>, event: &PackageCreated) {
    map.text("name", &event.name);
    if !event.tags.is_empty() {
        map.map("tags", |map| texts(map, &event.tags));
    }
    if event.bucket.as_str() != event.name {
        map.text("bucket", event.bucket.as_str());
    }
    map.text("subject", &event.subject);
    map.json("metadata", &event.metadata);
    map.text("producer", &event.producer);
    if event.write_mode != WriteMode::WriteOnce {
        map.text("write_mode", event.write_mode.as_str());
    }
    map.text("retention_class", &event.retention_class);
    map.nullable_text("metadata_schema_id", event.metadata_schema_id.as_deref());
}

fn read_package_created(
    package_id: PackageId,
    fields: Fields<'_, '_>,
) -> Result<Event, InvalidField> {
    let name = fields.text("name")?;
    let bucket = match fields.optional_text("bucket")? {
        Some(bucket) => bucket,
        None => name,
    };
    Ok(Event::PackageCreated(PackageCreated {
        package_id,
        bucket: PackageName::parse(bucket).map_err(|e| InvalidField(e.to_string()))?,
        name: name.to_owned(),
        producer: fields.text("producer")?.to_owned(),
        subject: fields.text("subject")?.to_owned(),
        retention_class: fields.text("retention_class")?.to_owned(),
        metadata: fields.json_object("metadata")?,
        metadata_schema_id: fields
            .optional_text("metadata_schema_id")?
            .map(str::to_owned),
        write_mode: fields
            .optional_parse("write_mode", WriteMode::parse)?
            .unwrap_or(WriteMode::WriteOnce),
        tags: read_texts(fields, "tags")?,
    }))
}

fn retention_default_applied(map: &mut MapWriter<'_>, event: &RetentionDefaultApplied) {
    map.nullable_text("expires_at", isoformat(event.expires_at).as_deref());
    map.text("retention_class", &event.retention_class);
    map.bool("eligible_for_deletion", event.is_eligible_for_deletion);
    map.nullable_uint("default_duration_seconds", event.default_duration_seconds);
}

fn read_retention_default_applied(
    package_id: PackageId,
    fields: Fields<'_, '_>,
) -> Result<Event, InvalidField> {
    Ok(Event::RetentionDefaultApplied(RetentionDefaultApplied {
        package_id,
        retention_class: fields.text("retention_class")?.to_owned(),
        default_duration_seconds: fields.optional_uint("default_duration_seconds")?,
        expires_at: fields.optional_parse("expires_at", Timestamp::parse)?,
        is_eligible_for_deletion: fields.bool("eligible_for_deletion")?,
    }))
}

fn file_ingested(map: &mut MapWriter<'_>, event: &FileIngested) {
    if event.attributes != ObjectAttributes::default() {
        map.map("s3", |map| attributes(map, &event.attributes));
    }
    if !event.etag.is_empty() {
        map.text("etag", &event.etag);
    }
    map.text("file_id", &event.file_id.to_string());
    map.text("backend_id", &event.location.backend_id);
    map.text("media_type", &event.media_type);
    map.text("object_key", &event.location.object_key);
    map.uint("size_bytes", event.size_bytes);
    if let Some((package_id, file_id)) = event.copied_from {
        map.map("copied_from", |map| {
            map.text("file_id", &file_id.to_string());
            map.text("package_id", &package_id.to_string());
        });
    }
    map.text("relative_path", event.key.as_str());
    map.text("retrieval_tier", RETRIEVAL_TIER);
    map.text("storage_status", LOCATION_RECORDED);
    map.text("digest_algorithm", ContentAddress::ALGORITHM);
    map.text("digest_sha256_hex", &hex::encode(event.sha256));
    map.text("digest_primary_hex", &event.address.to_hex());
    map.text("storage_location_id", &event.location.id.to_string());
    ingested_version(map, event.is_versioned, &event.lock);
}

fn read_file_ingested(
    package_id: PackageId,
    fields: Fields<'_, '_>,
) -> Result<Event, InvalidField> {
    let algorithm = fields.text("digest_algorithm")?;
    if algorithm != ContentAddress::ALGORITHM {
        return Err(InvalidField(format!(
            "unknown digest algorithm '{algorithm}'"
        )));
    }
    let copied_from = match fields.optional_map("copied_from")? {
        Some(source) => Some((
            source.parse("package_id", |text| text.parse().ok())?,
            source.parse("file_id", |text| text.parse().ok())?,
        )),
        None => None,
    };
    let (is_versioned, lock) = read_ingested_version(fields)?;
    Ok(Event::FileIngested(Box::new(FileIngested {
        package_id,
        file_id: fields.parse("file_id", |text| text.parse().ok())?,
        key: fields.parse("relative_path", |text| ObjectKey::parse(text).ok())?,
        media_type: fields.text("media_type")?.to_owned(),
        size_bytes: fields.uint("size_bytes")?,
        address: ContentAddress(fields.digest("digest_primary_hex")?),
        sha256: fields.digest("digest_sha256_hex")?,
        etag: fields.optional_text("etag")?.unwrap_or_default().to_owned(),
        attributes: match fields.optional_map("s3")? {
            Some(fields) => read_attributes(fields)?,
            None => ObjectAttributes::default(),
        },
        location: Location {
            id: fields.parse("storage_location_id", |text| text.parse().ok())?,
            backend_id: fields.text("backend_id")?.to_owned(),
            object_key: fields.text("object_key")?.to_owned(),
        },
        copied_from,
        is_versioned,
        lock,
    })))
}

/// What clients attached to a file, as the `s3` map of its event stands; `None` when there is nothing.
pub fn encode_attributes(object: &ObjectAttributes) -> Option<Vec<u8>> {
    (*object != ObjectAttributes::default()).then(|| encode_map(|map| attributes(map, object)))
}

/// Reads what [`encode_attributes`] wrote.
pub fn decode_attributes(bytes: &[u8]) -> Result<ObjectAttributes, InvalidField> {
    let value =
        decode(bytes, MAX_PAYLOAD_BYTES).map_err(|error| InvalidField(error.to_string()))?;
    read_attributes(Fields::of(&value)?)
}

fn attributes(map: &mut MapWriter<'_>, attributes: &ObjectAttributes) {
    map.optional_text("expires", attributes.expires.as_deref());
    if !attributes.parts.is_empty() {
        map.maps("parts", &attributes.parts, part);
    }
    if let Some(checksum) = &attributes.checksum {
        map.map("checksum", |map| {
            map.text("type", checksum.kind.name());
            map.text("value", &checksum.value);
            map.text("algorithm", checksum.algorithm.name());
        });
    }
    map.optional_text("cache_control", attributes.cache_control.as_deref());
    if !attributes.user_metadata.is_empty() {
        map.map("user_metadata", |map| texts(map, &attributes.user_metadata));
    }
    map.optional_text("content_encoding", attributes.content_encoding.as_deref());
    map.optional_text("content_language", attributes.content_language.as_deref());
    map.optional_text("website_redirect", attributes.website_redirect.as_deref());
    map.optional_text(
        "content_disposition",
        attributes.content_disposition.as_deref(),
    );
}

fn read_attributes(fields: Fields<'_, '_>) -> Result<ObjectAttributes, InvalidField> {
    let text = |key| Ok(fields.optional_text(key)?.map(str::to_owned));
    let checksum = match fields.optional_map("checksum")? {
        Some(checksum) => Some(StoredChecksum {
            algorithm: checksum.parse("algorithm", ChecksumAlgorithm::from_name)?,
            kind: checksum.parse("type", ChecksumKind::from_name)?,
            value: checksum.text("value")?.to_owned(),
        }),
        None => None,
    };
    Ok(ObjectAttributes {
        content_encoding: text("content_encoding")?,
        cache_control: text("cache_control")?,
        content_disposition: text("content_disposition")?,
        content_language: text("content_language")?,
        expires: text("expires")?,
        website_redirect: text("website_redirect")?,
        user_metadata: read_texts(fields, "user_metadata")?,
        checksum,
        parts: fields
            .array("parts")?
            .iter()
            .map(read_part)
            .collect::<Result<_, _>>()?,
    })
}

fn part(map: &mut MapWriter<'_>, part: &FilePart) {
    map.uint("number", part.number.into());
    map.optional_text("checksum", part.checksum.as_deref());
    map.text("backend_id", &part.backend_id);
    map.text("object_key", &part.object_key);
    map.uint("size_bytes", part.size_bytes);
    map.text("content_address", &part.address.to_string());
}

fn read_part(value: &Value<'_>) -> Result<FilePart, InvalidField> {
    let fields = Fields::of(value)?;
    let number = fields.uint("number")?;
    Ok(FilePart {
        number: u32::try_from(number)
            .map_err(|_| InvalidField(format!("{number} is no part number")))?,
        size_bytes: fields.uint("size_bytes")?,
        address: fields.parse("content_address", |text| text.parse().ok())?,
        backend_id: fields.text("backend_id")?.to_owned(),
        object_key: fields.text("object_key")?.to_owned(),
        checksum: fields.optional_text("checksum")?.map(str::to_owned),
    })
}

fn package_deleted(map: &mut MapWriter<'_>, event: &PackageDeleted) {
    let manifest_digest = event.manifest_address.map(|address| address.to_string());
    map.text("reason", &event.reason);
    map.text("strategy", &event.strategy);
    map.nullable_text("expires_at", isoformat(event.expires_at).as_deref());
    map.uint("file_count", event.file_count);
    map.uint("total_bytes", event.total_bytes);
    if let Some(backend) = &event.archive_backend {
        map.text("archive_backend", backend);
    }
    map.nullable_text("manifest_digest", manifest_digest.as_deref());
}

fn read_package_deleted(
    package_id: PackageId,
    fields: Fields<'_, '_>,
) -> Result<Event, InvalidField> {
    Ok(Event::PackageDeleted(PackageDeleted {
        package_id,
        reason: fields.text("reason")?.to_owned(),
        strategy: fields.text("strategy")?.to_owned(),
        manifest_address: fields.optional_parse("manifest_digest", |text| text.parse().ok())?,
        file_count: fields.uint("file_count")?,
        total_bytes: fields.uint("total_bytes")?,
        expires_at: fields.optional_parse("expires_at", Timestamp::parse)?,
        archive_backend: fields.optional_text("archive_backend")?.map(str::to_owned),
    }))
}

fn retention_class(map: &mut MapWriter<'_>, class: &RetentionClass) {
    map.text("anchor", class.anchor.as_str());
    map.text("class_id", &class.id);
    map.text("lock_mode", class.lock_mode.as_str());
    map.uint("grace_seconds", class.grace_seconds);
    map.text("deletion_strategy", class.deletion_strategy.as_str());
    map.nullable_uint("default_duration_seconds", class.default_duration_seconds);
}

fn read_retention_class(fields: Fields<'_, '_>) -> Result<Event, InvalidField> {
    Ok(Event::RetentionClassDefined(RetentionClass {
        id: fields.text("class_id")?.to_owned(),
        default_duration_seconds: fields.optional_uint("default_duration_seconds")?,
        deletion_strategy: fields.parse("deletion_strategy", DeletionStrategy::parse)?,
        lock_mode: fields.parse("lock_mode", LockMode::parse)?,
        anchor: fields.parse("anchor", Anchor::parse)?,
        grace_seconds: fields.uint("grace_seconds")?,
    }))
}

fn read_retention_extended(
    package_id: PackageId,
    fields: Fields<'_, '_>,
) -> Result<Event, InvalidField> {
    Ok(Event::RetentionExtended(RetentionExtended {
        package_id,
        previous_expires_at: fields.parse("previous_expires_at", Timestamp::parse)?,
        new_expires_at: fields.parse("new_expires_at", Timestamp::parse)?,
        reason: fields.text("reason")?.to_owned(),
    }))
}

fn hold_applied(map: &mut MapWriter<'_>, event: &HoldApplied) {
    if event.kind != HoldKind::Operator {
        map.text("kind", event.kind.as_str());
    }
    map.text("reason", &event.reason);
    map.text("hold_id", &event.hold_id.to_string());
}

fn read_hold_applied(package_id: PackageId, fields: Fields<'_, '_>) -> Result<Event, InvalidField> {
    Ok(Event::HoldApplied(HoldApplied {
        package_id,
        hold_id: fields.parse("hold_id", |text| text.parse().ok())?,
        kind: fields
            .optional_parse("kind", HoldKind::parse)?
            .unwrap_or(HoldKind::Operator),
        reason: fields.text("reason")?.to_owned(),
    }))
}

fn read_hold_released(
    package_id: PackageId,
    fields: Fields<'_, '_>,
) -> Result<Event, InvalidField> {
    Ok(Event::HoldReleased(HoldReleased {
        package_id,
        hold_id: fields.parse("hold_id", |text| text.parse().ok())?,
        reason: fields.text("reason")?.to_owned(),
    }))
}

fn read_deletion_eligible(
    package_id: PackageId,
    fields: Fields<'_, '_>,
) -> Result<Event, InvalidField> {
    Ok(Event::DeletionEligible(DeletionEligible {
        package_id,
        expires_at: fields.optional_parse("expires_at", Timestamp::parse)?,
        reason: fields.text("reason")?.to_owned(),
    }))
}

fn read_eligibility_revoked(
    package_id: PackageId,
    fields: Fields<'_, '_>,
) -> Result<Event, InvalidField> {
    Ok(Event::EligibilityRevoked(EligibilityRevoked {
        package_id,
        expires_at: fields.optional_parse("expires_at", Timestamp::parse)?,
        reason: fields.text("reason")?.to_owned(),
        cause_sequence: Sequence(fields.uint("cause_sequence")?),
    }))
}

fn read_metadata_schema_registered(fields: Fields<'_, '_>) -> Result<Event, InvalidField> {
    Ok(Event::MetadataSchemaRegistered(MetadataSchemaRegistered {
        schema_id: fields.parse("schema_id", |text| text.parse().ok())?,
        slug: fields.parse("slug", |text| SchemaSlug::parse(text).ok())?,
        version: fields.uint("version")?,
        json_schema: fields.json("json_schema")?,
    }))
}

fn read_package_metadata_updated(
    package_id: PackageId,
    fields: Fields<'_, '_>,
) -> Result<Event, InvalidField> {
    Ok(Event::PackageMetadataUpdated(PackageMetadataUpdated {
        package_id,
        metadata: fields.json_object("metadata")?,
        metadata_schema_id: fields
            .optional_text("metadata_schema_id")?
            .map(str::to_owned),
        tags: read_texts(fields, "tags")?,
    }))
}

fn texts(map: &mut MapWriter<'_>, texts: &BTreeMap<String, String>) {
    for (key, value) in texts {
        map.text(key, value);
    }
}

fn read_texts(fields: Fields<'_, '_>, key: &str) -> Result<BTreeMap<String, String>, InvalidField> {
    let Some(texts) = fields.optional_map(key)? else {
        return Ok(BTreeMap::new());
    };
    texts
        .entries()
        .iter()
        .map(|(name, _)| Ok(((*name).to_owned(), texts.text(name)?.to_owned())))
        .collect()
}

fn isoformat(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::to_isoformat)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
    use proptest::sample::select;
    use uuid::Uuid;

    use super::*;
    use crate::domain::cbor::json::tests::any_json;
    use crate::domain::configuration::ConfigurationKind;
    use crate::domain::hashers::WholeDigests;
    use crate::domain::ids::{FileId, HoldId, LocationId, RunId, SchemaId};
    use crate::domain::lock::{
        DefaultRetention, FileLock, ObjectLockConfig, ObjectRetention, Period, RetentionMode,
    };
    use crate::domain::version::{Marker, Versioning};

    fn any_id() -> impl Strategy<Value = Uuid> {
        any::<u128>().prop_map(Uuid::from_u128)
    }

    fn any_time() -> impl Strategy<Value = Timestamp> {
        // The years 1970 to 9999, half of them without a fraction.
        (0..253_402_300_800_i64, select(vec![0, 1, 999_999, 120_000]))
            .prop_map(|(seconds, micros)| Timestamp(seconds * 1_000_000 + micros))
    }

    fn any_key() -> impl Strategy<Value = ObjectKey> {
        prop_oneof![
            "\\PC{1,40}",
            vec(any::<char>(), 1..200).prop_map(String::from_iter)
        ]
        .prop_map(|text| ObjectKey::parse(&text).unwrap())
    }

    fn any_texts() -> impl Strategy<Value = BTreeMap<String, String>> {
        btree_map(any::<String>(), any::<String>(), 0..30)
    }

    fn any_package_created() -> impl Strategy<Value = Event> {
        (
            any_id(),
            "[a-z]{3,8}",
            prop_oneof![Just(None), any::<String>().prop_map(Some)],
            any::<[String; 3]>(),
            btree_map(any::<String>(), any_json(), 0..4),
            option::of(any::<String>()),
            any::<bool>(),
            any_texts(),
        )
            .prop_map(
                |(id, bucket, name, texts, metadata, schema, is_once, tags)| {
                    let [producer, subject, retention_class] = texts;
                    Event::PackageCreated(PackageCreated {
                        package_id: PackageId(id),
                        bucket: PackageName::parse(&bucket).unwrap(),
                        name: name.unwrap_or(bucket),
                        producer,
                        subject,
                        retention_class,
                        metadata: serde_json::Value::Object(metadata.into_iter().collect()),
                        metadata_schema_id: schema,
                        write_mode: if is_once {
                            WriteMode::WriteOnce
                        } else {
                            WriteMode::VersionedByRequest
                        },
                        tags,
                    })
                },
            )
    }

    fn any_part() -> impl Strategy<Value = FilePart> {
        (
            any::<u32>(),
            any::<u64>(),
            any::<[u8; 32]>(),
            option::of(any::<String>()),
        )
            .prop_map(|(number, size_bytes, address, checksum)| FilePart {
                number,
                size_bytes,
                address: ContentAddress(address),
                backend_id: "local".to_owned(),
                object_key: String::new(),
                checksum,
            })
    }

    fn any_checksum() -> impl Strategy<Value = StoredChecksum> {
        (
            select(ChecksumAlgorithm::ALL.to_vec()),
            select(vec![ChecksumKind::FullObject, ChecksumKind::Composite]),
            any::<String>(),
        )
            .prop_map(|(algorithm, kind, value)| StoredChecksum {
                algorithm,
                kind,
                value,
            })
    }

    fn any_attributes() -> impl Strategy<Value = ObjectAttributes> {
        let text = || option::of(any::<String>());
        (
            (text(), text(), text(), text(), text(), text()),
            any_texts(),
            option::of(any_checksum()),
            vec(any_part(), 0..4),
        )
            .prop_map(|(texts, user_metadata, checksum, parts)| ObjectAttributes {
                content_encoding: texts.0,
                cache_control: texts.1,
                content_disposition: texts.2,
                content_language: texts.3,
                expires: texts.4,
                website_redirect: texts.5,
                user_metadata,
                checksum,
                parts,
            })
    }

    fn any_file_ingested() -> impl Strategy<Value = Event> {
        (
            (any_id(), any_id(), any_id()),
            any_key(),
            any::<[String; 4]>(),
            any::<u64>(),
            any::<[[u8; 32]; 2]>(),
            prop_oneof![Just(ObjectAttributes::default()), any_attributes()],
            option::of((any_id(), any_id())),
            (any::<bool>(), any_lock()),
        )
            .prop_map(
                |(ids, key, texts, size_bytes, digests, attributes, source, version)| {
                    let [media_type, etag, backend_id, object_key] = texts;
                    Event::FileIngested(Box::new(FileIngested {
                        package_id: PackageId(ids.0),
                        file_id: FileId(ids.1),
                        key,
                        media_type,
                        size_bytes,
                        address: ContentAddress(digests[0]),
                        sha256: digests[1],
                        etag,
                        attributes,
                        location: Location {
                            id: LocationId(ids.2),
                            backend_id,
                            object_key,
                        },
                        copied_from: source.map(|(p, f)| (PackageId(p), FileId(f))),
                        is_versioned: version.0,
                        lock: version.1,
                    }))
                },
            )
    }

    fn any_retention() -> impl Strategy<Value = ObjectRetention> {
        (select(RetentionMode::ALL.to_vec()), any_time())
            .prop_map(|(mode, retain_until)| ObjectRetention { mode, retain_until })
    }

    fn any_lock() -> impl Strategy<Value = FileLock> {
        (option::of(any_retention()), option::of(any::<bool>())).prop_map(
            |(retention, legal_hold)| FileLock {
                retention,
                legal_hold,
                is_unreadable: false,
            },
        )
    }

    fn any_version_event() -> impl Strategy<Value = Event> {
        let period = prop_oneof![
            any::<u32>().prop_map(Period::Days),
            any::<u32>().prop_map(Period::Years)
        ];
        let facts = (
            (any_id(), any_id(), option::of(any_id())),
            (any_key(), any::<String>()),
            any::<[bool; 2]>(),
            option::of(any_retention()),
            option::of((select(RetentionMode::ALL.to_vec()), period)),
        );
        facts.prop_flat_map(|(ids, (key, reason), flags, retention, default)| {
            let (package_id, file_id) = (PackageId(ids.0), FileId(ids.1));
            let other = ids.2.map(FileId);
            let state = if flags[0] {
                Versioning::Enabled
            } else {
                Versioning::Suspended
            };
            let default = default.map(|(mode, period)| DefaultRetention { mode, period });
            prop_oneof![
                Just(Event::FileRemoved(FileRemoved {
                    package_id,
                    file_id: other,
                    key: key.clone(),
                    marker: Some(Marker {
                        id: file_id,
                        is_versioned: flags[0],
                    }),
                })),
                Just(Event::MarkerRemoved(MarkerRemoved {
                    package_id,
                    marker_id: file_id,
                    key: key.clone(),
                    restored: other,
                })),
                Just(Event::VersionPurged(VersionPurged {
                    package_id,
                    file_id,
                    key: key.clone(),
                    reason,
                    restored: other,
                })),
                Just(Event::VersioningSet(VersioningSet { package_id, state })),
                Just(Event::ObjectLockConfigured(ObjectLockConfigured {
                    package_id,
                    config: ObjectLockConfig { default },
                })),
                Just(Event::FileRetentionSet(FileRetentionSet {
                    package_id,
                    file_id,
                    key: key.clone(),
                    retention,
                    is_bypassed: flags[1],
                })),
                Just(Event::FileLegalHoldSet(FileLegalHoldSet {
                    package_id,
                    file_id,
                    key,
                    is_on: flags[1],
                })),
            ]
        })
    }

    fn any_small_event() -> impl Strategy<Value = Event> {
        let ids = || (any_id(), any_id(), any_id());
        let retention = (
            any_id(),
            any::<String>(),
            option::of(any::<u64>()),
            option::of(any_time()),
            any::<bool>(),
        );
        let deleted = (
            any_id(),
            any::<[String; 2]>(),
            option::of(any::<[u8; 32]>()),
            any::<[u64; 2]>(),
            option::of(any_time()),
            option::of(any::<String>()),
        );
        prop_oneof![
            retention.prop_map(|(id, class, seconds, expires_at, is_eligible)| {
                Event::RetentionDefaultApplied(RetentionDefaultApplied {
                    package_id: PackageId(id),
                    retention_class: class,
                    default_duration_seconds: seconds,
                    expires_at,
                    is_eligible_for_deletion: is_eligible,
                })
            }),
            (ids(), any_key(), any::<bool>()).prop_map(|((package, file, by), key, is_kept)| {
                Event::FileSuperseded(FileSuperseded {
                    package_id: PackageId(package),
                    file_id: FileId(file),
                    superseded_by: FileId(by),
                    key,
                    is_kept,
                })
            }),
            (ids(), any_key()).prop_map(|((package, file, _), key)| {
                Event::FileRemoved(FileRemoved {
                    package_id: PackageId(package),
                    file_id: Some(FileId(file)),
                    key,
                    marker: None,
                })
            }),
            (any_id(), vec(any::<u8>(), 0..99)).prop_map(|(package, manifest)| {
                Event::PackageFinalized(PackageFinalized {
                    package_id: PackageId(package),
                    manifest: manifest.into(),
                })
            }),
            deleted.prop_map(
                |(id, texts, manifest, counts, expires_at, archive_backend)| {
                    let [reason, strategy] = texts;
                    Event::PackageDeleted(PackageDeleted {
                        package_id: PackageId(id),
                        reason,
                        strategy,
                        manifest_address: manifest.map(ContentAddress),
                        file_count: counts[0],
                        total_bytes: counts[1],
                        expires_at,
                        archive_backend,
                    })
                }
            ),
        ]
    }

    fn any_schema_event() -> impl Strategy<Value = Event> {
        let metadata = || btree_map(any::<String>(), any_json(), 0..4);
        let object =
            |members: BTreeMap<_, _>| serde_json::Value::Object(members.into_iter().collect());
        prop_oneof![
            (
                any_id(),
                "[a-z0-9][a-z0-9._-]{0,30}",
                any::<u64>(),
                metadata()
            )
                .prop_map(move |(id, slug, version, schema)| {
                    Event::MetadataSchemaRegistered(MetadataSchemaRegistered {
                        schema_id: SchemaId(id),
                        slug: SchemaSlug::parse(&slug).unwrap(),
                        version,
                        json_schema: object(schema),
                    })
                }),
            (
                any_id(),
                metadata(),
                option::of(any::<String>()),
                any_texts()
            )
                .prop_map(move |(id, metadata, metadata_schema_id, tags)| {
                    Event::PackageMetadataUpdated(PackageMetadataUpdated {
                        package_id: PackageId(id),
                        metadata: object(metadata),
                        metadata_schema_id,
                        tags,
                    })
                }),
        ]
    }

    fn any_class() -> impl Strategy<Value = Event> {
        let words = (
            select(DeletionStrategy::ALL),
            select(LockMode::ALL),
            select(Anchor::ALL),
        );
        (
            any::<String>(),
            option::of(any::<u64>()),
            words,
            any::<u64>(),
        )
            .prop_map(|(id, default_duration_seconds, words, grace_seconds)| {
                Event::RetentionClassDefined(RetentionClass {
                    id,
                    default_duration_seconds,
                    deletion_strategy: words.0,
                    lock_mode: words.1,
                    anchor: words.2,
                    grace_seconds,
                })
            })
    }

    fn any_retention_event() -> impl Strategy<Value = Event> {
        let facts = (
            (any_id(), any_id()),
            (any_time(), any_time()),
            any::<String>(),
            option::of(any_time()),
            select(HoldKind::ALL),
            any::<u64>(),
        );
        facts.prop_flat_map(|(ids, times, reason, expires_at, kind, number)| {
            let (package_id, hold_id) = (PackageId(ids.0), HoldId(ids.1));
            prop_oneof![
                Just(Event::RetentionExtended(RetentionExtended {
                    package_id,
                    previous_expires_at: times.0,
                    new_expires_at: times.1,
                    reason: reason.clone(),
                })),
                Just(Event::HoldApplied(HoldApplied {
                    package_id,
                    hold_id,
                    kind,
                    reason: reason.clone(),
                })),
                Just(Event::HoldReleased(HoldReleased {
                    package_id,
                    hold_id,
                    reason: reason.clone(),
                })),
                Just(Event::DeletionEligible(DeletionEligible {
                    package_id,
                    expires_at,
                    reason: reason.clone(),
                })),
                Just(Event::EligibilityRevoked(EligibilityRevoked {
                    package_id,
                    expires_at,
                    reason: reason.clone(),
                    cause_sequence: Sequence(number),
                })),
                Just(Event::BlobReclaimed(BlobReclaimed {
                    backend_id: reason.clone(),
                    object_key: reason.clone(),
                    address: ContentAddress([7; 32]),
                    size_bytes: number,
                    reason,
                })),
            ]
        })
    }

    fn any_storage_event() -> impl Strategy<Value = Event> {
        let ids = (any_id(), any_id(), any_id());
        let digests = (any::<u64>(), any::<[u8; 32]>(), any::<[u8; 32]>());
        let counts = any::<[u64; 5]>();
        let texts = (any::<String>(), option::of(any::<String>()));
        (ids, option::of(digests), counts, texts).prop_flat_map(|(ids, digests, counts, texts)| {
            let package_id = PackageId(ids.0);
            prop_oneof![
                Just(Event::LocationVerified(LocationVerified {
                    package_id,
                    file_id: FileId(ids.1),
                    location_id: LocationId(ids.2),
                    backend_id: texts.0.clone(),
                    address: ContentAddress([7; 32]),
                    mismatch: texts.1.clone(),
                    actual: digests.map(|(size_bytes, address, sha256)| WholeDigests {
                        size_bytes,
                        address: ContentAddress(address),
                        sha256,
                    }),
                })),
                Just(Event::LocationAdded(LocationAdded {
                    package_id,
                    file_id: FileId(ids.1),
                    location_id: LocationId(ids.2),
                    backend_id: texts.0.clone(),
                    object_key: texts.0.clone(),
                    address: ContentAddress([8; 32]),
                    size_bytes: counts[0],
                })),
                Just(Event::VerificationCompleted(VerificationCompleted {
                    run_id: RunId(ids.1),
                    package_id: digests.is_some().then_some(package_id),
                    backend_id: texts.1,
                    checked: counts[0],
                    verified: counts[1],
                    mismatched: counts[2],
                    unreachable: counts[3],
                    bytes: counts[4],
                })),
            ]
        })
    }

    fn any_configuration_event() -> impl Strategy<Value = Event> {
        let kind = select(ConfigurationKind::ALL.to_vec());
        (any_id(), kind, option::of(any::<String>())).prop_map(|(id, kind, document)| {
            Event::ConfigurationSet(ConfigurationSet {
                package_id: PackageId(id),
                kind,
                document,
            })
        })
    }

    proptest! {
        #[test]
        fn an_event_is_read_as_it_was_written(
            event in prop_oneof![
                any_package_created(),
                any_file_ingested(),
                any_small_event(),
                any_class(),
                any_retention_event(),
                any_schema_event(),
                any_storage_event(),
                any_configuration_event(),
                any_version_event(),
            ]
        ) {
            let payload = event.payload();
            let read = Event::read(event.event_type(), event.package_id(), &payload).unwrap();
            assert_eq!(read.as_ref(), Some(&event));
        }
    }

    fn removed() -> Event {
        Event::FileRemoved(FileRemoved {
            package_id: PackageId(Uuid::nil()),
            file_id: Some(FileId(Uuid::nil())),
            key: ObjectKey::parse("a").unwrap(),
            marker: None,
        })
    }

    #[test]
    fn unknown_types_and_keys_are_ignored() {
        let (event, package_id) = (removed(), Some(PackageId(Uuid::nil())));
        let read = Event::read("v2.file.ingested", package_id, b"?").unwrap();
        assert_eq!(read, None);
        let payload = encode_map(|map| {
            map.text("file_id", &Uuid::nil().to_string());
            map.bool("from_the_future", true);
            map.text("relative_path", "a");
        });
        let read = Event::read(FileRemoved::TYPE, package_id, &payload).unwrap();
        assert_eq!(read, Some(event));
    }

    #[test]
    fn a_payload_that_lacks_something_says_what() {
        let id = Uuid::nil().to_string();
        let cases = [
            (
                encode_map(|map| map.text("relative_path", "a")),
                "the key 'file_id' is missing",
            ),
            (
                encode_map(|map| map.uint("file_id", 1)),
                "the key 'file_id' is not a text",
            ),
            (
                encode_map(|map| map.text("file_id", "x")),
                "the key 'file_id' is not valid",
            ),
            (
                encode_map(|map| {
                    map.text("file_id", &id);
                    map.text("relative_path", "");
                }),
                "the key 'relative_path' is not valid",
            ),
            (b"\x01".to_vec(), "not a map"),
            (Vec::new(), "not canonical CBOR: unexpected end at byte 0"),
        ];
        for (payload, reason) in cases {
            let read = Event::read(FileRemoved::TYPE, Some(PackageId(Uuid::nil())), &payload);
            assert_eq!(read.unwrap_err().reason, reason);
        }
    }
}
