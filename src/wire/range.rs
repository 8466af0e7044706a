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
        let (unit, spec) = header.trim().split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = spec.trim().split_once('-')?;
        match (first, last) {
            ("", last) => Some(Self::Suffix(number(last)?)),
            (first, "") => Some(Self::From(number(first)?)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::FromTo(first, last))
            }
        }
    }

    /// The range of `x-amz-copy-source-range`, where only `bytes=first-last` is allowed.
    pub fn parse_closed(header: &str) -> Option<Range<u64>> {
        match Self::parse(header)? {
            Self::FromTo(first, last) => Some(first..last.checked_add(1)?),
            Self::From(_) | Self::Suffix(_) => None,
        }
    }

    /// What the range selects of an object of this size.
    pub fn resolve(self, size_bytes: u64) -> Selection {
        let part = match self {
            Self::FromTo(first, last) => first..last.saturating_add(1).min(size_bytes),
            Self::From(first) => first..size_bytes,
            Self::Suffix(length) => size_bytes.saturating_sub(length)..size_bytes,
        };
        if part.is_empty() {
            Selection::Unsatisfiable
        } else {
            Selection::Part(part)
        }
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

/// A number too large for 64 bits lies past the end of every object, so it may as well be the
/// largest.
fn number(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_s3_ignores_gives_the_whole_object() {
        let ignored = [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "bytes=0-1,",
            "bytes=--1",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=1 - 2",
            "lines=0-1",
            "bytes 0-1",
            "bytes=0x1-2",
        ];
        for header in ignored {
            assert_eq!(ByteRange::parse(header), None, "{header}");
            assert_eq!(Selection::of(Some(header), 10), Selection::Full);
        }
        assert_eq!(Selection::of(None, 10), Selection::Full);
    }

    #[test]
    fn a_range_is_cut_to_the_object() {
        let huge = "9".repeat(40);
        let none = None;
        let cases = [
            ("bytes=10-", 10, none.clone()),
            ("bytes=10-20", 10, none.clone()),
            ("bytes=-0", 10, none.clone()),
            ("bytes=0-", 0, none.clone()),
            ("bytes=-5", 0, none.clone()),
            (&*format!("bytes={huge}-"), u64::MAX, none),
            ("bytes=0-0", 10, Some(0..1)),
            ("bytes=9-9", 10, Some(9..10)),
            ("bytes=9-10", 10, Some(9..10)),
            ("bytes=2-5", 10, Some(2..6)),
            ("Bytes=2-5", 10, Some(2..6)),
            (" bytes= 2-5 ", 10, Some(2..6)),
            ("bytes=3-", 10, Some(3..10)),
            ("bytes=-3", 10, Some(7..10)),
            ("bytes=-30", 10, Some(0..10)),
            (&*format!("bytes=1-{huge}"), 10, Some(1..10)),
            (&*format!("bytes=-{huge}"), 10, Some(0..10)),
        ];
        for (header, size, expected) in cases {
            let expected = expected.map_or(Selection::Unsatisfiable, Selection::Part);
            assert_eq!(
                Selection::of(Some(header), size),
                expected,
                "{header} of {size}"
            );
        }
        assert_eq!(content_range(&(2..6), 10), "bytes 2-5/10");
        assert_eq!(unsatisfied_range(10), "bytes */10");
    }

    #[test]
    fn a_copied_range_needs_both_ends() {
        for header in ["bytes=1-", "bytes=-1", "bytes=2-1", "1-2"] {
            assert_eq!(ByteRange::parse_closed(header), None, "{header}");
        }
        let huge = format!("bytes=0-{}", u64::MAX);
        assert_eq!(ByteRange::parse_closed(&huge), None);
        assert_eq!(ByteRange::parse_closed("bytes=1-2"), Some(1..3));
    }
}
