//! S3's percent coding, and the query of a request.
//!
//! Everything is decoded exactly once, here. A path is not normalised: `//`, `.` and `..` are
//! parts of keys.

use std::borrow::Cow;

/// Why a path or a query cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// A `%` without two hex digits after it.
    #[error("the URI holds a '%' that two hex digits do not follow")]
    BadEscape,
    /// The decoded bytes are no UTF-8.
    #[error("the URI is not valid UTF-8 once decoded")]
    NotUtf8,
}

/// Whether the encoding keeps `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slash {
    /// As in paths.
    Keep,
    /// As in query values: `%2F`.
    Encode,
}

/// The bytes of a percent-encoded path; `+` is a plus.
pub fn percent_decode(text: &str) -> Result<Cow<'_, [u8]>, UriError> {
    decode(text.as_bytes(), false)
}

/// Encodes everything but `A-Za-z0-9-._~` (and `/` if kept), with upper-case hex digits.
pub fn percent_encode(bytes: &[u8], slash: Slash) -> String {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    percent_encode_into(&mut out, bytes, slash);
    out.into_iter().map(char::from).collect()
}

/// The query of a request: decoded pairs in the order of the wire. A name without `=` has the
/// empty value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Decodes a raw query, without its `?`. `+` is a space; empty pairs are skipped.
    pub fn parse(raw: &str) -> Result<Self, UriError> {
        let _ = raw;
        todo!()
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the name occurs, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// How often the name occurs.
    pub fn count(&self, name: &str) -> usize {
        self.pairs.iter().filter(|(key, _)| key == name).count()
    }

    /// All pairs, decoded, in the order of the wire.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

fn decode(_bytes: &[u8], _plus_is_space: bool) -> Result<Cow<'_, [u8]>, UriError> {
    todo!()
}

/// [`percent_encode`] at the end of a buffer.
pub fn percent_encode_into(_out: &mut Vec<u8>, _bytes: &[u8], _slash: Slash) {
    todo!()
}
