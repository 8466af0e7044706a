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
    if text.contains('%') {
        decode(text.as_bytes(), Plus::Literal).map(Cow::Owned)
    } else {
        Ok(Cow::Borrowed(text.as_bytes()))
    }
}

/// Encodes everything but `A-Za-z0-9-._~` (and `/` if kept), with upper-case hex digits.
pub fn percent_encode(bytes: &[u8], slash: Slash) -> String {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    percent_encode_into(&mut out, bytes, slash);
    String::from_utf8(out).expect("percent coding writes ASCII")
}

/// [`percent_encode`] at the end of a buffer.
pub fn percent_encode_into(out: &mut Vec<u8>, bytes: &[u8], slash: Slash) {
    let mut plain_from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if UNRESERVED[usize::from(byte)] || (byte == b'/' && slash == Slash::Keep) {
            continue;
        }
        out.extend_from_slice(&bytes[plain_from..at]);
        let [high, low] = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
        out.extend_from_slice(&[b'%', high, low]);
        plain_from = at + 1;
    }
    out.extend_from_slice(&bytes[plain_from..]);
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
        let mut pairs = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode_text(name)?, decode_text(value)?));
        }
        Ok(Self { pairs })
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

/// What `+` means.
#[derive(Clone, Copy, PartialEq)]
enum Plus {
    Literal,
    Space,
}

fn decode_text(text: &str) -> Result<String, UriError> {
    if text.bytes().any(|b| b == b'%' || b == b'+') {
        String::from_utf8(decode(text.as_bytes(), Plus::Space)?).map_err(|_| UriError::NotUtf8)
    } else {
        Ok(text.to_owned())
    }
}

fn decode(bytes: &[u8], plus: Plus) -> Result<Vec<u8>, UriError> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'%' => {
                let [high, low, tail @ ..] = tail else {
                    return Err(UriError::BadEscape);
                };
                out.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                rest = tail;
            }
            b'+' if plus == Plus::Space => out.push(b' '),
            _ => out.push(*byte),
        }
    }
    Ok(out)
}

fn hex_digit(byte: u8) -> Result<u8, UriError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(UriError::BadEscape),
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

const UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_broken_escape_is_an_error_everywhere() {
        for text in ["%", "%2", "a%", "%zz", "%2g", "%%41", "%+1", "% 1"] {
            assert_eq!(percent_decode(text), Err(UriError::BadEscape), "{text}");
            assert_eq!(Query::parse(text), Err(UriError::BadEscape), "{text}");
            let value = format!("a={text}");
            assert_eq!(Query::parse(&value), Err(UriError::BadEscape), "{text}");
        }
        assert_eq!(Query::parse("a=%FF"), Err(UriError::NotUtf8));
        assert_eq!(Query::parse("%ff"), Err(UriError::NotUtf8));
    }

    #[test]
    fn a_path_is_decoded_once_and_not_normalised() {
        let cases: [(&str, &[u8]); 6] = [
            ("/a+b", b"/a+b"),
            ("/%2F/../.%2e//", b"/\x2f/../..//"),
            ("/%252F", b"/%2F"),
            ("/%c3%A9", "/é".as_bytes()),
            ("/é", "/é".as_bytes()),
            ("/%FF%00", b"/\xff\0"),
        ];
        for (raw, expected) in cases {
            assert_eq!(&*percent_decode(raw).unwrap(), expected, "{raw}");
        }
    }

    #[test]
    fn a_query_keeps_order_and_duplicates() {
        let query = Query::parse("b=1+2%2B&&a&b=&=x&c=d=e").unwrap();
        let pairs: Vec<_> = query.iter().collect();
        assert_eq!(
            pairs,
            [("b", "1 2+"), ("a", ""), ("b", ""), ("", "x"), ("c", "d=e")]
        );
        assert_eq!(query.get("b"), Some("1 2+"));
        assert_eq!((query.count("b"), query.count("z")), (2, 0));
        assert!(query.contains("a") && !query.contains("z"));
        assert!(Query::parse("&").unwrap().is_empty());
    }

    #[test]
    fn encoding_keeps_the_unreserved_and_a_slash_if_asked() {
        let text = "aZ09-._~/ +*'()!é";
        let expected = "aZ09-._~/%20%2B%2A%27%28%29%21%C3%A9";
        assert_eq!(percent_encode(text.as_bytes(), Slash::Keep), expected);
        let expected = expected.replace('/', "%2F");
        assert_eq!(percent_encode(text.as_bytes(), Slash::Encode), expected);
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(bytes: Vec<u8>) {
            for slash in [Slash::Keep, Slash::Encode] {
                let text = percent_encode(&bytes, slash);
                prop_assert_eq!(&*percent_decode(&text).unwrap(), &bytes[..]);
            }
        }

        #[test]
        fn no_query_makes_a_panic(raw: String) {
            let _ = Query::parse(&raw);
        }
    }
}
