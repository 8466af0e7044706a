//! How records look outside: one JSON object for each, and events as CBOR too. Both surfaces show
//! the same, so the forms stand below them.
//!
//! Decides nothing and reads nothing but the record.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::domain::cbor::encode::append_map;
use crate::domain::cbor::json::to_json;
use crate::domain::digest::ContentAddress;
use crate::domain::file::FileRecord;
use crate::domain::ids::Timestamp;
use crate::domain::package::PackageRecord;
use crate::registry::error::{Error, Result};
use crate::registry::feed::EventRecord;
use crate::registry::finalize::FinalizePackage;

/// Payloads over so many bytes stand in a batch by reference: a manifest of tens of megabytes must
/// not be pushed at every reader of the log.
pub const MAX_PAYLOAD_BYTES: usize = 256 * 1024;

/// The form of a list of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventForm {
    /// One JSON object a line: `application/x-ndjson`.
    JsonLines,
    /// One CBOR map after the other (RFC 8742): `application/cbor-seq`.
    CborSequence,
}

/// Appends an event in a form: `sequence`, `type`, `subject_kind`, `subject_id`, `package_id`,
/// `actor`, `created_at`, `epoch`, `payload_digest` and `payload`.
///
/// In JSON the payload is the projection of its CBOR; in CBOR it is the byte string that the digest
/// is of. A payload over [`MAX_PAYLOAD_BYTES`] is null, and `payload_reference` says how large it is
/// and where it is read.
pub fn write_event(out: &mut Vec<u8>, event: &EventRecord, form: EventForm) -> Result<()> {
    match form {
        EventForm::JsonLines => {
            let value = event_json(event)?;
            serde_json::to_writer(&mut *out, &value)
                .map_err(|error| Error::Internal(error.to_string()))?;
            out.push(b'\n');
        }
        EventForm::CborSequence => write_event_cbor(out, event),
    }
    Ok(())
}

/// An event as JSON; see [`write_event`].
pub fn event_json(event: &EventRecord) -> Result<Value> {
    let mut value = json!({
        "sequence": event.sequence.0,
        "type": event.event_type,
        "subject_kind": event.subject_kind,
        "subject_id": event.subject_id,
        "package_id": event.package_id.map(|id| id.to_string()),
        "actor": event.actor,
        "created_at": event.created_at.to_isoformat(),
        "epoch": event.epoch,
        "payload_digest": ContentAddress(event.payload_digest).to_string(),
        "payload": null,
    });
    if event.payload.len() > MAX_PAYLOAD_BYTES {
        value["payload_reference"] = json!({
            "size_bytes": event.payload.len(),
            "href": payload_path(event),
        });
    } else {
        value["payload"] = to_json(&event.payload, MAX_PAYLOAD_BYTES).map_err(|error| {
            Error::Corrupt(format!("the payload of event {}: {error}", event.sequence))
        })?;
    }
    Ok(value)
}

fn write_event_cbor(out: &mut Vec<u8>, event: &EventRecord) {
    let package_id = event.package_id.map(|id| id.to_string());
    append_map(out, |map| {
        map.text("type", &event.event_type);
        map.text("actor", &event.actor);
        map.uint("epoch", event.epoch);
        if event.payload.len() > MAX_PAYLOAD_BYTES {
            map.json("payload", &Value::Null);
        } else {
            map.bytes("payload", &event.payload);
        }
        map.uint("sequence", event.sequence.0);
        map.text("created_at", &event.created_at.to_isoformat());
        map.nullable_text("package_id", package_id.as_deref());
        map.text("subject_id", &event.subject_id);
        map.text("subject_kind", &event.subject_kind);
        map.text(
            "payload_digest",
            &ContentAddress(event.payload_digest).to_string(),
        );
        if event.payload.len() > MAX_PAYLOAD_BYTES {
            map.map("payload_reference", |map| {
                map.text("href", &payload_path(event));
                map.uint("size_bytes", event.payload.len() as u64);
            });
        }
    });
}

fn payload_path(event: &EventRecord) -> String {
    format!("/_holdfast/v1/events/{}/payload", event.sequence)
}

/// A package as JSON.
pub fn package_json(package: &PackageRecord) -> Value {
    json!({
        "id": package.id.to_string(),
        "bucket": package.bucket.as_str(),
        "name": package.name,
        "producer": package.producer,
        "subject": package.subject,
        "retention_class": package.retention_class,
        "metadata": package.metadata,
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
    })
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
    if !attributes.parts.is_empty() {
        value["part_count"] = json!(attributes.parts.len());
    }
    value
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
        serde_json::from_slice(&body).map_err(|error| {
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
    Ok(FinalizePackage {
        abort_uploads: form.abort_uploads,
        expect_content_digest,
        provenance,
        request_body: body,
        actor: actor.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::domain::ids::{PackageId, Sequence};

    fn event(payload: &[u8]) -> EventRecord {
        EventRecord {
            sequence: Sequence(7),
            event_type: "v1.file.removed".to_owned(),
            subject_kind: "package".to_owned(),
            subject_id: uuid::Uuid::nil().to_string(),
            package_id: Some(PackageId(uuid::Uuid::nil())),
            actor: "root".to_owned(),
            created_at: Timestamp(1_700_000_000_000_000),
            payload: Bytes::copy_from_slice(payload),
            payload_digest: *blake3::hash(payload).as_bytes(),
            epoch: 1,
        }
    }

    #[test]
    fn a_small_payload_stands_in_the_event_and_a_large_one_beside_it() {
        // {"a": 1}
        let small = event(&[0xa1, 0x61, b'a', 0x01]);
        let value = event_json(&small).unwrap();
        assert_eq!(value["payload"], json!({"a": 1}));
        assert_eq!(value["sequence"], 7);
        assert_eq!(value["created_at"], "2023-11-14T22:13:20+00:00");
        assert!(value.get("payload_reference").is_none());

        let large = event(&vec![0; MAX_PAYLOAD_BYTES + 1]);
        let value = event_json(&large).unwrap();
        assert_eq!(value["payload"], Value::Null);
        assert_eq!(
            value["payload_reference"]["href"],
            "/_holdfast/v1/events/7/payload"
        );
        assert!(matches!(
            event_json(&event(b"\xff")),
            Err(Error::Corrupt(_))
        ));
    }

    #[test]
    fn the_cbor_form_is_canonical_and_holds_the_very_bytes() {
        let mut out = Vec::new();
        write_event(
            &mut out,
            &event(&[0xa1, 0x61, b'a', 0x01]),
            EventForm::CborSequence,
        )
        .unwrap();
        let value = to_json(&out, out.len()).unwrap();
        assert_eq!(value["payload"], "oWFhAQ==");
        assert_eq!(value["type"], "v1.file.removed");
        let mut out = Vec::new();
        write_event(
            &mut out,
            &event(&vec![0; MAX_PAYLOAD_BYTES + 1]),
            EventForm::CborSequence,
        )
        .unwrap();
        let value = to_json(&out, out.len()).unwrap();
        assert_eq!(
            value["payload_reference"]["size_bytes"],
            MAX_PAYLOAD_BYTES + 1
        );
    }

    #[test]
    fn the_body_of_a_finalize_is_empty_or_exactly_known() {
        let read = |text: &str| read_finalize(Bytes::copy_from_slice(text.as_bytes()), "a");
        for wrong in [
            "[",
            "1",
            "{\"abort\":true}",
            "{\"provenance\":{\"x\":{}}}",
            "{\"provenance\":{\"environment\":1}}",
            "{\"expect_content_digest\":\"md5:1\"}",
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
