//! The canonical request and the string to sign.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>
//!
//! Path and query are decoded and encoded again, since clients differ in what they leave raw. The
//! path is not normalised: `//` and `..` are parts of keys.

use http::HeaderMap;
use sha2::{Digest as _, Sha256};

use crate::wire::request_head::RequestHead;
use crate::wire::sigv4::key::Scope;
use crate::wire::uri::{Query, Slash, UriError, percent_decode, percent_encode_into};

/// The most names that `SignedHeaders` may list.
pub const MAX_SIGNED_HEADERS: usize = 256;

/// The list of signed headers, `host;x-amz-date`: lower-case names, each once, `host` among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedHeaders<'a>(&'a str);

/// A list of signed headers that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignedHeadersError {
    /// An empty, upper-case or repeated name, or too many.
    #[error("SignedHeaders must list lower-case header names, each once")]
    Malformed,
    /// `host` is not signed.
    #[error("SignedHeaders must include host")]
    NoHost,
}

impl<'a> SignedHeaders<'a> {
    /// Checks a list. Its order is kept, since the signature is over the list as the client wrote
    /// it.
    pub fn parse(text: &'a str) -> Result<Self, SignedHeadersError> {
        let (mut count, mut has_host, mut is_ascending) = (0, false, true);
        let mut last = "";
        for name in text.split(';') {
            let legal = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase() && b != b':';
            if name.is_empty() || !name.bytes().all(legal) || count == MAX_SIGNED_HEADERS {
                return Err(SignedHeadersError::Malformed);
            }
            is_ascending &= last < name;
            has_host |= name == "host";
            count += 1;
            last = name;
        }
        if !is_ascending {
            let mut names: Vec<_> = text.split(';').collect();
            names.sort_unstable();
            if names.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(SignedHeadersError::Malformed);
            }
        }
        if has_host {
            Ok(Self(text))
        } else {
            Err(SignedHeadersError::NoHost)
        }
    }

    /// The list as written.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether the list has this lower-case name.
    pub fn contains(self, name: &str) -> bool {
        self.0.split(';').any(|signed| signed == name)
    }

    /// The `x-amz-*` and `x-holdfast-*` headers that are there without being signed: an attacker
    /// may have added them, and one of them (`x-amz-copy-source`) turns a write into a read of
    /// anything.
    pub fn missing(self, headers: &HeaderMap) -> Vec<String> {
        let acts = |name: &&str| name.starts_with("x-amz-") || name.starts_with(OWN_HEADERS);
        let present = || headers.keys().map(http::HeaderName::as_str).filter(acts);
        // Both sides are sets, so equal numbers mean that every header is signed.
        let signed = self.0.split(';').filter(acts);
        let signed_here = signed.filter(|name| headers.contains_key(*name)).count();
        if present().count() == signed_here {
            return Vec::new();
        }
        let unsigned = present().filter(|name| !self.contains(name));
        unsigned.map(str::to_owned).collect()
    }
}

/// What the names of Holdfast's own headers begin with.
pub const OWN_HEADERS: &str = "x-holdfast-";

/// Writes the canonical request. `payload_hash` is the value of `x-amz-content-sha256`, or
/// `UNSIGNED-PAYLOAD` for a presigned URL without it. `X-Amz-Signature` is left out of the query.
pub fn canonical_request(
    head: &RequestHead<'_>,
    signed_headers: SignedHeaders<'_>,
    payload_hash: &str,
) -> Result<Vec<u8>, UriError> {
    let mut out = Vec::with_capacity(768);
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b'\n');
    write_path(&mut out, head.raw_path)?;
    out.push(b'\n');
    write_query(&mut out, head.query);
    out.push(b'\n');
    for name in signed_headers.0.split(';') {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        if name == "host" {
            write_value(&mut out, head.authority.as_bytes());
        } else {
            for (index, value) in head.headers.get_all(name).iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(&mut out, value.as_bytes());
            }
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers.0.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload_hash.as_bytes());
    Ok(out)
}

/// Writes the string to sign over a canonical request.
pub fn string_to_sign(date: &str, scope: &Scope<'_>, canonical_request: &[u8]) -> String {
    let mut digest = [0; 64];
    hex_digest(canonical_request, &mut digest);
    let digest = std::str::from_utf8(&digest).unwrap_or_default();
    let mut out = String::with_capacity(192);
    for piece in [
        "AWS4-HMAC-SHA256\n",
        date,
        "\n",
        scope.date,
        "/",
        scope.region,
        "/",
    ] {
        out.push_str(piece);
    }
    for piece in [scope.service, "/aws4_request\n", digest] {
        out.push_str(piece);
    }
    out
}

fn hex_digest(bytes: &[u8], digest: &mut [u8; 64]) {
    let hash = Sha256::digest(bytes);
    hex::encode_to_slice(hash, digest).expect("64 digits hold 32 bytes");
}

fn write_path(out: &mut Vec<u8>, raw_path: &str) -> Result<(), UriError> {
    if raw_path.is_empty() {
        out.push(b'/');
    } else {
        percent_encode_into(out, &percent_decode(raw_path)?, Slash::Keep);
    }
    Ok(())
}

/// Encodes all pairs into one buffer and sorts ranges of it, by name and then by value.
fn write_query(out: &mut Vec<u8>, query: &Query) {
    if query.is_empty() {
        return;
    }
    let mut encoded = Vec::with_capacity(256);
    let mut pairs = Vec::with_capacity(16);
    for (name, value) in query.iter().filter(|(name, _)| *name != "X-Amz-Signature") {
        let start = encoded.len();
        percent_encode_into(&mut encoded, name.as_bytes(), Slash::Encode);
        let middle = encoded.len();
        percent_encode_into(&mut encoded, value.as_bytes(), Slash::Encode);
        pairs.push((start..middle, middle..encoded.len()));
    }
    pairs.sort_unstable_by(|(name_a, value_a), (name_b, value_b)| {
        let text = |range: &std::ops::Range<usize>| &encoded[range.clone()];
        (text(name_a), text(value_a)).cmp(&(text(name_b), text(value_b)))
    });
    for (index, (name, value)) in pairs.into_iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(&encoded[name]);
        out.push(b'=');
        out.extend_from_slice(&encoded[value]);
    }
}

/// A header's value without outer blanks, and with one space for each run of spaces.
fn write_value(out: &mut Vec<u8>, value: &[u8]) {
    let value = value.trim_ascii();
    if !value.windows(2).any(|pair| pair == b"  ") {
        out.extend_from_slice(value);
        return;
    }
    let mut after_space = false;
    for &byte in value {
        let is_space = byte == b' ';
        if !(is_space && after_space) {
            out.push(byte);
        }
        after_space = is_space;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Method};

    #[test]
    fn a_list_of_signed_headers_is_a_set_with_host() {
        let long = |n: usize| {
            let names: Vec<_> = (0..n).map(|i| format!("a{i:03}")).collect();
            names.join(";") + ";host"
        };
        let malformed = [
            "",
            ";host",
            "host;",
            "host;;x",
            "Host",
            "host;host",
            "x;host;x",
            "ho st",
        ];
        for text in malformed.into_iter().chain([&*long(MAX_SIGNED_HEADERS)]) {
            let found = SignedHeaders::parse(text);
            assert_eq!(found, Err(SignedHeadersError::Malformed), "{text}");
        }
        let found = SignedHeaders::parse("x-amz-date");
        assert_eq!(found, Err(SignedHeadersError::NoHost));
        for text in ["host", "x-amz-date;host", &long(MAX_SIGNED_HEADERS - 1)] {
            assert_eq!(SignedHeaders::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn an_unsigned_amz_header_is_named() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-amz-date",
            "x-amz-copy-source",
            "x-amzn-trace-id",
            "content-md5",
        ] {
            headers.insert(name, HeaderValue::from_static("1"));
        }
        headers.append("x-amz-date", HeaderValue::from_static("2"));
        let missing = |list| SignedHeaders::parse(list).unwrap().missing(&headers);
        assert_eq!(missing("host;x-amz-date"), ["x-amz-copy-source"]);
        assert_eq!(missing("host;x-amz-acl;x-amz-date"), ["x-amz-copy-source"]);
        assert_eq!(missing("host").len(), 2);
        assert!(missing("host;x-amz-copy-source;x-amz-date").is_empty());
        let mut own = headers.clone();
        own.insert("x-holdfast-producer", "ci".parse().unwrap());
        let list = SignedHeaders::parse("host;x-amz-copy-source;x-amz-date").unwrap();
        assert_eq!(list.missing(&own), ["x-holdfast-producer"]);
        assert!(missing("host;x-amz-acl;x-amz-copy-source;x-amz-date").is_empty());
    }

    fn canonical(path: &str, query: &str, headers: &HeaderMap, list: &str) -> String {
        let query = Query::parse(query).unwrap();
        let head = RequestHead {
            method: &Method::GET,
            raw_path: path,
            query: &query,
            headers,
            authority: "h:9000",
            virtual_bucket: None,
        };
        let list = SignedHeaders::parse(list).unwrap();
        String::from_utf8(canonical_request(&head, list, "HASH").unwrap()).unwrap()
    }

    #[test]
    fn path_and_query_are_encoded_anew() {
        let none = HeaderMap::new();
        let cases = [
            ("", "", "/", ""),
            (
                "/a//../b+c(d)*%2a~'",
                "",
                "/a//../b%2Bc%28d%29%2A%2A~%27",
                "",
            ),
            ("/%c3%a9é%2F", "", "/%C3%A9%C3%A9/", ""),
            ("/", "uploads", "/", "uploads="),
            ("/", "b=2&a=+%2B/&b=1&B", "/", "B=&a=%20%2B%2F&b=1&b=2"),
            // By name first: as one string, `a-b=1` would stand before `a=2`.
            ("/", "a-b=1&a=2", "/", "a=2&a-b=1"),
            (
                "/",
                "a=1&X-Amz-Signature=x&X-Amz-Date=d",
                "/",
                "X-Amz-Date=d&a=1",
            ),
        ];
        for (raw_path, raw_query, path, query) in cases {
            let expected = format!("GET\n{path}\n{query}\nhost:h:9000\n\nhost\nHASH");
            assert_eq!(canonical(raw_path, raw_query, &none, "host"), expected);
        }
        let (method, query) = (Method::GET, Query::default());
        let head = RequestHead {
            method: &method,
            raw_path: "/%zz",
            query: &query,
            headers: &none,
            authority: "h",
            virtual_bucket: None,
        };
        let list = SignedHeaders::parse("host").unwrap();
        assert_eq!(canonical_request(&head, list, ""), Err(UriError::BadEscape));
    }

    #[test]
    fn header_values_are_trimmed_joined_and_collapsed() {
        let mut headers = HeaderMap::new();
        headers.append(
            "x-amz-meta-a",
            HeaderValue::from_static("  a   b  \"c  d\" "),
        );
        headers.append("x-amz-meta-a", HeaderValue::from_static("\te"));
        let expected = "GET\n/\n\nhost:h:9000\nx-amz-meta-a:a b \"c d\",e\nx-gone:\n\n\
            host;x-amz-meta-a;x-gone\nHASH";
        let found = canonical("/", "", &headers, "host;x-amz-meta-a;x-gone");
        assert_eq!(found, expected);
    }
}
