//! Take a record's fields out of a decoded map.

use serde_json::Value as Json;

use crate::domain::cbor::decode::Value;

/// A key that a record should have, and has not, or not in the right form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidField(pub String);

/// The fields of a decoded map, by key. Keys nobody asks for are ignored.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'v, 'a>(&'v [(&'a str, Value<'a>)]);

impl<'v, 'a> Fields<'v, 'a> {
    /// The fields of a map.
    pub fn of(value: &'v Value<'a>) -> Result<Self, InvalidField> {
        match value {
            Value::Map(entries) => Ok(Self(entries)),
            _ => Err(InvalidField("not a map".to_owned())),
        }
    }

    /// All entries, in canonical order.
    pub fn entries(&self) -> &'v [(&'a str, Value<'a>)] {
        self.0
    }

    /// A value; `None` if the key is absent or null.
    pub fn find(&self, key: &str) -> Option<&'v Value<'a>> {
        let (_, value) = self.0.iter().find(|(k, _)| *k == key)?;
        (*value != Value::Null).then_some(value)
    }

    /// A text that must be there.
    pub fn text(&self, key: &str) -> Result<&'a str, InvalidField> {
        self.optional_text(key)?.ok_or_else(|| missing(key))
    }

    /// A text, if the key is there and not null.
    pub fn optional_text(&self, key: &str) -> Result<Option<&'a str>, InvalidField> {
        match self.find(key) {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(mistyped(key, "a text")),
            None => Ok(None),
        }
    }

    /// A text that must be there and that `parse` understands.
    pub fn parse<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, InvalidField> {
        self.optional_parse(key, parse)?.ok_or_else(|| missing(key))
    }

    /// A text that `parse` understands, if the key is there and not null.
    pub fn optional_parse<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, InvalidField> {
        let Some(text) = self.optional_text(key)? else {
            return Ok(None);
        };
        parse(text).map(Some).ok_or_else(|| mistyped(key, "valid"))
    }

    /// A SHA-256 or BLAKE3 digest in lowercase hex, which must be there.
    pub fn digest(&self, key: &str) -> Result<[u8; 32], InvalidField> {
        self.parse(key, |text| {
            let mut digest = [0; 32];
            hex::decode_to_slice(text, &mut digest).ok()?;
            (!text.bytes().any(|b| b.is_ascii_uppercase())).then_some(digest)
        })
    }

    /// An unsigned integer that must be there.
    pub fn uint(&self, key: &str) -> Result<u64, InvalidField> {
        self.optional_uint(key)?.ok_or_else(|| missing(key))
    }

    /// An unsigned integer, if the key is there and not null.
    pub fn optional_uint(&self, key: &str) -> Result<Option<u64>, InvalidField> {
        match self.find(key) {
            Some(Value::Unsigned(value)) => Ok(Some(*value)),
            Some(_) => Err(mistyped(key, "an unsigned integer")),
            None => Ok(None),
        }
    }

    /// A boolean that must be there.
    pub fn bool(&self, key: &str) -> Result<bool, InvalidField> {
        match self.find(key) {
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(mistyped(key, "a boolean")),
            None => Err(missing(key)),
        }
    }

    /// The items of an array; none if the key is absent or null.
    pub fn array(&self, key: &str) -> Result<&'v [Value<'a>], InvalidField> {
        match self.find(key) {
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(mistyped(key, "an array")),
            None => Ok(&[]),
        }
    }

    /// The fields of a nested map, if the key is there and not null.
    pub fn optional_map(&self, key: &str) -> Result<Option<Self>, InvalidField> {
        match self.find(key) {
            Some(Value::Map(entries)) => Ok(Some(Self(entries))),
            Some(_) => Err(mistyped(key, "a map")),
            None => Ok(None),
        }
    }

    /// A value as JSON, which must be there.
    pub fn json(&self, key: &str) -> Result<Json, InvalidField> {
        let value = self.find(key).ok_or_else(|| missing(key))?;
        value.to_json().ok_or_else(|| mistyped(key, "valid JSON"))
    }

    /// A nested map as JSON; empty if the key is absent or null.
    pub fn json_object(&self, key: &str) -> Result<Json, InvalidField> {
        match self.find(key) {
            Some(value @ Value::Map(_)) => {
                value.to_json().ok_or_else(|| mistyped(key, "valid JSON"))
            }
            Some(_) => Err(mistyped(key, "a map")),
            None => Ok(Json::Object(serde_json::Map::new())),
        }
    }
}

fn missing(key: &str) -> InvalidField {
    InvalidField(format!("the key '{key}' is missing"))
}

fn mistyped(key: &str, wanted: &str) -> InvalidField {
    InvalidField(format!("the key '{key}' is not {wanted}"))
}
