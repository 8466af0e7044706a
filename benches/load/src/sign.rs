//! SigV4 for the few request shapes of this program.

use std::fmt::Write as _;
use std::time::SystemTime;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use sha2::{Digest, Sha256};

/// SHA-256 of nothing.
pub const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const REGION: &str = "us-east-1";

/// Signs requests with one date; make a new one before fifteen minutes are over.
#[derive(Clone)]
pub struct Signer {
    host: String,
    access_key: String,
    key: Vec<u8>,
    amz_date: String,
}

impl Signer {
    /// A signer for one host with the date of now.
    pub fn new(host: &str, access_key: &str, secret_key: &str) -> Self {
        let now = SystemTime::now();
        let key = generate_signing_key(secret_key, now, REGION, "s3");
        Self {
            host: host.into(),
            access_key: access_key.into(),
            key: key.as_ref().to_vec(),
            amz_date: chrono::DateTime::<chrono::Utc>::from(now)
                .format("%Y%m%dT%H%M%SZ")
                .to_string(),
        }
    }

    /// The head of a request, signed and ended. `path` and `query` are already encoded, the
    /// query in order; `more` are further unsigned header lines, each with its line end.
    pub fn head(
        &self,
        method: &str,
        path: &str,
        query: &str,
        sha256: &str,
        length: usize,
        more: &str,
    ) -> Vec<u8> {
        let (host, date) = (&self.host, &self.amz_date);
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{sha256}\n\
             x-amz-date:{date}\n\nhost;x-amz-content-sha256;x-amz-date\n{sha256}"
        );
        let scope = format!("{}/{REGION}/s3/aws4_request", &date[..8]);
        let digest = hex::encode(Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
        let signature = calculate_signature(&self.key, text.as_bytes());
        let mut head = format!("{method} {path}");
        if !query.is_empty() {
            let _ = write!(head, "?{query}");
        }
        let _ = write!(
            head,
            " HTTP/1.1\r\nhost: {host}\r\nx-amz-date: {date}\r\nx-amz-content-sha256: {sha256}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}\r\n\
             content-length: {length}\r\n{more}\r\n",
            self.access_key
        );
        head.into_bytes()
    }
}
