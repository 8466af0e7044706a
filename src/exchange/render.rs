//! From a reply or a fault to what is sent: request ids, region, and a fault as S3's XML or as the
//! extension's JSON. Nothing else renders.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};

use crate::exchange::fault::Fault;
use crate::exchange::id::{RequestId, host_id};
use crate::exchange::outgoing::Outgoing;
use crate::exchange::reply::{JSON, Reply, ReplyBody, XML};
use crate::wire::xml::{DECLARATION, XmlWriter};

/// How long a slow answer may take before its head is sent without knowing how it ends.
const SLOW_AFTER: Duration = Duration::from_secs(2);

/// How often a blank is sent while a slow answer comes about. Some clients give up after 5 seconds
/// of silence, most after 60.
const BLANK_EVERY: Duration = Duration::from_secs(3);

/// The most bytes of a path that a fault repeats: enough for any key, each byte escaped.
const MAX_RESOURCE_BYTES: usize = 4096;

const SERVER: HeaderValue = HeaderValue::from_static("Holdfast");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

/// How the faults of a surface are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultFormat {
    /// S3's XML.
    Xml,
    /// The extension's JSON.
    Json,
}

/// What rendering needs to know of the request.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its id.
    pub id: RequestId,
    /// Its method: HEAD has no body.
    pub method: Method,
    /// Its URI, whose path is the `Resource` of a fault.
    pub uri: Uri,
    /// How its faults are written.
    pub format: FaultFormat,
    /// The region that every fault names.
    pub region: HeaderValue,
}

/// How a request ended, for the log.
#[derive(Debug, Default)]
pub struct Ending {
    /// The code of a fault.
    pub code: Option<&'static str>,
    /// The private cause of a fault.
    pub cause: Option<String>,
}

impl Frame {
    /// Makes the answer to send.
    pub async fn render(&self, outcome: Result<Reply, Fault>) -> (Response<Outgoing>, Ending) {
        let (mut work, status, headers) = match outcome {
            Ok(Reply {
                body: ReplyBody::Slow(work),
                status,
                headers,
            }) => (work, status, headers),
            ready => return self.render_ready(ready),
        };
        if let Ok(outcome) = tokio::time::timeout(SLOW_AFTER, &mut work).await {
            return self.render_ready(outcome);
        }
        let frame = self.clone();
        let tail = Box::pin(async move { frame.tail(work.await) });
        let head = Bytes::from_static(DECLARATION.as_bytes());
        let body = Outgoing::slow(head, tail, BLANK_EVERY);
        let mut response = self.response(status, headers, body);
        response.headers_mut().insert(header::CONTENT_TYPE, XML);
        (response, Ending::default())
    }

    fn render_ready(&self, outcome: Result<Reply, Fault>) -> (Response<Outgoing>, Ending) {
        let reply = match outcome {
            Ok(reply) => reply,
            Err(fault) => return self.render_fault(&fault),
        };
        let body = match reply.body {
            _ if self.method == Method::HEAD || reply.status == StatusCode::NOT_MODIFIED => {
                Outgoing::Empty
            }
            ReplyBody::Empty => Outgoing::Empty,
            ReplyBody::Bytes(bytes) => Outgoing::Bytes(bytes),
            ReplyBody::File(stream, length) => Outgoing::File(stream, length),
            ReplyBody::Feed(feed) => Outgoing::Feed(feed),
            ReplyBody::Slow(_) => {
                return self.render_fault(&Fault::internal("a slow answer within a slow answer"));
            }
        };
        let response = self.response(reply.status, reply.headers, body);
        (response, Ending::default())
    }

    fn render_fault(&self, fault: &Fault) -> (Response<Outgoing>, Ending) {
        let mut headers = HeaderMap::new();
        for (name, value) in fault.headers() {
            headers.insert(name, value.clone());
        }
        headers.insert(BUCKET_REGION, self.region.clone());
        let body = if self.method == Method::HEAD {
            Outgoing::Empty
        } else {
            let (media_type, document) = match self.format {
                FaultFormat::Xml => (XML, self.xml(fault)),
                FaultFormat::Json => (JSON, self.json(fault)),
            };
            headers.insert(header::CONTENT_TYPE, media_type);
            Outgoing::Bytes(document.into())
        };
        let ending = Ending {
            code: Some(fault.code().name()),
            cause: fault.private_cause().map(str::to_owned),
        };
        (self.response(fault.status(), headers, body), ending)
    }

    fn response(
        &self,
        status: StatusCode,
        headers: HeaderMap,
        body: Outgoing,
    ) -> Response<Outgoing> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, self.id.header_value());
        headers.insert(HOST_ID, host_id().clone());
        headers.insert(header::SERVER, SERVER);
        response
    }

    /// What follows a declaration that has been sent: the document of a reply, or a fault's.
    fn tail(&self, outcome: Result<Reply, Fault>) -> Bytes {
        let document = match outcome {
            Ok(Reply {
                body: ReplyBody::Bytes(document),
                ..
            }) => document,
            Ok(_) => self
                .xml(&Fault::internal("a slow answer is a document"))
                .into(),
            Err(fault) => {
                tracing::warn!(
                    request = %self.id,
                    code = fault.code().name(),
                    cause = fault.private_cause(),
                    "a slow answer ended in a fault"
                );
                self.xml(&fault).into()
            }
        };
        if document.starts_with(DECLARATION.as_bytes()) {
            document.slice(DECLARATION.len()..)
        } else {
            document
        }
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#RESTErrorResponses>
    fn xml(&self, fault: &Fault) -> String {
        let mut xml = XmlWriter::plain("Error");
        xml.text("Code", fault.code().name());
        xml.text("Message", fault.public_message());
        for (name, value) in fault.details() {
            xml.text(name, value);
        }
        let path = self.uri.path();
        let end = path.floor_char_boundary(MAX_RESOURCE_BYTES);
        xml.text("Resource", &path[..end]);
        xml.text("RequestId", self.id.as_str());
        xml.text("HostId", host_id().to_str().unwrap_or_default());
        xml.finish()
    }

    fn json(&self, fault: &Fault) -> String {
        let mut object = serde_json::Map::new();
        object.insert("code".into(), fault.code().name().into());
        object.insert("message".into(), fault.public_message().into());
        object.insert("request_id".into(), self.id.as_str().into());
        serde_json::Value::Object(object).to_string()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::exchange::fault::Code;

    fn frame(method: Method, format: FaultFormat) -> Frame {
        Frame {
            id: RequestId::next(),
            method,
            uri: Uri::from_static("/b/a&b"),
            format,
            region: HeaderValue::from_static("us-east-1"),
        }
    }

    async fn sent(response: Response<Outgoing>) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_fault_is_xml_json_or_a_bare_status() {
        let fault = || {
            Err(Fault::new(Code::NoSuchKey)
                .detail("Key", "a<b")
                .cause("secret"))
        };
        let frame_xml = frame(Method::GET, FaultFormat::Xml);
        let (response, ending) = frame_xml.render(fault()).await;
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["content-type"], "application/xml");
        assert_eq!(response.headers()["x-amz-bucket-region"], "us-east-1");
        assert_eq!(
            response.headers()["x-amz-request-id"],
            frame_xml.id.as_str()
        );
        assert_eq!(ending.code, Some("NoSuchKey"));
        assert_eq!(ending.cause.as_deref(), Some("secret"));
        let text = sent(response).await;
        assert!(text.starts_with(DECLARATION), "{text}");
        let start = "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&lt;b</Key><Resource>/b/a&amp;b</Resource><RequestId>";
        assert!(text[DECLARATION.len()..].starts_with(start), "{text}");
        assert!(!text.contains("secret"));

        let frame_json = frame(Method::GET, FaultFormat::Json);
        let (response, _) = frame_json.render(fault()).await;
        let value: serde_json::Value = serde_json::from_str(&sent(response).await).unwrap();
        assert_eq!(value["code"], "NoSuchKey");
        assert_eq!(value["request_id"], frame_json.id.as_str());

        let (response, _) = frame(Method::HEAD, FaultFormat::Xml).render(fault()).await;
        assert_eq!(response.status(), 404);
        assert_eq!(sent(response).await, "");
    }

    #[tokio::test]
    async fn a_slow_answer_that_is_quick_keeps_its_status() {
        let frame = frame(Method::POST, FaultFormat::Xml);
        let refused = Reply::slow(async { Err(Fault::new(Code::InvalidPart)) });
        let (response, _) = frame.render(Ok(refused)).await;
        assert_eq!(response.status(), 400);
        let done = Reply::slow(async { Ok(Reply::xml(format!("{DECLARATION}<A/>"))) });
        let (response, _) = frame.render(Ok(done)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(sent(response).await, format!("{DECLARATION}<A/>"));
    }

    #[tokio::test]
    async fn a_slow_answer_sends_one_declaration() {
        let frame = frame(Method::POST, FaultFormat::Xml);
        let slow = Reply::slow(async {
            tokio::time::sleep(SLOW_AFTER + Duration::from_millis(50)).await;
            Ok(Reply::xml(format!("{DECLARATION}<A/>")))
        });
        let (response, _) = frame.render(Ok(slow)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(sent(response).await, format!("{DECLARATION}<A/>"));
        let fault = frame.tail(Err(Fault::new(Code::InternalError)));
        assert!(fault.starts_with(b"<Error><Code>InternalError</Code>"));
    }
}
