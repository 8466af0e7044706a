//! No conditional header makes a panic.
#![no_main]

use holdfast::domain::ids::Timestamp;
use holdfast::wire::conditions::Conditions;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 5] = [
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
];

fuzz_target!(|values: Vec<(u8, Vec<u8>)>| {
    let mut headers = HeaderMap::new();
    for (name, value) in values.into_iter().take(16) {
        let name = NAMES[usize::from(name) % NAMES.len()];
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    let conditions = Conditions::parse(&headers);
    let _ = conditions.for_read("a", Timestamp::from_seconds(0));
    let _ = conditions.range_applies("a", Timestamp::from_seconds(0));
    let _ = conditions.for_write();
});
