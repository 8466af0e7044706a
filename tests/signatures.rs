//! Signatures from outside: every combination of where credentials are and how the body is signed,
//! from one table; botocore's own requests; and the signer of the AWS SDK as an oracle.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "signatures/botocore.rs"]
mod botocore;
#[path = "signatures/matrix.rs"]
mod matrix;
#[path = "signatures/oracle.rs"]
mod oracle;
#[path = "signatures/support.rs"]
mod support;
