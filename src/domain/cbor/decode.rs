//! Read canonical CBOR, and nothing else: every deviation is refused where it stands.

use crate::domain::cbor::head::{
    ARRAY, BYTES, MAP, NEGATIVE, TAG, UNSIGNED, double_of_half, put_float,
};

/// How deep arrays and maps may nest in a document that is read.
pub const MAX_DEPTH: usize = 32;

/// Bytes that are not one canonical document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not canonical CBOR: {problem} at byte {offset}")]
pub struct NotCanonical {
    /// What is wrong.
    pub problem: Problem,
    /// Where.
    pub offset: usize,
}

/// What is wrong with bytes that are not canonical CBOR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// More bytes than the caller allows.
    #[error("too large")]
    TooLarge,
    /// The input ends inside an item.
    #[error("unexpected end")]
    Truncated,
    /// Bytes follow the document.
    #[error("trailing bytes")]
    Trailing,
    /// Arrays and maps nest deeper than [`MAX_DEPTH`].
    #[error("nested too deep")]
    TooDeep,
    /// A shorter encoding of the same integer, length or float exists.
    #[error("not the shortest encoding")]
    NotShortest,
    /// An indefinite length.
    #[error("indefinite length")]
    Indefinite,
    /// A tag.
    #[error("tag")]
    Tag,
    /// A simple value other than false, true and null, or a reserved head.
    #[error("unknown simple value")]
    Simple,
    /// A text that is not UTF-8.
    #[error("invalid UTF-8")]
    NotUtf8,
    /// A map key that is no text.
    #[error("map key that is no text")]
    KeyNotText,
    /// A map key that stands twice.
    #[error("duplicate map key")]
    DuplicateKey,
    /// Map keys out of order.
    #[error("map keys out of order")]
    KeyOrder,
    /// A well-formed value that JSON cannot carry.
    #[error("value that JSON cannot carry")]
    NotJson,
}

/// A decoded document, borrowing its texts from the input.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// An integer from 0.
    Unsigned(u64),
    /// The integer -1 - n.
    Negative(u64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// An array.
    Array(Vec<Value<'a>>),
    /// A map, in canonical order.
    Map(Vec<(&'a str, Value<'a>)>),
    /// True or false.
    Bool(bool),
    /// Null.
    Null,
    /// A float of any width.
    Float(f64),
}

/// Decodes exactly one canonical document of at most `limit_bytes`.
pub fn decode(bytes: &[u8], limit_bytes: usize) -> Result<Value<'_>, NotCanonical> {
    if bytes.len() > limit_bytes {
        return Err(NotCanonical {
            problem: Problem::TooLarge,
            offset: limit_bytes,
        });
    }
    let mut reader = Reader::new(bytes);
    let value = reader.value(MAX_DEPTH)?;
    reader.finish()?;
    Ok(value)
}

/// One step through a document: a whole scalar, or the head of an array or a map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item<'a> {
    /// An integer from 0.
    Unsigned(u64),
    /// The integer -1 - n.
    Negative(u64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// An array of so many items.
    Array(u64),
    /// A map of so many entries.
    Map(u64),
    /// True or false.
    Bool(bool),
    /// Null.
    Null,
    /// A float of any width.
    Float(f64),
}

/// Walks through a canonical document without building it. Allocates nothing by itself, so a
/// claimed length costs nothing until the bytes are there.
#[derive(Clone)]
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// Where the next item starts.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The error of a problem here.
    pub fn fault(&self, problem: Problem) -> NotCanonical {
        NotCanonical {
            problem,
            offset: self.at,
        }
    }

    /// Checks that nothing follows.
    pub fn finish(&self) -> Result<(), NotCanonical> {
        if self.at == self.input.len() {
            Ok(())
        } else {
            Err(self.fault(Problem::Trailing))
        }
    }

    /// The next scalar or head.
    pub fn item(&mut self) -> Result<Item<'a>, NotCanonical> {
        let first = *self
            .input
            .get(self.at)
            .ok_or_else(|| self.fault(Problem::Truncated))?;
        let (major, low) = (first >> 5, first & 0x1f);
        match (major, low) {
            (TAG, _) => return Err(self.fault(Problem::Tag)),
            (BYTES..=MAP, 31) => return Err(self.fault(Problem::Indefinite)),
            (7, 25..=27) => return self.float(low),
            (7, 20..=22) => {
                self.at += 1;
                return Ok(match low {
                    20 => Item::Bool(false),
                    21 => Item::Bool(true),
                    _ => Item::Null,
                });
            }
            (7, _) | (_, 28..=31) => return Err(self.fault(Problem::Simple)),
            _ => {}
        }
        let argument = self.argument(low)?;
        Ok(match major {
            UNSIGNED => Item::Unsigned(argument),
            NEGATIVE => Item::Negative(argument),
            ARRAY => Item::Array(argument),
            MAP => Item::Map(argument),
            BYTES => Item::Bytes(self.take(argument)?),
            _ => {
                let offset = self.at;
                let text = std::str::from_utf8(self.take(argument)?);
                Item::Text(text.map_err(|_| NotCanonical {
                    problem: Problem::NotUtf8,
                    offset,
                })?)
            }
        })
    }

    /// The next key of a map, given the one before it, which it replaces.
    pub fn key(&mut self, previous: &mut Option<&'a str>) -> Result<&'a str, NotCanonical> {
        let offset = self.at;
        let fault = |problem| NotCanonical { problem, offset };
        let Item::Text(key) = self.item()? else {
            return Err(fault(Problem::KeyNotText));
        };
        if let Some(previous) = previous {
            match (previous.len(), &**previous).cmp(&(key.len(), key)) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Err(fault(Problem::DuplicateKey)),
                std::cmp::Ordering::Greater => return Err(fault(Problem::KeyOrder)),
            }
        }
        *previous = Some(key);
        Ok(key)
    }

    /// The next value as a whole, nested at most `depth_left` deep.
    pub fn value(&mut self, depth_left: usize) -> Result<Value<'a>, NotCanonical> {
        let fault = self.fault(Problem::TooDeep);
        let item = self.item()?;
        if depth_left == 0 && matches!(item, Item::Array(_) | Item::Map(_)) {
            return Err(fault);
        }
        Ok(match item {
            Item::Unsigned(value) => Value::Unsigned(value),
            Item::Negative(value) => Value::Negative(value),
            Item::Bytes(bytes) => Value::Bytes(bytes),
            Item::Text(text) => Value::Text(text),
            Item::Bool(value) => Value::Bool(value),
            Item::Null => Value::Null,
            Item::Float(value) => Value::Float(value),
            Item::Array(count) => {
                let mut items = Vec::with_capacity(self.at_most(count, 1));
                for _ in 0..count {
                    items.push(self.value(depth_left - 1)?);
                }
                Value::Array(items)
            }
            Item::Map(count) => {
                let mut entries = Vec::with_capacity(self.at_most(count, 2));
                let mut previous = None;
                for _ in 0..count {
                    let key = self.key(&mut previous)?;
                    entries.push((key, self.value(depth_left - 1)?));
                }
                Value::Map(entries)
            }
        })
    }

    /// Checks and passes over the next value, nested at most `depth_left` deep.
    pub fn skip(&mut self, depth_left: usize) -> Result<(), NotCanonical> {
        let fault = self.fault(Problem::TooDeep);
        let item = self.item()?;
        match item {
            Item::Array(_) | Item::Map(_) if depth_left == 0 => Err(fault),
            Item::Array(count) => (0..count).try_for_each(|_| self.skip(depth_left - 1)),
            Item::Map(count) => {
                let mut previous = None;
                (0..count).try_for_each(|_| {
                    self.key(&mut previous)?;
                    self.skip(depth_left - 1)
                })
            }
            _ => Ok(()),
        }
    }

    /// A claimed count, bounded by what the bytes that are left can hold, and by a page.
    fn at_most(&self, count: u64, bytes_each: usize) -> usize {
        let possible = (self.input.len() - self.at) / bytes_each;
        usize::try_from(count)
            .unwrap_or(usize::MAX)
            .min(possible)
            .min(64)
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], NotCanonical> {
        let rest = &self.input[self.at..];
        let taken = usize::try_from(count)
            .ok()
            .and_then(|count| rest.get(..count))
            .ok_or_else(|| self.fault(Problem::Truncated))?;
        self.at += taken.len();
        Ok(taken)
    }

    /// The argument of a head whose low bits are below 28, in its shortest form.
    fn argument(&mut self, low: u8) -> Result<u64, NotCanonical> {
        let short = self.fault(Problem::NotShortest);
        self.take(1)?;
        let (width, least) = match low {
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            _ => return Ok(u64::from(low)),
        };
        let value = big_endian(self.take(width)?);
        if value < least { Err(short) } else { Ok(value) }
    }

    fn float(&mut self, low: u8) -> Result<Item<'a>, NotCanonical> {
        let (start, short) = (self.at, self.fault(Problem::NotShortest));
        self.take(1)?;
        let bits = big_endian(self.take(1 << (low - 24))?);
        let value = match low {
            25 => double_of_half(bits as u16),
            26 => f64::from(f32::from_bits(bits as u32)),
            _ => f64::from_bits(bits),
        };
        let mut shortest = Vec::with_capacity(9);
        put_float(&mut shortest, value);
        if shortest == self.input[start..self.at] {
            Ok(Item::Float(value))
        } else {
            Err(short)
        }
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, &b| value << 8 | u64::from(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn problem(hex_digits: &str) -> Problem {
        let bytes = hex::decode(hex_digits).unwrap();
        decode(&bytes, 1 << 20).unwrap_err().problem
    }

    #[test]
    fn malformed_input_is_refused() {
        let cases = [
            // Empty, and cut in each kind of item.
            ("", Problem::Truncated),
            ("18", Problem::Truncated),
            ("19ff", Problem::Truncated),
            ("6361", Problem::Truncated),
            ("8201", Problem::Truncated),
            ("a16161", Problem::Truncated),
            ("fb3ff0", Problem::Truncated),
            // Indefinite lengths.
            ("9f01ff", Problem::Indefinite),
            ("bf616101ff", Problem::Indefinite),
            ("7f6161ff", Problem::Indefinite),
            ("5f4161ff", Problem::Indefinite),
            ("ff", Problem::Simple),
            // Lengths of a thousand million and of 2^64 - 1 without content.
            ("9a3b9aca00", Problem::Truncated),
            ("ba3b9aca00", Problem::Truncated),
            ("7a3b9aca00", Problem::Truncated),
            ("9bffffffffffffffff", Problem::Truncated),
            ("5bffffffffffffffff", Problem::Truncated),
            // Keys.
            ("a2616101616102", Problem::DuplicateKey),
            ("a26261610161ff", Problem::NotUtf8),
            ("a2616201616101", Problem::KeyOrder),
            ("a2626161016162", Problem::KeyOrder),
            ("a10101", Problem::KeyNotText),
            ("a1416101", Problem::KeyNotText),
            // Texts that are not UTF-8: a stray byte, a surrogate, an overlong form.
            ("61ff", Problem::NotUtf8),
            ("63eda080", Problem::NotUtf8),
            ("62c080", Problem::NotUtf8),
            // Tags, also a tower of them.
            ("c101", Problem::Tag),
            ("d9d9f701", Problem::Tag),
            ("c6c6c6c6c6c6c601", Problem::Tag),
            ("c249010000000000000000", Problem::Tag),
            // Longer than needed.
            ("1817", Problem::NotShortest),
            ("1900ff", Problem::NotShortest),
            ("1a0000ffff", Problem::NotShortest),
            ("1b00000000ffffffff", Problem::NotShortest),
            ("3817", Problem::NotShortest),
            ("780161", Problem::NotShortest),
            ("980101", Problem::NotShortest),
            ("b801616101", Problem::NotShortest),
            ("fa3f800000", Problem::NotShortest),
            ("fb3ff0000000000000", Problem::NotShortest),
            ("f97e01", Problem::NotShortest),
            ("fa7fc00000", Problem::NotShortest),
            // Simple values and reserved heads.
            ("f7", Problem::Simple),
            ("e0", Problem::Simple),
            ("f818", Problem::Simple),
            ("1c", Problem::Simple),
            ("fc", Problem::Simple),
            // Something follows.
            ("0101", Problem::Trailing),
            ("a000", Problem::Trailing),
        ];
        for (digits, expected) in cases {
            assert_eq!(problem(digits), expected, "{digits}");
        }
    }

    #[test]
    fn depth_and_size_have_a_limit() {
        let deep = |levels: usize| "81".repeat(levels) + "01";
        assert_eq!(problem(&deep(10_000)), Problem::TooDeep);
        assert_eq!(problem(&deep(MAX_DEPTH + 1)), Problem::TooDeep);
        let deepest = hex::decode(deep(MAX_DEPTH)).unwrap();
        assert!(decode(&deepest, deepest.len()).is_ok());
        let error = decode(&deepest, deepest.len() - 1).unwrap_err();
        assert_eq!(error.problem, Problem::TooLarge);
    }

    #[test]
    fn the_error_says_where() {
        let error = decode(&[0x82, 0x01, 0x18, 0x17], 9).unwrap_err();
        assert_eq!(
            error.to_string(),
            "not canonical CBOR: not the shortest encoding at byte 2"
        );
    }

    fn encode(value: &Value<'_>, out: &mut Vec<u8>) {
        use crate::domain::cbor::encode::append_map;
        use crate::domain::cbor::head::{FALSE, NULL, TEXT, TRUE, put_head};
        match value {
            Value::Unsigned(value) => put_head(out, UNSIGNED, *value),
            Value::Negative(value) => put_head(out, NEGATIVE, *value),
            Value::Bytes(bytes) => {
                put_head(out, BYTES, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Value::Text(text) => {
                put_head(out, TEXT, text.len() as u64);
                out.extend_from_slice(text.as_bytes());
            }
            Value::Array(items) => {
                put_head(out, ARRAY, items.len() as u64);
                for item in items {
                    encode(item, out);
                }
            }
            Value::Map(entries) => append_map(out, |map| {
                for (key, value) in entries {
                    let mut item = vec![];
                    encode(value, &mut item);
                    map.encoded(key, &item);
                }
            }),
            Value::Bool(value) => out.push(if *value { TRUE } else { FALSE }),
            Value::Null => out.push(NULL),
            Value::Float(value) => put_float(out, *value),
        }
    }

    /// Whatever is accepted is what we would write, and means the same to another reader.
    fn check_accepted(bytes: &[u8]) {
        let decoded = decode(bytes, 1 << 20);
        let mut skipper = Reader::new(bytes);
        let skipped = skipper.skip(MAX_DEPTH).and_then(|()| skipper.finish());
        assert_eq!(skipped.as_ref().err(), decoded.as_ref().err());
        let Ok(value) = decoded else {
            return;
        };
        let mut again = Vec::new();
        encode(&value, &mut again);
        assert_eq!(hex::encode(&again), hex::encode(bytes));
        let theirs: ciborium::Value = ciborium::from_reader(bytes).unwrap();
        let mut rewritten = Vec::new();
        ciborium::into_writer(&theirs, &mut rewritten).unwrap();
        assert!(rewritten == bytes || hex::encode(bytes).contains("f97e00"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            check_accepted(&bytes);
        }

        #[test]
        fn a_changed_byte_is_refused_or_canonical(
            json in crate::domain::cbor::json::tests::any_json(),
            at in any::<proptest::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = crate::domain::cbor::json::from_json(&json).unwrap();
            check_accepted(&bytes);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            check_accepted(&bytes);
            check_accepted(&bytes[..at]);
        }
    }
}
