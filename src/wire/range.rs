//! The `Range` header against the size of an object.
//! <https://www.rfc-editor.org/rfc/rfc9110#section-14>

use std::ops::Range;

/// One byte range, as the header gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// `bytes=first-last`, both included.
    FromTo(u64, u64),
    /// `bytes=first-`.
    From(u64),
    /// `bytes=-length`: the last bytes.
    Suffix(u64),
}

/// What a range selects of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The whole object (200).
    Full,
    /// These bytes, never empty (206).
    Part(Range<u64>),
    /// Nothing (416 InvalidRange).
    Unsatisfiable,
}

impl ByteRange {
    /// The range of a header. `None` for everything that S3 ignores: other units, several ranges,
    /// bad syntax.
    pub fn parse(header: &str) -> Option<Self> {
        let _ = header;
        todo!()
    }

    /// The range of `x-amz-copy-source-range`, where only `bytes=first-last` is allowed.
    pub fn parse_closed(header: &str) -> Option<Range<u64>> {
        let _ = header;
        todo!()
    }

    /// What the range selects of an object of this size.
    pub fn resolve(self, size_bytes: u64) -> Selection {
        let _ = size_bytes;
        todo!()
    }
}

impl Selection {
    /// What an optional `Range` header selects of an object of this size.
    pub fn of(header: Option<&str>, size_bytes: u64) -> Self {
        header
            .and_then(ByteRange::parse)
            .map_or(Self::Full, |range| range.resolve(size_bytes))
    }
}

/// The `Content-Range` of a part of an object: `bytes 0-4/10`.
pub fn content_range(part: &Range<u64>, size_bytes: u64) -> String {
    format!("bytes {}-{}/{size_bytes}", part.start, part.end - 1)
}

/// The `Content-Range` of a 416 answer: `bytes */10`.
pub fn unsatisfied_range(size_bytes: u64) -> String {
    format!("bytes */{size_bytes}")
}
