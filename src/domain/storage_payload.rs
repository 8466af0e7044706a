//! Payloads of the events about stored bytes; `payload.rs` calls them.

use crate::domain::cbor::encode::MapWriter;
use crate::domain::cbor::fields::{Fields, InvalidField};
use crate::domain::digest::ContentAddress;
use crate::domain::event::{
    BlobReclaimed, Event, LocationAdded, LocationVerified, VerificationCompleted,
};
use crate::domain::hashers::WholeDigests;
use crate::domain::ids::PackageId;

// The entries below stand in canonical order, shorter keys first, which spares sorting them.

/// Writes `v1.storage.location_verified`.
pub fn location_verified(map: &mut MapWriter<'_>, event: &LocationVerified) {
    let actual = event.actual.as_ref();
    let sha256 = actual.map(|actual| hex::encode(actual.sha256));
    let primary = actual.map(|actual| actual.address.to_hex());
    map.text("file_id", &event.file_id.to_string());
    map.nullable_text("mismatch", event.mismatch.as_deref());
    map.bool("verified", event.mismatch.is_none());
    map.text("backend_id", &event.backend_id);
    map.text("content_address", &event.address.to_string());
    map.nullable_text("actual_sha256_hex", sha256.as_deref());
    map.nullable_uint("actual_size_bytes", actual.map(|actual| actual.size_bytes));
    map.nullable_text("actual_primary_hex", primary.as_deref());
    map.text("storage_location_id", &event.location_id.to_string());
}

/// Reads `v1.storage.location_verified`.
pub fn read_location_verified(
    package_id: PackageId,
    fields: Fields<'_, '_>,
) -> Result<Event, InvalidField> {
    let actual = match fields.optional_uint("actual_size_bytes")? {
        None => None,
        Some(size_bytes) => Some(WholeDigests {
            size_bytes,
            address: ContentAddress(fields.digest("actual_primary_hex")?),
            sha256: fields.digest("actual_sha256_hex")?,
        }),
    };
    let mismatch = match (fields.bool("verified")?, fields.optional_text("mismatch")?) {
        (true, None) => None,
        (false, Some(mismatch)) => Some(mismatch.to_owned()),
        _ => {
            let message = "the keys 'verified' and 'mismatch' contradict each other";
            return Err(InvalidField(message.to_owned()));
        }
    };
    Ok(Event::LocationVerified(LocationVerified {
        package_id,
        file_id: fields.parse("file_id", |text| text.parse().ok())?,
        location_id: fields.parse("storage_location_id", |text| text.parse().ok())?,
        backend_id: fields.text("backend_id")?.to_owned(),
        address: fields.parse("content_address", |text| text.parse().ok())?,
        mismatch,
        actual,
    }))
}

/// Writes `v1.storage.location_added`.
pub fn location_added(map: &mut MapWriter<'_>, event: &LocationAdded) {
    map.text("file_id", &event.file_id.to_string());
    map.text("backend_id", &event.backend_id);
    map.text("object_key", &event.object_key);
    map.uint("size_bytes", event.size_bytes);
    map.text("content_address", &event.address.to_string());
    map.text("storage_location_id", &event.location_id.to_string());
}

/// Reads `v1.storage.location_added`.
pub fn read_location_added(
    package_id: PackageId,
    fields: Fields<'_, '_>,
) -> Result<Event, InvalidField> {
    Ok(Event::LocationAdded(LocationAdded {
        package_id,
        file_id: fields.parse("file_id", |text| text.parse().ok())?,
        location_id: fields.parse("storage_location_id", |text| text.parse().ok())?,
        backend_id: fields.text("backend_id")?.to_owned(),
        object_key: fields.text("object_key")?.to_owned(),
        address: fields.parse("content_address", |text| text.parse().ok())?,
        size_bytes: fields.uint("size_bytes")?,
    }))
}

/// Writes `v1.storage.verification_completed`.
pub fn verification_completed(map: &mut MapWriter<'_>, event: &VerificationCompleted) {
    map.uint("bytes", event.bytes);
    map.text("run_id", &event.run_id.to_string());
    map.uint("checked", event.checked);
    map.uint("verified", event.verified);
    map.nullable_text("backend_id", event.backend_id.as_deref());
    map.uint("mismatched", event.mismatched);
    if let Some(package_id) = event.package_id {
        map.text("package_id", &package_id.to_string());
    }
    map.uint("unreachable", event.unreachable);
}

/// Reads `v1.storage.verification_completed`.
pub fn read_verification_completed(fields: Fields<'_, '_>) -> Result<Event, InvalidField> {
    Ok(Event::VerificationCompleted(VerificationCompleted {
        run_id: fields.parse("run_id", |text| text.parse().ok())?,
        package_id: fields.optional_parse("package_id", |text| text.parse().ok())?,
        backend_id: fields.optional_text("backend_id")?.map(str::to_owned),
        checked: fields.uint("checked")?,
        verified: fields.uint("verified")?,
        mismatched: fields.uint("mismatched")?,
        unreachable: fields.uint("unreachable")?,
        bytes: fields.uint("bytes")?,
    }))
}

/// Reads `v1.storage.blob_reclaimed`.
pub fn read_blob_reclaimed(fields: Fields<'_, '_>) -> Result<Event, InvalidField> {
    Ok(Event::BlobReclaimed(BlobReclaimed {
        backend_id: fields.text("backend_id")?.to_owned(),
        object_key: fields.text("object_key")?.to_owned(),
        address: fields.parse("content_address", |text| text.parse().ok())?,
        size_bytes: fields.uint("size_bytes")?,
        reason: fields.text("reason")?.to_owned(),
    }))
}
