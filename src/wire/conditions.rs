//! The conditional headers: `If-Match` and its family, on reads, writes and copy sources.
//! <https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2>

use http::HeaderMap;

use crate::domain::condition::WriteCondition;
use crate::domain::ids::Timestamp;

/// The conditional headers of a request. A date that cannot be read counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
    /// Seconds since 1970.
    if_modified_since: Option<i64>,
    /// Seconds since 1970.
    if_unmodified_since: Option<i64>,
    if_range: Option<String>,
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
        let _ = headers;
        todo!()
    }

    /// The conditions on the source of a copy: the `x-amz-copy-source-if-*` headers.
    pub fn parse_copy_source(headers: &HeaderMap) -> Self {
        let _ = headers;
        todo!()
    }

    /// Decides a read of an object with this entity tag (unquoted) and time.
    pub fn for_read(&self, etag: &str, last_modified: Timestamp) -> ReadOutcome {
        let _ = (etag, last_modified);
        todo!()
    }

    /// Decides a copy from an object: every condition that does not hold is a 412, `false`.
    pub fn for_copy_source(&self, etag: &str, last_modified: Timestamp) -> bool {
        self.for_read(etag, last_modified) == ReadOutcome::Proceed
    }

    /// The condition of a write, to be decided inside the commit. Dates do not bear on writes.
    pub fn for_write(&self) -> Result<WriteCondition, ConflictingConditions> {
        todo!()
    }

    /// Whether a `Range` header counts: `If-Range` is absent or names the object as it is.
    pub fn range_applies(&self, etag: &str, last_modified: Timestamp) -> bool {
        let _ = (etag, last_modified);
        todo!()
    }
}
