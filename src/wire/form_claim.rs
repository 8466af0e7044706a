//! What a browser's form says of who signed it, in either version.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html>
//!
//! Signed is the policy as the form carries it; everything else of the form hangs on the policy.

use crate::wire::post_policy::FormFields;
use crate::wire::sigv2;
use crate::wire::sigv4::date::parse_basic;
use crate::wire::sigv4::header::{ALGORITHM, is_signature};
use crate::wire::sigv4::key::{CredentialError, Scope, parse_credential};

/// A signed policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormClaim<'a> {
    /// The policy as it came.
    pub policy: &'a str,
    /// The signature over it.
    pub signature: FormSignature<'a>,
}

/// A signature over a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormSignature<'a> {
    /// Version 4.
    V4 {
        /// Whose key.
        access_key: &'a str,
        /// What the signature is good for.
        scope: Scope<'a>,
        /// 64 lower-case hex digits.
        signature: &'a str,
    },
    /// Version 2.
    V2(sigv2::Claim<'a>),
}

/// Why the fields are refused (InvalidArgument).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormClaimError {
    /// A field is missing.
    #[error(
        "Bucket POST must contain a field named '{0}'.  If it is specified, please check the \
         order of the fields."
    )]
    Missing(&'static str),
    /// Signatures of both versions.
    #[error("Only one auth mechanism allowed")]
    Several,
    /// Another algorithm.
    #[error("Only AWS4-HMAC-SHA256 is supported")]
    Algorithm,
    /// The credential is wrong.
    #[error("Error parsing the X-Amz-Credential field; {0}")]
    Credential(#[from] CredentialError),
    /// The date is none, or not of the credential's day.
    #[error("X-Amz-Date must be in the ISO8601 Long Format and of the day of the credential")]
    Date,
    /// The signature is not 64 lower-case hex digits.
    #[error("X-Amz-Signature must be 64 lower-case hex digits")]
    Signature,
}

impl<'a> FormClaim<'a> {
    /// Finds the claim of a form; `Ok(None)` when the form is not signed at all.
    pub fn find(fields: &'a FormFields) -> Result<Option<Self>, FormClaimError> {
        let field = |name: &str| fields.get(name).map(String::as_str);
        let need = |name: &str, shown| field(name).ok_or(FormClaimError::Missing(shown));
        let v4 = [
            "x-amz-algorithm",
            "x-amz-credential",
            "x-amz-date",
            "x-amz-signature",
        ];
        let has_v4 = v4.into_iter().any(|name| field(name).is_some());
        let has_v2 = field("awsaccesskeyid").is_some() || field("signature").is_some();
        if !has_v4 && !has_v2 {
            return match field("policy") {
                // Nobody has vouched for it.
                Some(_) => Err(FormClaimError::Missing("AWSAccessKeyId")),
                None => Ok(None),
            };
        }
        let policy = need("policy", "policy")?;
        let signature = match (has_v4, has_v2) {
            (true, true) => return Err(FormClaimError::Several),
            (false, _) => FormSignature::V2(sigv2::Claim {
                access_key: need("awsaccesskeyid", "AWSAccessKeyId")?,
                signature: need("signature", "signature")?,
            }),
            (true, false) => {
                if need("x-amz-algorithm", "X-Amz-Algorithm")? != ALGORITHM {
                    return Err(FormClaimError::Algorithm);
                }
                let credential = need("x-amz-credential", "X-Amz-Credential")?;
                let (access_key, scope) = parse_credential(credential)?;
                let date = need("x-amz-date", "X-Amz-Date")?;
                if parse_basic(date).is_none() || !date.starts_with(scope.date) {
                    return Err(FormClaimError::Date);
                }
                let signature = need("x-amz-signature", "X-Amz-Signature")?;
                if !is_signature(signature) {
                    return Err(FormClaimError::Signature);
                }
                FormSignature::V4 {
                    access_key,
                    scope,
                    signature,
                }
            }
        };
        Ok(Some(Self { policy, signature }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIAL: &str = "AK/20130524/us-east-1/s3/aws4_request";

    fn fields(pairs: &[(&str, &str)]) -> FormFields {
        let pairs = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        pairs.collect()
    }

    #[test]
    fn a_claim_that_is_not_whole_is_refused() {
        let signature = "a".repeat(64);
        let whole = [
            ("policy", "p"),
            ("x-amz-algorithm", ALGORITHM),
            ("x-amz-credential", CREDENTIAL),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-signature", signature.as_str()),
        ];
        for left_out in 0..whole.len() {
            let mut some = whole.to_vec();
            some.remove(left_out);
            let found = fields(&some);
            let error = FormClaim::find(&found).unwrap_err();
            assert!(matches!(error, FormClaimError::Missing(_)), "{error}");
        }
        let with = |name: &'static str, value: &'static str| {
            let mut all = whole.to_vec();
            all.retain(|(key, _)| *key != name);
            all.push((name, value));
            FormClaim::find(&fields(&all)).unwrap_err()
        };
        assert_eq!(with("x-amz-algorithm", "AWS4"), FormClaimError::Algorithm);
        assert_eq!(with("x-amz-date", "20130525T000000Z"), FormClaimError::Date);
        assert_eq!(with("x-amz-date", "20130524"), FormClaimError::Date);
        assert_eq!(with("x-amz-signature", "A"), FormClaimError::Signature);
        assert_eq!(with("signature", "s"), FormClaimError::Several);
        assert!(matches!(
            with("x-amz-credential", "AK"),
            FormClaimError::Credential(_)
        ));
        for some in [
            vec![("policy", "p")],
            vec![("policy", "p"), ("signature", "s")],
            vec![("policy", "p"), ("awsaccesskeyid", "s")],
            vec![("awsaccesskeyid", "a"), ("signature", "s")],
        ] {
            let found = fields(&some);
            let error = FormClaim::find(&found).unwrap_err();
            assert!(matches!(error, FormClaimError::Missing(_)), "{some:?}");
        }
        assert_eq!(FormClaim::find(&fields(&[("key", "k")])), Ok(None));
        assert!(FormClaim::find(&fields(&whole)).unwrap().is_some());
    }
}
