//! A browser's form in the body of a request: its fields, then its file as a source of bytes.
//!
//! Fields are gathered within limits, the file is not. What follows the file is read and forgotten,
//! before anything is stored: a form that breaks off leaves nothing behind.

use std::ops::RangeInclusive;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;

use crate::domain::digest::{ChecksumAlgorithm, DigestClaims};
use crate::exchange::fault::{Code, Fault};
use crate::exchange::payload::Payload;
use crate::registry::source::{ByteSource, SourceError};
use crate::wire::checksum::BodyChecksums;
use crate::wire::form_claim::FormClaimError;
use crate::wire::form_data::{FormDataError, FormDecoder, FormStep, PartHead, boundary};
use crate::wire::post_policy::{FormFields, PolicyError};

/// The most bytes of the fields before the file, names and values.
pub const MAX_FIELDS_BYTES: usize = 20 * 1024;

/// The most fields before the file.
pub const MAX_FIELDS: usize = 256;

/// The field that is the file. It ends what counts of a form.
const FILE: &str = "file";

/// What of a refused form is read on, so that a browser that is still sending sees why.
const READ_ON_BYTES: usize = 16 * 1024 * 1024;

/// How long that may take.
const READ_ON_TIME: Duration = Duration::from_secs(10);

/// A form: once it is read, its fields are here and its file is still to come.
pub struct Form {
    decoder: FormDecoder,
    payload: Payload,
    /// The fields.
    pub fields: FormFields,
    /// The name of the file, as the client has it.
    pub file_name: Option<String>,
}

impl Form {
    /// A form of which nothing has been read. Another body is 412 `PreconditionFailed`.
    pub fn new(payload: Payload, content_type: &str) -> Result<Self, Fault> {
        let Some(boundary) = boundary(content_type)? else {
            return Err(Fault::new(Code::PreconditionFailed).detail(
                "Condition",
                "Bucket POST must be of the enclosure-type multipart/form-data",
            ));
        };
        Ok(Self {
            decoder: FormDecoder::new(&boundary),
            payload,
            fields: FormFields::new(),
            file_name: None,
        })
    }

    /// Reads the fields, up to the file. Refuses a body that is no form (`MalformedPOSTRequest`), has
    /// no file (`IncorrectNumberOfFilesInPostRequest`) or too much before it
    /// (`MaxPostPreDataLengthExceeded`).
    pub async fn read_fields(&mut self) -> Result<(), Fault> {
        let mut bytes = 0;
        for _ in 0..=MAX_FIELDS {
            let FormStep::Part(head) = self.step().await.map_err(form_fault)? else {
                return Err(Fault::new(Code::IncorrectNumberOfFilesInPostRequest));
            };
            if head.name.eq_ignore_ascii_case(FILE) {
                self.file_name = head.file_name;
                return Ok(());
            }
            self.read_field(head, &mut bytes).await?;
        }
        Err(Fault::new(Code::MaxPostPreDataLengthExceeded))
    }

    async fn read_field(&mut self, head: PartHead, bytes: &mut usize) -> Result<(), Fault> {
        let name = head.name.to_ascii_lowercase();
        let mut value = Vec::new();
        *bytes += name.len();
        while let FormStep::Data(chunk) = self.step().await.map_err(form_fault)? {
            *bytes += chunk.len();
            if *bytes > MAX_FIELDS_BYTES {
                break;
            }
            value.extend_from_slice(&chunk);
        }
        if *bytes > MAX_FIELDS_BYTES {
            return Err(Fault::new(Code::MaxPostPreDataLengthExceeded));
        }
        let value = String::from_utf8(value)
            .map_err(|_| Fault::argument(&name, "", "A field of the form is not valid UTF-8."))?;
        match self.fields.get_mut(&name) {
            None => {
                self.fields.insert(name, value);
            }
            // As on AWS, metadata that comes several times is one list.
            Some(list) if name.starts_with("x-amz-meta-") => {
                list.push(',');
                list.push_str(&value);
            }
            Some(_) => {
                let message = "A field of the form is given more than once.";
                return Err(Fault::argument(&name, &value, message));
            }
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<FormStep, SourceError> {
        loop {
            match self.decoder.step().map_err(malformed)? {
                FormStep::More => match self.payload.next_chunk().await? {
                    Some(bytes) => self.decoder.feed(&bytes),
                    None => return Err(malformed(FormDataError("it ends too early"))),
                },
                step => return Ok(step),
            }
        }
    }

    /// The file, of which so many bytes are wanted; `headers` are the fields that speak of it.
    pub fn file(
        &mut self,
        length: RangeInclusive<u64>,
        headers: &HeaderMap,
        max_bytes: u64,
    ) -> Result<FormFile<'_>, Fault> {
        Ok(FormFile {
            least_bytes: *length.start(),
            most_bytes: max_bytes.min(*length.end()),
            form: self,
            checksums: BodyChecksums::parse(headers)?,
            received_bytes: 0,
        })
    }

    /// Reads on what was left when the form was refused, within bounds. A browser reads no answer
    /// before it has sent everything, and a connection that closes on it takes the answer along.
    pub async fn read_on(mut self) {
        let read = async {
            let mut bytes = 0;
            while bytes < READ_ON_BYTES {
                match self.payload.next_chunk().await {
                    Ok(Some(chunk)) => bytes += chunk.len(),
                    Ok(None) | Err(_) => return,
                }
            }
        };
        let _ = tokio::time::timeout(READ_ON_TIME, read).await;
    }
}

fn malformed(error: FormDataError) -> SourceError {
    SourceError::Malformed(error.0.to_owned())
}

/// The refusal of a form whose bytes did not come as they should.
pub fn form_fault(error: SourceError) -> Fault {
    match error {
        SourceError::Malformed(what) => Fault::new(Code::MalformedPOSTRequest).cause(what),
        other => other.into(),
    }
}

/// The file of a form.
pub struct FormFile<'f> {
    form: &'f mut Form,
    checksums: BodyChecksums,
    least_bytes: u64,
    most_bytes: u64,
    received_bytes: u64,
}

#[async_trait]
impl ByteSource for FormFile<'_> {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, SourceError> {
        if let FormStep::Data(bytes) = self.form.step().await? {
            self.received_bytes += bytes.len() as u64;
            if self.received_bytes > self.most_bytes {
                return Err(SourceError::TooLarge {
                    limit_bytes: self.most_bytes,
                });
            }
            return Ok(Some(bytes));
        }
        if self.received_bytes < self.least_bytes {
            return Err(SourceError::TooSmall {
                size_bytes: self.received_bytes,
                minimum_bytes: self.least_bytes,
            });
        }
        // The rest means nothing, but it must come: a form that is cut off is refused.
        while self.form.step().await? != FormStep::End {}
        while self.form.payload.next_chunk().await?.is_some() {}
        Ok(None)
    }

    fn claims(&self) -> DigestClaims {
        DigestClaims {
            size_bytes: None,
            md5: self.checksums.content_md5,
            payload_sha256: None,
            checksum: self.checksums.value.clone(),
        }
    }

    fn algorithms(&self) -> Vec<ChecksumAlgorithm> {
        self.checksums.wanted().into_iter().collect()
    }

    fn size_hint(&self) -> Option<u64> {
        None
    }
}

impl From<FormDataError> for Fault {
    fn from(error: FormDataError) -> Self {
        Self::new(Code::MalformedPOSTRequest).cause(error)
    }
}

impl From<FormClaimError> for Fault {
    fn from(error: FormClaimError) -> Self {
        Self::new(Code::InvalidArgument).message(error.to_string())
    }
}

impl From<PolicyError> for Fault {
    fn from(error: PolicyError) -> Self {
        let code = match error {
            PolicyError::Document(_) => Code::InvalidPolicyDocument,
            PolicyError::Denied(_) => Code::AccessDenied,
        };
        Self::new(code).message(error.to_string())
    }
}
