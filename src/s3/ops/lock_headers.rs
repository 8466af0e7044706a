//! The headers of Object Lock: what a write asks for, and what a read is told.

use http::{HeaderMap, HeaderName};

use crate::domain::file::FileRecord;
use crate::domain::ids::Timestamp;
use crate::domain::lock::{LockRequest, ObjectRetention, RetentionMode, VersionRefused};
use crate::domain::verb::Verb;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;

/// `x-amz-object-lock-mode`.
pub const MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");

/// `x-amz-object-lock-retain-until-date`.
pub const UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");

/// `x-amz-object-lock-legal-hold`.
pub const HOLD: HeaderName = HeaderName::from_static("x-amz-object-lock-legal-hold");

/// What the headers of a write ask of its lock. Who asks for a retention or a legal hold must be
/// allowed to set one.
pub fn lock_request(request: &Request) -> Result<LockRequest, Fault> {
    let asked = parse_headers(request.headers())?;
    if asked.is_none() {
        return Ok(asked);
    }
    let package = request.package();
    if package.object_lock.is_none() {
        return Err(VersionRefused::NoObjectLock.into());
    }
    if asked.retention.is_some() {
        request.authorize_key(Verb::Retain, package, request.key())?;
    }
    if asked.legal_hold.is_some() {
        request.authorize_key(Verb::Hold, package, request.key())?;
    }
    Ok(asked)
}

fn parse_headers(headers: &HeaderMap) -> Result<LockRequest, Fault> {
    let text = |name: &HeaderName| {
        let value = headers.get(name)?;
        Some(value.to_str().unwrap_or_default())
    };
    let retention = match (text(&MODE), text(&UNTIL)) {
        (None, None) => None,
        (Some(mode), Some(until)) => Some(ObjectRetention {
            mode: RetentionMode::from_name(mode).ok_or_else(|| {
                Fault::argument(MODE.as_str(), mode, "Unknown wormMode directive.")
            })?,
            retain_until: Timestamp::parse_iso8601(until).ok_or_else(|| {
                let message = "The retain until date must be provided in ISO 8601 format";
                Fault::argument(UNTIL.as_str(), until, message)
            })?,
        }),
        (mode, until) => {
            let given = if mode.is_some() { MODE } else { UNTIL };
            let message = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both \
                           be supplied";
            let text = mode.or(until).unwrap_or_default();
            return Err(Fault::argument(given.as_str(), text, message));
        }
    };
    let legal_hold = match text(&HOLD) {
        None => None,
        Some("ON") => Some(true),
        Some("OFF") => Some(false),
        Some(other) => {
            let message = "Legal Hold must be either of 'ON' or 'OFF'";
            return Err(Fault::argument(HOLD.as_str(), other, message));
        }
    };
    Ok(LockRequest {
        retention,
        legal_hold,
    })
}

/// Adds what a read of an object says of its lock.
pub fn describe_lock(reply: &mut Reply, file: &FileRecord) -> Result<(), Fault> {
    if let Some(retention) = file.lock.retention {
        reply.set_text(MODE, retention.mode.name())?;
        reply.set_text(UNTIL, &retention.retain_until.to_s3())?;
    }
    match file.lock.legal_hold {
        Some(is_on) => reply.set_text(HOLD, hold_name(is_on)),
        None => Ok(()),
    }
}

/// `ON` or `OFF`.
pub fn hold_name(is_on: bool) -> &'static str {
    if is_on { "ON" } else { "OFF" }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::exchange::fault::Code;

    fn headers(list: &[(&HeaderName, &str)]) -> Result<LockRequest, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        parse_headers(&headers).map_err(|fault| fault.code())
    }

    #[test]
    fn a_write_asks_for_a_whole_lock_or_none() {
        assert_eq!(headers(&[]), Ok(LockRequest::default()));
        let whole = [(&MODE, "GOVERNANCE"), (&UNTIL, "2030-01-01T01:00:00+01:00")];
        let expected = ObjectRetention {
            mode: RetentionMode::Governance,
            retain_until: Timestamp::parse("2030-01-01T00:00:00Z").unwrap(),
        };
        assert_eq!(headers(&whole).unwrap().retention, Some(expected));
        assert_eq!(headers(&[(&HOLD, "ON")]).unwrap().legal_hold, Some(true));
        let wrong: [&[(&HeaderName, &str)]; 6] = [
            &[(&MODE, "GOVERNANCE")],
            &[(&UNTIL, "2030-01-01T00:00:00Z")],
            &[(&MODE, "governance"), (&UNTIL, "2030-01-01T00:00:00Z")],
            &[(&MODE, "GOVERNANCE"), (&UNTIL, "2030-01-01")],
            &[(&MODE, "GOVERNANCE"), (&UNTIL, "9223372036854775807")],
            &[(&HOLD, "on")],
        ];
        for list in wrong {
            assert_eq!(headers(list), Err(Code::InvalidArgument), "{list:?}");
        }
    }
}
