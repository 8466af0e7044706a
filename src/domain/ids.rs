//! Typed identifiers, sequence numbers and instants.
//!
//! Makes no identifier and reads no clock: `registry/handle.rs` owns both.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Timelike, Utc};
use uuid::Uuid;

/// A text that is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a valid identifier")]
pub struct InvalidId(pub String);

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The 16 bytes, as the database keeps them.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The identifier of 16 bytes; `None` for any other length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                Uuid::from_slice(bytes).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Accepts the hyphenated form only, in either case.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if text.len() != 36 {
                    return Err(InvalidId(text.to_owned()));
                }
                Uuid::parse_str(text).map(Self).map_err(|_| InvalidId(text.to_owned()))
            }
        }
    };
}

uuid_newtype!(
    /// A package (a bucket, on the wire).
    PackageId
);
uuid_newtype!(
    /// One version of one key: the S3 version id as well.
    FileId
);
uuid_newtype!(
    /// A multipart upload.
    UploadId
);
uuid_newtype!(
    /// A place where a file's bytes are kept.
    LocationId
);
uuid_newtype!(
    /// A hold on a package.
    HoldId
);
uuid_newtype!(
    /// One version of a metadata schema.
    SchemaId
);
uuid_newtype!(
    /// A verification run.
    RunId
);

/// A position in the event log: gap-free from 1; 0 is "before the first event".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An instant in UTC, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The instant, for calendar arithmetic.
    pub fn datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// As Python's `isoformat()` writes it in UTC: `+00:00`, no fraction when the microseconds are
    /// zero, otherwise exactly six digits. Events and manifests use this form.
    pub fn to_isoformat(self) -> String {
        let (whole, micros) = (self.date_and_time(), self.0.rem_euclid(1_000_000));
        if micros == 0 {
            format!("{whole}+00:00")
        } else {
            format!("{whole}.{micros:06}+00:00")
        }
    }

    /// As S3 writes it in XML: `2026-11-23T08:15:30.123Z`.
    pub fn to_s3(self) -> String {
        let millis = (self.0.rem_euclid(1_000_000) / 1000) as u32;
        let mut out = self.date_and_time();
        out.push('.');
        out.push(char::from(b'0' + (millis / 100) as u8));
        push_two_digits(&mut out, millis % 100);
        out.push('Z');
        out
    }

    /// Whole seconds since 1970, rounded down: the precision of HTTP dates.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The instant in whole seconds.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// An instant written in RFC 3339 or Python's `isoformat()`, truncated to microseconds.
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| Self(at.timestamp_micros()))
    }

    /// An instant written in ISO 8601 with an offset, in the extended or the basic form, as clients
    /// write the end of a retention. A date alone, or a time without an offset, is no instant.
    pub fn parse_iso8601(text: &str) -> Option<Self> {
        if let Some(at) = Self::parse(text) {
            return Some(at);
        }
        let zoned = match text.strip_suffix(['Z', 'z']) {
            Some(local) => format!("{local}+0000"),
            None => text.to_owned(),
        };
        let forms = [
            "%Y-%m-%dT%H:%M:%S%.f%#z",
            "%Y-%m-%dT%H:%M%#z",
            "%Y%m%dT%H%M%S%.f%#z",
            "%Y%m%dT%H%M%#z",
        ];
        let at = forms
            .into_iter()
            .find_map(|form| DateTime::parse_from_str(&zoned, form).ok())?;
        (0..=9999)
            .contains(&at.year())
            .then(|| Self(at.timestamp_micros()))
    }

    /// `2026-11-23T08:15:30`, with room for a fraction and a zone. Written digit by digit: a page
    /// of a listing has a thousand of them, and `format!` would take a third of its time.
    fn date_and_time(self) -> String {
        let at = self.datetime();
        let mut out = String::with_capacity(32);
        if let Ok(year @ 0..=9999) = u32::try_from(at.year()) {
            push_two_digits(&mut out, year / 100);
            push_two_digits(&mut out, year % 100);
        } else {
            out.push_str(&at.year().to_string());
        }
        let parts = [at.month(), at.day(), at.hour(), at.minute(), at.second()];
        for (separator, part) in ['-', '-', 'T', ':', ':'].into_iter().zip(parts) {
            out.push(separator);
            push_two_digits(&mut out, part);
        }
        out
    }
}

fn push_two_digits(out: &mut String, number: u32) {
    for digit in [number / 10 % 10, number % 10] {
        out.push(char::from(b'0' + digit as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isoformat_has_six_digits_or_none() {
        let cases = [
            (0, "1970-01-01T00:00:00+00:00"),
            (1, "1970-01-01T00:00:00.000001+00:00"),
            (1_500_000, "1970-01-01T00:00:01.500000+00:00"),
            (-1, "1969-12-31T23:59:59.999999+00:00"),
            (1_700_000_000_123_000, "2023-11-14T22:13:20.123000+00:00"),
        ];
        for (micros, expected) in cases {
            assert_eq!(Timestamp(micros).to_isoformat(), expected);
            assert_eq!(Timestamp::parse(expected), Some(Timestamp(micros)));
        }
        assert_eq!(
            Timestamp(1_700_000_000_123_456).to_s3(),
            "2023-11-14T22:13:20.123Z"
        );
        assert_eq!(Timestamp(-1).to_s3(), "1969-12-31T23:59:59.999Z");
        let far = Timestamp::parse("9999-12-31T23:59:59.007Z").unwrap();
        assert_eq!(far.to_s3(), "9999-12-31T23:59:59.007Z");
    }

    #[test]
    fn only_the_hyphenated_form_is_an_identifier() {
        let text = "0193f0c4-7f1e-7c3a-9c1f-0123456789ab";
        assert_eq!(text.parse::<FileId>().unwrap().to_string(), text);
        for wrong in [
            "",
            "0193f0c47f1e7c3a9c1f0123456789ab",
            "{0193f0c4-7f1e-7c3a-9c1f-0123456789}",
        ] {
            assert!(wrong.parse::<FileId>().is_err(), "{wrong}");
        }
    }
}
