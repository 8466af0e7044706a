//! The signer of the AWS SDK for Rust signs generated requests; all of them are accepted. Our own
//! signer makes the same signatures.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use holdfast::auth::settings::SigV2;
use holdfast::wire::uri::{Slash, percent_encode};
use http::{HeaderValue, Method};
use proptest::prelude::*;

use crate::support::{ACCESS_KEY, Arriving, SECRET_KEY, authenticator, now};

const PAYLOADS: [&str; 4] = [
    "UNSIGNED-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

fn time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(now().seconds().unsigned_abs())
}

/// The request, signed by the SDK.
fn sign_by_sdk(request: &Arriving, location: SignatureLocation, payload: &str) -> Arriving {
    let identity = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test").into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.signature_location = location;
    settings.expires_in = Some(Duration::from_mins(1));
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-central-1")
        .name("s3")
        .time(time())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let separator = if request.query.is_empty() { "" } else { "?" };
    let url = format!(
        "http://{}{}{separator}{}",
        request.authority, request.path, request.query
    );
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let signable = SignableRequest::new(
        request.method.as_str(),
        url,
        headers.into_iter(),
        SignableBody::Precomputed(payload.to_owned()),
    )
    .unwrap();
    let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
    let mut signed = request.clone();
    for (name, value) in instructions.headers() {
        let name = http::HeaderName::try_from(name).unwrap();
        signed
            .headers
            .insert(name, HeaderValue::try_from(value).unwrap());
    }
    for (name, value) in instructions.params() {
        let separator = if signed.query.is_empty() { "" } else { "&" };
        let value = percent_encode(value.as_bytes(), Slash::Encode);
        signed.query.extend([separator, *name, "=", &*value]);
    }
    signed
}

fn requests() -> impl Strategy<Value = Arriving> {
    let text = "[a-zA-Z0-9 +/%&=?~*'()!.,;:@$é日_-]{0,12}";
    let method = prop::sample::select(vec![Method::GET, Method::PUT, Method::HEAD, Method::POST]);
    let pairs = prop::collection::vec(("[a-zA-Z-]{1,8}", text, any::<bool>()), 0..5);
    let metadata = prop::collection::vec(("[a-z0-9-]{1,6}", "[ -~]{0,12}"), 0..4);
    (method, "[a-z]{3,8}", text, pairs, metadata).prop_map(
        |(method, bucket, key, pairs, metadata)| {
            let encode = |text: &str| percent_encode(text.as_bytes(), Slash::Encode);
            let path = percent_encode(format!("/{bucket}/{key}").as_bytes(), Slash::Keep);
            let query: Vec<_> = pairs
                .iter()
                .map(|(name, value, is_bare)| match is_bare {
                    true => encode(name),
                    false => format!("{}={}", encode(name), encode(value)),
                })
                .collect();
            let mut request = Arriving::new(method, &path, &query.join("&"));
            for (name, value) in metadata {
                let name = format!("x-amz-meta-{name}");
                if !request.headers.contains_key(&name) {
                    request = request.with(&name, &value);
                }
            }
            request
        },
    )
}

proptest! {
    #[test]
    fn what_the_sdk_signs_is_accepted(request in requests(), payload in 0..PAYLOADS.len()) {
        let with = authenticator(SigV2::Off, false);
        let payload = PAYLOADS[payload];
        let signed = sign_by_sdk(&request, SignatureLocation::Headers, payload);
        prop_assert_eq!(signed.outcome(&with), "golden");
        let presigned = sign_by_sdk(&request, SignatureLocation::QueryParams, "UNSIGNED-PAYLOAD");
        prop_assert_eq!(presigned.outcome(&with), "golden");
        // Ours are the same requests with the same rights.
        prop_assert_eq!(request.clone().signed(payload).outcome(&with), "golden");
        prop_assert_eq!(request.presigned().outcome(&with), "golden");
    }

    #[test]
    fn no_head_makes_a_panic(
        path in "\\PC{0,20}",
        query in "[ -~]{0,60}",
        authorization in "(AWS4-HMAC-SHA256|AWS)? ?[ -~]{0,60}",
    ) {
        let Ok(_) = holdfast::wire::uri::Query::parse(&query) else { return Ok(()) };
        let request = Arriving::new(Method::GET, &path, &query).with("authorization", &authorization);
        let found = request.authenticate(&authenticator(SigV2::All, false));
        prop_assert!(found.is_err());
    }
}
