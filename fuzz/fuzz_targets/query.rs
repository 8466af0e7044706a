//! A query that is read and encoded again reads the same.
#![no_main]

use holdfast::wire::uri::{Query, Slash, percent_encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &str| {
    let Ok(query) = Query::parse(raw) else { return };
    let encode = |text: &str| percent_encode(text.as_bytes(), Slash::Encode);
    let pairs: Vec<_> = query
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    assert_eq!(Query::parse(&pairs.join("&")), Ok(query));
});
