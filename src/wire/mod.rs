//! Protocol syntax, without I/O: signatures, framing, ranges, conditions, checksums, XML, percent
//! coding. Reads no clock and knows no package; it may use the value types of `domain/`.

pub mod aws_chunked;
pub mod checksum;
pub mod conditions;
pub mod copy_source;
pub mod cors;
pub mod credentials;
pub mod form_claim;
pub mod form_data;
pub mod post_policy;
pub mod range;
pub mod request_head;
pub mod resource;
pub mod sigv2;
pub mod sigv4;
pub mod uri;
pub mod xml;
