//! The policy of a browser's form: what it may upload, and until when.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>
//!
//! A field that the policy does not name is refused, so that who signs a form decides all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::NaiveDateTime;
use serde_json::Value;

use crate::domain::ids::Timestamp;

/// The fields of a form: lower-case names and their values.
pub type FormFields = BTreeMap<String, String>;

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostPolicy {
    expires_at: Timestamp,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Equals { field: String, value: String },
    StartsWith { field: String, start: String },
    Length { least: u64, most: u64 },
}

/// Why a form is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The document is none (InvalidPolicyDocument).
    #[error("Invalid Policy: {0}")]
    Document(String),
    /// The form is not what the policy allows (AccessDenied).
    #[error("Invalid according to Policy: {0}")]
    Denied(String),
}

fn invalid(message: impl Into<String>) -> PolicyError {
    PolicyError::Document(message.into())
}

/// Fields that are about the signature, and the file itself: no condition names them.
const EXEMPT: [&str; 5] = [
    "awsaccesskeyid",
    "file",
    "policy",
    "signature",
    "x-amz-signature",
];

/// Fields with this prefix mean nothing.
pub const IGNORED_PREFIX: &str = "x-ignore-";

impl PostPolicy {
    /// Reads a policy in base64, as the form carries it.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = STANDARD
            .decode(packed)
            .map_err(|_| invalid("Policy could not be base64 decoded."))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| invalid("Invalid JSON."))?;
        let Value::Object(members) = value else {
            return Err(invalid("Invalid JSON: the policy is an object."));
        };
        let known = ["expiration", "conditions"];
        if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(invalid(format!("Unexpected: '{name}'.")));
        }
        let expiration = members
            .get("expiration")
            .ok_or_else(|| invalid("Policy missing expiration."))?;
        let expires_at = expiration.as_str().and_then(parse_time).ok_or_else(|| {
            invalid(format!(
                "Invalid 'expiration' value: '{}'",
                plain(expiration)
            ))
        })?;
        let Some(Value::Array(list)) = members.get("conditions") else {
            return Err(invalid("Policy missing conditions."));
        };
        let conditions = list
            .iter()
            .map(Condition::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            expires_at,
            conditions,
        })
    }

    /// Holds a form against the policy and answers how many bytes its file may have.
    pub fn check(
        &self,
        fields: &FormFields,
        bucket: &str,
        now: Timestamp,
    ) -> Result<RangeInclusive<u64>, PolicyError> {
        if now >= self.expires_at {
            return Err(PolicyError::Denied("Policy expired.".to_owned()));
        }
        let value_of = |field: &str| match field {
            "bucket" => Some(bucket),
            _ => fields.get(field).map(String::as_str),
        };
        let mut named = BTreeSet::new();
        let (mut least, mut most) = (0, u64::MAX);
        for condition in &self.conditions {
            let (field, holds) = match condition {
                Condition::Equals { field, value } => {
                    (field, value_of(field) == Some(value.as_str()))
                }
                Condition::StartsWith { field, start } => {
                    let value = value_of(field);
                    (field, value.is_some_and(|it| starts_with(field, it, start)))
                }
                Condition::Length {
                    least: low,
                    most: high,
                } => {
                    least = least.max(*low);
                    most = most.min(*high);
                    continue;
                }
            };
            if !holds {
                let text = format!("Policy Condition failed: {}", condition.to_json());
                return Err(PolicyError::Denied(text));
            }
            named.insert(field.as_str());
        }
        let needs_condition = |name: &&str| {
            !EXEMPT.contains(name) && !name.starts_with(IGNORED_PREFIX) && !named.contains(name)
        };
        let names = std::iter::once("bucket").chain(fields.keys().map(String::as_str));
        let extra: BTreeSet<&str> = names.filter(needs_condition).collect();
        if extra.is_empty() {
            return Ok(least..=most);
        }
        let extra: Vec<&str> = extra.into_iter().collect();
        Err(PolicyError::Denied(format!(
            "Extra input fields: {}",
            extra.join(", ")
        )))
    }
}

impl Condition {
    fn parse(value: &Value) -> Result<Self, PolicyError> {
        match value {
            Value::Object(members) => {
                let mut pairs = members.iter();
                let (Some((field, value)), None) = (pairs.next(), pairs.next()) else {
                    return Err(invalid(
                        "Invalid Simple-Condition: Simple-Conditions must have exactly one \
                         property specified.",
                    ));
                };
                Ok(Self::Equals {
                    field: field.to_ascii_lowercase(),
                    value: text_of(value)?.to_owned(),
                })
            }
            Value::Array(list) => Self::parse_list(list),
            _ => Err(invalid(
                "Invalid Condition: neither an object nor an array.",
            )),
        }
    }

    fn parse_list(list: &[Value]) -> Result<Self, PolicyError> {
        let [operator, first, second] = list else {
            return Err(invalid(
                "Invalid Condition: a condition in an array has three elements.",
            ));
        };
        let operator = text_of(operator)?.to_ascii_lowercase();
        if operator == "content-length-range" {
            let (Some(least), Some(most)) = (number(first), number(second)) else {
                return Err(invalid(
                    "Invalid content-length-range: it takes two numbers.",
                ));
            };
            if least > most {
                return Err(invalid(
                    "Invalid content-length-range: the minimum is over the maximum.",
                ));
            }
            return Ok(Self::Length { least, most });
        }
        let field = text_of(first)?
            .strip_prefix('$')
            .ok_or_else(|| invalid("Invalid Condition: the name of a field begins with '$'."))?;
        let field = field.to_ascii_lowercase();
        let value = text_of(second)?.to_owned();
        match operator.as_str() {
            "eq" => Ok(Self::Equals { field, value }),
            "starts-with" => Ok(Self::StartsWith {
                field,
                start: value,
            }),
            _ => Err(invalid(format!(
                "Invalid Condition: unknown operation '{operator}'."
            ))),
        }
    }

    fn to_json(&self) -> String {
        let (operator, field, value) = match self {
            Self::Equals { field, value } => ("eq", field, value),
            Self::StartsWith { field, start } => ("starts-with", field, start),
            Self::Length { least, most } => {
                return format!("[\"content-length-range\", {least}, {most}]");
            }
        };
        let quoted = |text: &str| Value::from(text).to_string();
        let field = quoted(&format!("${field}"));
        format!("[\"{operator}\", {field}, {}]", quoted(value))
    }
}

/// A list of types must begin so in each of its elements.
fn starts_with(field: &str, value: &str, start: &str) -> bool {
    if field == "content-type" {
        value
            .split(',')
            .all(|one| one.trim_start().starts_with(start))
    } else {
        value.starts_with(start)
    }
}

fn text_of(value: &Value) -> Result<&str, PolicyError> {
    value
        .as_str()
        .ok_or_else(|| invalid(format!("Invalid Condition: '{}' is no text.", plain(value))))
}

/// A number, which some signers write as a text.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// `2007-12-01T12:00:00.000Z`, with or without a fraction.
fn parse_time(text: &str) -> Option<Timestamp> {
    let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.fZ").ok()?;
    Some(Timestamp(at.and_utc().timestamp_micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<PostPolicy, PolicyError> {
        PostPolicy::parse(&STANDARD.encode(json))
    }

    fn policy(conditions: &str) -> Result<PostPolicy, PolicyError> {
        parse(&format!(
            "{{\"expiration\": \"2030-01-01T00:00:00.000Z\", \"conditions\": [{conditions}]}}"
        ))
    }

    fn check(
        conditions: &str,
        fields: &[(&str, &str)],
    ) -> Result<RangeInclusive<u64>, PolicyError> {
        let fields = fields
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        policy(conditions)?.check(&fields.collect(), "pkg", Timestamp(0))
    }

    #[test]
    fn a_document_that_is_no_policy_is_refused() {
        let wrong = [
            "",
            "[]",
            "{}",
            "{",
            "{\"expiration\": \"2030-01-01T00:00:00Z\"}",
            "{\"expiration\": \"2030-01-01T00:00:00Z\", \"conditions\": {}}",
            "{\"expiration\": \"2030-01-01T00:00:00Z\", \"CONDITIONS\": []}",
            "{\"EXPIRATION\": \"2030-01-01T00:00:00Z\", \"conditions\": []}",
            "{\"conditions\": []}",
            "{\"expiration\": \"2030-01-01 00:00:00\", \"conditions\": []}",
            "{\"expiration\": \"2030-01-01T00:00:00+00:00\", \"conditions\": []}",
            "{\"expiration\": 1, \"conditions\": []}",
        ];
        for json in wrong {
            assert!(
                matches!(parse(json), Err(PolicyError::Document(_))),
                "{json}"
            );
        }
        assert!(PostPolicy::parse("%").is_err());
        let conditions = [
            "1",
            "{}",
            "{\"a\": \"1\", \"b\": \"2\"}",
            "{\"a\": 1}",
            "[]",
            "[\"eq\", \"$a\"]",
            "[\"eq\", \"a\", \"1\"]",
            "[\"eq\", \"$a\", 1]",
            "[\"ends-with\", \"$a\", \"1\"]",
            "[\"content-length-range\", 0]",
            "[\"content-length-range\", -1, 0]",
            "[\"content-length-range\", 2, 1]",
            "[\"content-length-range\", \"a\", 1]",
        ];
        for condition in conditions {
            let refused = policy(condition);
            assert!(
                matches!(refused, Err(PolicyError::Document(_))),
                "{condition}"
            );
        }
    }

    const BUCKET: &str = "{\"bucket\": \"pkg\"}";

    type Case = (
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
    );

    #[test]
    fn a_form_that_the_policy_does_not_allow_is_refused() {
        let cases: [Case; 11] = [
            ("", &[], "Extra input fields: bucket"),
            (
                "{\"bucket\": \"other\"}",
                &[],
                "[\"eq\", \"$bucket\", \"other\"]",
            ),
            (BUCKET, &[("key", "a")], "Extra input fields: key"),
            (
                BUCKET,
                &[("key", "a"), ("acl", "private")],
                "Extra input fields: acl, key",
            ),
            (
                "{\"bucket\": \"pkg\"}, [\"eq\", \"$key\", \"a\"]",
                &[("key", "ab")],
                "[\"eq\", \"$key\", \"a\"]",
            ),
            (
                "{\"bucket\": \"pkg\"}, [\"eq\", \"$key\", \"\"]",
                &[],
                "[\"eq\", \"$key\", \"\"]",
            ),
            (
                "{\"bucket\": \"pkg\"}, [\"starts-with\", \"$key\", \"u/\"]",
                &[("key", "v/a")],
                "[\"starts-with\", \"$key\", \"u/\"]",
            ),
            (
                "{\"bucket\": \"pkg\"}, [\"starts-with\", \"$key\", \"\"]",
                &[],
                "[\"starts-with\", \"$key\", \"\"]",
            ),
            (
                "{\"bucket\": \"pkg\"}, [\"starts-with\", \"$Content-Type\", \"image/\"]",
                &[("content-type", "image/png, text/html")],
                "$content-type",
            ),
            (
                BUCKET,
                &[("x-amz-meta-a", "1")],
                "Extra input fields: x-amz-meta-a",
            ),
            (
                "{\"bucket\": \"pkg\"}, {\"x-amz-meta-a\": \"1\"}",
                &[("x-amz-meta-a", "2")],
                "Policy Condition failed",
            ),
        ];
        for (conditions, fields, message) in cases {
            match check(conditions, fields) {
                Err(PolicyError::Denied(text)) => assert!(text.contains(message), "{text}"),
                other => panic!("{conditions} {fields:?}: {other:?}"),
            }
        }
        let late = policy(BUCKET).unwrap();
        let end = Timestamp::parse("2030-01-01T00:00:00+00:00").unwrap();
        let refused = late.check(&FormFields::new(), "pkg", end);
        assert_eq!(
            refused,
            Err(PolicyError::Denied("Policy expired.".to_owned()))
        );
        assert!(
            late.check(&FormFields::new(), "pkg", Timestamp(end.0 - 1))
                .is_ok()
        );
    }

    #[test]
    fn a_form_that_the_policy_allows_has_its_range() {
        let conditions = "{\"bUcKeT\": \"pkg\"}, [\"StArTs-WiTh\", \"$KeY\", \"u/\"], \
            [\"EQ\", \"$acl\", \"private\"], [\"starts-with\", \"$Content-Type\", \"image/\"], \
            [\"content-length-range\", 1, 100], [\"content-length-range\", \"0\", \"50\"]";
        let fields = [
            ("key", "u/a"),
            ("acl", "private"),
            ("content-type", "image/png,image/gif"),
            ("policy", "p"),
            ("signature", "s"),
            ("awsaccesskeyid", "a"),
            ("x-amz-signature", "s"),
            ("x-ignore-me", "1"),
            ("bucket", "pkg"),
        ];
        assert_eq!(check(conditions, &fields), Ok(1..=50));
        assert_eq!(check(BUCKET, &[]), Ok(0..=u64::MAX));
    }
}
