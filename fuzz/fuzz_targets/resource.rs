//! A key that is read and encoded again reads the same.
#![no_main]

use holdfast::wire::resource::Resource;
use holdfast::wire::uri::{Slash, percent_encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &str| {
    let Ok(resource) = Resource::from_path(path) else {
        return;
    };
    let key = resource.key.as_ref().map_or("", |key| key.as_str());
    let encoded = percent_encode(key.as_bytes(), Slash::Keep);
    let path = format!("/{}/{encoded}", resource.bucket);
    assert_eq!(Resource::from_path(&path), Ok(resource));
});
