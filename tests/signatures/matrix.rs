//! {no credentials, header, query, both} x {every form of a body} x {right, wrong, absent
//! signature}, for both versions, expected from one table; and the ways to forge a request.

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use holdfast::auth::authenticate::AuthError;
use holdfast::auth::settings::SigV2;
use holdfast::domain::ids::Timestamp;
use holdfast::wire::sigv2::{QueryClaim, header_string_to_sign};
use http::{HeaderValue, Method};
use sha1::Sha1;

use crate::support::{ACCESS_KEY, Arriving, SECRET_KEY, authenticator, now, outcome};

const DIGEST: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Nowhere,
    HeaderV4,
    QueryV4,
    HeaderV2,
    QueryV2,
    BothV4,
    BothV2,
    QueryV4AndV2,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Sig {
    Right,
    Wrong,
    Absent,
}

/// The table: payload, then the outcome with a right signature for no credentials, header 4,
/// query 4, header 2 and query 2. `ok` is the signer, `-` is anonymous.
const TABLE: [(Option<&str>, [&str; 5]); 8] = [
    (None, ["-", "InvalidRequest", "ok", "ok", "ok"]),
    (Some(DIGEST), ["-", "ok", "ok", "ok", "ok"]),
    (Some("UNSIGNED-PAYLOAD"), ["-", "ok", "ok", "ok", "ok"]),
    (
        Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        [
            "InvalidRequest",
            "ok",
            "InvalidRequest",
            "InvalidRequest",
            "InvalidRequest",
        ],
    ),
    (
        Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
        [
            "InvalidRequest",
            "ok",
            "InvalidRequest",
            "InvalidRequest",
            "InvalidRequest",
        ],
    ),
    (
        Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ["-", "ok", "ok", "InvalidRequest", "InvalidRequest"],
    ),
    (
        Some("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"),
        ["InvalidArgument"; 5],
    ),
    (Some(""), ["InvalidArgument"; 5]),
];

fn expected(place: Place, row: [&str; 5], sig: Sig) -> String {
    let column = match place {
        Place::BothV4 | Place::BothV2 | Place::QueryV4AndV2 => return "InvalidArgument".to_owned(),
        Place::Nowhere => 0,
        Place::HeaderV4 => 1,
        Place::QueryV4 => 2,
        Place::HeaderV2 => 3,
        Place::QueryV2 => 4,
    };
    let absent = match place {
        Place::HeaderV4 => "AuthorizationHeaderMalformed",
        Place::QueryV4 => "AuthorizationQueryParametersError",
        _ => "AccessDenied",
    };
    match (row[column], sig) {
        ("-", _) => "anonymous".to_owned(),
        (_, Sig::Absent) if place != Place::Nowhere => absent.to_owned(),
        ("ok", Sig::Right) => "golden".to_owned(),
        ("ok", Sig::Wrong | Sig::Absent) => "SignatureDoesNotMatch".to_owned(),
        (code, _) => code.to_owned(),
    }
}

fn sign_v2(text: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(SECRET_KEY.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

fn v2_header(request: Arriving) -> Arriving {
    let request = request.with("date", "Mon, 23 Nov 2026 08:15:30 GMT");
    let signature = sign_v2(&request.head(header_string_to_sign));
    request.with("authorization", &format!("AWS {ACCESS_KEY}:{signature}"))
}

fn v2_query(mut request: Arriving) -> Arriving {
    let expires = now().seconds() + 60;
    let separator = if request.query.is_empty() { "" } else { "&" };
    let parameters = format!("{separator}AWSAccessKeyId={ACCESS_KEY}&Expires={expires}");
    request.query.push_str(&parameters);
    let mut unsigned = request.clone();
    unsigned.query.push_str("&Signature=x");
    let text = unsigned.head(|head| {
        let claim = QueryClaim::parse(head.query).unwrap();
        claim.string_to_sign(head)
    });
    let signature = sign_v2(&text).replace('+', "%2B").replace('=', "%3D");
    request.query.extend(["&Signature=", &*signature]);
    request
}

fn build(place: Place, payload: Option<&str>) -> Arriving {
    // The length announces a body: without one, a missing payload header means the empty payload.
    let mut request = Arriving::new(Method::PUT, "/pkg/key", "partNumber=1&uploadId=u")
        .with("x-amz-meta-a", "1")
        .with("content-length", "5");
    if let Some(payload) = payload {
        request = request.with("x-amz-content-sha256", payload);
    }
    // Signing with an absent payload header leaves it out again.
    let header_v4 = |request: Arriving| {
        let mut signed = request.signed(payload.unwrap_or("UNSIGNED-PAYLOAD"));
        if payload.is_none() {
            signed.headers.remove("x-amz-content-sha256");
        }
        signed
    };
    match place {
        Place::Nowhere => request,
        Place::HeaderV4 => header_v4(request),
        Place::QueryV4 => request.presigned(),
        Place::HeaderV2 => v2_header(request),
        Place::QueryV2 => v2_query(request),
        Place::BothV4 => header_v4(request.presigned()),
        Place::BothV2 => v2_header(v2_query(request)),
        Place::QueryV4AndV2 => v2_query(request.presigned()),
    }
}

/// Changes or takes away every signature of a request.
fn spoil(mut request: Arriving, sig: Sig) -> Arriving {
    if let Some(value) = request.headers.remove("authorization") {
        let text = value.to_str().unwrap();
        let at = text
            .find("Signature=")
            .map_or_else(|| text.find(':').unwrap() + 1, |at| at + 10);
        let text = match sig {
            Sig::Right => text.to_owned(),
            Sig::Wrong => text[..at].to_owned() + &flip(&text[at..]),
            Sig::Absent => text[..at].trim_end_matches(",Signature=").to_owned(),
        };
        request
            .headers
            .insert("authorization", HeaderValue::try_from(text).unwrap());
    }
    let pairs = request.query.split('&').filter_map(|pair| match sig {
        Sig::Absent if pair.contains("Signature=") => None,
        Sig::Wrong if pair.contains("Signature=") => {
            let (name, value) = pair.split_once('=').unwrap();
            Some(format!("{name}={}", flip(value)))
        }
        Sig::Right | Sig::Wrong | Sig::Absent => Some(pair.to_owned()),
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    request.query = query;
    request
}

/// Another signature of the same form.
fn flip(signature: &str) -> String {
    let first = if signature.starts_with('0') { '1' } else { '0' };
    format!("{first}{}", &signature[1..])
}

#[test]
fn every_combination_is_decided_by_the_table() {
    let places = [
        Place::Nowhere,
        Place::HeaderV4,
        Place::QueryV4,
        Place::HeaderV2,
        Place::QueryV2,
        Place::BothV4,
        Place::BothV2,
        Place::QueryV4AndV2,
    ];
    let all = authenticator(SigV2::All, false);
    let mut accepted = 0;
    for place in places {
        for (payload, row) in TABLE {
            for sig in [Sig::Right, Sig::Wrong, Sig::Absent] {
                let request = spoil(build(place, payload), sig);
                let found = request.authenticate(&all);
                let expected = expected(place, row, sig);
                assert_eq!(outcome(&found), expected, "{place:?} {payload:?} {sig:?}");
                let Ok(found) = found else { continue };
                accepted += usize::from(found.identity.is_some());
                let is_chained = payload.is_some_and(|p| p.starts_with("STREAMING-AWS4-HMAC"));
                assert_eq!(found.chain.is_some(), is_chained, "{place:?} {payload:?}");
            }
        }
    }
    assert_eq!(accepted, 15, "cells of the table that say ok");
}

#[test]
fn a_missing_payload_header_means_the_empty_payload_where_no_body_is_announced() {
    let with = authenticator(SigV2::Off, false);
    let mut request = build(Place::HeaderV4, None);
    for (length, expected) in [
        (Some("5"), "InvalidRequest"),
        // Signed over another payload, so computed and found different.
        (Some("0"), "SignatureDoesNotMatch"),
        (None, "SignatureDoesNotMatch"),
    ] {
        request.headers.remove("content-length");
        if let Some(length) = length {
            request = request.with("content-length", length);
        }
        assert_eq!(request.outcome(&with), expected, "{length:?}");
    }
    request = request.with("transfer-encoding", "chunked");
    assert_eq!(request.outcome(&with), "InvalidRequest");
}

#[test]
fn version_2_is_taken_where_the_settings_say() {
    let cases = [
        (SigV2::Off, ["InvalidRequest", "InvalidRequest"]),
        (SigV2::Query, ["InvalidRequest", "golden"]),
        (SigV2::All, ["golden", "golden"]),
    ];
    for (setting, expected) in cases {
        let with = authenticator(setting, false);
        let found = [Place::HeaderV2, Place::QueryV2]
            .map(|place| outcome(&build(place, None).authenticate(&with)));
        assert_eq!(found, expected, "{setting:?}");
    }
}

#[test]
fn whatever_is_changed_after_signing_is_refused() {
    type Change = (&'static str, fn(&mut Arriving));
    let with = authenticator(SigV2::All, false);
    let changes: [Change; 7] = [
        ("method", |r| r.method = Method::DELETE),
        ("path", |r| r.path = "/pkg/other".to_owned()),
        ("dots", |r| r.path = "/pkg/x/../key".to_owned()),
        ("query", |r| r.query.push_str("&acl")),
        ("part", |r| {
            r.query = r.query.replace("partNumber=1", "partNumber=2");
        }),
        ("metadata", |r| {
            r.headers
                .insert("x-amz-meta-a", HeaderValue::from_static("2"));
        }),
        ("repeated", |r| {
            r.headers
                .append("x-amz-meta-a", HeaderValue::from_static("2"));
        }),
    ];
    for place in [
        Place::HeaderV4,
        Place::QueryV4,
        Place::HeaderV2,
        Place::QueryV2,
    ] {
        for (name, change) in changes {
            let mut request = build(place, Some("UNSIGNED-PAYLOAD"));
            assert_eq!(request.outcome(&with), "golden");
            change(&mut request);
            let found = request.outcome(&with);
            assert_eq!(found, "SignatureDoesNotMatch", "{place:?} {name}");
        }
        // An unsigned copy source would turn a presigned upload into a read of anything.
        let request = build(place, None).with("x-amz-copy-source", "other/secret");
        let request = match place {
            Place::HeaderV4 => request.with("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            _ => request,
        };
        let expected = match place {
            Place::HeaderV4 | Place::QueryV4 => "HeadersNotSigned",
            _ => "SignatureDoesNotMatch",
        };
        assert_eq!(request.outcome(&with), expected, "{place:?}");
    }
    for place in [Place::HeaderV4, Place::QueryV4] {
        let mut request = build(place, Some(DIGEST));
        request.authority = "other.example.org".to_owned();
        assert_eq!(request.outcome(&with), "SignatureDoesNotMatch");
        let mut request = build(place, Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER"));
        let plain = HeaderValue::from_static("UNSIGNED-PAYLOAD");
        request.headers.insert("x-amz-content-sha256", plain);
        assert_eq!(request.outcome(&with), "SignatureDoesNotMatch");
    }
}

#[test]
fn an_unknown_key_a_token_and_a_second_header_are_refused() {
    let with = authenticator(SigV2::All, false);
    for place in [
        Place::HeaderV4,
        Place::QueryV4,
        Place::HeaderV2,
        Place::QueryV2,
    ] {
        let mut request = build(place, Some("UNSIGNED-PAYLOAD"));
        let rename = |text: &str| text.replace(ACCESS_KEY, "AKOTHER");
        request.query = rename(&request.query);
        if let Some(value) = request.headers.get("authorization") {
            let value = HeaderValue::try_from(rename(value.to_str().unwrap())).unwrap();
            request.headers.insert("authorization", value);
        }
        assert_eq!(request.outcome(&with), "InvalidAccessKeyId", "{place:?}");
        let request = build(place, Some("UNSIGNED-PAYLOAD")).with("x-amz-security-token", "t");
        assert_eq!(request.outcome(&with), "InvalidToken", "{place:?}");
        let request = build(place, Some("UNSIGNED-PAYLOAD")).with("authorization", "AWS a:b");
        assert_eq!(request.outcome(&with), "InvalidArgument", "{place:?}");
        let request = build(place, Some(DIGEST)).with("x-amz-content-sha256", DIGEST);
        assert_eq!(request.outcome(&with), "InvalidArgument", "{place:?}");
        let request = build(place, Some(DIGEST))
            .with("host", "a")
            .with("host", "b");
        assert_eq!(request.outcome(&with), "InvalidRequest", "{place:?}");
    }
    for kind in [
        "Bearer x",
        "Basic eDp5",
        "aws a:b",
        "AWS4-HMAC-SHA512 x",
        "",
    ] {
        let request = build(Place::Nowhere, None).with("authorization", kind);
        assert_eq!(request.outcome(&with), "InvalidArgument", "{kind}");
    }
    let bare = build(Place::Nowhere, None).with("authorization", "AWS4-HMAC-SHA256");
    assert_eq!(bare.outcome(&with), "AuthorizationHeaderMalformed");
}

#[test]
fn time_bounds_every_signature() {
    let with = authenticator(SigV2::All, false);
    let denied = "AccessDenied";
    let skewed = "RequestTimeTooSkewed";
    let (minutes, hour) = (15 * 60, 3600);
    let cases = [
        (Place::HeaderV4, -minutes - 1, skewed),
        (Place::HeaderV4, -minutes, "golden"),
        (Place::HeaderV4, minutes, "golden"),
        (Place::HeaderV4, minutes + 1, skewed),
        (Place::HeaderV2, -minutes - 1, skewed),
        (Place::HeaderV2, minutes, "golden"),
        (Place::HeaderV2, minutes + 1, skewed),
        (Place::QueryV4, -minutes - 1, denied),
        (Place::QueryV4, -minutes, "golden"),
        (Place::QueryV4, hour, "golden"),
        (Place::QueryV4, hour + 1, denied),
        (Place::QueryV2, 59, "golden"),
        (Place::QueryV2, 60, denied),
    ];
    for (place, offset, expected) in cases {
        let at = Timestamp::from_seconds(now().seconds() + offset);
        let found = build(place, Some("UNSIGNED-PAYLOAD")).at(&with, at);
        assert_eq!(outcome(&found), expected, "{place:?} {offset}");
    }
    let mut request = build(Place::HeaderV4, Some(DIGEST));
    request.headers.remove("x-amz-date");
    assert_eq!(request.outcome(&with), denied);
    let other_day = HeaderValue::from_static("20261124T000000Z");
    request.headers.insert("x-amz-date", other_day);
    let found = request.outcome(&with);
    assert_eq!(found, "AuthorizationHeaderMalformed");
}

#[test]
fn a_strict_region_is_named_in_the_answer() {
    for place in [Place::HeaderV4, Place::QueryV4] {
        let request = build(place, Some("UNSIGNED-PAYLOAD"));
        let found = request.authenticate(&authenticator(SigV2::Off, true));
        match found {
            Err(AuthError::AuthorizationHeaderMalformed { region, .. }) => {
                assert_eq!(region.as_deref(), Some("home"));
            }
            other => panic!("{other:?}"),
        }
    }
}
