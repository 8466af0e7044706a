//! Admission: who calls, whether they may, and the body wrapped as the row says.
//!
//! A request is authenticated once, before it is routed and before anything is looked up for it.
//! A refusal here costs no body.

use std::sync::{Arc, OnceLock};

use http::header;

use crate::auth::authenticate::Authenticated;
use crate::auth::grants::Grants;
use crate::auth::keyring::{Identity, User};
use crate::domain::ids::PackageId;
use crate::domain::name::PackageName;
use crate::domain::package::PackageRecord;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::id::RequestId;
use crate::exchange::inbound::{Inbound, Watch};
use crate::exchange::payload::Payload;
use crate::exchange::request::Request;
use crate::exchange::route::{Access, Parameters, Row};
use crate::exchange::target::{Target, virtual_bucket};
use crate::registry::handle::Registry;
use crate::wire::request_head::RequestHead;
use crate::wire::sigv4::payload::PayloadMode;
use crate::wire::uri::Query;

/// The name of the segment that admission turns into a package.
const PACKAGE_PARAMETER: &str = "p";

/// Who signed a request, and how its body is signed.
pub struct Caller {
    identity: Identity,
    authenticated: Authenticated,
}

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
            },
            authenticated: Authenticated {
                identity: None,
                payload: PayloadMode::Unsigned,
                chain: None,
            },
        }
    }

    /// Who it is, for the log.
    pub fn actor(&self) -> Actor {
        Actor(self.identity.clone())
    }
}

/// Who signed a request, for the log.
#[derive(Clone)]
pub struct Actor(Identity);

impl Actor {
    /// The user's id.
    pub fn id(&self) -> &str {
        &self.0.user.id
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
        }),
        None => {
            Err(Fault::new(Code::AccessDenied).message("Access Denied: the request is not signed."))
        }
    }
}

/// Admits an authenticated request to the operation of its row.
pub async fn admit<O>(
    arrival: Arrival,
    caller: Caller,
    (inbound, watch): (Inbound, Watch),
    (row, parameters): (&Row<O>, Parameters),
    context: &Context,
) -> Result<Request, Fault> {
    let Caller {
        identity,
        authenticated,
    } = caller;
    let package = match row.access {
        Access::Package(verb) => {
            let package = find_package(&arrival.target, &parameters, &context.registry).await?;
            if !identity.may(verb, package.bucket.as_str(), Some(&package.owner)) {
                return Err(Fault::denied(verb));
            }
            Some(package)
        }
        Access::Everywhere(verb) if !identity.may_everywhere(verb) => {
            return Err(Fault::new(Code::AccessDenied).message(format!(
                "Access Denied: you may not '{verb}' on every package."
            )));
        }
        Access::Everywhere(_) | Access::Caller | Access::Anyone => None,
    };
    let payload = Payload::new(
        inbound,
        watch,
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
        package,
        parameters,
    })
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
