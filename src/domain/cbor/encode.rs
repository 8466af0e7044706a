//! Write canonical CBOR.

use serde_json::Value as Json;

use crate::domain::cbor::head::{
    ARRAY, BYTES, FALSE, MAP, NEGATIVE, NULL, TRUE, UNSIGNED, put_float, put_head, put_text,
};

/// Encodes one map; `fill` adds its entries, in any order.
pub fn encode_map(fill: impl FnOnce(&mut MapWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    append_map(&mut out, fill);
    out
}

/// Appends one map to `out`; `fill` adds its entries, in any order.
pub fn append_map(out: &mut Vec<u8>, fill: impl FnOnce(&mut MapWriter<'_>)) {
    let start = out.len();
    // Room for the head: one byte, which is enough for 23 entries.
    out.push(0);
    let mut map = MapWriter {
        out,
        start,
        entries: Vec::with_capacity(16),
        is_sorted: true,
    };
    fill(&mut map);
    map.finish();
}

/// The entries of a map that is being written. They are put in canonical order at the end, and
/// not moved at all if they came in that order. A key must not be given twice.
pub struct MapWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    entries: Vec<Entry>,
    is_sorted: bool,
}

/// Where an entry stands in the output; it ends where the next one starts.
#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    key_end: usize,
}

impl MapWriter<'_> {
    /// Adds a text.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        put_text(self.out, value);
    }

    /// Adds a text or null.
    pub fn nullable_text(&mut self, key: &str, value: Option<&str>) {
        self.key(key);
        match value {
            Some(value) => put_text(self.out, value),
            None => self.out.push(NULL),
        }
    }

    /// Adds a text, or nothing.
    pub fn optional_text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// Adds bytes.
    pub fn bytes(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        put_head(self.out, BYTES, value.len() as u64);
        self.out.extend_from_slice(value);
    }

    /// Adds an unsigned integer.
    pub fn uint(&mut self, key: &str, value: u64) {
        self.key(key);
        put_head(self.out, UNSIGNED, value);
    }

    /// Adds an unsigned integer or null.
    pub fn nullable_uint(&mut self, key: &str, value: Option<u64>) {
        self.key(key);
        match value {
            Some(value) => put_head(self.out, UNSIGNED, value),
            None => self.out.push(NULL),
        }
    }

    /// Adds a boolean.
    pub fn bool(&mut self, key: &str, value: bool) {
        self.key(key);
        put_bool(self.out, value);
    }

    /// Adds a JSON value, as [`put_json`] writes it.
    pub fn json(&mut self, key: &str, value: &Json) {
        self.key(key);
        put_json(self.out, value);
    }

    /// Adds a map.
    pub fn map(&mut self, key: &str, fill: impl FnOnce(&mut MapWriter<'_>)) {
        self.key(key);
        append_map(self.out, fill);
    }

    /// Adds an array of maps, one for each item.
    pub fn maps<T>(&mut self, key: &str, items: &[T], fill: impl Fn(&mut MapWriter<'_>, &T)) {
        self.key(key);
        put_head(self.out, ARRAY, items.len() as u64);
        for item in items {
            append_map(self.out, |map| fill(map, item));
        }
    }

    /// Adds an item that is encoded already.
    pub fn encoded(&mut self, key: &str, item: &[u8]) {
        self.key(key);
        self.out.extend_from_slice(item);
    }

    fn key(&mut self, key: &str) {
        let start = self.out.len();
        put_text(self.out, key);
        let key_end = self.out.len();
        if let Some(last) = self.entries.last() {
            self.is_sorted &= self.out[last.start..last.key_end] < self.out[start..key_end];
        }
        self.entries.push(Entry { start, key_end });
    }

    /// Writes the head and, where needed, puts the entries in order. Encoded text keys compare
    /// bytewise as they do length-first, because their heads begin with the length.
    fn finish(self) {
        let Self {
            out,
            start,
            entries,
            is_sorted,
        } = self;
        if is_sorted && entries.len() < 24 {
            out[start] = MAP << 5 | entries.len() as u8;
            return;
        }
        let end = out.len();
        let body = out.split_off(start);
        let at = |offset: usize| offset - start;
        let ends: Vec<usize> = entries
            .iter()
            .skip(1)
            .map(|e| e.start)
            .chain([end])
            .collect();
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|&i| &body[at(entries[i].start)..at(entries[i].key_end)]);
        put_head(out, MAP, order.len() as u64);
        for i in order {
            out.extend_from_slice(&body[at(entries[i].start)..at(ends[i])]);
        }
    }
}

/// Writes a JSON value. What JSON readers may not carry exactly is written all the same:
/// `json::check` refuses it where it comes in.
pub fn put_json(out: &mut Vec<u8>, value: &Json) {
    match value {
        Json::Null => out.push(NULL),
        Json::Bool(value) => put_bool(out, *value),
        Json::Number(number) => {
            if let Some(value) = number.as_u64() {
                put_head(out, UNSIGNED, value);
            } else if let Some(value) = number.as_i64() {
                // -1 - n, which cannot overflow.
                put_head(out, NEGATIVE, !value as u64);
            } else {
                put_float(out, number.as_f64().unwrap_or(f64::NAN));
            }
        }
        Json::String(text) => put_text(out, text),
        Json::Array(items) => {
            put_head(out, ARRAY, items.len() as u64);
            for item in items {
                put_json(out, item);
            }
        }
        Json::Object(object) => append_map(out, |map| {
            for (key, value) in object {
                map.json(key, value);
            }
        }),
    }
}

fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { TRUE } else { FALSE });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;
    use crate::domain::cbor::json::tests::any_json;

    #[test]
    fn entries_come_out_in_canonical_order() {
        let sorted = encode_map(|map| {
            map.uint("b", 1);
            map.bool("aa", true);
            map.map("ab", |map| map.text("x", "y"));
        });
        let shuffled = encode_map(|map| {
            map.map("ab", |map| map.text("x", "y"));
            map.uint("b", 1);
            map.bool("aa", true);
        });
        assert_eq!(hex::encode(&sorted), "a3616201626161f5626162a161786179");
        assert_eq!(sorted, shuffled);
    }

    #[test]
    fn a_map_of_24_entries_has_a_longer_head() {
        for count in [0, 1, 23, 24, 255, 256] {
            let bytes = encode_map(|map| {
                for i in 0..count {
                    map.uint(&format!("{i:03}"), i);
                }
            });
            let mut head = Vec::new();
            put_head(&mut head, MAP, count);
            assert!(bytes.starts_with(&head), "{count}");
            assert_eq!(reference(&bytes), bytes, "{count}");
        }
    }

    /// What ciborium makes of it, with its maps sorted.
    fn reference(bytes: &[u8]) -> Vec<u8> {
        fn sort(value: &mut ciborium::Value) {
            match value {
                ciborium::Value::Array(items) => items.iter_mut().for_each(sort),
                ciborium::Value::Map(entries) => {
                    for (_, value) in entries.iter_mut() {
                        sort(value);
                    }
                    entries.sort_by_key(|(key, _)| {
                        let key = key.as_text().unwrap().to_owned();
                        (key.len(), key)
                    });
                }
                _ => {}
            }
        }
        let mut value: ciborium::Value = ciborium::from_reader(bytes).unwrap();
        sort(&mut value);
        let mut out = Vec::new();
        ciborium::into_writer(&value, &mut out).unwrap();
        out
    }

    proptest! {
        #[test]
        fn another_implementation_writes_the_same(json in any_json()) {
            let mut ours = Vec::new();
            put_json(&mut ours, &json);
            assert_eq!(hex::encode(reference(&ours)), hex::encode(&ours));
            let read: Json = ciborium::from_reader(&ours[..]).unwrap();
            assert_eq!(read, json);
        }

        #[test]
        fn floats_take_their_shortest_exact_form(value in any::<f64>(), single in any::<f32>()) {
            for value in [value, f64::from(single)] {
                let mut ours = Vec::new();
                put_float(&mut ours, value);
                let mut theirs = Vec::new();
                ciborium::into_writer(&value, &mut theirs).unwrap();
                assert!(value.is_nan() || ours == theirs, "{value}");
            }
        }
    }

    #[test]
    fn every_half_float_is_written_as_one() {
        for bits in 0..=u16::MAX {
            let value = crate::domain::cbor::head::double_of_half(bits);
            let mut ours = Vec::new();
            put_float(&mut ours, value);
            let expected = if value.is_nan() { 0x7e00 } else { bits };
            assert_eq!(ours[1..], expected.to_be_bytes(), "{bits:04x}");
            assert_eq!(ours[0], 0xf9);
        }
    }
}
