//! Read manifests, and payloads of the log of any length, without holding them whole.
//!
//! A manifest's length and MD5 in either form come from a pass over it, which also checks its digest,
//! and are remembered, since it never changes. Its bytes then come piece by piece, as their reader
//! takes them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{TryStreamExt, stream};

use crate::db::log::{self, PayloadPlace};
use crate::db::packages;
use crate::db::pieces::{self, PIECE_BYTES};
use crate::domain::digest::ContentAddress;
use crate::domain::hashers::{HashPlan, Hashers};
use crate::domain::ids::{PackageId, Sequence, Timestamp};
use crate::domain::jcs::{ItemsProjector, Member, MemberScanner, around_member};
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;
use crate::registry::open::FileStream;
use crate::registry::surveys::{ManifestForm, Survey};

/// A manifest in one of its forms, whose bytes are yet to be read.
#[derive(Clone)]
pub struct StoredManifest {
    /// The length in bytes.
    pub size_bytes: u64,
    /// The MD5 of the bytes in hex.
    pub md5: String,
    /// When it was written.
    pub created_at: Timestamp,
    payload: Payload,
    survey: Arc<Survey>,
}

impl Registry {
    /// The manifest of a package; `None` until it is finalized.
    pub async fn open_manifest(
        &self,
        id: PackageId,
        form: ManifestForm,
    ) -> Result<Option<StoredManifest>> {
        let readers = &self.inner.db.readers;
        let Some((sequence, created_at)) = packages::find_finalized(readers, id).await? else {
            return Ok(None);
        };
        let payload = self.find_payload(sequence).await?;
        let place = (sequence, form);
        let survey = match self.inner.manifests.find(place) {
            Some(survey) => survey,
            None => {
                let package = self.find_package(id).await?;
                let address = package.and_then(|package| package.manifest_address);
                let survey = Arc::new(payload.survey(form, address).await?);
                self.inner.manifests.put(place, survey.clone());
                survey
            }
        };
        Ok(Some(StoredManifest {
            size_bytes: survey.size_bytes,
            md5: survey.md5.clone(),
            created_at,
            payload,
            survey,
        }))
    }

    /// The manifest's canonical CBOR in one piece, for who knows that it is short.
    pub async fn find_manifest(&self, id: PackageId) -> Result<Option<Bytes>> {
        self.whole_manifest(id, ManifestForm::Cbor).await
    }

    /// The manifest's JSON projection in one piece, for who knows that it is short.
    pub async fn find_manifest_json(&self, id: PackageId) -> Result<Option<Bytes>> {
        self.whole_manifest(id, ManifestForm::Json).await
    }

    async fn whole_manifest(&self, id: PackageId, form: ManifestForm) -> Result<Option<Bytes>> {
        match self.open_manifest(id, form).await? {
            Some(manifest) => Ok(Some(manifest.read_whole().await?)),
            None => Ok(None),
        }
    }

    /// The payload of an event that is in the log, whatever its size, and its length.
    pub async fn open_payload(&self, sequence: Sequence) -> Result<(FileStream, u64)> {
        let payload = self.find_payload(sequence).await?;
        let length = payload.place.length;
        Ok((payload.stream(0..length), length))
    }

    async fn find_payload(&self, sequence: Sequence) -> Result<Payload> {
        let place = log::find_payload(&self.inner.db.readers, sequence).await?;
        let place = place.ok_or_else(|| Error::Corrupt(format!("there is no event {sequence}")))?;
        Ok(Payload {
            registry: self.clone(),
            place: Arc::new(place),
        })
    }
}

impl StoredManifest {
    /// A range of the bytes.
    pub fn open(&self, range: Range<u64>) -> FileStream {
        match &self.survey.members {
            None => self.payload.clone().stream(range),
            Some(members) => clip(self.payload.clone().project(members.clone()), range),
        }
    }

    /// All bytes in one piece, for who knows that they are few.
    pub async fn read_whole(&self) -> Result<Bytes> {
        let pieces: Vec<Bytes> = self.open(0..self.size_bytes).try_collect().await?;
        Ok(pieces.concat().into())
    }
}

/// A payload of the log.
#[derive(Clone)]
struct Payload {
    registry: Registry,
    place: Arc<PayloadPlace>,
}

impl Payload {
    /// The first bytes of a range that is not empty: at most a piece.
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let Some(id) = self.place.pieces else {
            return Ok(self
                .place
                .payload
                .slice(range.start as usize..range.end as usize));
        };
        let number = range.start / PIECE_BYTES as u64;
        let piece = pieces::read(&self.registry.inner.db.readers, id, number).await?;
        let start = (range.start % PIECE_BYTES as u64) as usize;
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let end = start.saturating_add(length).min(PIECE_BYTES);
        let piece = piece.map(Bytes::from).filter(|piece| piece.len() >= end);
        let piece = piece.ok_or_else(|| Error::Corrupt("a payload lacks a piece".to_owned()))?;
        Ok(piece.slice(start..end))
    }

    fn stream(self, range: Range<u64>) -> FileStream {
        Box::pin(stream::try_unfold(range, move |mut range| {
            let payload = self.clone();
            async move {
                if range.is_empty() {
                    return Ok(None);
                }
                let bytes = payload.read(range.clone()).await?;
                range.start += bytes.len() as u64;
                Ok(Some((bytes, range)))
            }
        }))
    }

    fn project(self, members: Arc<[Member]>) -> FileStream {
        let projection = Projection {
            payload: self,
            members,
            member: 0,
            at: None,
            projector: ItemsProjector::default(),
        };
        Box::pin(stream::try_unfold(projection, Projection::next))
    }

    async fn survey(&self, form: ManifestForm, address: Option<ContentAddress>) -> Result<Survey> {
        let whole = 0..self.place.length;
        let mut scanner = MemberScanner::default();
        let mut hashers = Hashers::new(&HashPlan::part(Vec::new()));
        let mut pieces = self.clone().stream(whole);
        while let Some(piece) = pieces.try_next().await? {
            (scanner, hashers) = blocking(move || {
                hashers.update(&piece);
                if form == ManifestForm::Json {
                    scanner.feed(&piece).map_err(unreadable)?;
                }
                Ok((scanner, hashers))
            })
            .await?;
        }
        let size_bytes = hashers.size_bytes();
        let (digests, _) = hashers.finish();
        if address.is_some_and(|address| address != digests.address) {
            return Err(Error::Corrupt(
                "a manifest is not that of its address".to_owned(),
            ));
        }
        if form == ManifestForm::Cbor {
            return Ok(Survey {
                size_bytes,
                md5: hex::encode(digests.md5.unwrap_or_default()),
                members: None,
            });
        }
        let members: Arc<[Member]> = scanner.finish().map_err(unreadable)?.into();
        let mut hashers = Hashers::new(&HashPlan::part(Vec::new()));
        let mut text = self.clone().project(members.clone());
        while let Some(text) = text.try_next().await? {
            hashers = blocking(move || {
                hashers.update(&text);
                Ok(hashers)
            })
            .await?;
        }
        let size_bytes = hashers.size_bytes();
        let (digests, _) = hashers.finish();
        Ok(Survey {
            size_bytes,
            md5: hex::encode(digests.md5.unwrap_or_default()),
            members: Some(members),
        })
    }
}

/// The text of a projection as it comes about.
struct Projection {
    payload: Payload,
    members: Arc<[Member]>,
    /// Which member is next, or under way.
    member: usize,
    /// Where its value is read, once it is under way.
    at: Option<u64>,
    projector: ItemsProjector,
}

impl Projection {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        loop {
            let Some(member) = self.members.get(self.member) else {
                return Ok(None);
            };
            let is_last = self.member + 1 == self.members.len();
            let (before, after) = around_member(member, self.member == 0, is_last);
            let text = match self.at {
                None => {
                    self.at = Some(member.start);
                    before
                }
                Some(at) if at < member.end => {
                    let bytes = self.payload.read(at..member.end).await?;
                    let at = at + bytes.len() as u64;
                    let is_end = at == member.end;
                    self.at = Some(at);
                    let mut projector = std::mem::take(&mut self.projector);
                    let (projector, text) = blocking(move || {
                        let text = projector.feed(&bytes, is_end).map_err(unreadable)?;
                        Ok((projector, text))
                    })
                    .await?;
                    self.projector = projector;
                    text
                }
                Some(_) => {
                    self.at = None;
                    self.member += 1;
                    self.projector = ItemsProjector::default();
                    after
                }
            };
            if !text.is_empty() {
                return Ok(Some((text.into(), self)));
            }
        }
    }
}

/// A range of what a stream gives.
fn clip(stream: FileStream, range: Range<u64>) -> FileStream {
    let state = (stream, range, 0);
    Box::pin(stream::try_unfold(
        state,
        |(mut stream, range, mut position)| async move {
            while position < range.end {
                let Some(bytes) = stream.try_next().await? else {
                    break;
                };
                let (start, end) = (position, position + bytes.len() as u64);
                position = end;
                let (from, to) = (range.start.max(start), range.end.min(end));
                if from < to {
                    let slice = bytes.slice((from - start) as usize..(to - start) as usize);
                    return Ok(Some((slice, (stream, range, position))));
                }
            }
            Ok(None)
        },
    ))
}

fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::Corrupt(format!("a manifest in the log: {error}"))
}

/// Work of some ten milliseconds, beside the threads that serve requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Internal(error.to_string()))?
}
