//! JSON into canonical CBOR and back: free metadata, provenance, and the JSON form of events.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;

use crate::domain::cbor::decode::{NotCanonical, Problem, Value, decode};
use crate::domain::cbor::encode::put_json;

/// How deep arrays and objects may nest in JSON that becomes part of a document; less than
/// [`MAX_DEPTH`](crate::domain::cbor::decode::MAX_DEPTH), so that the document around it can still
/// be read.
pub const MAX_JSON_DEPTH: usize = 24;

/// The largest integer that every JSON reader carries exactly: 2^53 - 1.
pub const MAX_JSON_INTEGER: u64 = (1 << 53) - 1;

/// A JSON value that cannot become part of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at '{pointer}': {reason}")]
pub struct NotCarriable {
    /// The JSON pointer (RFC 6901) of the value.
    pub pointer: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Encodes a JSON value, if every reader of JSON can carry it exactly: see [`check`].
pub fn from_json(value: &Json) -> Result<Vec<u8>, NotCarriable> {
    check(value)?;
    let mut out = Vec::with_capacity(256);
    put_json(&mut out, value);
    Ok(out)
}

/// Refuses integers beyond ±(2^53 - 1), which JSON readers round, and nesting deeper than
/// [`MAX_JSON_DEPTH`]. NaN and infinities are no JSON and do not come this far.
pub fn check(value: &Json) -> Result<(), NotCarriable> {
    check_below(value, MAX_JSON_DEPTH)
}

fn check_below(value: &Json, depth_left: usize) -> Result<(), NotCarriable> {
    let refuse = |reason| {
        Err(NotCarriable {
            pointer: String::new(),
            reason,
        })
    };
    let within = |segment: String| {
        move |mut error: NotCarriable| {
            error.pointer.insert_str(0, &segment);
            error
        }
    };
    match value {
        Json::Array(_) | Json::Object(_) if depth_left == 0 => refuse("nested too deep"),
        Json::Number(number) if !is_carriable(number) => {
            refuse("the integer is beyond 2^53 - 1, which JSON readers round; use a string")
        }
        Json::Array(items) => items.iter().enumerate().try_for_each(|(i, item)| {
            check_below(item, depth_left - 1).map_err(within(format!("/{i}")))
        }),
        Json::Object(object) => object.iter().try_for_each(|(key, item)| {
            let segment = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
            check_below(item, depth_left - 1).map_err(within(segment))
        }),
        _ => Ok(()),
    }
}

fn is_carriable(number: &serde_json::Number) -> bool {
    let magnitude = number
        .as_u64()
        .or_else(|| number.as_i64().map(i64::unsigned_abs));
    magnitude.is_none_or(|magnitude| magnitude <= MAX_JSON_INTEGER)
}

/// The JSON form of a canonical document of at most `limit_bytes`; byte strings become base64.
pub fn to_json(bytes: &[u8], limit_bytes: usize) -> Result<Json, NotCanonical> {
    decode(bytes, limit_bytes)?.to_json().ok_or(NotCanonical {
        problem: Problem::NotJson,
        offset: 0,
    })
}

impl Value<'_> {
    /// The JSON form; byte strings become base64. `None` for NaN, infinities and integers below
    /// -2^63, which JSON cannot carry.
    pub fn to_json(&self) -> Option<Json> {
        Some(match self {
            Self::Unsigned(value) => Json::from(*value),
            Self::Negative(value) => Json::from(!i64::try_from(*value).ok()?),
            Self::Bytes(bytes) => Json::String(BASE64.encode(bytes)),
            Self::Text(text) => Json::String((*text).to_owned()),
            Self::Array(items) => items.iter().map(Value::to_json).collect::<Option<_>>()?,
            Self::Map(entries) => Json::Object(
                entries
                    .iter()
                    .map(|(key, value)| Some(((*key).to_owned(), value.to_json()?)))
                    .collect::<Option<_>>()?,
            ),
            Self::Bool(value) => Json::Bool(*value),
            Self::Null => Json::Null,
            Self::Float(value) => Json::Number(serde_json::Number::from_f64(*value)?),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
    use serde_json::json;

    use super::*;

    /// Any JSON value that the edge accepts.
    pub(crate) fn any_json() -> impl Strategy<Value = Json> {
        let limit = MAX_JSON_INTEGER as i64;
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            (-limit..=limit).prop_map(Json::from),
            (-300..300_i64).prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            any::<f32>().prop_map(Json::from),
            "\\PC{0,30}".prop_map(Json::from),
            any::<String>().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..8).prop_map(Json::from),
                btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_comes_back_as_it_went_in(json in any_json()) {
            let bytes = from_json(&json).unwrap();
            assert_eq!(to_json(&bytes, 1 << 20).unwrap(), json);
        }
    }

    fn nested(depth: usize) -> Json {
        (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }))
    }

    #[test]
    fn what_json_readers_would_change_is_refused_by_its_pointer() {
        let cases = [
            (
                json!({"a": [1, {"b/c~": 9_007_199_254_740_992_u64}]}),
                Some("/a/1/b~1c~0"),
            ),
            (json!(-9_007_199_254_740_992_i64), Some("")),
            (json!(u64::MAX), Some("")),
            (json!(9_007_199_254_740_991_u64), None),
            (json!(-9_007_199_254_740_991_i64), None),
            (json!(1e300), None),
            (nested(MAX_JSON_DEPTH), None),
        ];
        for (json, pointer) in cases {
            let refused = from_json(&json).err().map(|error| error.pointer);
            assert_eq!(refused.as_deref(), pointer, "{json}");
        }
        let error = check(&nested(MAX_JSON_DEPTH + 1)).unwrap_err();
        assert_eq!(error.reason, "nested too deep");
    }

    #[test]
    fn bytes_become_base64_and_what_is_no_json_an_error() {
        assert_eq!(to_json(&[0x43, 1, 2, 3], 9).unwrap(), json!("AQID"));
        for bytes in ["f97e00", "f97c00", "3bffffffffffffffff"] {
            let error = to_json(&hex::decode(bytes).unwrap(), 9).unwrap_err();
            assert_eq!(error.problem, Problem::NotJson, "{bytes}");
        }
    }
}
