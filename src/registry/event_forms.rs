//! The forms in which an event is handed out: JSON for people and scripts, canonical CBOR for
//! those who check digests, CloudEvents for who has them already. Frames nothing: a line or a
//! sequence is the surface's.
//!
//! Where a payload is by reference, `payload` is null, digest and length still say what it is, and
//! `payload_href` says where the extension API gives it.

use serde_json::{Value, json};

use crate::domain::cbor::encode::encode_map;
use crate::domain::cbor::json::to_json;
use crate::domain::digest::ContentAddress;
use crate::domain::jcs::project;
use crate::registry::error::{Error, Result};
use crate::registry::feed::{EventRecord, MAX_SMALL_PAYLOAD_BYTES};

impl EventRecord {
    /// The event as a JSON object. `payload` is the JSON form of the canonical CBOR.
    pub fn to_json(&self) -> Result<Value> {
        let mut value = self.json_head();
        if let Some(payload) = &self.payload {
            value["payload"] =
                to_json(payload, payload.len()).map_err(|error| self.corrupt(&error))?;
        }
        Ok(value)
    }

    /// Writes what [`Self::to_json`] gives, without building a large payload in memory.
    pub fn write_json(&self, out: &mut Vec<u8>) -> Result<()> {
        if self.payload_bytes <= MAX_SMALL_PAYLOAD_BYTES {
            return write(out, &self.to_json()?);
        }
        let mut head = self.json_head();
        if let (Some(payload), Value::Object(members)) = (&self.payload, &mut head) {
            members.remove("payload");
            write(out, &head)?;
            return self.write_member(out, "payload", payload);
        }
        write(out, &head)
    }

    /// Writes the event as a CloudEvent in JSON. `source` tells this log from every other.
    /// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>
    pub fn write_cloud_event(&self, source: &str, out: &mut Vec<u8>) -> Result<()> {
        let mut head = json!({
            "specversion": "1.0",
            // A log that goes on from an older state uses a sequence again, in another epoch.
            "id": format!("{}-{}", self.epoch, self.sequence),
            "source": source,
            "type": self.event_type,
            "subject": format!("{}/{}", self.subject_kind, self.subject_id),
            "time": self.created_at.to_isoformat(),
            // Sequences are compared as texts.
            "sequence": format!("{:020}", self.sequence.0),
            "actor": self.actor,
            "payloaddigest": self.digest().to_string(),
            "payloadbytes": self.payload_bytes,
        });
        if let Some(package) = self.package_id {
            head["packageid"] = json!(package.to_string());
        }
        let Some(payload) = &self.payload else {
            // What the reference gives is CBOR.
            head["datacontenttype"] = json!("application/cbor");
            head["dataref"] = json!(self.payload_href());
            return write(out, &head);
        };
        head["datacontenttype"] = json!("application/json");
        write(out, &head)?;
        self.write_member(out, "data", payload)
    }

    /// Adds a member with the JSON form of the payload to the object that `out` ends with.
    fn write_member(&self, out: &mut Vec<u8>, name: &str, payload: &[u8]) -> Result<()> {
        out.pop();
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        if payload.len() as u64 <= MAX_SMALL_PAYLOAD_BYTES {
            let value = to_json(payload, payload.len()).map_err(|error| self.corrupt(&error))?;
            write(out, &value)?;
        } else {
            out.extend(project(payload).map_err(|error| self.corrupt(&error))?);
        }
        out.push(b'}');
        Ok(())
    }

    /// Everything but the payload.
    fn json_head(&self) -> Value {
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
            "payload_bytes": self.payload_bytes,
            "payload": null,
        });
        if self.payload.is_none() {
            value["payload_href"] = json!(self.payload_href());
        }
        value
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
            map.uint("payload_bytes", self.payload_bytes);
            if let Some(payload) = &self.payload {
                map.encoded("payload", payload);
            } else {
                map.nullable_text("payload", None);
                map.text("payload_href", &self.payload_href());
            }
        })
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

fn write(out: &mut Vec<u8>, value: &Value) -> Result<()> {
    serde_json::to_writer(out, value).map_err(|error| Error::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use crate::domain::ids::{PackageId, Sequence, Timestamp};

    use super::*;

    fn event(payload: Option<Vec<u8>>) -> EventRecord {
        EventRecord {
            sequence: Sequence(7),
            event_type: "v1.file.removed".to_owned(),
            subject_kind: "package".to_owned(),
            subject_id: "s".to_owned(),
            package_id: None,
            actor: "ci".to_owned(),
            created_at: Timestamp(1),
            payload_bytes: payload.as_ref().map_or(300_000, Vec::len) as u64,
            payload: payload.map(Bytes::from),
            payload_digest: [1; 32],
            epoch: 3,
        }
    }

    fn written(event: &EventRecord) -> Value {
        let mut out = Vec::new();
        event.write_json(&mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    fn cloud_event(event: &EventRecord) -> Value {
        let mut out = Vec::new();
        event.write_cloud_event("urn:uuid:x", &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn every_form_says_the_same() {
        let large = "a".repeat(MAX_SMALL_PAYLOAD_BYTES as usize);
        for path in ["a", &large] {
            let event = event(Some(encode_map(|map| map.text("relative_path", path))));
            let json = event.to_json().unwrap();
            assert_eq!(json["payload"], json!({"relative_path": path}));
            assert_eq!(json["sequence"], 7);
            assert_eq!(written(&event), json);
            assert_eq!(to_json(&event.to_cbor(), 1 << 20).unwrap(), json);
            assert_eq!(cloud_event(&event)["data"], json["payload"]);
        }
    }

    #[test]
    fn a_payload_by_reference_is_named_and_a_garbled_one_is_an_error() {
        let large = event(None);
        let json = large.to_json().unwrap();
        assert_eq!(json["payload"], Value::Null);
        assert_eq!(json["payload_bytes"], 300_000);
        assert_eq!(json["payload_href"], "/_holdfast/v1/events/7/payload");
        assert_eq!(written(&large), json);
        assert_eq!(to_json(&large.to_cbor(), 4096).unwrap(), json);
        for length in [1, MAX_SMALL_PAYLOAD_BYTES as usize + 1] {
            let garbled = event(Some(vec![0xff; length]));
            assert!(garbled.write_json(&mut Vec::new()).is_err());
            assert!(garbled.write_cloud_event("x", &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn a_cloud_event_has_what_the_specification_asks_for() {
        let mut event = event(Some(encode_map(|map| map.text("relative_path", "a"))));
        event.package_id = Some(PackageId(Uuid::from_u128(5)));
        assert_eq!(
            cloud_event(&event),
            json!({
                "specversion": "1.0",
                "id": "3-7",
                "source": "urn:uuid:x",
                "type": "v1.file.removed",
                "subject": "package/s",
                "time": "1970-01-01T00:00:00.000001+00:00",
                "sequence": "00000000000000000007",
                "actor": "ci",
                "packageid": "00000000-0000-0000-0000-000000000005",
                "payloaddigest": format!("blake3:{}", "01".repeat(32)),
                "payloadbytes": event.payload_bytes,
                "datacontenttype": "application/json",
                "data": {"relative_path": "a"},
            })
        );
        event.payload = None;
        let by_reference = cloud_event(&event);
        assert_eq!(by_reference["dataref"], "/_holdfast/v1/events/7/payload");
        assert_eq!(by_reference["datacontenttype"], "application/cbor");
        let members = by_reference.as_object().unwrap();
        assert!(!members.contains_key("data"));
        // Names of attributes are lowercase letters and digits, at most 20 of them.
        let is_name = |name: &String| {
            name.len() <= 20
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        assert!(members.keys().all(is_name));
    }
}
