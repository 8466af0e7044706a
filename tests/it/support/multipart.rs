//! Multipart uploads as far as several files need them.

use crate::support::call::Call;
use crate::support::connection::Answer;
use crate::support::server::Server;

/// The call that begins an upload of an object.
pub fn create<'s>(server: &'s Server, object: &str) -> Call<'s> {
    server.call("POST", &format!("{object}?uploads"))
}

/// The call that uploads a part.
pub fn part<'s>(
    server: &'s Server,
    object: &str,
    upload: &str,
    number: usize,
    bytes: &[u8],
) -> Call<'s> {
    let target = format!("{object}?partNumber={number}&uploadId={upload}");
    server.call("PUT", &target).body(bytes)
}

/// The call that completes an upload of parts with these ETags.
pub fn complete<'s>(server: &'s Server, object: &str, upload: &str, etags: &[String]) -> Call<'s> {
    let mut parts = String::new();
    for (number, etag) in (1..).zip(etags) {
        let part = format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        parts += &part;
    }
    let target = format!("{object}?uploadId={upload}");
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    server.call("POST", &target).body(body)
}

/// The ETag in an answer to a completion; `None` if it is a refusal, which may come late, under the
/// status 200.
pub fn completed_etag(answer: &Answer) -> Option<String> {
    let etag = answer.element("ETag").filter(|_| answer.status == 200)?;
    Some(etag.replace("&quot;", "\""))
}

/// Uploads all parts and gives the upload and the ETags to complete it with.
pub fn upload(server: &Server, object: &str, parts: &[&[u8]]) -> (String, Vec<String>) {
    let created = create(server, object).send().expect(200);
    let upload = created.element("UploadId").expect("an upload");
    let etags = (1..).zip(parts).map(|(number, bytes)| {
        let answer = part(server, object, &upload, number, bytes)
            .send()
            .expect(200);
        answer.header("etag").expect("an ETag").to_owned()
    });
    let etags = etags.collect();
    (upload, etags)
}
