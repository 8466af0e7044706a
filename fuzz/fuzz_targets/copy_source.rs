//! A copy source names what the same URL path names.
#![no_main]

use holdfast::wire::copy_source::CopySource;
use holdfast::wire::resource::Resource;
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(header) = HeaderValue::from_bytes(text.as_bytes()) else {
        return;
    };
    if let Ok(source) = CopySource::parse(&header)
        && source.version_id.is_none()
    {
        let path = text.strip_prefix('/').unwrap_or(text);
        let resource = Resource::from_path(&format!("/{path}")).expect("the same parser");
        assert_eq!(resource.bucket, source.bucket);
        assert_eq!(resource.key, Some(source.key));
    }
});
