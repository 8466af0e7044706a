//! The forms in which an event is handed out: JSON for people and scripts, canonical CBOR for
//! those who check digests. Frames nothing: a line or a sequence is the surface's.

use serde_json::{Value, json};

use crate::domain::cbor::encode::encode_map;
use crate::domain::cbor::json::to_json;
use crate::domain::digest::ContentAddress;
use crate::registry::error::{Error, Result};
use crate::registry::feed::EventRecord;

/// The most bytes of a payload that stand in a form. A larger one, such as a manifest, must not be
/// pushed at every reader of the log: `payload` is then null, digest and length still say what it
/// is, and `payload_href` where the extension API gives it.
pub const MAX_INLINE_PAYLOAD_BYTES: usize = 256 * 1024;

impl EventRecord {
    /// The event as a JSON object. `payload` is the JSON form of the canonical CBOR.
    pub fn to_json(&self) -> Result<Value> {
        let payload = if self.has_inline_payload() {
            to_json(&self.payload, MAX_INLINE_PAYLOAD_BYTES)
                .map_err(|error| self.corrupt(&error))?
        } else {
            Value::Null
        };
        let mut value = json!({
            "sequence": self.sequence.0,
            "event_type": self.event_type,
            "subject_kind": self.subject_kind,
            "subject_id": self.subject_id,
            "package_id": self.package_id.map(|id| id.to_string()),
            "actor": self.actor,
            "created_at": self.created_at.to_isoformat(),
            "epoch": self.epoch,
            "payload_digest": self.digest().to_string(),
            "payload_bytes": self.payload.len(),
            "payload": payload,
        });
        if !self.has_inline_payload() {
            value["payload_href"] = json!(self.payload_href());
        }
        Ok(value)
    }

    /// The event as a canonical CBOR map with the same keys. `payload` holds the recorded bytes as
    /// they are, so that its digest can be checked.
    pub fn to_cbor(&self) -> Vec<u8> {
        let package_id = self.package_id.map(|id| id.to_string());
        encode_map(|map| {
            map.uint("sequence", self.sequence.0);
            map.text("event_type", &self.event_type);
            map.text("subject_kind", &self.subject_kind);
            map.text("subject_id", &self.subject_id);
            map.nullable_text("package_id", package_id.as_deref());
            map.text("actor", &self.actor);
            map.text("created_at", &self.created_at.to_isoformat());
            map.uint("epoch", self.epoch);
            map.text("payload_digest", &self.digest().to_string());
            map.uint("payload_bytes", self.payload.len() as u64);
            if self.has_inline_payload() {
                map.encoded("payload", &self.payload);
            } else {
                map.nullable_text("payload", None);
                map.text("payload_href", &self.payload_href());
            }
        })
    }

    fn has_inline_payload(&self) -> bool {
        self.payload.len() <= MAX_INLINE_PAYLOAD_BYTES
    }

    fn payload_href(&self) -> String {
        format!("/_holdfast/v1/events/{}/payload", self.sequence)
    }

    fn digest(&self) -> ContentAddress {
        ContentAddress(self.payload_digest)
    }

    fn corrupt(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Corrupt(format!("payload of event {}: {error}", self.sequence))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::domain::ids::{Sequence, Timestamp};

    use super::*;

    fn event(payload: Vec<u8>) -> EventRecord {
        EventRecord {
            sequence: Sequence(7),
            event_type: "v1.file.removed".to_owned(),
            subject_kind: "package".to_owned(),
            subject_id: "s".to_owned(),
            package_id: None,
            actor: "ci".to_owned(),
            created_at: Timestamp(1),
            payload: Bytes::from(payload),
            payload_digest: [1; 32],
            epoch: 3,
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let payload = encode_map(|map| map.text("relative_path", "a"));
        let event = event(payload);
        let json = event.to_json().unwrap();
        assert_eq!(json["payload"], json!({"relative_path": "a"}));
        assert_eq!(json["sequence"], 7);
        assert_eq!(to_json(&event.to_cbor(), 4096).unwrap(), json);
    }

    #[test]
    fn a_large_payload_is_left_out_and_a_garbled_one_is_an_error() {
        let large = event(vec![0; MAX_INLINE_PAYLOAD_BYTES + 1]);
        let json = large.to_json().unwrap();
        assert_eq!(json["payload"], Value::Null);
        assert_eq!(json["payload_bytes"], MAX_INLINE_PAYLOAD_BYTES + 1);
        assert_eq!(json["payload_href"], "/_holdfast/v1/events/7/payload");
        assert_eq!(to_json(&large.to_cbor(), 4096).unwrap(), json);
        assert!(event(vec![0xff]).to_json().is_err());
    }
}
