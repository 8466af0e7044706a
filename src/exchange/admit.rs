//! Admission: who calls, whether they may, and the body wrapped as the row says.
//!
//! A request is authenticated once, before it is routed and before anything is looked up for it.
//! A refusal here costs no body.

use std::sync::{Arc, OnceLock};

use http::{HeaderName, HeaderValue, header};

use crate::auth::authenticate::Authenticated;
use crate::auth::grants::Grants;
use crate::auth::keyring::{Identity, User};
use crate::domain::grant::KeyScope;
use crate::domain::ids::PackageId;
use crate::domain::name::PackageName;
use crate::domain::package::PackageRecord;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::id::RequestId;
use crate::exchange::inbound::Body;
use crate::exchange::payload::Payload;
use crate::exchange::request::Request;
use crate::exchange::route::{Access, Parameters, Row};
use crate::exchange::target::{Target, virtual_bucket};
use crate::registry::handle::Registry;
use crate::wire::form_claim::FormClaim;
use crate::wire::request_head::RequestHead;
use crate::wire::sigv4::payload::PayloadMode;
use crate::wire::uri::Query;

/// The name of the segment that admission turns into a package.
const PACKAGE_PARAMETER: &str = "p";

/// Who signed a request, and how its body is signed.
pub struct Caller {
    identity: Identity,
    authenticated: Authenticated,
    form_signer: FormSigner,
}

/// Who signed a form, once it has been read; nothing for a request that is no form.
type FormSigner = Option<Arc<OnceLock<Identity>>>;

impl Caller {
    /// Nobody in particular, who may do nothing: for rows that are for anyone at all.
    pub fn anonymous() -> Self {
        static ANONYMOUS: OnceLock<Arc<User>> = OnceLock::new();
        let user = ANONYMOUS.get_or_init(|| {
            Arc::new(User {
                id: "anonymous".to_owned(),
                display_name: "anonymous".to_owned(),
                email: None,
                grants: Grants::default(),
                is_root: false,
            })
        });
        Self {
            identity: Identity {
                user: Arc::clone(user),
                session: None,
            },
            authenticated: Authenticated {
                identity: None,
                payload: PayloadMode::Unsigned,
                chain: None,
            },
            form_signer: None,
        }
    }

    /// Who a browser's form will tell; nobody until then.
    fn of_form() -> Self {
        Self {
            form_signer: Some(Arc::default()),
            ..Self::anonymous()
        }
    }

    /// Who it is, for the log.
    pub fn actor(&self) -> Actor {
        Actor(self.identity.clone(), self.form_signer.clone())
    }
}

/// Who signed a request, for the log.
#[derive(Clone)]
pub struct Actor(Identity, FormSigner);

impl Actor {
    /// The user's id.
    pub fn id(&self) -> &str {
        let signer = self.1.as_ref().and_then(|signer| signer.get());
        &signer.unwrap_or(&self.0).user.id
    }
}

/// The head of a request, read but not yet admitted.
pub struct Arrival {
    /// What the client quotes.
    pub id: RequestId,
    /// Method, URI, headers.
    pub head: http::request::Parts,
    /// What it is about.
    pub target: Target,
    /// The decoded query.
    pub query: Query,
}

/// The keys of a presigned query that are about the signature itself.
const SIGNING_KEYS: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

impl Arrival {
    /// Takes what a presigned URL says in its query for headers: signers move `x-amz-*` headers
    /// there (the Go, JavaScript and Rust SDKs do in version 4), and in version 2 `content-type`
    /// and `content-md5` too. A header that was sent stays. To be called on an authenticated
    /// request only: then the query is signed.
    pub fn adopt_signed_query(&mut self) {
        let is_v4 = self
            .query
            .iter()
            .any(|(key, _)| key.eq_ignore_ascii_case("x-amz-signature"));
        let is_v2 = !is_v4 && self.query.contains("Signature");
        if !is_v4 && !is_v2 {
            return;
        }
        for (key, value) in self.query.iter() {
            let name = key.to_ascii_lowercase();
            let is_header = name.starts_with("x-amz-") && !SIGNING_KEYS.contains(&name.as_str())
                || is_v2 && matches!(name.as_str(), "content-type" | "content-md5");
            let header = HeaderName::try_from(name).ok().filter(|_| is_header);
            if let (Some(name), Ok(value)) = (header, HeaderValue::from_str(value)) {
                self.head.headers.entry(name).or_insert(value);
            }
        }
    }
}

/// The host that the client addressed, with its port. Refuses a request that names none or
/// several.
pub fn authority(head: &http::request::Parts) -> Result<&str, Fault> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host
            .to_str()
            .map_err(|_| Fault::new(Code::InvalidRequest).message("The Host header is not valid.")),
        (None, _) => head
            .uri
            .authority()
            .map(http::uri::Authority::as_str)
            .ok_or_else(|| Fault::new(Code::InvalidRequest).message("The request names no host.")),
        (Some(_), Some(_)) => {
            Err(Fault::new(Code::InvalidRequest).message("The request names more than one host."))
        }
    }
}

/// Decides who signed the request. A request without credentials is refused: nothing here is
/// public.
pub fn authenticate(arrival: &Arrival, context: &Context) -> Result<Caller, Fault> {
    let authority = authority(&arrival.head)?;
    let head = RequestHead {
        method: &arrival.head.method,
        raw_path: arrival.head.uri.path(),
        query: &arrival.query,
        headers: &arrival.head.headers,
        authority,
        virtual_bucket: virtual_bucket(authority, &context.settings.domains),
    };
    let authenticated = context.authenticator.authenticate(&head, context.now())?;
    match authenticated.identity.clone() {
        Some(identity) => Ok(Caller {
            identity,
            authenticated,
            form_signer: None,
        }),
        // A browser's form carries its credentials in the body.
        None if is_form(arrival) => Ok(Caller::of_form()),
        None => {
            Err(Fault::new(Code::AccessDenied).message("Access Denied: the request is not signed."))
        }
    }
}

/// Whether it is the request of a browser's form: a plain POST on a bucket.
fn is_form(arrival: &Arrival) -> bool {
    matches!(arrival.target, Target::Bucket(_))
        && arrival.head.method == http::Method::POST
        && arrival.query.is_empty()
}

/// Decides who signed a form. From here on the request is theirs; whether they may write to the key
/// of the form is the caller's to ask. A form that nobody signed is refused: nothing here is public.
pub fn authenticate_form(
    request: &mut Request,
    claim: Option<&FormClaim<'_>>,
    context: &Context,
) -> Result<(), Fault> {
    let Some(claim) = claim else {
        return Err(
            Fault::new(Code::AccessDenied).message("Access Denied: the form is not signed.")
        );
    };
    let identity = context.authenticator.authenticate_form(claim)?;
    if let Some(signer) = &request.form_signer {
        let _ = signer.set(identity.clone());
    }
    request.identity = identity;
    Ok(())
}

/// Admits an authenticated request to the operation of its row.
pub async fn admit<O>(
    arrival: Arrival,
    caller: Caller,
    body: Body,
    (row, parameters): (&Row<O>, Parameters),
    context: &Context,
) -> Result<Request, Fault> {
    let Caller {
        identity,
        authenticated,
        form_signer,
    } = caller;
    let package = match row.access {
        Access::Package(verb) | Access::Prefix(verb) | Access::SomeKeys(verb) => {
            let package = find_package(&arrival.target, &parameters, &context.registry).await?;
            let keys = key_scope(row.access, &arrival);
            let judgement =
                identity.judge(verb, package.bucket.as_str(), Some(&package.owner), keys);
            if !judgement.is_allowed {
                return Err(Fault::denied(verb).cause(judgement.rule));
            }
            check_expected_owner(&arrival.head.headers, &package)?;
            Some(package)
        }
        Access::Everywhere(verb) => {
            let judgement = identity.judge_everywhere(verb);
            if !judgement.is_allowed {
                return Err(Fault::denied_everywhere(verb).cause(judgement.rule));
            }
            None
        }
        Access::Form => {
            let package = find_package(&arrival.target, &parameters, &context.registry).await?;
            check_expected_owner(&arrival.head.headers, &package)?;
            Some(package)
        }
        Access::Caller | Access::Anyone => None,
    };
    let payload = Payload::new(
        body,
        &arrival.head.headers,
        (authenticated.payload, authenticated.chain),
        row.body,
        &context.settings,
    )?;
    Ok(Request {
        id: arrival.id,
        target: arrival.target,
        query: arrival.query,
        head: arrival.head,
        payload,
        identity,
        form_signer,
        package,
        parameters,
    })
}

/// Which keys a request is about, as far as its head says.
fn key_scope(access: Access, arrival: &Arrival) -> KeyScope<'_> {
    match (access, arrival.target.key()) {
        (Access::SomeKeys(_), _) => KeyScope::Some,
        (Access::Prefix(_), _) => KeyScope::Prefix(arrival.query.get("prefix").unwrap_or_default()),
        (_, Some(key)) => KeyScope::Key(key.as_str()),
        (_, None) => KeyScope::Whole,
    }
}

/// Refuses a request for a bucket that has another owner than the client expects.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>
fn check_expected_owner(headers: &http::HeaderMap, package: &PackageRecord) -> Result<(), Fault> {
    match headers.get("x-amz-expected-bucket-owner") {
        Some(expected) if expected.as_bytes() != package.owner.as_bytes() => {
            Err(Fault::new(Code::AccessDenied)
                .message("Access Denied: the bucket has another owner than the one expected."))
        }
        _ => Ok(()),
    }
}

/// The package of a bucket, or of a segment that gives its bucket's name or its own id.
async fn find_package(
    target: &Target,
    parameters: &Parameters,
    registry: &Registry,
) -> Result<Arc<PackageRecord>, Fault> {
    let text = parameters
        .iter()
        .find(|(name, _)| *name == PACKAGE_PARAMETER);
    let (found, name) = match (target.bucket(), text) {
        (Some(bucket), _) => (registry.find_bucket(bucket).await?, bucket.as_str()),
        (None, Some((_, text))) => {
            let found = if let Ok(id) = text.parse::<PackageId>() {
                registry.find_package(id).await?
            } else {
                registry.find_bucket(&PackageName::parse(text)?).await?
            };
            (found, text.as_str())
        }
        (None, None) => return Err(Fault::internal("the row names no package")),
    };
    found.ok_or_else(|| Fault::new(Code::NoSuchBucket).detail("BucketName", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adopted(query: &str, sent: &[(&'static str, &'static str)]) -> Vec<String> {
        let (mut head, ()) = http::Request::new(()).into_parts();
        for (name, value) in sent {
            head.headers.insert(*name, HeaderValue::from_static(value));
        }
        let mut arrival = Arrival {
            id: RequestId::next(),
            head,
            target: Target::Service,
            query: Query::parse(query).unwrap(),
        };
        arrival.adopt_signed_query();
        let headers = arrival.head.headers.iter();
        let mut lines: Vec<String> = headers
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn only_a_presigned_query_speaks_for_headers() {
        assert!(adopted("x-amz-acl=private&content-type=a", &[]).is_empty());
        let v4 = "X-Amz-Signature=s&X-Amz-Date=d&X-Amz-Expires=1&x-amz-acl=private\
                  &X-Amz-Meta-A=b&content-type=a&partNumber=1&x-amz-meta-c=%0A";
        assert_eq!(adopted(v4, &[]), ["x-amz-acl: private", "x-amz-meta-a: b"]);
        let v2 = "Signature=s&AWSAccessKeyId=a&content-type=text%2Fplain&x-amz-acl=private";
        assert_eq!(
            adopted(v2, &[]),
            ["content-type: text/plain", "x-amz-acl: private"]
        );
    }

    #[test]
    fn a_header_that_was_sent_stays() {
        let sent = [("x-amz-acl", "public-read")];
        assert_eq!(
            adopted("X-Amz-Signature=s&x-amz-acl=private", &sent),
            ["x-amz-acl: public-read"]
        );
    }
}
