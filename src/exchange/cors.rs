//! The headers that tell a browser whether a page of another origin may use an answer.
//!
//! They stand on successes and on refusals alike: without them a page cannot even read why it was
//! refused. A request without `Origin` costs nothing here.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::domain::configuration::ConfigurationKind;
use crate::domain::name::PackageName;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::wire::cors::{CorsAnswer, CorsError, CorsRequest, CorsRules, METHODS};

/// What an answer depends on, for caches.
const VARY: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
);

/// The rules of a bucket, or why there are none.
pub enum Found {
    /// There is no such bucket.
    NoBucket,
    /// The bucket has no rules.
    NoRules,
    /// The rules.
    Rules(CorsRules),
}

/// The rules of a bucket by its name.
pub async fn find_rules(context: &Context, bucket: &PackageName) -> Result<Found, Fault> {
    let Some(package) = context.registry.find_bucket(bucket).await? else {
        return Ok(Found::NoBucket);
    };
    let all = context.registry.find_configurations(package.id).await?;
    let Some(document) = all.get(&ConfigurationKind::Cors) else {
        return Ok(Found::NoRules);
    };
    let rules = CorsRules::parse(document.as_bytes());
    Ok(Found::Rules(rules.map_err(Fault::internal)?))
}

/// The headers of the answer to a request that is no preflight; none without `Origin`, and none
/// when no rule allows it. Trouble with the rules is logged, and the request goes on without.
pub async fn headers_of_answer(
    context: &Context,
    bucket: &PackageName,
    method: &Method,
    headers: &HeaderMap,
) -> HeaderMap {
    let Some(origin) = text(headers, &header::ORIGIN) else {
        return HeaderMap::new();
    };
    let rules = match find_rules(context, bucket).await {
        Ok(Found::Rules(rules)) => rules,
        Ok(Found::NoBucket | Found::NoRules) => return HeaderMap::new(),
        Err(fault) => {
            tracing::warn!(?fault, "the cross-origin rules cannot be read");
            return HeaderMap::new();
        }
    };
    // As on AWS, a client that says what it would ask for is answered for that.
    let asked = text(headers, &header::ACCESS_CONTROL_REQUEST_METHOD);
    let request = CorsRequest {
        origin,
        method: asked
            .filter(|method| METHODS.contains(method))
            .unwrap_or(method.as_str()),
        headers: &[],
    };
    let answer = rules.answer(&request);
    answer.map_or_else(HeaderMap::new, |answer| headers_of(&answer))
}

/// The headers that say what a rule allows.
pub fn headers_of(answer: &CorsAnswer) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, text: &str| {
        // What no header may hold is left out; the page is then told less.
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, &answer.origin);
    set(header::ACCESS_CONTROL_ALLOW_METHODS, &answer.methods);
    if let Some(names) = &answer.headers {
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    if let Some(names) = &answer.exposed {
        set(header::ACCESS_CONTROL_EXPOSE_HEADERS, names);
    }
    if let Some(seconds) = answer.max_age_seconds {
        set(header::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
    if answer.has_credentials {
        set(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    headers.insert(header::VARY, VARY);
    headers
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

impl From<CorsError> for Fault {
    fn from(error: CorsError) -> Self {
        match error {
            CorsError::Xml(error) => error.into(),
            CorsError::Incomplete => Self::new(Code::MalformedXML).cause(error),
            CorsError::Invalid(message) => Self::new(Code::InvalidRequest).message(message),
        }
    }
}
