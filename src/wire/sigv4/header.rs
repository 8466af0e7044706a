//! The grammar of the `Authorization` header.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html>

use crate::wire::sigv4::canonical::{SignedHeaders, SignedHeadersError};
use crate::wire::sigv4::key::{CredentialError, Scope, parse_credential};

/// What the header begins with.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A header, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// Whose key.
    pub access_key: &'a str,
    /// What the signature is good for.
    pub scope: Scope<'a>,
    /// What is signed besides method, path, query and payload.
    pub signed_headers: SignedHeaders<'a>,
    /// 64 lower-case hex digits.
    pub signature: &'a str,
}

/// Why a header is refused (AuthorizationHeaderMalformed).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not `name=value` pairs separated by commas.
    #[error("expecting name=value pairs separated by commas.")]
    Syntax,
    /// A name that is none of the three.
    #[error("expecting only Credential, SignedHeaders and Signature.")]
    Unknown,
    /// One of the three is missing.
    #[error("missing {0}.")]
    Missing(&'static str),
    /// One of the three comes twice.
    #[error("duplicate {0}.")]
    Duplicate(&'static str),
    /// The credential is wrong.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The list of signed headers is wrong.
    #[error("{0}.")]
    SignedHeaders(#[from] SignedHeadersError),
    /// The signature is not 64 lower-case hex digits.
    #[error("the Signature must be 64 lower-case hex digits.")]
    Signature,
}

impl<'a> Authorization<'a> {
    /// Reads what follows [`ALGORITHM`]. Blanks after commas are optional, as clients differ.
    pub fn parse(parameters: &'a str) -> Result<Self, HeaderError> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for pair in parameters.split(',') {
            let (name, value) = pair.trim().split_once('=').ok_or(HeaderError::Syntax)?;
            let (slot, name) = match name {
                "Credential" => (&mut credential, "Credential"),
                "SignedHeaders" => (&mut signed_headers, "SignedHeaders"),
                "Signature" => (&mut signature, "Signature"),
                _ => return Err(HeaderError::Unknown),
            };
            if slot.replace(value).is_some() {
                return Err(HeaderError::Duplicate(name));
            }
        }
        let credential = credential.ok_or(HeaderError::Missing("Credential"))?;
        let signed_headers = signed_headers.ok_or(HeaderError::Missing("SignedHeaders"))?;
        let signature = signature.ok_or(HeaderError::Missing("Signature"))?;
        let (access_key, scope) = parse_credential(credential)?;
        if !is_signature(signature) {
            return Err(HeaderError::Signature);
        }
        Ok(Self {
            access_key,
            scope,
            signed_headers: SignedHeaders::parse(signed_headers)?,
            signature,
        })
    }
}

/// Whether a text has the form of a signature: 64 lower-case hex digits.
pub fn is_signature(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_each_of_three_parts_once() {
        let credential = "Credential=AK/20130524/us-east-1/s3/aws4_request";
        let signature = format!("Signature={}", "0a".repeat(32));
        let right = format!("{credential},SignedHeaders=host;x-amz-date, {signature}");
        let found = Authorization::parse(&right).unwrap();
        assert_eq!(found.access_key, "AK");
        assert_eq!(found.signed_headers.as_str(), "host;x-amz-date");
        let spaced = format!(" {signature} ,  {credential} , SignedHeaders=host;x-amz-date ");
        assert_eq!(Authorization::parse(&spaced), Ok(found));

        let cases = [
            (String::new(), HeaderError::Syntax),
            (right.clone() + ",", HeaderError::Syntax),
            (
                right.replace(',', ";"),
                HeaderError::Credential(CredentialError::Malformed),
            ),
            (right.clone() + ",Extra=1", HeaderError::Unknown),
            (
                right.replace("Signature", "signature"),
                HeaderError::Unknown,
            ),
            (
                format!("{right},{signature}"),
                HeaderError::Duplicate("Signature"),
            ),
            (
                format!("{credential},{right}"),
                HeaderError::Duplicate("Credential"),
            ),
            (
                format!("{credential},{signature}"),
                HeaderError::Missing("SignedHeaders"),
            ),
            (credential.to_owned(), HeaderError::Missing("SignedHeaders")),
            (signature.clone(), HeaderError::Missing("Credential")),
            (right.replace("0a0a", "0A0A"), HeaderError::Signature),
            (right.clone() + "0", HeaderError::Signature),
            (
                right.replace("host;", "date;"),
                HeaderError::SignedHeaders(SignedHeadersError::NoHost),
            ),
        ];
        for (text, expected) in cases {
            let found = Authorization::parse(&text);
            if text.contains(';') && !text.contains(',') {
                assert!(found.is_err(), "{text}");
            } else {
                assert_eq!(found, Err(expected), "{text}");
            }
        }
    }
}
