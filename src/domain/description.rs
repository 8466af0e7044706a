//! What a package says of itself and may still change while it is open: metadata and tags.
//!
//! Knows the limits; whether metadata conforms to a schema is [`schema`](crate::domain::schema)'s.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::domain::cbor::json;

/// The most bytes of a package's metadata, as JSON.
pub const MAX_METADATA_BYTES: usize = 64 * 1024;

/// The most tags of a package, and the most characters of a tag's key and value.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/CostAllocTagging.html>
pub const MAX_TAGS: usize = 50;
/// The most characters of a tag's key.
pub const MAX_TAG_KEY_CHARS: usize = 128;
/// The most characters of a tag's value.
pub const MAX_TAG_VALUE_CHARS: usize = 256;

/// Tags with this prefix are no tags of the package but say what it shall be.
pub const RESERVED_TAG_PREFIX: &str = "holdfast:";

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// What a package says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// A JSON object that JCS can carry.
    pub metadata: Json,
    /// The metadata schema's identifier.
    pub metadata_schema_id: Option<String>,
    /// Plain bucket tags.
    pub tags: Tags,
}

/// A change of a part.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// All of it is this JSON object.
    Replace(Json),
    /// A merge patch: members that are null go, others are set.
    /// <https://www.rfc-editor.org/rfc/rfc7396.html>
    Merge(Json),
}

impl Change {
    fn apply(&self, to: Json) -> Json {
        match self {
            Self::Replace(all) => all.clone(),
            Self::Merge(patch) => merge(to, patch),
        }
    }
}

fn merge(target: Json, patch: &Json) -> Json {
    let Json::Object(changes) = patch else {
        return patch.clone();
    };
    let mut members = match target {
        Json::Object(members) => members,
        _ => Map::new(),
    };
    for (key, value) in changes {
        if value.is_null() {
            members.remove(key);
        } else {
            let old = members.remove(key).unwrap_or(Json::Null);
            members.insert(key.clone(), merge(old, value));
        }
    }
    Json::Object(members)
}

/// A description that is none; the text says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDescription {
    /// The metadata.
    #[error("{0}")]
    Metadata(String),
    /// The tag of this key, or all of them.
    #[error("{reason}")]
    Tag {
        /// The tag's key; empty if it is about no single one.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

impl Description {
    /// The metadata after a change, within its limits.
    pub fn changed_metadata(&self, change: &Change) -> Result<Json, InvalidDescription> {
        let metadata = change.apply(self.metadata.clone());
        check_metadata(&metadata)?;
        Ok(metadata)
    }

    /// The tags after a change, within their limits.
    pub fn changed_tags(&self, change: &Change) -> Result<Tags, InvalidDescription> {
        let tags = self.tags.iter();
        let tags = tags.map(|(key, value)| (key.clone(), Json::from(value.as_str())));
        let changed = change.apply(Json::Object(tags.collect()));
        let tags: Tags = serde_json::from_value(changed)
            .map_err(|_| tag_fault("", "The tags are a JSON object of texts."))?;
        check_tags(&tags)?;
        Ok(tags)
    }
}

/// Refuses what is no JSON object, what JSON readers cannot carry, and what is too large.
pub fn check_metadata(metadata: &Json) -> Result<(), InvalidDescription> {
    let refuse = |reason: String| Err(InvalidDescription::Metadata(reason));
    if !metadata.is_object() {
        return refuse("the metadata of a package is a JSON object".to_owned());
    }
    if let Err(error) = json::check(metadata) {
        return refuse(format!("metadata: {error}"));
    }
    if metadata.to_string().len() > MAX_METADATA_BYTES {
        return refuse(format!(
            "the metadata of a package has at most {MAX_METADATA_BYTES} bytes"
        ));
    }
    Ok(())
}

/// Refuses tags beyond the limits of S3.
pub fn check_tags(tags: &Tags) -> Result<(), InvalidDescription> {
    for (key, value) in tags {
        check_tag(key, value)?;
    }
    if tags.len() > MAX_TAGS {
        let reason = format!("A bucket has at most {MAX_TAGS} tags.");
        return Err(tag_fault("", &reason));
    }
    Ok(())
}

/// Refuses a tag beyond the limits of S3, and one of a reserved name.
pub fn check_tag(key: &str, value: &str) -> Result<(), InvalidDescription> {
    let reason = if key.is_empty() || !is_tag_text(key, MAX_TAG_KEY_CHARS) {
        "The TagKey you have provided is invalid"
    } else if key.starts_with("aws:") {
        "System tags cannot be added or updated by requester."
    } else if key.starts_with(RESERVED_TAG_PREFIX) {
        "There is no such holdfast: tag."
    } else if !is_tag_text(value, MAX_TAG_VALUE_CHARS) {
        "The TagValue you have provided is invalid"
    } else {
        return Ok(());
    };
    Err(tag_fault(key, reason))
}

fn tag_fault(key: &str, reason: &str) -> InvalidDescription {
    InvalidDescription::Tag {
        key: key.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Whether a tag may have this text: letters, digits, spaces and `+ - = . _ : / @` of any script.
fn is_tag_text(text: &str, most_chars: usize) -> bool {
    let is_legal = |c: char| {
        c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "+-=._:/@".contains(c)
    };
    text.chars().count() <= most_chars && text.chars().all(is_legal)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn description() -> Description {
        Description {
            metadata: json!({"a": 1, "b": {"c": 2, "d": 3}}),
            metadata_schema_id: None,
            tags: Tags::from([("team".to_owned(), "core".to_owned())]),
        }
    }

    #[test]
    fn a_merge_sets_members_and_null_removes_them() {
        // The examples of RFC 7396 that begin and end with an object.
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ];
        for (target, patch, expected) in cases {
            assert_eq!(merge(target.clone(), &patch), expected, "{target} {patch}");
        }
    }

    #[test]
    fn a_change_replaces_or_merges() {
        let patch = json!({"b": {"c": null}, "n": [null]});
        let changed = |change: Change| description().changed_metadata(&change).unwrap();
        assert_eq!(
            changed(Change::Merge(patch.clone())),
            json!({"a": 1, "b": {"d": 3}, "n": [null]})
        );
        assert_eq!(changed(Change::Replace(patch.clone())), patch);
        let tags = |change: Change| description().changed_tags(&change);
        let merged = tags(Change::Merge(json!({"team": null, "zone": "eu"})));
        assert_eq!(merged, Ok(Tags::from([("zone".into(), "eu".into())])));
        assert_eq!(tags(Change::Replace(json!({}))), Ok(Tags::new()));
        for wrong in [json!({"team": 1}), json!([]), json!({"holdfast:name": "x"})] {
            assert!(tags(Change::Replace(wrong.clone())).is_err(), "{wrong}");
        }
    }

    #[test]
    fn metadata_has_limits() {
        let reason = |metadata: &Json| check_metadata(metadata).map_err(|error| error.to_string());
        let text = |length: usize| json!({"a": "x".repeat(length)});
        let around = "{\"a\":\"\"}".len();
        assert_eq!(reason(&text(MAX_METADATA_BYTES - around)), Ok(()));
        assert!(reason(&text(MAX_METADATA_BYTES - around + 1)).is_err());
        assert!(reason(&json!([])).is_err());
        let large = reason(&json!({"a": [9_007_199_254_740_992_u64]})).unwrap_err();
        assert!(large.starts_with("metadata: at '/a/0'"), "{large}");
    }

    #[test]
    fn tags_have_the_limits_of_s3() {
        let long = |length: usize| "é".repeat(length);
        let cases = [
            ("a", "", true),
            (&long(128), &long(256), true),
            (&long(129), "", false),
            ("a", &long(257), false),
            ("", "v", false),
            ("a!", "v", false),
            ("a", "1\n", false),
            ("aws:a", "v", false),
            ("holdfast:producer", "v", false),
            ("Größe + x", "a=b_c:d/e@f.g-h", true),
        ];
        for (key, value, is_tag) in cases {
            assert_eq!(check_tag(key, value).is_ok(), is_tag, "{key} {value}");
        }
        let many = |count: usize| (0..count).map(|n| (n.to_string(), String::new())).collect();
        assert_eq!(check_tags(&many(MAX_TAGS)), Ok(()));
        assert!(check_tags(&many(MAX_TAGS + 1)).is_err());
    }
}
