//! The conditional headers: `If-Match` and its family, on reads, writes and copy sources.
//! <https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2>
//!
//! Entity tags are compared without quotes, since clients send both forms. Our own tags hold no
//! comma, so splitting a list at commas can only miss tags that are not ours.

use std::time::UNIX_EPOCH;

use http::{HeaderMap, HeaderName, header};

use crate::domain::condition::WriteCondition;
use crate::domain::ids::Timestamp;

/// The conditional headers of a request. A date that cannot be read counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    match_tags: Option<Vec<String>>,
    none_match_tags: Option<Vec<String>>,
    /// Seconds since 1970.
    modified_since: Option<i64>,
    /// Seconds since 1970.
    unmodified_since: Option<i64>,
    range_tag: Option<String>,
}

/// What the conditions say of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// Answer the request.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// `If-Match` and `If-None-Match` on one write, which S3 does not define.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("If-Match and If-None-Match cannot be combined on a write")]
pub struct ConflictingConditions;

impl Conditions {
    /// The conditions on the object that the request addresses.
    pub fn parse(headers: &HeaderMap) -> Self {
        Self {
            match_tags: tags(headers, &header::IF_MATCH, Comparison::Strong),
            none_match_tags: tags(headers, &header::IF_NONE_MATCH, Comparison::Weak),
            modified_since: date(headers, &header::IF_MODIFIED_SINCE),
            unmodified_since: date(headers, &header::IF_UNMODIFIED_SINCE),
            range_tag: headers
                .get(header::IF_RANGE)
                .and_then(|value| value.to_str().ok())
                .map(|value| value.trim().to_owned()),
        }
    }

    /// The conditions on the source of a copy: the `x-amz-copy-source-if-*` headers.
    pub fn parse_copy_source(headers: &HeaderMap) -> Self {
        Self {
            match_tags: tags(headers, &SOURCE_IF_MATCH, Comparison::Strong),
            none_match_tags: tags(headers, &SOURCE_IF_NONE_MATCH, Comparison::Weak),
            modified_since: date(headers, &SOURCE_IF_MODIFIED_SINCE),
            unmodified_since: date(headers, &SOURCE_IF_UNMODIFIED_SINCE),
            range_tag: None,
        }
    }

    /// Decides a read of an object with this entity tag (unquoted) and time. A tag outweighs a
    /// date, as RFC 9110 and S3 agree.
    pub fn for_read(&self, etag: &str, last_modified: Timestamp) -> ReadOutcome {
        let modified = last_modified.seconds();
        let matches = match &self.match_tags {
            Some(list) => names(list, etag),
            None => self.unmodified_since.is_none_or(|at| modified <= at),
        };
        let changed = match &self.none_match_tags {
            Some(list) => !names(list, etag),
            None => self.modified_since.is_none_or(|at| modified > at),
        };
        match (matches, changed) {
            (false, _) => ReadOutcome::PreconditionFailed,
            (true, false) => ReadOutcome::NotModified,
            (true, true) => ReadOutcome::Proceed,
        }
    }

    /// Decides a copy from an object: every condition that does not hold is a 412, `false`.
    pub fn for_copy_source(&self, etag: &str, last_modified: Timestamp) -> bool {
        self.for_read(etag, last_modified) == ReadOutcome::Proceed
    }

    /// The condition of a write, to be decided inside the commit. Dates do not bear on writes.
    pub fn for_write(&self) -> Result<WriteCondition, ConflictingConditions> {
        match (&self.match_tags, &self.none_match_tags) {
            (None, None) => Ok(WriteCondition::Always),
            (Some(list), None) => Ok(WriteCondition::IfMatch(list.clone())),
            (None, Some(list)) if list.iter().any(|tag| tag == "*") => Ok(WriteCondition::IfAbsent),
            (None, Some(list)) => Ok(WriteCondition::IfNoneMatch(list.clone())),
            (Some(_), Some(_)) => Err(ConflictingConditions),
        }
    }

    /// Whether a `Range` header counts: `If-Range` is absent or names the object as it is.
    pub fn range_applies(&self, etag: &str, last_modified: Timestamp) -> bool {
        match self.range_tag.as_deref() {
            None => true,
            Some(value) => match parse_date(value) {
                Some(at) => at == last_modified.seconds(),
                None => !value.starts_with("W/") && unquoted(value) == etag,
            },
        }
    }
}

static SOURCE_IF_MATCH: HeaderName = HeaderName::from_static("x-amz-copy-source-if-match");
static SOURCE_IF_NONE_MATCH: HeaderName =
    HeaderName::from_static("x-amz-copy-source-if-none-match");
static SOURCE_IF_MODIFIED_SINCE: HeaderName =
    HeaderName::from_static("x-amz-copy-source-if-modified-since");
static SOURCE_IF_UNMODIFIED_SINCE: HeaderName =
    HeaderName::from_static("x-amz-copy-source-if-unmodified-since");

/// Whether `W/"a"` names the tag `a`: for `If-None-Match` it does, for `If-Match` it does not.
#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Strong,
    Weak,
}

/// The unquoted tags of a header, which may come more than once. A header that names no tag of
/// ours is an empty list, which matches nothing.
fn tags(headers: &HeaderMap, name: &HeaderName, comparison: Comparison) -> Option<Vec<String>> {
    headers.contains_key(name).then(|| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|tag| comparison == Comparison::Weak || !tag.starts_with("W/"))
            .map(|tag| unquoted(tag.strip_prefix("W/").unwrap_or(tag)).to_owned())
            .filter(|tag| !tag.is_empty())
            .collect()
    })
}

fn names(list: &[String], etag: &str) -> bool {
    list.iter().any(|tag| tag == "*" || tag == etag)
}

fn unquoted(tag: &str) -> &str {
    tag.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(tag)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<i64> {
    parse_date(headers.get(name)?.to_str().ok()?.trim())
}

fn parse_date(text: &str) -> Option<i64> {
    let at = httpdate::parse_http_date(text).ok()?;
    i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    /// The object of every case was modified at this second, and half of the next.
    const MODIFIED: Timestamp = Timestamp(1_445_412_480_500_000);
    const AT: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
    const BEFORE: &str = "Wed, 21 Oct 2015 07:27:59 GMT";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |&(name, value): &(&'static str, &str)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        };
        let mut map = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            map.append(name, value);
        }
        map
    }

    #[test]
    fn a_read_follows_the_precedence_of_rfc_9110() {
        let (proceed, not_modified, failed) = (
            ReadOutcome::Proceed,
            ReadOutcome::NotModified,
            ReadOutcome::PreconditionFailed,
        );
        let cases: &[(&[(&str, &str)], ReadOutcome)] = &[
            (&[("if-match", "\"b\"")], failed),
            (&[("if-match", "")], failed),
            (&[("if-match", "W/\"a\"")], failed),
            (&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], failed),
            (&[("if-unmodified-since", BEFORE)], failed),
            (
                &[("if-unmodified-since", BEFORE), ("if-none-match", "a")],
                failed,
            ),
            (&[("if-none-match", "\"a\"")], not_modified),
            (&[("if-none-match", "a")], not_modified),
            (&[("if-none-match", "*")], not_modified),
            (&[("if-none-match", "\"x\", W/\"a\"")], not_modified),
            (
                &[("if-none-match", "x"), ("if-none-match", "a")],
                not_modified,
            ),
            (&[("if-modified-since", AT)], not_modified),
            (&[("if-match", "a"), ("if-none-match", "a")], not_modified),
            (
                &[("if-none-match", "a"), ("if-modified-since", BEFORE)],
                not_modified,
            ),
            (
                &[("if-none-match", "b"), ("if-modified-since", AT)],
                proceed,
            ),
            (
                &[("if-match", "\"a\""), ("if-unmodified-since", BEFORE)],
                proceed,
            ),
            (&[("if-match", "b, \"a\"")], proceed),
            (&[("if-match", "*")], proceed),
            (&[("if-unmodified-since", AT)], proceed),
            (&[("if-modified-since", BEFORE)], proceed),
            (&[("if-modified-since", "yesterday")], proceed),
            (&[("if-unmodified-since", "")], proceed),
            (&[], proceed),
        ];
        for (pairs, expected) in cases {
            let outcome = Conditions::parse(&headers(pairs)).for_read("a", MODIFIED);
            assert_eq!(outcome, *expected, "{pairs:?}");
            let source: HeaderMap = headers(pairs)
                .into_iter()
                .fold(
                    (HeaderMap::new(), None),
                    |(mut map, last), (name, value)| {
                        let name = name.or(last).unwrap();
                        let source = format!("x-amz-copy-source-{name}");
                        map.append(HeaderName::try_from(source).unwrap(), value);
                        (map, Some(name))
                    },
                )
                .0;
            let copies = Conditions::parse_copy_source(&source).for_copy_source("a", MODIFIED);
            assert_eq!(copies, *expected == proceed, "copy source, {pairs:?}");
            assert_eq!(Conditions::parse(&source), Conditions::default());
        }
    }

    #[test]
    fn a_write_takes_tags_only() {
        type Case = (
            &'static [(&'static str, &'static str)],
            Result<WriteCondition, ConflictingConditions>,
        );
        let owned = |tags: &[&str]| tags.iter().map(|&tag| tag.to_owned()).collect();
        let cases: &[Case] = &[
            (
                &[("if-match", "a"), ("if-none-match", "*")],
                Err(ConflictingConditions),
            ),
            (&[], Ok(WriteCondition::Always)),
            (&[("if-modified-since", AT)], Ok(WriteCondition::Always)),
            (&[("if-none-match", "*")], Ok(WriteCondition::IfAbsent)),
            (&[("if-none-match", "\"*\"")], Ok(WriteCondition::IfAbsent)),
            (
                &[("if-none-match", "\"a\", W/\"b\"")],
                Ok(WriteCondition::IfNoneMatch(owned(&["a", "b"]))),
            ),
            (
                &[("if-match", "\"a\", W/\"b\"")],
                Ok(WriteCondition::IfMatch(owned(&["a"]))),
            ),
            (&[("if-match", "")], Ok(WriteCondition::IfMatch(Vec::new()))),
            (
                &[("if-match", "*")],
                Ok(WriteCondition::IfMatch(owned(&["*"]))),
            ),
        ];
        for (pairs, expected) in cases {
            let condition = Conditions::parse(&headers(pairs)).for_write();
            assert_eq!(condition, *expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_range_counts_only_for_the_object_it_was_meant_for() {
        let cases = [
            ("\"b\"", false),
            ("W/\"a\"", false),
            (BEFORE, false),
            ("", false),
            ("\"a\"", true),
            (AT, true),
        ];
        for (value, expected) in cases {
            let conditions = Conditions::parse(&headers(&[("if-range", value)]));
            assert_eq!(conditions.range_applies("a", MODIFIED), expected, "{value}");
        }
        assert!(Conditions::default().range_applies("a", MODIFIED));
    }
}
