//! The scope of a signature, the signing key of a scope, and comparison in constant time.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::wire::sigv4::date::parse_day;

/// What a signature is good for: `20130524/us-east-1/s3/aws4_request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The day in UTC, `20130524`.
    pub date: &'a str,
    /// The region.
    pub region: &'a str,
    /// The service.
    pub service: &'a str,
}

/// What every scope ends with.
const TERMINATOR: &str = "aws4_request";

/// Why a `Credential` is refused; the texts are those of S3, after "the authorization header is
/// malformed; " or "Error parsing the X-Amz-Credential parameter; ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Not five parts with `aws4_request` as the last.
    #[error(
        "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."
    )]
    Malformed,
    /// The day is none.
    #[error(
        "incorrect date format. This date in the credential must be in the format \"yyyyMMdd\"."
    )]
    Date,
    /// Signed for another service.
    #[error("incorrect service. This endpoint belongs to \"s3\".")]
    Service,
}

/// Splits `<access key>/<day>/<region>/s3/aws4_request`. The access key may hold slashes.
pub fn parse_credential(text: &str) -> Result<(&str, Scope<'_>), CredentialError> {
    let mut parts = text.rsplitn(5, '/');
    let mut part = || parts.next().ok_or(CredentialError::Malformed);
    let (terminator, service, region, date) = (part()?, part()?, part()?, part()?);
    let access_key = part()?;
    if terminator != TERMINATOR || access_key.is_empty() || region.is_empty() {
        return Err(CredentialError::Malformed);
    }
    if parse_day(date).is_none() {
        return Err(CredentialError::Date);
    }
    if service != "s3" {
        return Err(CredentialError::Service);
    }
    let scope = Scope {
        date,
        region,
        service,
    };
    Ok((access_key, scope))
}

impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{TERMINATOR}",
            self.date, self.region, self.service
        )
    }
}

/// A derived signing key: good for one day, region and service. Zeroed when dropped, never printed.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<[u8; 32]>);

impl SigningKey {
    /// Derives the key of a scope: four HMACs, some 1 us, so callers keep it.
    pub fn derive(secret: &str, scope: &Scope<'_>) -> Self {
        let seconds = parse_day(scope.date)
            .and_then(|day| day.and_hms_opt(0, 0, 0))
            .map_or(0, |at| at.and_utc().timestamp());
        let time = UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
        let key = generate_signing_key(secret, time, scope.region, scope.service);
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(key.as_ref());
        Self(bytes)
    }

    /// The signature of a string, in lower-case hex.
    pub fn sign(&self, string_to_sign: &[u8]) -> String {
        calculate_signature(self.0.as_slice(), string_to_sign)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// Whether two signatures are equal, in a time that tells nothing of where they differ.
pub fn is_equal(computed: &[u8], claimed: &[u8]) -> bool {
    computed.ct_eq(claimed).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_has_five_parts_and_names_s3() {
        let cases = [
            ("", CredentialError::Malformed),
            ("a/20130524/r/s3", CredentialError::Malformed),
            ("/20130524/r/s3/aws4_request", CredentialError::Malformed),
            ("a/20130524//s3/aws4_request", CredentialError::Malformed),
            ("a/20130524/r/s3/aws4_requests", CredentialError::Malformed),
            ("a/2013052/r/s3/aws4_request", CredentialError::Date),
            ("a/20130532/r/s3/aws4_request", CredentialError::Date),
            ("a/20130524/r/sqs/aws4_request", CredentialError::Service),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_credential(text), Err(expected), "{text}");
        }
        let (key, scope) = parse_credential("a/b/20130524/r/s3/aws4_request").unwrap();
        assert_eq!(key, "a/b");
        assert_eq!(scope.to_string(), "20130524/r/s3/aws4_request");
    }

    /// The example of AWS's documentation, GET of `test.txt`.
    #[test]
    fn a_key_signs_as_documented() {
        let (_, scope) = parse_credential("a/20130524/us-east-1/s3/aws4_request").unwrap();
        let key = SigningKey::derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &scope);
        let string = "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
            7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972";
        assert_eq!(
            key.sign(string.as_bytes()),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
    }
}
