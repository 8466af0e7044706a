//! One admitted request: who, what, and typed access to headers and query.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::auth::keyring::{Identity, Judgement};
use crate::domain::condition::WriteCondition;
use crate::domain::file::ObjectAttributes;
use crate::domain::grant::KeyScope;
use crate::domain::name::{ObjectKey, PackageName};
use crate::domain::package::PackageRecord;
use crate::domain::verb::Verb;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::id::RequestId;
use crate::exchange::payload::Payload;
use crate::exchange::route::Parameters;
use crate::exchange::target::Target;
use crate::wire::conditions::Conditions;
use crate::wire::uri::Query;

/// The media type of an object whose upload names none.
pub const DEFAULT_MEDIA_TYPE: &str = "binary/octet-stream";

/// The most bytes of user metadata: names without the prefix, and values.
pub const MAX_USER_METADATA_BYTES: usize = 2048;

/// A request whose caller is known and may do what the row says. Nothing of its body has been read.
pub struct Request {
    /// What the client quotes.
    pub id: RequestId,
    /// What it is about.
    pub target: Target,
    /// The decoded query.
    pub query: Query,
    /// The head: method, URI, headers.
    pub head: http::request::Parts,
    /// The body.
    pub payload: Payload,
    pub(crate) identity: Identity,
    pub(crate) form_signer: Option<Arc<OnceLock<Identity>>>,
    pub(crate) package: Option<Arc<PackageRecord>>,
    pub(crate) parameters: Parameters,
}

impl Request {
    /// The user's id: the actor of events and the canonical id of owners.
    pub fn actor(&self) -> &str {
        &self.identity.user.id
    }

    /// The user's display name.
    pub fn display_name(&self) -> &str {
        &self.identity.user.display_name
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The bucket's name. Only for rows of a bucket, an object or a reserved key.
    pub fn bucket(&self) -> &PackageName {
        self.target.bucket().expect("the row is for a bucket")
    }

    /// The key. Only for rows of an object or a reserved key.
    pub fn key(&self) -> &ObjectKey {
        self.target.key().expect("the row is for a key")
    }

    /// The package that admission has found: there on every row with `Access::Package`.
    pub fn package(&self) -> &Arc<PackageRecord> {
        self.package
            .as_ref()
            .expect("the row's access names a package")
    }

    /// A segment that the row's pattern names.
    pub fn parameter(&self, name: &str) -> &str {
        let found = self.parameters.iter().find(|(key, _)| *key == name);
        found.map_or("", |(_, value)| value)
    }

    /// Whether the caller may do this to a package as a whole.
    pub fn may(&self, verb: Verb, package: &PackageRecord) -> bool {
        self.judge(verb, package, KeyScope::Whole).is_allowed
    }

    /// Whether the caller may do this to some key of a package.
    pub fn may_some(&self, verb: Verb, package: &PackageRecord) -> bool {
        self.judge(verb, package, KeyScope::Some).is_allowed
    }

    /// Refuses with `AccessDenied` unless the caller may do this to a package as a whole: for what
    /// the row cannot know.
    pub fn authorize(&self, verb: Verb, package: &PackageRecord) -> Result<(), Fault> {
        self.check(verb, package, KeyScope::Whole)
    }

    /// Refuses with `AccessDenied` unless the caller may do this to a key of a package, such as the
    /// source of a copy.
    pub fn authorize_key(
        &self,
        verb: Verb,
        package: &PackageRecord,
        key: &ObjectKey,
    ) -> Result<(), Fault> {
        self.check(verb, package, KeyScope::Key(key.as_str()))
    }

    /// Refuses with `AccessDenied` unless the caller may make a package of this name.
    pub fn authorize_creation(&self, name: &PackageName) -> Result<(), Fault> {
        let judgement = self.identity.judge_creation(name.as_str());
        if judgement.is_allowed {
            Ok(())
        } else {
            Err(Fault::denied(Verb::Write).cause(judgement.rule))
        }
    }

    fn judge(&self, verb: Verb, package: &PackageRecord, keys: KeyScope<'_>) -> Judgement {
        let owner = Some(package.owner.as_str());
        self.identity
            .judge(verb, package.bucket.as_str(), owner, keys)
    }

    fn check(&self, verb: Verb, package: &PackageRecord, keys: KeyScope<'_>) -> Result<(), Fault> {
        let judgement = self.judge(verb, package, keys);
        if judgement.is_allowed {
            Ok(())
        } else {
            Err(Fault::denied(verb).cause(judgement.rule))
        }
    }

    /// Whether the caller may do this to every package.
    pub fn may_everywhere(&self, verb: Verb) -> bool {
        self.identity.judge_everywhere(verb).is_allowed
    }

    /// Whether a temporary key signed.
    pub fn is_of_session(&self) -> bool {
        self.identity.session.is_some()
    }

    /// Whether the request asks to bypass governance retention; `AccessDenied` if it may not.
    ///
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html#object-lock-bypass>
    pub fn bypasses_governance(&self) -> Result<bool, Fault> {
        let asks = self
            .header("x-amz-bypass-governance-retention")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"));
        if asks {
            self.authorize(Verb::Bypass, self.package())?;
        }
        Ok(asks)
    }

    /// The answer for an absent key of the target's package: `NoSuchKey`, but `AccessDenied` for
    /// who may not list, since the absence of a key is the knowledge of a listing.
    pub fn no_such_key(&self) -> Fault {
        match self.authorize_key(Verb::List, self.package(), self.key()) {
            Ok(()) => Fault::new(Code::NoSuchKey).detail("Key", self.key().as_str()),
            Err(fault) => fault,
        }
    }

    /// A header as text; `None` when it is absent or no visible text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// `Content-Type`, or [`DEFAULT_MEDIA_TYPE`].
    pub fn media_type(&self) -> String {
        let given = self.header("content-type").filter(|text| !text.is_empty());
        given.unwrap_or(DEFAULT_MEDIA_TYPE).to_owned()
    }

    /// What the client attaches to an object: content headers (without the `aws-chunked` token),
    /// the website redirect and the user metadata, whose size is limited (`MetadataTooLarge`). The
    /// checksum is not read here.
    pub fn attributes(&self) -> Result<ObjectAttributes, Fault> {
        Ok(ObjectAttributes {
            content_encoding: text(self.headers(), "content-encoding")?
                .and_then(|coding| without_aws_chunked(&coding)),
            cache_control: text(self.headers(), "cache-control")?,
            content_disposition: text(self.headers(), "content-disposition")?,
            content_language: text(self.headers(), "content-language")?,
            expires: text(self.headers(), "expires")?,
            website_redirect: text(self.headers(), "x-amz-website-redirect-location")?,
            user_metadata: user_metadata(self.headers())?,
            ..ObjectAttributes::default()
        })
    }

    /// The condition of a write (`If-Match`, `If-None-Match`).
    pub fn write_condition(&self) -> Result<WriteCondition, Fault> {
        Ok(Conditions::parse(self.headers()).for_write()?)
    }

    /// Reads the whole body of a row with a small document, within its limit, and checks every
    /// claim that is made of it. An empty body gives no bytes.
    pub async fn document(&mut self) -> Result<Bytes, Fault> {
        self.payload.document().await
    }
}

/// A header as text. Bytes that are not UTF-8 are refused, because they could not be given back.
fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| not_text(name))?;
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn not_text(name: &str) -> Fault {
    Fault::new(Code::InvalidArgument)
        .message("A header is not valid UTF-8.")
        .detail("ArgumentName", name)
}

/// A `Content-Encoding` without the token that says how the body was sent.
fn without_aws_chunked(coding: &str) -> Option<String> {
    let is_framing = |token: &&str| token.eq_ignore_ascii_case("aws-chunked");
    let tokens: Vec<&str> = coding.split(',').map(str::trim).collect();
    if !tokens.iter().any(is_framing) {
        return Some(coding.to_owned());
    }
    let kept: Vec<&str> = tokens
        .into_iter()
        .filter(|token| !token.is_empty() && !is_framing(token))
        .collect();
    (!kept.is_empty()).then(|| kept.join(", "))
}

/// The `x-amz-meta-*` headers by their lowercase names without the prefix. Repeated ones are
/// joined by a comma, as S3 does.
fn user_metadata(headers: &HeaderMap) -> Result<BTreeMap<String, String>, Fault> {
    let mut metadata = BTreeMap::new();
    let mut bytes = 0;
    for name in headers.keys() {
        let Some(short) = name.as_str().strip_prefix("x-amz-meta-") else {
            continue;
        };
        let mut joined = String::new();
        for (nth, value) in headers.get_all(name).iter().enumerate() {
            if nth > 0 {
                joined.push(',');
            }
            let value = std::str::from_utf8(value.as_bytes());
            joined.push_str(value.map_err(|_| not_text(name.as_str()))?);
        }
        bytes += short.len() + joined.len();
        metadata.insert(short.to_owned(), joined);
    }
    if bytes > MAX_USER_METADATA_BYTES {
        return Err(Fault::new(Code::MetadataTooLarge)
            .detail("Size", bytes.to_string())
            .detail("MaxSizeAllowed", MAX_USER_METADATA_BYTES.to_string()));
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_the_framing_is_not_kept() {
        let cases = [
            ("aws-chunked", None),
            ("AWS-Chunked,", None),
            ("aws-chunked, gzip", Some("gzip")),
            ("gzip,aws-chunked", Some("gzip")),
            ("gzip", Some("gzip")),
            ("deflate, gzip", Some("deflate, gzip")),
            ("deflate,gzip", Some("deflate,gzip")),
            ("deflate, aws-chunked,gzip", Some("deflate, gzip")),
        ];
        for (coding, expected) in cases {
            assert_eq!(without_aws_chunked(coding).as_deref(), expected, "{coding}");
        }
    }

    #[test]
    fn user_metadata_has_its_limit_on_both_sides() {
        let of = |size: usize| {
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-meta-abcd", "v".repeat(size - 4).parse().unwrap());
            headers.insert("x-amz-other", "ignored".parse().unwrap());
            user_metadata(&headers)
        };
        let fault = of(MAX_USER_METADATA_BYTES + 1).unwrap_err();
        assert_eq!(fault.code(), Code::MetadataTooLarge);
        assert_eq!(of(MAX_USER_METADATA_BYTES).unwrap().len(), 1);
        let mut headers = HeaderMap::new();
        headers.append("x-amz-meta-a", "1".parse().unwrap());
        headers.append("x-amz-meta-a", "2".parse().unwrap());
        assert_eq!(user_metadata(&headers).unwrap()["a"], "1,2");
    }
}
