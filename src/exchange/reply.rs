//! What a handler answers: status, headers and body.
//!
//! Knows no ids and no sending: `render.rs` makes of a reply what is sent.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::exchange::fault::Fault;
use crate::registry::open::FileStream;

/// Bytes of an answer whose length is not known, such as a live tail of events.
pub type FeedStream = Pin<Box<dyn futures_util::Stream<Item = Result<Bytes, Fault>> + Send>>;

/// Work that may take minutes.
pub type SlowReply = Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send>>;

/// What is sent after the head.
pub enum ReplyBody {
    /// Nothing. A `Content-Length` header set by a HEAD stays as it is.
    Empty,
    /// These bytes.
    Bytes(Bytes),
    /// Checked bytes of a file, exactly so many. An error breaks the connection.
    File(FileStream, u64),
    /// Bytes as they come, until the stream ends.
    Feed(FeedStream),
    /// An XML document that may take minutes to come about (CompleteMultipartUpload, CopyObject).
    /// When it comes within a few seconds, its own status and headers are sent; otherwise 200, the
    /// XML declaration and a blank now and then, and at the end the document or the fault.
    Slow(SlowReply),
}

/// The answer to a request.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers that the operation sets. Ids, date and length are added when it is sent.
    pub headers: HeaderMap,
    /// What follows.
    pub body: ReplyBody,
}

impl Reply {
    /// An empty answer of this status.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: ReplyBody::Empty,
        }
    }

    /// 200 without a body.
    pub fn ok() -> Self {
        Self::new(StatusCode::OK)
    }

    /// 204.
    pub fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT)
    }

    /// 200 with an XML document, as `XmlWriter::finish` gives it.
    pub fn xml(document: String) -> Self {
        Self::ok().with_bytes(XML, document.into())
    }

    /// 200 with a JSON value.
    pub fn json(value: &impl serde::Serialize) -> Result<Self, Fault> {
        let bytes = serde_json::to_vec(value).map_err(Fault::internal)?;
        Ok(Self::ok().with_bytes(JSON, bytes.into()))
    }

    /// An answer that may take minutes; see [`ReplyBody::Slow`].
    pub fn slow(work: impl Future<Output = Result<Reply, Fault>> + Send + 'static) -> Self {
        let mut reply = Self::ok();
        reply.body = ReplyBody::Slow(Box::pin(work));
        reply
    }

    /// With these bytes as body.
    #[must_use]
    pub fn with_bytes(mut self, media_type: HeaderValue, bytes: Bytes) -> Self {
        self.headers.insert(header::CONTENT_TYPE, media_type);
        self.body = ReplyBody::Bytes(bytes);
        self
    }

    /// With bytes of a file as body.
    #[must_use]
    pub fn with_file(mut self, stream: FileStream, length: u64) -> Self {
        self.body = ReplyBody::File(stream, length);
        self
    }

    /// With bytes as they come as body.
    #[must_use]
    pub fn with_feed(mut self, media_type: HeaderValue, feed: FeedStream) -> Self {
        self.headers.insert(header::CONTENT_TYPE, media_type);
        self.body = ReplyBody::Feed(feed);
        self
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets a header of text that came from a client or a database; bytes that no header may hold
    /// are an internal fault.
    pub fn set_text(&mut self, name: HeaderName, text: &str) -> Result<(), Fault> {
        let value = HeaderValue::from_bytes(text.as_bytes())
            .map_err(|_| Fault::internal(format_args!("{name} cannot hold {text:?}")))?;
        self.headers.insert(name, value);
        Ok(())
    }
}

/// `application/xml`.
pub const XML: HeaderValue = HeaderValue::from_static("application/xml");

/// `application/json`.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");
