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

/// Projects items whose bytes come in pieces, with commas between them: those of one array, or one
/// value.
#[derive(Debug, Default)]
pub struct ItemsProjector {
    held: Vec<u8>,
    has_written: bool,
}

impl ItemsProjector {
    /// Adds bytes and gives the text of the items that are whole now. An item that the bytes cut
    /// off waits for the next ones.
    pub fn feed(&mut self, bytes: &[u8], is_last: bool) -> Result<Vec<u8>, NotCanonical> {
        self.held.extend_from_slice(bytes);
        let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 4);
        let mut done = 0;
        while done < self.held.len() {
            let (mut reader, written) = (Reader::new(&self.held[done..]), out.len());
            if self.has_written {
                out.push(b',');
            }
            // One level is that of what the items stand in.
            match put_item(&mut reader, &mut out, MAX_DEPTH - 1) {
                Ok(()) => {
                    self.has_written = true;
                    done += reader.offset();
                }
                Err(fault) if fault.problem == Problem::Truncated && !is_last => {
                    out.truncate(written);
                    break;
                }
                Err(fault) => return Err(fault),
            }
        }
        self.held.drain(..done);
        Ok(out)
    }
}

/// A member of a document that is a map: its key and where the bytes of its value are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The key.
    pub key: String,
    /// Whether the value is an array: then the bytes are those of its items, without its head.
    pub is_array: bool,
    /// Where the bytes begin.
    pub start: u64,
    /// Where they end.
    pub end: u64,
}

/// Finds the members of a document whose bytes come in pieces.
#[derive(Debug, Default)]
pub struct MemberScanner {
    held: Vec<u8>,
    /// Where the held bytes begin.
    offset: u64,
    has_begun: bool,
    /// What is left of the array that the last member is.
    items_left: u64,
    members: Vec<Member>,
}

impl MemberScanner {
    /// Adds bytes.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), NotCanonical> {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut done = 0;
        while done < held.len() {
            let mut reader = Reader::new(&held[done..]);
            match self.step(&mut reader, self.offset + done as u64) {
                Ok(()) => done += reader.offset(),
                Err(fault) if fault.problem == Problem::Truncated => break,
                Err(fault) => return Err(fault),
            }
        }
        self.offset += done as u64;
        self.held = held[done..].to_vec();
        Ok(())
    }

    /// One step: the map's head, a member up to the items of its array, or an item.
    fn step(&mut self, reader: &mut Reader<'_>, at: u64) -> Result<(), NotCanonical> {
        let here = |reader: &Reader<'_>| at + reader.offset() as u64;
        if !self.has_begun {
            let fault = reader.fault(Problem::NotJson);
            let Item::Map(_) = reader.item()? else {
                return Err(fault);
            };
            self.has_begun = true;
        } else if self.items_left > 0 {
            reader.skip(MAX_DEPTH - 2)?;
            self.items_left -= 1;
            if let Some(member) = self.members.last_mut() {
                member.end = here(reader);
            }
        } else {
            let key = reader.key(&mut None)?.to_owned();
            let mut start = here(reader);
            let rest = reader.clone();
            let is_array = if let Item::Array(count) = reader.item()? {
                self.items_left = count;
                start = here(reader);
                true
            } else {
                *reader = rest;
                reader.skip(MAX_DEPTH - 1)?;
                false
            };
            let end = here(reader);
            self.members.push(Member {
                key,
                is_array,
                start,
                end,
            });
        }
        Ok(())
    }

    /// The members in the order of the projection, when all bytes were fed.
    pub fn finish(mut self) -> Result<Vec<Member>, NotCanonical> {
        if !self.has_begun || self.items_left > 0 || !self.held.is_empty() {
            return Err(Reader::new(&[]).fault(Problem::Truncated));
        }
        self.members
            .sort_by(|a, b| a.key.encode_utf16().cmp(b.key.encode_utf16()));
        Ok(self.members)
    }
}

/// The text before the value of a member, and after it.
pub fn around_member(member: &Member, is_first: bool, is_last: bool) -> (Vec<u8>, Vec<u8>) {
    let mut before = vec![if is_first { b'{' } else { b',' }];
    put(&mut before, &member.key.as_str());
    before.push(b':');
    let mut after = Vec::new();
    if member.is_array {
        before.push(b'[');
        after.push(b']');
    }
    if is_last {
        after.push(b'}');
    }
    (before, after)
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

    /// The projection as it comes about when the bytes come in pieces.
    fn in_pieces(document: &[u8], length: usize) -> Vec<u8> {
        let mut scanner = MemberScanner::default();
        for piece in document.chunks(length) {
            scanner.feed(piece).unwrap();
        }
        let members = scanner.finish().unwrap();
        let mut out = Vec::new();
        for (i, member) in members.iter().enumerate() {
            let (before, after) = around_member(member, i == 0, i + 1 == members.len());
            out.extend(before);
            let value = &document[member.start as usize..member.end as usize];
            let mut projector = ItemsProjector::default();
            let last = value.len().div_ceil(length);
            for (number, piece) in (1..).zip(value.chunks(length)) {
                out.extend(projector.feed(piece, number == last).unwrap());
            }
            out.extend(after);
        }
        out
    }

    #[test]
    fn a_document_in_pieces_that_is_cut_off_is_an_error() {
        let document = from_json(&json!({"a": [1, {"b": [2]}], "bb": "x"})).unwrap();
        for end in 0..document.len() {
            let mut scanner = MemberScanner::default();
            let cut = scanner.feed(&document[..end]);
            // The end of a map of so many members shows only in its bytes.
            let is_whole = cut.is_ok() && scanner.finish().is_ok_and(|found| found.len() == 2);
            assert!(!is_whole, "{end}");
        }
    }

    proptest! {
        #[test]
        fn the_projection_of_pieces_is_that_of_the_whole(
            map in proptest::collection::btree_map(".{0,4}", any_json(), 1..6), length in 1..40usize
        ) {
            let document = from_json(&serde_json::json!(map)).unwrap();
            let expected = String::from_utf8(project(&document).unwrap()).unwrap();
            assert_eq!(String::from_utf8(in_pieces(&document, length)).unwrap(), expected);
        }

        #[test]
        fn the_projection_is_that_of_the_whole_document(json in any_json()) {
            let projected = project(&from_json(&json).unwrap()).unwrap();
            let expected = serde_json_canonicalizer::to_vec(&json).unwrap();
            assert_eq!(String::from_utf8(projected).unwrap(), String::from_utf8(expected).unwrap());
        }
    }
}
