//! A form as a browser sends it, signed in either version by AWS's description, sharing no line with
//! the program.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use crate::support::connection::Answer;
use crate::support::server::Server;
use crate::support::sign::Signer;

/// The boundary of every form.
pub const BOUNDARY: &str = "----FormOfTheTests7MA4YWxk";

/// How the policy is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V2,
    V4,
}

/// A form that is being built.
#[derive(Debug, Clone)]
pub struct Form {
    /// Fields before the file, in their order.
    pub fields: Vec<(String, String)>,
    /// The name of the file, and its bytes.
    pub file: Option<(String, Vec<u8>)>,
    /// Fields after the file.
    pub after: Vec<(String, String)>,
    /// Headers of the request.
    pub headers: Vec<(String, String)>,
}

/// A policy for a bucket that allows what its conditions say, for an hour.
pub fn policy(bucket: &str, conditions: &str) -> String {
    let at = chrono::Utc::now() + chrono::Duration::hours(1);
    let comma = if conditions.is_empty() { "" } else { ", " };
    format!(
        "{{\"expiration\": \"{}\", \"conditions\": [{{\"bucket\": \"{bucket}\"}}{comma}{conditions}]}}",
        at.format("%Y-%m-%dT%H:%M:%SZ")
    )
}

impl Form {
    /// A form without a signature.
    pub fn new(fields: &[(&str, &str)], file: &[u8]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            fields: fields.iter().map(owned).collect(),
            file: Some(("file.bin".to_owned(), file.to_vec())),
            after: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// With a policy in JSON that the root user signs. Version 4's own fields must be named by it:
    /// they are added to its conditions.
    pub fn signed(self, version: Version, policy: &str) -> Self {
        self.signed_by(version, policy, &Signer::root())
    }

    /// The same, signed by this one.
    pub fn signed_by(mut self, version: Version, policy: &str, signer: &Signer) -> Self {
        let mut add = |name: &str, value: &str| {
            self.fields.push((name.to_owned(), value.to_owned()));
        };
        match version {
            Version::V2 => {
                let text = STANDARD.encode(policy);
                let mut mac = Hmac::<Sha1>::new_from_slice(signer.secret_key.as_bytes()).unwrap();
                mac.update(text.as_bytes());
                add("AWSAccessKeyId", &signer.access_key);
                add("signature", &STANDARD.encode(mac.finalize().into_bytes()));
                add("policy", &text);
            }
            Version::V4 => {
                let credential = format!("{}/{}", signer.access_key, signer.scope());
                let own = format!(
                    ", {{\"x-amz-algorithm\": \"AWS4-HMAC-SHA256\"}}, {{\"x-amz-credential\": \
                     \"{credential}\"}}, {{\"x-amz-date\": \"{}\"}}]}}",
                    signer.date()
                );
                let policy = match policy.strip_suffix("]}") {
                    Some(start) => format!("{start}{own}"),
                    None => policy.to_owned(),
                };
                let text = STANDARD.encode(policy);
                let mut mac = Hmac::<Sha256>::new_from_slice(&signer.key()).unwrap();
                mac.update(text.as_bytes());
                add("x-amz-algorithm", "AWS4-HMAC-SHA256");
                add("x-amz-credential", &credential);
                add("x-amz-date", &signer.date());
                add("policy", &text);
                add("x-amz-signature", &hex::encode(mac.finalize().into_bytes()));
            }
        }
        self
    }

    /// The body.
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let field = |body: &mut Vec<u8>, (name, value): &(String, String)| {
            body.extend_from_slice(
                format!(
                    "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
                )
                .as_bytes(),
            );
        };
        for pair in &self.fields {
            field(&mut body, pair);
        }
        if let Some((name, bytes)) = &self.file {
            body.extend_from_slice(
                format!(
                    "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; \
                     filename=\"{name}\"\r\nContent-Type: image/x-of-the-part\r\n\r\n"
                )
                .as_bytes(),
            );
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        for pair in &self.after {
            field(&mut body, pair);
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        body
    }

    /// The head of the request, for a body of this length.
    pub fn head(&self, server: &Server, target: &str, length: usize) -> String {
        let mut head = format!(
            "POST {target} HTTP/1.1\r\nhost: {}\r\ncontent-type: multipart/form-data; \
             boundary={BOUNDARY}\r\ncontent-length: {length}\r\n",
            server.address
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "\r\n"
    }

    /// Sends it to a bucket.
    pub fn send(&self, server: &Server, target: &str) -> Answer {
        let body = self.body();
        let mut connection = server.connect();
        connection.send(self.head(server, target, body.len()));
        connection.try_send(&body);
        connection.answer()
    }
}
