//! What a signature is computed over: the head of a request, borrowed.

use http::{HeaderMap, Method};

use crate::wire::uri::Query;

/// The head of a request as authentication sees it.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path as on the wire, still encoded, without the query.
    pub raw_path: &'a str,
    /// The decoded query.
    pub query: &'a Query,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The host the client addressed, with its port if it gave one: the `Host` header in HTTP/1.1,
    /// `:authority` in HTTP/2.
    pub authority: &'a str,
    /// The bucket, if it was named by the host (virtual-host style); version 2 signs it.
    pub virtual_bucket: Option<&'a str>,
}
