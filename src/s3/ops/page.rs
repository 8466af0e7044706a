//! What paged listings share: the size of a page, and tokens that carry a position.
//!
//! A token is opaque and checked, not secret: it says nothing that the page before it did not.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::exchange::fault::{Code, Fault};
use crate::registry::listing::ListPosition;
use crate::wire::uri::Query;

/// The first byte of a token; another form of token gets another one.
const TOKEN_VERSION: u8 = 1;

/// How many bytes of digest end a token: enough that no damage goes unseen.
const TOKEN_CHECK_BYTES: usize = 8;

const TOKEN_CONTEXT: &str = "holdfast continuation token v1";

/// The value of a query key; an empty one counts as absent.
pub fn given<'q>(query: &'q Query, name: &str) -> Option<&'q str> {
    query.get(name).filter(|value| !value.is_empty())
}

/// Reads `max-keys` and its kin: `most` when absent, capped at `most`, `InvalidArgument` when it is
/// no number of the range.
pub fn page_size(
    query: &Query,
    name: &str,
    range: RangeInclusive<usize>,
    most: usize,
) -> Result<usize, Fault> {
    let Some(text) = given(query, name) else {
        return Ok(most);
    };
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<usize>() {
        Ok(size) if is_number && range.contains(&size) => Ok(size.min(most)),
        _ => {
            let (least, highest) = (range.start(), range.end());
            let message =
                format!("Argument {name} must be an integer between {least} and {highest}");
            Err(Fault::argument(name, text, message))
        }
    }
}

/// The greatest number that AWS takes for the size of a page, most of which it caps.
pub const MAX_PAGE_NUMBER: usize = i32::MAX as usize;

/// Writes a position as a token.
pub fn encode_token(position: &ListPosition) -> String {
    let (kind, text) = match position {
        ListPosition::AfterKey(key) => (b'k', key),
        ListPosition::AfterPrefix(prefix) => (b'p', prefix),
    };
    let mut bytes = Vec::with_capacity(2 + text.len() + TOKEN_CHECK_BYTES);
    bytes.extend_from_slice(&[TOKEN_VERSION, kind]);
    bytes.extend_from_slice(text.as_bytes());
    let check = token_check(&bytes);
    bytes.extend_from_slice(&check);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a token back; `InvalidArgument` for everything that [`encode_token`] did not write.
pub fn decode_token(name: &str, token: &str) -> Result<ListPosition, Fault> {
    read_token(token).ok_or_else(|| {
        Fault::argument(name, token, "The continuation token provided is incorrect.")
    })
}

fn read_token(token: &str) -> Option<ListPosition> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (signed, check) = bytes.split_at_checked(bytes.len().checked_sub(TOKEN_CHECK_BYTES)?)?;
    if check != token_check(signed) {
        return None;
    }
    let [TOKEN_VERSION, kind, text @ ..] = signed else {
        return None;
    };
    let text = String::from_utf8(text.to_vec()).ok()?;
    match kind {
        b'k' => Some(ListPosition::AfterKey(text)),
        b'p' => Some(ListPosition::AfterPrefix(text)),
        _ => None,
    }
}

fn token_check(bytes: &[u8]) -> [u8; TOKEN_CHECK_BYTES] {
    let digest = blake3::derive_key(TOKEN_CONTEXT, bytes);
    std::array::from_fn(|at| digest[at])
}

/// Whether keys are to be percent-encoded (`encoding-type=url`), so that a key with characters
/// that XML 1.0 lacks can be read by every parser.
pub fn encodes_keys(query: &Query) -> Result<bool, Fault> {
    match given(query, "encoding-type") {
        None => Ok(false),
        Some("url") => Ok(true),
        Some(other) => {
            let message = "Invalid Encoding Method specified in Request.";
            Err(Fault::argument("encoding-type", other, message))
        }
    }
}

/// A refusal of a header whose meaning is not built, so that it is not silently ignored.
pub fn header_not_implemented(name: &str) -> Fault {
    Fault::new(Code::NotImplemented)
        .message("A header you provided implies functionality that is not implemented.")
        .detail("Header", name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(query: &str) -> Result<usize, Code> {
        let query = Query::parse(query).unwrap();
        page_size(&query, "max-keys", 0..=MAX_PAGE_NUMBER, 1000).map_err(|fault| fault.code())
    }

    #[test]
    fn a_page_size_is_a_number_and_capped() {
        for wrong in [
            "-1",
            "blah",
            "1.5",
            "%2B5",
            "2147483648",
            "%205",
            "0x10",
            "1000000000000",
        ] {
            let found = size(&format!("max-keys={wrong}"));
            assert_eq!(found, Err(Code::InvalidArgument), "{wrong}");
        }
        let cases = [
            ("", 1000),
            ("max-keys=", 1000),
            ("max-keys=0", 0),
            ("max-keys=1", 1),
            ("max-keys=0007", 7),
            ("max-keys=1000", 1000),
            ("max-keys=1001", 1000),
            ("max-keys=2147483647", 1000),
        ];
        for (query, expected) in cases {
            assert_eq!(size(query), Ok(expected), "{query}");
        }
        for wrong in ["max-buckets=0", "max-buckets=10001"] {
            let query = Query::parse(wrong).unwrap();
            assert!(page_size(&query, "max-buckets", 1..=10_000, 10_000).is_err());
        }
    }

    #[test]
    fn a_garbled_token_is_refused() {
        let token = encode_token(&ListPosition::AfterKey("photos/2026/a b".to_owned()));
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let fault = decode_token("continuation-token", &changed).unwrap_err();
            assert_eq!(fault.code(), Code::InvalidArgument, "{changed}");
        }
        for wrong in [
            "",
            "A",
            "blah",
            "photos/2026",
            "é",
            &token[1..],
            &token[..token.len() - 1],
        ] {
            assert!(read_token(wrong).is_none(), "{wrong}");
        }
        assert!(read_token(&(token + "AAAA")).is_none());
    }

    proptest! {
        #[test]
        fn a_token_gives_its_position_back(text in "\\PC{0,40}", is_key: bool) {
            let kind = if is_key { ListPosition::AfterKey } else { ListPosition::AfterPrefix };
            let token = encode_token(&kind(text.clone()));
            prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(read_token(&token), Some(kind(text)));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,60}") {
            let _ = read_token(&text);
        }
    }
}
