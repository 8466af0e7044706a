//! Metadata schemas: JSON Schema 2020-12 under a slug, in numbered versions, and metadata checked
//! against one.
//!
//! Fetches nothing: a schema may refer to itself and to the meta-schemas of its draft, and to no
//! other document. Formats are annotations, as the draft has it, and refuse nothing.
//! <https://json-schema.org/draft/2020-12/json-schema-core>

use std::fmt;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value as Json;

use crate::domain::cbor::json;
use crate::domain::digest::ContentAddress;
use crate::domain::ids::{SchemaId, Sequence, Timestamp};
use crate::domain::jcs;
use crate::domain::package::Rejection;

/// The most bytes of a schema, in its canonical form (RFC 8785).
pub const MAX_SCHEMA_BYTES: usize = 64 * 1024;

/// The most versions of one slug.
pub const MAX_VERSIONS: u64 = 1000;

/// The most bytes of a slug.
pub const MAX_SLUG_BYTES: usize = 64;

/// What `$schema` may say, with or without an empty fragment.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// How many violations a refusal names.
const NAMED_VIOLATIONS: usize = 5;

/// How many violations are counted.
const COUNTED_VIOLATIONS: usize = 100;

/// The most characters of one violation: some of them quote the value.
const VIOLATION_CHARS: usize = 200;

/// The most bytes that one regular expression of a schema takes when it is compiled.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// The name of a schema: 1 to [`MAX_SLUG_BYTES`] of `a-z`, `0-9`, `-`, `_` and `.`, of which the
/// first is a letter or a digit. Never the form of an identifier, so that either may name a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaSlug(String);

impl SchemaSlug {
    /// The slug of a text.
    pub fn parse(text: &str) -> Result<Self, InvalidSchema> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let has_form = text.bytes().next().is_some_and(is_plain)
            && text.len() <= MAX_SLUG_BYTES
            && text
                .bytes()
                .all(|byte| is_plain(byte) || b"-_.".contains(&byte));
        if has_form && text.parse::<SchemaId>().is_err() {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSchema(format!(
                "'{text}' is no slug of a metadata schema: 1 to {MAX_SLUG_BYTES} of a-z, 0-9, '-', \
                 '_' and '.', of which the first is a letter or a digit"
            )))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SchemaSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A schema as a package asks for it: `slug`, which is its latest version, or `slug@version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaReference {
    /// The slug.
    pub slug: SchemaSlug,
    /// The version; the latest if `None`.
    pub version: Option<u64>,
}

impl SchemaReference {
    /// The reference of a text.
    pub fn parse(text: &str) -> Result<Self, InvalidSchema> {
        let Some((slug, version)) = text.split_once('@') else {
            return Ok(Self {
                slug: SchemaSlug::parse(text)?,
                version: None,
            });
        };
        Ok(Self {
            slug: SchemaSlug::parse(slug)?,
            version: Some(parse_version(version)?),
        })
    }

    /// The version of a slug that is meant, of all that there are.
    pub fn pick<'v>(&self, versions: &'v [SchemaVersion]) -> Option<&'v SchemaVersion> {
        match self.version {
            Some(version) => versions.iter().find(|known| known.version == version),
            None => versions.iter().max_by_key(|known| known.version),
        }
    }
}

impl fmt::Display for SchemaReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{}@{version}", self.slug),
            None => self.slug.fmt(f),
        }
    }
}

/// A version of a text: a whole number from 1.
pub fn parse_version(text: &str) -> Result<u64, InvalidSchema> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let version = is_number.then(|| text.parse().ok()).flatten();
    version
        .filter(|version| (1..=MAX_VERSIONS).contains(version))
        .ok_or_else(|| {
            InvalidSchema(format!(
                "'{text}' is no version of a metadata schema: a whole number from 1 to \
                 {MAX_VERSIONS}"
            ))
        })
}

/// A schema as the views hold it.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaRecord {
    /// The identifier of this version, which packages keep.
    pub id: SchemaId,
    /// The slug.
    pub slug: SchemaSlug,
    /// The version, from 1 without a gap.
    pub version: u64,
    /// The schema.
    pub json_schema: Json,
    /// The position of its event.
    pub sequence: Sequence,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Who registered it.
    pub created_by: String,
}

/// A version of a slug, as far as a decision needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaVersion {
    /// The version.
    pub version: u64,
    /// Its identifier.
    pub id: SchemaId,
    /// The digest of the schema: see [`schema_digest`].
    pub digest: ContentAddress,
}

/// What a registration amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// A new version.
    New(u64),
    /// The schema is there already, which is a success.
    Known(SchemaId),
}

/// Decides the registration of a schema of this digest under a slug with these versions. Equal
/// schemas are one; a different one is a new version only if the next version is asked for.
pub fn register(
    slug: &SchemaSlug,
    versions: &[SchemaVersion],
    digest: ContentAddress,
    asked: Option<u64>,
) -> Result<Registration, Rejection> {
    let latest = versions.iter().map(|known| known.version).max();
    let next = latest.unwrap_or(0) + 1;
    let refuse = |reason: String| {
        Err(Rejection::SchemaConflict {
            slug: slug.to_string(),
            reason,
        })
    };
    let known = match asked {
        Some(version) => versions.iter().find(|known| known.version == version),
        None => versions.iter().rev().find(|known| known.digest == digest),
    };
    match (known, asked, latest) {
        (Some(known), _, _) if known.digest == digest => Ok(Registration::Known(known.id)),
        (Some(known), _, _) => refuse(format!(
            "version {} is another schema; ask for version {next}",
            known.version
        )),
        (None, None, Some(latest)) => refuse(format!(
            "it has other schemas, the latest is version {latest}; ask for version {next} to \
             register this one as such"
        )),
        (None, Some(version), _) if version != next => {
            refuse(format!("the next version is {next}, not {version}"))
        }
        (None, _, _) if next > MAX_VERSIONS => refuse(format!("it has {MAX_VERSIONS} versions")),
        (None, _, _) => Ok(Registration::New(next)),
    }
}

/// A schema, a slug or a version that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSchema(pub String);

/// The canonical form of a schema (RFC 8785), if JSON readers can carry it and it has at most
/// [`MAX_SCHEMA_BYTES`]. Whether it is a schema at all, [`MetadataValidator::compile`] says.
pub fn check_schema(schema: &Json) -> Result<String, InvalidSchema> {
    json::check(schema).map_err(|error| InvalidSchema(format!("json_schema: {error}")))?;
    let canonical = canonical_schema(schema);
    if canonical.len() > MAX_SCHEMA_BYTES {
        return Err(InvalidSchema(format!(
            "a metadata schema has at most {MAX_SCHEMA_BYTES} bytes, and this one {}",
            canonical.len()
        )));
    }
    Ok(canonical)
}

/// The canonical form of a schema that [`check_schema`] has passed: equal schemas have equal ones.
pub fn canonical_schema(schema: &Json) -> String {
    jcs::canonical(schema)
}

/// What equal schemas have in common: BLAKE3 of the canonical form.
pub fn schema_digest(canonical: &str) -> ContentAddress {
    ContentAddress(*blake3::hash(canonical.as_bytes()).as_bytes())
}

/// A schema that metadata can be checked against. One that refers to itself without an end checks
/// nothing there and ends; one whose references multiply may take very long.
#[derive(Debug)]
pub struct MetadataValidator(Validator);

/// Metadata that a schema does not allow. The text names the JSON pointers of the first violations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violations(pub String);

impl MetadataValidator {
    /// Compiles a schema.
    pub fn compile(schema: &Json) -> Result<Self, InvalidSchema> {
        let invalid = |reason: String| Err(InvalidSchema(format!("json_schema: {reason}")));
        match schema {
            Json::Bool(_) => {}
            Json::Object(members) => {
                let dialect = members.get("$schema");
                let is_ours = dialect.is_none_or(|dialect| {
                    let named = dialect.as_str().map(|name| name.trim_end_matches('#'));
                    named == Some(DIALECT)
                });
                if !is_ours {
                    return invalid(format!("at '/$schema': the dialect is {DIALECT}"));
                }
            }
            _ => return invalid("a schema is a JSON object or a boolean".to_owned()),
        }
        let patterns = PatternOptions::regex()
            .size_limit(MAX_PATTERN_BYTES)
            .dfa_size_limit(MAX_PATTERN_BYTES);
        jsonschema::options()
            .offline()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(patterns)
            .build(schema)
            .map(Self)
            .map_err(|error| InvalidSchema(format!("json_schema: {}", violation(&error))))
    }

    /// Checks metadata.
    pub fn check(&self, metadata: &Json) -> Result<(), Violations> {
        let mut named = Vec::new();
        let mut more = 0;
        for error in self.0.iter_errors(metadata).take(COUNTED_VIOLATIONS) {
            if named.len() < NAMED_VIOLATIONS {
                named.push(violation(&error));
            } else {
                more += 1;
            }
        }
        if named.is_empty() {
            return Ok(());
        }
        if more > 0 {
            let is_cut = named.len() + more == COUNTED_VIOLATIONS;
            let at_least = if is_cut { "at least " } else { "" };
            named.push(format!("and {at_least}{more} more"));
        }
        Err(Violations(named.join("; ")))
    }
}

fn violation(error: &jsonschema::ValidationError<'_>) -> String {
    let text = format!("at '{}': {error}", error.instance_path().as_str());
    match text.char_indices().nth(VIOLATION_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn violations(schema: &Json, metadata: &Json) -> Option<String> {
        let validator = MetadataValidator::compile(schema).unwrap();
        validator.check(metadata).err().map(|error| error.0)
    }

    #[test]
    fn a_slug_and_a_reference_have_one_form() {
        let long = "a".repeat(MAX_SLUG_BYTES + 1);
        for wrong in [
            "",
            "A",
            "-a",
            ".a",
            "a b",
            "a/b",
            "é",
            "a@",
            &long,
            "a@0",
            "a@x",
            "a@1@2",
            "7d444840-9dc0-41d1-b245-5ffdce74fad2",
        ] {
            assert!(SchemaReference::parse(wrong).is_err(), "{wrong}");
        }
        for right in ["a", "0", "release-1.2_x", &long[1..], "a@1", "a@1000"] {
            assert_eq!(SchemaReference::parse(right).unwrap().to_string(), right);
        }
        assert!(SchemaReference::parse("a@1001").is_err());
    }

    fn version(version: u64, seed: u8) -> SchemaVersion {
        SchemaVersion {
            version,
            id: SchemaId(Uuid::from_u128(version.into())),
            digest: ContentAddress([seed; 32]),
        }
    }

    #[test]
    fn a_reference_without_a_version_means_the_latest() {
        let versions = [version(1, 1), version(2, 2), version(10, 3)];
        let pick = |text: &str| {
            let reference = SchemaReference::parse(text).unwrap();
            reference.pick(&versions).map(|known| known.version)
        };
        assert_eq!(pick("a"), Some(10));
        assert_eq!(pick("a@2"), Some(2));
        assert_eq!(pick("a@3"), None);
    }

    /// Versions that are there, the schema, the version asked for, and the outcome.
    type Case<'v> = (
        &'v [SchemaVersion],
        u8,
        Option<u64>,
        Result<Registration, &'static str>,
    );

    #[test]
    fn equal_schemas_are_one_and_others_ask_for_the_next_version() {
        let known = |version: u64| {
            Ok(Registration::Known(SchemaId(Uuid::from_u128(
                version.into(),
            ))))
        };
        let new = |version: u64| Ok(Registration::New(version));
        let one = [version(1, 1)];
        let two = [version(1, 1), version(2, 2)];
        let cases: [Case<'_>; 14] = [
            (&[], 1, None, new(1)),
            (&[], 1, Some(1), new(1)),
            (&[], 1, Some(2), Err("the next version is 1, not 2")),
            (&one, 1, None, known(1)),
            (&one, 1, Some(1), known(1)),
            (&one, 1, Some(2), new(2)),
            (&one, 2, Some(2), new(2)),
            (
                &one,
                2,
                None,
                Err("the latest is version 1; ask for version 2"),
            ),
            (
                &one,
                2,
                Some(1),
                Err("version 1 is another schema; ask for version 2"),
            ),
            (&one, 2, Some(3), Err("the next version is 2, not 3")),
            (&two, 1, None, known(1)),
            (&two, 2, Some(2), known(2)),
            (
                &two,
                1,
                Some(2),
                Err("version 2 is another schema; ask for version 3"),
            ),
            (&two, 3, Some(3), new(3)),
        ];
        let slug = SchemaSlug::parse("release").unwrap();
        for (versions, seed, asked, expected) in cases {
            let outcome = register(&slug, versions, ContentAddress([seed; 32]), asked);
            match (outcome, expected) {
                (Ok(outcome), Ok(expected)) => assert_eq!(outcome, expected, "{seed} {asked:?}"),
                (Err(Rejection::SchemaConflict { slug, reason }), Err(part)) => {
                    assert_eq!(slug, "release");
                    assert!(reason.contains(part), "{reason}");
                }
                (outcome, _) => panic!("{seed} {asked:?}: {outcome:?}"),
            }
        }
        let full: Vec<_> = (1..=MAX_VERSIONS).map(|n| version(n, 1)).collect();
        let next = Some(MAX_VERSIONS + 1);
        assert!(register(&slug, &full, ContentAddress([2; 32]), next).is_err());
    }

    #[test]
    fn equal_schemas_have_one_canonical_form() {
        let canonical = |text: &str| check_schema(&serde_json::from_str(text).unwrap()).unwrap();
        let text = canonical(r#"{"type":"object","maxProperties":1}"#);
        assert_eq!(text, r#"{"maxProperties":1,"type":"object"}"#);
        assert_eq!(
            text,
            canonical(r#" {"maxProperties": 1.0, "type": "object"}"#)
        );
        assert_ne!(text, canonical(r#"{"maxProperties":2,"type":"object"}"#));
        let large = |length: usize| check_schema(&json!({ "title": "x".repeat(length) }));
        let around = "{\"title\":\"\"}".len();
        assert!(large(MAX_SCHEMA_BYTES - around).is_ok());
        assert!(large(MAX_SCHEMA_BYTES - around + 1).is_err());
        assert!(check_schema(&json!({"maximum": 9_007_199_254_740_992_u64})).is_err());
    }

    #[test]
    fn what_is_no_schema_is_refused_with_its_pointer() {
        let cases = [
            (json!([]), "a JSON object or a boolean"),
            (json!("x"), "a JSON object or a boolean"),
            (json!({"type": "objekt"}), "at '/type'"),
            (
                json!({"properties": {"a": {"required": "b"}}}),
                "at '/properties/a/required'",
            ),
            (
                json!({"properties": {"a": {"pattern": "("}}}),
                "at '/properties/a/pattern'",
            ),
            // Linear time only: no lookaround, no back references.
            (json!({"pattern": "(?=a)b"}), "at '/pattern'"),
            (
                json!({"pattern": "((a{1000}){1000}){1000}"}),
                "at '/pattern'",
            ),
            (json!({"$ref": "#/$defs/none"}), "does not exist"),
            (
                json!({"$ref": "https://example.org/other"}),
                "Retrieval is disabled",
            ),
            (
                json!({"$ref": "file:///etc/passwd"}),
                "Retrieval is disabled",
            ),
            (
                json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
                "at '/$schema'",
            ),
            (json!({"$schema": 1}), "at '/$schema'"),
        ];
        for (schema, part) in cases {
            let error = MetadataValidator::compile(&schema).unwrap_err();
            assert!(error.0.contains(part), "{schema}: {error}");
        }
        let own = json!({"$schema": "https://json-schema.org/draft/2020-12/schema#"});
        assert!(MetadataValidator::compile(&own).is_ok());
    }

    #[test]
    fn metadata_is_checked_and_violations_are_named() {
        let schema = json!({
            "type": "object",
            "required": ["version"],
            "properties": {
                "version": {"type": "string", "pattern": "^[0-9]+$"},
                "built": {"format": "date-time"},
                "a/b~": {"prefixItems": [{"type": "integer"}, {"$ref": "#/$defs/even"}]},
            },
            "$defs": {"even": {"multipleOf": 2}},
        });
        let cases = [
            (json!({"version": "1"}), None),
            // A format is an annotation.
            (
                json!({"version": "1", "built": "yesterday", "other": null}),
                None,
            ),
            (json!({"version": "1", "a/b~": [1.0, 4]}), None),
            (json!({}), Some("at '': \"version\" is a required property")),
            (
                json!({"version": 1}),
                Some("at '/version': 1 is not of type \"string\""),
            ),
            (
                json!({"version": "1", "a/b~": [1, 3]}),
                Some("at '/a~1b~0/1': 3"),
            ),
        ];
        for (metadata, part) in cases {
            let found = violations(&schema, &metadata);
            match (&found, part) {
                (None, None) => {}
                (Some(text), Some(part)) => assert!(text.contains(part), "{text}"),
                _ => panic!("{metadata}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_refusal_names_some_violations_and_counts_the_rest() {
        let schema = json!({"additionalProperties": {"type": "string"}});
        let metadata = |count: u64| -> Json { (0..count).map(|n| (n.to_string(), n)).collect() };
        let text = violations(&schema, &metadata(7)).unwrap();
        assert_eq!(text.matches("at '/").count(), NAMED_VIOLATIONS, "{text}");
        assert!(text.ends_with("; and 2 more"), "{text}");
        let text = violations(&schema, &metadata(1000)).unwrap();
        assert!(text.ends_with("; and at least 95 more"), "{text}");
        let long = json!({"a": ["é".repeat(1000)]});
        let text = violations(&schema, &long).unwrap();
        assert_eq!(text.chars().count(), VIOLATION_CHARS + 1, "{text}");
    }

    #[test]
    fn a_schema_that_goes_in_circles_ends() {
        let circles = [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}},
                "$ref": "#/$defs/a"}),
            json!({"if": {"$ref": "#"}, "then": true}),
            json!({"$dynamicAnchor": "n", "allOf": [{"$dynamicRef": "#n"}]}),
        ];
        for schema in circles {
            assert_eq!(violations(&schema, &json!({"a": 1})), None, "{schema}");
        }
    }
}
