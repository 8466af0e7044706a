//! A signer of version 4, written from AWS's description and sharing no line with the program.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html>

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::support::server::{ACCESS_KEY, SECRET_KEY};

/// Who signs, when and for where.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The public half of the key.
    pub access_key: String,
    /// The secret half.
    pub secret_key: String,
    /// Seconds since 1970.
    pub at: i64,
    /// The region of the scope.
    pub region: String,
}

impl Signer {
    /// The root user, now.
    pub fn root() -> Self {
        Self {
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            at: chrono::Utc::now().timestamp(),
            region: "us-east-1".to_owned(),
        }
    }

    /// `20261123T101112Z`.
    pub fn date(&self) -> String {
        let at = chrono::DateTime::from_timestamp(self.at, 0).expect("a time");
        at.format("%Y%m%dT%H%M%SZ").to_string()
    }

    /// `20261123/us-east-1/s3/aws4_request`.
    pub fn scope(&self) -> String {
        format!("{}/{}/s3/aws4_request", &self.date()[..8], self.region)
    }

    /// The derived key.
    pub fn key(&self) -> [u8; 32] {
        let secret = format!("AWS4{}", self.secret_key);
        let date = hmac(secret.as_bytes(), &self.date().as_bytes()[..8]);
        let region = hmac(&date, self.region.as_bytes());
        hmac(&hmac(&region, b"s3"), b"aws4_request")
    }

    /// The signature of a canonical request.
    pub fn signature(&self, canonical: &str) -> String {
        let text = format!(
            "AWS4-HMAC-SHA256\n{}\n{}\n{}",
            self.date(),
            self.scope(),
            sha256(canonical.as_bytes())
        );
        hex::encode(hmac(&self.key(), text.as_bytes()))
    }

    /// The signature of a chunk that follows a signature.
    pub fn chunk_signature(&self, previous: &str, data: &[u8]) -> String {
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{previous}\n{}\n{}",
            self.date(),
            self.scope(),
            sha256(b""),
            sha256(data)
        );
        hex::encode(hmac(&self.key(), text.as_bytes()))
    }

    /// The signature of a trailer that follows a signature. `lines` are `name:value\n`.
    pub fn trailer_signature(&self, previous: &str, lines: &str) -> String {
        let text = format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{previous}\n{}",
            self.date(),
            self.scope(),
            sha256(lines.as_bytes())
        );
        hex::encode(hmac(&self.key(), text.as_bytes()))
    }
}

/// The canonical request of a raw target and the headers to sign, which are sorted here.
pub fn canonical(
    method: &str,
    target: &str,
    headers: &[(String, String)],
    payload: &str,
) -> (String, String) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (recode(name, true), recode(value, true))
        })
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut sorted = headers.to_vec();
    sorted.sort();
    let mut lines = String::new();
    for (name, value) in &sorted {
        writeln!(lines, "{name}:{}", value.trim()).expect("a text grows");
    }
    let names: Vec<&str> = sorted.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let path = recode(path, false);
    let text = format!(
        "{method}\n{path}\n{}\n{lines}\n{names}\n{payload}",
        pairs.join("&")
    );
    (text, names)
}

/// Decodes and encodes again.
fn recode(text: &str, is_query: bool) -> String {
    let plain = if is_query {
        text.replace('+', " ")
    } else {
        text.to_owned()
    };
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(&plain).collect();
    encode(&bytes, is_query)
}

/// Percent-encodes as signatures want it.
pub fn encode(bytes: &[u8], slash: bool) -> String {
    let mut out = String::new();
    for &byte in bytes {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if is_plain || (byte == b'/' && !slash) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a text grows");
        }
    }
    out
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key will do");
    mac.update(text);
    mac.finalize().into_bytes().into()
}
