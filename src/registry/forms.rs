//! How records look outside, one JSON object for each, and how a finalize is asked for. Both
//! surfaces show and take the same, so the forms stand below them; events have `event_forms.rs`.
//!
//! Decides nothing and reads nothing but the record.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::domain::cbor::json::check;
use crate::domain::digest::ContentAddress;
use crate::domain::file::FileRecord;
use crate::domain::ids::{PackageId, Timestamp};
use crate::domain::package::PackageRecord;
use crate::domain::retention::{Hold, Retention, RetentionClass};
use crate::registry::error::{Error, Result};
use crate::registry::finalize::FinalizePackage;

/// A package as JSON.
pub fn package_json(package: &PackageRecord) -> Value {
    let mut value = json!({
        "id": package.id.to_string(),
        "bucket": package.bucket.as_str(),
        "name": package.name,
        "producer": package.producer,
        "subject": package.subject,
        "retention_class": package.retention_class,
        "metadata": package.metadata,
        "metadata_schema_id": package.metadata_schema_id,
        "tags": package.tags,
        "write_mode": package.write_mode.as_str(),
        "owner": package.owner,
        "status": package.status.as_str(),
        "created_at": package.created_at.to_isoformat(),
        "finalized_at": package.finalized_at.map(Timestamp::to_isoformat),
        "expires_at": package.expires_at.map(Timestamp::to_isoformat),
        "manifest_digest": package.manifest_address.map(|address| address.to_string()),
        "last_sequence": package.last_sequence.0,
        "file_count": package.file_count,
        "total_bytes": package.total_bytes,
        "archive_backend": package.archive_backend,
    });
    if let Some(state) = package.versioning {
        value["versioning"] = json!(state.as_str());
        value["noncurrent_count"] = json!(package.noncurrent_count);
    }
    if let Some(lock) = package.object_lock {
        value["object_lock"] = json!(lock.to_text());
    }
    value
}

/// A file as JSON, in the words of the manifest and of `v1.file.ingested`.
pub fn file_json(file: &FileRecord) -> Value {
    let mut value = json!({
        "id": file.id.to_string(),
        "package_id": file.package_id.to_string(),
        "relative_path": file.key.as_str(),
        "media_type": file.media_type,
        "size_bytes": file.size_bytes,
        "content_address": file.address.to_string(),
        "digest_sha256_hex": hex::encode(file.sha256),
        "etag": file.etag,
        "created_at": file.created_at.to_isoformat(),
        "event_sequence": file.sequence.0,
        "ingested_by": file.ingested_by,
        "backend_id": file.location.backend_id,
    });
    let attributes = &file.attributes;
    let texts = [
        ("content_encoding", &attributes.content_encoding),
        ("cache_control", &attributes.cache_control),
        ("content_disposition", &attributes.content_disposition),
        ("content_language", &attributes.content_language),
        ("expires", &attributes.expires),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            value[name] = json!(text);
        }
    }
    if !attributes.user_metadata.is_empty() {
        value["user_metadata"] = json!(attributes.user_metadata);
    }
    if let Some(checksum) = &attributes.checksum {
        value["checksum"] = json!({
            "algorithm": checksum.algorithm.name(),
            "kind": checksum.kind.name(),
            "value": checksum.value,
        });
    }
    if let Some((package_id, file_id)) = file.copied_from {
        value["copied_from"] = json!({
            "package_id": package_id.to_string(),
            "file_id": file_id.to_string(),
        });
    }
    if !attributes.parts.is_empty() {
        value["part_count"] = json!(attributes.parts.len());
    }
    value
}

/// The retention of a package as JSON.
pub fn retention_json(id: PackageId, retention: &Retention) -> Value {
    let holds: Vec<_> = retention.holds.iter().map(hold_json).collect();
    json!({
        "package_id": id.to_string(),
        "retention_class": retention.class.id,
        "lock_mode": retention.class.lock_mode.as_str(),
        "deletion_strategy": retention.class.deletion_strategy.as_str(),
        "anchor": retention.class.anchor.as_str(),
        "grace_seconds": retention.class.grace_seconds,
        "expires_at": retention.expires_at.map(Timestamp::to_isoformat),
        "eligible_for_deletion": retention.eligible_since.is_some(),
        "eligible_since": retention.eligible_since.map(Timestamp::to_isoformat),
        "holds": holds,
    })
}

/// A hold as JSON.
pub fn hold_json(hold: &Hold) -> Value {
    json!({
        "id": hold.id.to_string(),
        "kind": hold.kind.as_str(),
        "reason": hold.reason,
        "applied_at": hold.applied_at.to_isoformat(),
        "applied_by": hold.applied_by,
    })
}

/// A retention class as JSON.
pub fn class_json(class: &RetentionClass) -> Value {
    json!({
        "id": class.id,
        "default_duration_seconds": class.default_duration_seconds,
        "deletion_strategy": class.deletion_strategy.as_str(),
        "lock_mode": class.lock_mode.as_str(),
        "anchor": class.anchor.as_str(),
        "grace_seconds": class.grace_seconds,
    })
}

/// What a finalize says, as both surfaces take it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FinalizeForm {
    abort_uploads: bool,
    expect_content_digest: Option<String>,
    provenance: Option<ProvenanceForm>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ProvenanceForm {
    source_commits: Map<String, Value>,
    tool_versions: Map<String, Value>,
    environment: Map<String, Value>,
}

/// Reads the body of a finalize: empty, or the JSON of `product.md` 3. What is wrong is an
/// [`Error::InvalidArgument`] that names it.
pub fn read_finalize(body: Bytes, actor: &str) -> Result<FinalizePackage> {
    let form: FinalizeForm = if body.trim_ascii().is_empty() {
        FinalizeForm::default()
    } else {
        read_object(&body).map_err(|error| {
            Error::InvalidArgument(format!("The body of a finalize is empty or JSON: {error}"))
        })?
    };
    let expect_content_digest = form
        .expect_content_digest
        .map(|text| text.parse::<ContentAddress>())
        .transpose()
        .map_err(|error| Error::InvalidArgument(format!("expect_content_digest: {error}")))?;
    let provenance = form.provenance.map(|provenance| {
        json!({
            "source_commits": provenance.source_commits,
            "tool_versions": provenance.tool_versions,
            "environment": provenance.environment,
        })
    });
    if let Some(provenance) = &provenance {
        check(provenance)
            .map_err(|error| Error::InvalidArgument(format!("provenance: {error}")))?;
    }
    Ok(FinalizePackage {
        abort_uploads: form.abort_uploads,
        expect_content_digest,
        provenance,
        request_body: body,
        actor: actor.to_owned(),
    })
}

/// By way of a map: a struct would also be read from an array.
fn read_object(body: &[u8]) -> serde_json::Result<FinalizeForm> {
    let object: Map<String, Value> = serde_json::from_slice(body)?;
    serde_json::from_value(Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_of_a_finalize_is_empty_or_exactly_known() {
        let read = |text: &str| read_finalize(Bytes::copy_from_slice(text.as_bytes()), "a");
        for wrong in [
            "[",
            "[]",
            "1",
            "{\"abort\":true}",
            "{\"provenance\":{\"x\":{}}}",
            "{\"provenance\":{\"environment\":1}}",
            "{\"expect_content_digest\":\"md5:1\"}",
            "{\"provenance\":{\"environment\":{\"n\":9007199254740993}}}",
        ] {
            assert!(
                matches!(read(wrong), Err(Error::InvalidArgument(_))),
                "{wrong}"
            );
        }
        for empty in ["", " \n", "{}"] {
            let command = read(empty).unwrap();
            assert!(!command.abort_uploads && command.provenance.is_none());
            assert_eq!(command.request_body, empty.as_bytes());
        }
        let command =
            read("{\"abort_uploads\":true,\"provenance\":{\"environment\":{\"a\":1}}}").unwrap();
        assert!(command.abort_uploads);
        assert_eq!(command.provenance.unwrap()["environment"]["a"], 1);
    }
}
