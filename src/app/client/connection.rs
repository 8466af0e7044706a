//! A signed call to the extension API, and its refusal in words that say what to do next.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Client, Method, Response, StatusCode};
use serde_json::Value;

use crate::app::client::cli::ConnectionArguments;
use crate::app::client::profile::Profile;
use crate::app::client::signer::signature_headers;
use crate::app::failure::Failure;

/// What a path segment and a query value keep as they are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Longer than the longest wait for events.
const READ_TIMEOUT: Duration = Duration::from_secs(90);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The server, as one user sees it.
pub struct Connection {
    client: Client,
    profile: Profile,
}

/// Why a call did not succeed.
#[derive(Debug)]
pub enum CallError {
    /// The server could not be reached, or broke off: trying again may help.
    Unreachable(String),
    /// The server said no, or what it said is not understood.
    Refused(String),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unreachable(message) | CallError::Refused(message) => Self::failed(message),
        }
    }
}

/// Encodes a path segment or a query value.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// A path below `/_holdfast/v1` with the query of those pairs that have a value.
pub fn path(segments: &[&str], query: &[(&str, Option<&str>)]) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        path += &encode(segment);
    }
    let mut separator = '?';
    for (name, value) in query {
        if let Some(value) = value {
            path.push(separator);
            path.push_str(&encode(name));
            path.push('=');
            path.push_str(&encode(value));
            separator = '&';
        }
    }
    path
}

impl Connection {
    /// A connection by flags, variables and files; asks nothing yet.
    pub fn open(arguments: &ConnectionArguments) -> Result<Self, Failure> {
        let profile = Profile::find(arguments)?;
        let mut builder = Client::builder()
            .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT);
        if profile.endpoint.starts_with("http://") {
            // Without TLS there is no need for the system's certificates, which may be missing.
            builder = builder.tls_certs_only([]);
        } else if let Some(path) = std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty())
        {
            let shown = path.display();
            let wrong = |error: &dyn std::fmt::Display| {
                Failure::usage(format!("AWS_CA_BUNDLE={shown}: {error}"))
            };
            let pem = std::fs::read(&path).map_err(|error| wrong(&error))?;
            let bundle = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(&error))?;
            builder = builder.tls_certs_only(bundle);
        }
        let client = builder
            .build()
            .map_err(|error| Failure::failed(explain(&error)))?;
        Ok(Self { client, profile })
    }

    /// The server's URL.
    pub fn endpoint(&self) -> &str {
        &self.profile.endpoint
    }

    /// Calls and reads the answer as JSON.
    pub async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CallError> {
        let body = body.map_or_else(Vec::new, |value| value.to_string().into_bytes());
        let bytes = self.bytes(method, path, body).await?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            CallError::Refused(format!(
                "{} answers no JSON: {error}; is it a Holdfast?",
                self.endpoint()
            ))
        })
    }

    /// Calls and reads the whole answer.
    pub async fn bytes(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, CallError> {
        let response = self.send(method, path, body).await?;
        let status = response.status();
        let bytes = response
            .bytes()
            .await
            .map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            Ok(bytes.into())
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            // As a server answers that is about to stop.
            Err(CallError::Unreachable(self.refusal(status, &bytes)))
        } else {
            Err(CallError::Refused(self.refusal(status, &bytes)))
        }
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Response, CallError> {
        let url = format!("{}/_holdfast/v1{path}", self.profile.endpoint);
        let headers: &[(&str, &str)] = if body.is_empty() {
            &[]
        } else {
            &[("content-type", "application/json")]
        };
        let signature = signature_headers(&self.profile, method.as_str(), &url, headers, &body)
            .map_err(CallError::Refused)?;
        let mut request = self.client.request(method, &url).body(body);
        for (name, value) in headers.iter().copied() {
            request = request.header(name, value);
        }
        for (name, value) in signature {
            request = request.header(name, value);
        }
        request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &reqwest::Error) -> CallError {
        let (endpoint, cause) = (self.endpoint(), explain(error));
        if cause.contains("certificate") {
            return CallError::Refused(format!(
                "cannot trust {endpoint}: {cause}; name the certificate of its authority, or its \
                 own if it is self-signed, with AWS_CA_BUNDLE=FILE"
            ));
        }
        CallError::Unreachable(format!(
            "cannot reach {endpoint}: {cause}; is `holdfast serve` running there? Name another \
             address with --endpoint or AWS_ENDPOINT_URL"
        ))
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> String {
        let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let Some(code) = answer["code"].as_str() else {
            return format!(
                "{} answers {status}, and not as a Holdfast does",
                self.endpoint()
            );
        };
        let message = answer["message"].as_str().unwrap_or_default();
        let request_id = answer["request_id"].as_str().unwrap_or("none");
        let hint = match code {
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" => {
                "\ncheck AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; the root key is in \
                 root-key.env in the server's data directory"
            }
            "NoSuchBucket" => "\n`holdfast package list` shows the packages you may see",
            "NoSuchConsumer" => "\n`holdfast consumer list` shows the consumers you may use",
            "ConsumerIsAhead" => {
                "\n`holdfast consumer ack NAME SEQUENCE --rewind` goes back; if nobody asked for that, \
                 another reader uses this consumer too"
            }
            "OpenUploads" => "\nfinish them, or repeat with --abort-uploads",
            "BucketNotEmpty" => {
                "\nremove its objects first, for example with `aws s3 rm --recursive`"
            }
            _ => "",
        };
        format!("{message} ({code}, request {request_id}){hint}")
    }
}

/// The last cause of an error: the first ones only say that something went wrong.
fn explain(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_segment_by_segment() {
        let query = [("after", Some("a b/&+é")), ("limit", None), ("x", Some(""))];
        assert_eq!(
            path(&["packages", "a/b", "files"], &query),
            "/packages/a%2Fb/files?after=a%20b%2F%26%2B%C3%A9&x="
        );
    }
}
