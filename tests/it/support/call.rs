//! One request: built, signed, sent.

use crate::support::connection::{Answer, Connection};
use crate::support::server::Server;
use crate::support::sign::{Signer, canonical, encode, sha256};

/// How a request is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// In the Authorization header.
    Header,
    /// In the query, for so many seconds.
    Query(u64),
    /// Not at all.
    None,
}

/// A request that is being built. The target is raw: path and query as they stand on the wire.
#[derive(Clone)]
pub struct Call<'s> {
    server: &'s Server,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    unsigned: Vec<(String, String)>,
    body: Vec<u8>,
    payload: Option<String>,
    signature: Signature,
    signer: Signer,
}

impl<'s> Call<'s> {
    /// A call of the root user, signed in the header, with the digest of its body.
    pub fn new(server: &'s Server, method: &str, target: &str) -> Self {
        Self {
            server,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![("host".to_owned(), server.address.to_string())],
            unsigned: Vec::new(),
            body: Vec::new(),
            payload: None,
            signature: Signature::Header,
            signer: Signer::root(),
        }
    }

    /// With a signed header, by its lowercase name. `host` replaces the usual one.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if name == "host" {
            self.headers.retain(|(key, _)| key != "host");
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a header that is not signed.
    pub fn unsigned_header(mut self, name: &str, value: &str) -> Self {
        self.unsigned.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With this value of `x-amz-content-sha256` instead of the body's digest.
    pub fn payload(mut self, value: &str) -> Self {
        self.payload = Some(value.to_owned());
        self
    }

    /// Signed so.
    pub fn signed(mut self, signature: Signature) -> Self {
        self.signature = signature;
        self
    }

    /// Signed by this one.
    pub fn by(mut self, signer: Signer) -> Self {
        self.signer = signer;
        self
    }

    /// Sends it on a connection of its own.
    pub fn send(&self) -> Answer {
        self.send_on(&mut self.server.connect())
    }

    /// Sends it on a connection that stays.
    pub fn send_on(&self, connection: &mut Connection) -> Answer {
        connection.send(self.bytes());
        let answer = connection.try_answer(self.method == "HEAD");
        answer.expect("an answer")
    }

    /// The whole request.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head(Some(self.body.len())).0;
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The head, with this `Content-Length` if one is wanted, and the signature that chunks go on
    /// from.
    pub fn head(&self, length: Option<usize>) -> (Vec<u8>, String) {
        let (target, mut headers, signature) = self.sign();
        headers.extend(self.unsigned.iter().cloned());
        if let Some(length) = length {
            headers.push(("content-length".to_owned(), length.to_string()));
        }
        let mut head = format!("{} {target} HTTP/1.1\r\n", self.method);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        (head.into_bytes(), signature)
    }

    fn sign(&self) -> (String, Vec<(String, String)>, String) {
        let (signer, mut headers) = (&self.signer, self.headers.clone());
        let digest = || self.payload.clone().unwrap_or_else(|| sha256(&self.body));
        match self.signature {
            Signature::None => (self.target.clone(), headers, String::new()),
            Signature::Header => {
                let payload = digest();
                headers.push(("x-amz-date".to_owned(), signer.date()));
                headers.push(("x-amz-content-sha256".to_owned(), payload.clone()));
                let (text, names) = canonical(&self.method, &self.target, &headers, &payload);
                let signature = signer.signature(&text);
                let value = format!(
                    "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={names}, Signature={signature}",
                    signer.access_key,
                    signer.scope()
                );
                headers.push(("authorization".to_owned(), value));
                (self.target.clone(), headers, signature)
            }
            Signature::Query(seconds) => {
                let mut names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
                names.sort_unstable();
                let joint = if self.target.contains('?') { '&' } else { '?' };
                let credential = format!("{}/{}", signer.access_key, signer.scope());
                let target = format!(
                    "{}{joint}X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={}\
                     &X-Amz-Expires={seconds}&X-Amz-SignedHeaders={}",
                    self.target,
                    encode(credential.as_bytes(), true),
                    signer.date(),
                    encode(names.join(";").as_bytes(), true)
                );
                let payload = self.payload.as_deref().unwrap_or("UNSIGNED-PAYLOAD");
                let (text, _) = canonical(&self.method, &target, &headers, payload);
                let signature = signer.signature(&text);
                (
                    format!("{target}&X-Amz-Signature={signature}"),
                    headers,
                    signature,
                )
            }
        }
    }
}
