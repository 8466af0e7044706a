//! The instants of signatures: `20130524T000000Z`.

use chrono::{Datelike, NaiveDate, Timelike};

use crate::domain::ids::Timestamp;

/// Reads the basic form of ISO 8601 in UTC, to the second. `None` for years before 1970, which no
/// signature is from.
pub fn parse_basic(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    if bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let day = parse_day(text.get(..8)?)?;
    let number = |from: usize| two_digits(bytes[from], bytes[from + 1]);
    let at = day.and_hms_opt(number(9)?, number(11)?, number(13)?)?;
    Some(Timestamp::from_seconds(at.and_utc().timestamp()))
}

/// Writes the basic form.
pub fn format_basic(at: Timestamp) -> String {
    let at = at.datetime();
    let (year, month, day) = (at.year(), at.month(), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Reads the day of a scope, `20130524`; not before 1970.
pub(super) fn parse_day(text: &str) -> Option<NaiveDate> {
    let bytes: &[u8; 8] = text.as_bytes().try_into().ok()?;
    let number = |from: usize| two_digits(bytes[from], bytes[from + 1]);
    let year = number(0)? * 100 + number(2)?;
    if year < 1970 {
        return None;
    }
    NaiveDate::from_ymd_opt(year.try_into().ok()?, number(4)?, number(6)?)
}

fn two_digits(tens: u8, ones: u8) -> Option<u32> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    Some(digit(tens)? * 10 + digit(ones)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_basic_form_is_an_instant() {
        let wrong = [
            "",
            "20130524",
            "20130524T000000",
            "20130524t000000z",
            "20130524T000000+",
            "20131324T000000Z",
            "20130230T000000Z",
            "20130524T240000Z",
            "20130524T006000Z",
            "19691231T235959Z",
            "2013-05-24T00:00Z",
            "+0130524T000000Z",
            "2013052éT000000Z",
        ];
        for text in wrong {
            assert_eq!(parse_basic(text), None, "{text}");
        }
        for text in ["20130524T000000Z", "20240229T235959Z", "19700101T000000Z"] {
            assert_eq!(format_basic(parse_basic(text).unwrap()), text);
        }
        assert_eq!(
            parse_basic("20130524T000000Z").unwrap().seconds(),
            1_369_353_600
        );
    }
}
