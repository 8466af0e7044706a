//! AWS signature version 4: the verifying side, and a small signer for our own client.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html>

pub mod canonical;
pub mod chunk;
pub mod date;
pub mod header;
pub mod key;
pub mod payload;
pub mod presign;
pub mod sign;
pub mod verify;
