//! The JSON projection of canonical CBOR: RFC 8785 (JCS).
//!
//! For reading only. The projection is lossy (1.0 becomes 1, -0.0 becomes 0, bytes become base64),
//! so nothing hashes or signs it: digests are those of the CBOR.
//! <https://www.rfc-editor.org/rfc/rfc8785.html>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;

use crate::domain::cbor::decode::{Item, MAX_DEPTH, NotCanonical, Problem, Reader};
use crate::domain::cbor::json::MAX_JSON_INTEGER;

/// The projection of one canonical document. Walks the document without building it, so the cost in
/// memory is the text and its largest map. Integers beyond ±(2^53 - 1), NaN and infinities are
/// errors.
pub fn project(document: &[u8]) -> Result<Vec<u8>, NotCanonical> {
    let mut reader = Reader::new(document);
    let mut out = Vec::with_capacity(document.len() + document.len() / 4);
    put_item(&mut reader, &mut out, MAX_DEPTH)?;
    reader.finish()?;
    Ok(out)
}

/// The canonical form of a JSON value that `json::check` has passed.
pub fn canonical(value: &serde_json::Value) -> String {
    serde_json_canonicalizer::to_string(value).expect("a JSON value has no number that is none")
}

fn put_item(
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    depth_left: usize,
) -> Result<(), NotCanonical> {
    let (no_json, too_deep) = (
        reader.fault(Problem::NotJson),
        reader.fault(Problem::TooDeep),
    );
    match reader.item()? {
        Item::Array(_) | Item::Map(_) if depth_left == 0 => return Err(too_deep),
        Item::Unsigned(value) if value <= MAX_JSON_INTEGER => put(out, &value),
        Item::Negative(below) if below < MAX_JSON_INTEGER => put(out, &(-1 - below as i64)),
        Item::Float(value) if value.is_finite() => put(out, &value),
        Item::Unsigned(_) | Item::Negative(_) | Item::Float(_) => return Err(no_json),
        Item::Bytes(bytes) => put(out, &BASE64.encode(bytes)),
        Item::Text(text) => put(out, &text),
        Item::Bool(value) => put(out, &value),
        Item::Null => put(out, &()),
        Item::Array(count) => {
            out.push(b'[');
            for i in 0..count {
                if i > 0 {
                    out.push(b',');
                }
                put_item(reader, out, depth_left - 1)?;
            }
            out.push(b']');
        }
        Item::Map(count) => put_object(reader, out, count, depth_left - 1)?,
    }
    Ok(())
}

/// Writes the members as they come, then puts them in the order of their keys' UTF-16 code units.
fn put_object<'a>(
    reader: &mut Reader<'a>,
    out: &mut Vec<u8>,
    count: u64,
    depth_left: usize,
) -> Result<(), NotCanonical> {
    out.push(b'{');
    let start = out.len();
    let mut members: Vec<(&'a str, std::ops::Range<usize>)> = Vec::new();
    let mut previous = None;
    for _ in 0..count {
        let key = reader.key(&mut previous)?;
        let member = out.len() - start;
        put(out, &key);
        out.push(b':');
        put_item(reader, out, depth_left)?;
        members.push((key, member..out.len() - start));
    }
    members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    let written = out.split_off(start);
    for (i, (_, member)) in members.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&written[member]);
    }
    out.push(b'}');
    Ok(())
}

fn put<T: Serialize>(out: &mut Vec<u8>, scalar: &T) {
    serde_json_canonicalizer::to_writer(scalar, out)
        .expect("a scalar that is finite can be written to memory");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;
    use serde_json::json;

    use super::*;
    use crate::domain::cbor::json::from_json;
    use crate::domain::cbor::json::tests::any_json;

    #[test]
    fn keys_are_sorted_by_utf16_and_numbers_as_doubles() {
        let value = json!({
            "\u{20ac}": "Euro", "\r": "\u{7f}\n\u{1}", "\u{fb33}": 1.0, "1": -0.0,
            "\u{1f600}": [333_333_333.333_333_3, 1e30, 4.50, 2e-3, 1e-27],
            "\u{80}": [], "\u{f6}": {}, "": null, "</script>": true,
        });
        let expected = "{\"\":null,\"\\r\":\"\u{7f}\\n\\u0001\",\"1\":0,\"</script>\":true,\
            \"\u{80}\":[],\"\u{f6}\":{},\"\u{20ac}\":\"Euro\",\
            \"\u{1f600}\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\"\u{fb33}\":1}";
        let projected = project(&from_json(&value).unwrap()).unwrap();
        assert_eq!(String::from_utf8(projected).unwrap(), expected);
    }

    #[test]
    fn what_json_cannot_carry_is_an_error() {
        let cases = [
            ("1b001fffffffffffff", None),
            ("3b001ffffffffffffe", None),
            ("1b0020000000000000", Some(Problem::NotJson)),
            ("3b001fffffffffffff", Some(Problem::NotJson)),
            ("f97e00", Some(Problem::NotJson)),
            ("f9fc00", Some(Problem::NotJson)),
            ("0000", Some(Problem::Trailing)),
            ("a2616201616102", Some(Problem::KeyOrder)),
        ];
        for (digits, expected) in cases {
            let problem = project(&hex::decode(digits).unwrap())
                .err()
                .map(|e| e.problem);
            assert_eq!(problem, expected, "{digits}");
        }
        let deep = hex::decode("81".repeat(10_000) + "01").unwrap();
        assert_eq!(project(&deep).unwrap_err().problem, Problem::TooDeep);
    }

    proptest! {
        #[test]
        fn the_projection_is_that_of_the_whole_document(json in any_json()) {
            let projected = project(&from_json(&json).unwrap()).unwrap();
            let expected = serde_json_canonicalizer::to_vec(&json).unwrap();
            assert_eq!(String::from_utf8(projected).unwrap(), String::from_utf8(expected).unwrap());
        }
    }
}
