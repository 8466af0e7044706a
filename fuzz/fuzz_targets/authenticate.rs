//! The head of a request that nobody signed is never taken for a signed one.
#![no_main]

use std::sync::{Arc, LazyLock};

use holdfast::auth::authenticate::Authenticator;
use holdfast::auth::keyring::KeyRing;
use holdfast::auth::secret::Secret;
use holdfast::auth::settings::{AuthSettings, SigV2};
use holdfast::domain::ids::Timestamp;
use holdfast::wire::request_head::RequestHead;
use holdfast::wire::uri::Query;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;

static AUTHENTICATOR: LazyLock<Authenticator> = LazyLock::new(|| {
    let secret = Secret::new("not-in-the-corpus".to_owned());
    let keys = KeyRing::new("ROOTKEY", secret, &[]).expect("a good key");
    let settings = AuthSettings {
        sigv2: SigV2::All,
        region_strict: false,
    };
    Authenticator::new(Arc::new(keys), settings, String::new())
});

// Path, query, then a header in each line.
fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let path = lines.next().unwrap_or_default();
    let Ok(query) = Query::parse(lines.next().unwrap_or_default()) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    let head = RequestHead {
        method: &Method::PUT,
        raw_path: path,
        query: &query,
        headers: &headers,
        authority: "localhost:9000",
        virtual_bucket: None,
    };
    let now = Timestamp::from_seconds(1_795_421_730);
    if let Ok(found) = AUTHENTICATOR.authenticate(&head, now) {
        assert!(found.identity.is_none() && found.chain.is_none());
    }
});
