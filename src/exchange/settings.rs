//! Settings of the exchange: region, host names, limits of a request.

use serde::{Deserialize, Serialize};

/// Settings of the exchange (`[s3]` in the file).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExchangeSettings {
    /// The region that buckets are in, as `GetBucketLocation` and `x-amz-bucket-region` say.
    /// Default `us-east-1`.
    pub region: String,
    /// Base domains of virtual-host style: a request to `<bucket>.<domain>` is for that bucket.
    /// Without port. Default none: path style only, which always works.
    pub domains: Vec<String>,
    /// The most bytes of one PUT or part. Default 5 GiB.
    pub max_body_bytes: u64,
    /// How long a body may be silent, in milliseconds. Default 30,000.
    pub body_silence_ms: u64,
    /// The least average speed of a body after its first minute, in bytes a second. Default 1,024.
    pub body_min_bytes_per_second: u64,
}

impl Default for ExchangeSettings {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            domains: Vec::new(),
            max_body_bytes: 5 * 1024 * 1024 * 1024,
            body_silence_ms: 30_000,
            body_min_bytes_per_second: 1024,
        }
    }
}
