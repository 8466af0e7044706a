//! A part is never empty and never past the end.
#![no_main]

use holdfast::wire::range::{ByteRange, Selection};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &str)| {
    let (size, header) = input;
    if let Selection::Part(part) = Selection::of(Some(header), size) {
        assert!(part.start < part.end && part.end <= size);
    }
    let _ = ByteRange::parse_closed(header);
});
