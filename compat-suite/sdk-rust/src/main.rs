//! Drives aws-sdk-rust at an S3 endpoint, one case a run: `compat-sdk-rust CASE BUCKET`.
//!
//! The endpoint comes from `COMPAT_ENDPOINT`, credentials and the trusted CA from the variables
//! the AWS tools use. Exit status 0 means that the case holds; otherwise stderr says why not.

mod cases;

use std::error::Error;

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{Builder, Region};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};

/// What a case answers: nothing, or why it failed.
pub type Verdict = Result<(), Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Verdict {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--version"] => {
            println!("{}", aws_sdk_s3::meta::PKG_VERSION);
            Ok(())
        }
        [case, bucket] => cases::run(case, &client()?, bucket).await,
        _ => Err("usage: compat-sdk-rust CASE BUCKET".into()),
    }
}

/// The SDK's client at its defaults; only endpoint, credentials and path style are set.
fn client() -> Result<aws_sdk_s3::Client, Box<dyn Error + Send + Sync>> {
    let credentials = Credentials::new(
        std::env::var("AWS_ACCESS_KEY_ID")?,
        std::env::var("AWS_SECRET_ACCESS_KEY")?,
        None,
        None,
        "environment",
    );
    let mut trust = TrustStore::empty();
    if let Ok(path) = std::env::var("AWS_CA_BUNDLE") {
        trust = trust.with_pem_certificate(std::fs::read(path)?);
    }
    let tls = TlsContext::builder().with_trust_store(trust).build()?;
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls)
        .build_https();
    let config = Builder::new()
        .behavior_version_latest()
        .endpoint_url(std::env::var("COMPAT_ENDPOINT")?)
        .region(Region::new(
            std::env::var("AWS_REGION").unwrap_or("us-east-1".into()),
        ))
        .credentials_provider(credentials)
        .force_path_style(true)
        .http_client(http)
        .build();
    Ok(aws_sdk_s3::Client::from_conf(config))
}
