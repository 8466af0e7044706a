//! A checksum that is read is written back the same.
#![no_main]

use holdfast::domain::digest::ChecksumAlgorithm;
use holdfast::wire::checksum::{
    BodyChecksums, algorithm_of, format_value, parse_object_value, parse_value,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (name, value) = input;
    let _ = algorithm_of(name);
    for algorithm in ChecksumAlgorithm::ALL {
        if let Ok(checksum) = parse_value(algorithm, value) {
            assert_eq!(format_value(&checksum, None), value.trim());
        }
        let _ = parse_object_value(algorithm, value);
    }
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        let _ = BodyChecksums::parse(&HeaderMap::from_iter([(name, value)]));
    }
});
