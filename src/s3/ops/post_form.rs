//! PostObject: an upload by a form of a browser, allowed by a policy that somebody signed.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};

use crate::domain::condition::WriteCondition;
use crate::domain::file::FileRecord;
use crate::domain::name::ObjectKey;
use crate::domain::verb::Verb;
use crate::exchange::admit::authenticate_form;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::form::{Form, form_fault};
use crate::exchange::reply::{Reply, XML};
use crate::exchange::request::Request;
use crate::exchange::target::Target;
use crate::registry::error::Error;
use crate::registry::files::IngestFile;
use crate::s3::ops::describe::{quoted, set_checksum, set_etag, value_of};
use crate::s3::ops::lock_headers::lock_request;
use crate::s3::ops::multipart::location;
use crate::s3::ops::ownership::check_acl;
use crate::s3::ops::put::{about_key, refuse_unbuilt};
use crate::s3::ops::special::refusal;
use crate::s3::ops::versions::set_version;
use crate::wire::form_claim::FormClaim;
use crate::wire::post_policy::{FormFields, PostPolicy};
use crate::wire::uri::{Slash, percent_encode};
use crate::wire::xml::XmlWriter;

/// What stands for the name of the file in a field.
const FILE_NAME: &str = "${filename}";

/// PostObject: the file is under its key, durable and visible to every reader, when the answer
/// comes; a form that is refused leaves nothing behind. Signature, policy and rights are decided
/// before any byte of the file is read, the length while it comes.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>
pub async fn post_object(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let content_type = request
        .header("content-type")
        .unwrap_or_default()
        .to_owned();
    let mut form = Form::new(request.payload.take_out(), &content_type)?;
    match take_in(&mut form, request, context).await {
        Ok(reply) => Ok(reply),
        Err(fault) => {
            form.read_on().await;
            Err(fault)
        }
    }
}

async fn take_in(form: &mut Form, mut request: Request, context: &Context) -> Result<Reply, Fault> {
    form.read_fields().await?;
    expand_file_name(form);
    let fields = form.fields.clone();
    let key = find_key(&fields)?;
    let claim = FormClaim::find(&fields)?;
    if fields.contains_key("x-amz-security-token") {
        return Err(Fault::new(Code::InvalidToken));
    }
    authenticate_form(&mut request, claim.as_ref(), context)?;
    let policy = PostPolicy::parse(claim.map_or("", |claim| claim.policy))?;
    let length = policy.check(&fields, request.bucket().as_str(), context.now())?;
    let key = ObjectKey::parse(key)?;
    request.authorize_key(Verb::Write, request.package(), &key)?;
    if key.is_reserved() {
        return Err(refusal());
    }
    request.head.headers = headers_of(&fields, request.headers())?;
    request.target = Target::Object(request.bucket().clone(), key);
    check_acl(&request, context).await?;
    let command = command_of(&request)?;
    context
        .registry
        .check_writable(command.package_id, &command.key, &command.condition)
        .await
        .map_err(|error| about_key(error.into(), &request))?;
    let max_bytes = context.settings.max_body_bytes;
    let mut file = form.file(length, request.headers(), max_bytes)?;
    match context.registry.ingest_file(command, &mut file).await {
        Ok(stored) => answer(&fields, &stored, &location(&request, context), &request),
        Err(Error::Source(error)) => Err(form_fault(error)),
        Err(error) => Err(about_key(error.into(), &request)),
    }
}

/// Puts the name of the file, without the path that some browsers give, where fields ask for it.
fn expand_file_name(form: &mut Form) {
    let path = form.file_name.as_deref().unwrap_or_default();
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    for (field, value) in &mut form.fields {
        if field != "policy" && value.contains(FILE_NAME) {
            *value = value.replace(FILE_NAME, name);
        }
    }
}

fn find_key(fields: &FormFields) -> Result<&str, Fault> {
    let message = match fields.get("key") {
        None => {
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the \
             order of the fields."
        }
        Some(key) if key.is_empty() => "User key must have a length greater than 0.",
        Some(key) => return Ok(key),
    };
    Err(Fault::argument("key", "", message))
}

fn command_of(request: &Request) -> Result<IngestFile, Fault> {
    refuse_unbuilt(request.headers())?;
    Ok(IngestFile {
        package_id: request.package().id,
        key: request.key().clone(),
        media_type: request.media_type(),
        attributes: request.attributes()?,
        condition: WriteCondition::Always,
        lock: lock_request(request)?,
        actor: request.actor().to_owned(),
    })
}

/// The fields as the headers that a PutObject would have; other fields mean nothing to the object.
/// The host stays that of the request.
fn headers_of(fields: &FormFields, sent: &HeaderMap) -> Result<HeaderMap, Fault> {
    const PLAIN: [&str; 7] = [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "content-type",
        "expires",
    ];
    let mut headers = HeaderMap::new();
    if let Some(host) = sent.get(header::HOST) {
        headers.insert(header::HOST, host.clone());
    }
    for (field, value) in fields {
        let name = match field.as_str() {
            "acl" => "x-amz-acl",
            "tagging" => "x-amz-tagging",
            "x-amz-checksum-algorithm" => "x-amz-sdk-checksum-algorithm",
            plain if PLAIN.contains(&plain) || plain.starts_with("x-amz-") => plain,
            _ => continue,
        };
        let pair = (
            HeaderName::try_from(name),
            HeaderValue::from_bytes(value.as_bytes()),
        );
        let (Ok(name), Ok(value)) = pair else {
            let message = "A field of the form holds what no header can.";
            return Err(Fault::argument(field, value, message));
        };
        headers.insert(name, value);
    }
    Ok(headers)
}

/// What the form asks to be answered: a way back to its site, or a status.
fn answer(
    fields: &FormFields,
    stored: &FileRecord,
    location: &str,
    request: &Request,
) -> Result<Reply, Fault> {
    let field = |name: &str| fields.get(name).map(String::as_str);
    let redirect = field("success_action_redirect").or_else(|| field("redirect"));
    let back = redirect.and_then(|url| way_back(url, stored, request.bucket().as_str()));
    let mut reply = match (back, field("success_action_status")) {
        (Some(url), _) => {
            let reply = Reply::new(StatusCode::SEE_OTHER);
            reply.with(header::LOCATION, value_of(url)?)
        }
        (None, status) => {
            let reply = match status {
                Some("200") => Reply::ok(),
                Some("201") => {
                    let document = post_response(stored, location, request.bucket().as_str());
                    Reply::new(StatusCode::CREATED).with_bytes(XML, document.into())
                }
                _ => Reply::no_content(),
            };
            reply.with(header::LOCATION, value_of(location.to_owned())?)
        }
    };
    set_version(&mut reply, request.package(), stored)?;
    set_etag(&mut reply.headers, &stored.etag)?;
    if let Some(checksum) = &stored.attributes.checksum {
        set_checksum(&mut reply.headers, checksum)?;
    }
    Ok(reply)
}

/// The URL with what was stored in its query; `None` for what is no URL, which counts as absent.
fn way_back(url: &str, stored: &FileRecord, bucket: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return None;
    }
    let (url, _) = url.split_once('#').unwrap_or((url, ""));
    let joint = if uri.query().is_some() { '&' } else { '?' };
    let encode = |text: &str| percent_encode(text.as_bytes(), Slash::Encode);
    Some(format!(
        "{url}{joint}bucket={}&key={}&etag={}",
        encode(bucket),
        encode(stored.key.as_str()),
        encode(&quoted(&stored.etag))
    ))
}

fn post_response(stored: &FileRecord, location: &str, bucket: &str) -> String {
    let mut xml = XmlWriter::plain("PostResponse");
    xml.text("Location", location)
        .text("Bucket", bucket)
        .text("Key", stored.key.as_str())
        .text("ETag", &quoted(&stored.etag));
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> FormFields {
        let pairs = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        pairs.collect()
    }

    #[test]
    fn only_what_concerns_the_object_becomes_a_header() {
        let fields = fields(&[
            ("acl", "private"),
            ("content-type", "text/plain"),
            ("x-amz-meta-a", "ü"),
            ("key", "k"),
            ("authorization", "x"),
            ("if-none-match", "*"),
            ("x-ignore-me", "1"),
        ]);
        let mut sent = HeaderMap::new();
        sent.insert(header::HOST, HeaderValue::from_static("h"));
        sent.insert(header::CONTENT_TYPE, HeaderValue::from_static("form"));
        let headers = headers_of(&fields, &sent).unwrap();
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "host", "x-amz-acl", "x-amz-meta-a"]);
        assert_eq!(headers["content-type"], "text/plain");
        for (name, value) in [("x-amz-meta-a", "a\nb"), ("x-amz-meta- a", "b")] {
            let wrong = FormFields::from([(name.to_owned(), value.to_owned())]);
            let fault = headers_of(&wrong, &sent).unwrap_err();
            assert_eq!(fault.code(), Code::InvalidArgument, "{name}");
        }
    }

    #[test]
    fn a_key_must_be_there() {
        for some in [&[][..], &[("key", "")]] {
            let fault = find_key(&fields(some)).unwrap_err();
            assert_eq!(fault.code(), Code::InvalidArgument);
        }
        assert_eq!(find_key(&fields(&[("key", "k")])).ok(), Some("k"));
    }
}
