//! The cases. Each gets a bucket of its own and leaves the cleaning up to the suite.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, Delete,
    MetadataDirective, ObjectIdentifier,
};
use md5::{Digest, Md5};

use crate::Verdict;

const MIB: usize = 1024 * 1024;

/// Fails the case with a formatted reason unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err(format!($($reason)+).into());
        }
    };
}

/// Runs the case of this name.
pub async fn run(case: &str, s3: &Client, bucket: &str) -> Verdict {
    match case {
        "sizes" => sizes(s3, bucket).await,
        "streams" => streams(s3, bucket).await,
        "multipart" => multipart(s3, bucket).await,
        "checksums" => checksums(s3, bucket).await,
        "metadata" => metadata(s3, bucket).await,
        "listing" => listing(s3, bucket).await,
        "conditions" => conditions(s3, bucket).await,
        "presigned" => presigned(s3, bucket).await,
        "deletes" => deletes(s3, bucket).await,
        other => Err(format!("no case is called {other}").into()),
    }
}

/// Bytes that differ by seed and do not repeat soon.
fn sample(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

fn md5_hex(bytes: &[u8]) -> String {
    Md5::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

async fn stored(
    s3: &Client,
    bucket: &str,
    key: &str,
) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let object = s3.get_object().bucket(bucket).key(key).send().await?;
    Ok(object.body.collect().await?.to_vec())
}

async fn sizes(s3: &Client, bucket: &str) -> Verdict {
    for size in [0, 1, 5 * MIB - 1, 5 * MIB, 8 * MIB + 1, 200 * MIB] {
        let body = sample(size as u64, size);
        let key = format!("size {size}");
        let put = s3
            .put_object()
            .bucket(bucket)
            .key(&key)
            .body(body.clone().into());
        let etag = put.send().await?.e_tag.unwrap_or_default();
        ensure!(
            etag == format!("\"{}\"", md5_hex(&body)),
            "ETag {etag} of {size} bytes"
        );
        ensure!(
            stored(s3, bucket, &key).await? == body,
            "{size} bytes differ"
        );
        let head = s3.head_object().bucket(bucket).key(&key).send().await?;
        ensure!(
            head.content_length == Some(size as i64),
            "length of {size} bytes"
        );
        s3.delete_object().bucket(bucket).key(&key).send().await?;
    }
    Ok(())
}

async fn streams(s3: &Client, bucket: &str) -> Verdict {
    for size in [0, 1, 65_536, 65_537, 9 * MIB] {
        let body = sample(size as u64 + 7, size);
        let path = std::path::PathBuf::from(format!("stream-{size}"));
        tokio::fs::write(&path, &body).await?;
        for (name, algorithm) in [
            ("default", None),
            ("sha256", Some(ChecksumAlgorithm::Sha256)),
        ] {
            let stream = ByteStream::from_path(&path).await?;
            let key = format!("{name}/{size}");
            let put = s3.put_object().bucket(bucket).key(&key).body(stream);
            put.set_checksum_algorithm(algorithm).send().await?;
            ensure!(
                stored(s3, bucket, &key).await? == body,
                "{size} bytes ({name}) differ"
            );
        }
    }
    Ok(())
}

async fn multipart(s3: &Client, bucket: &str) -> Verdict {
    let created = s3
        .create_multipart_upload()
        .bucket(bucket)
        .key("multi")
        .send()
        .await?;
    let upload = created.upload_id.ok_or("no upload id")?;
    let bodies: Vec<Vec<u8>> = [5 * MIB, 6 * MIB + 1, 5 * MIB, 77]
        .iter()
        .enumerate()
        .map(|(index, size)| sample(index as u64 + 100, *size))
        .collect();
    let mut tasks = Vec::new();
    for (index, body) in bodies.iter().cloned().enumerate().rev() {
        let part = s3
            .upload_part()
            .bucket(bucket)
            .key("multi")
            .upload_id(&upload);
        let part = part.part_number(index as i32 + 1).body(body.into());
        tasks.push((index as i32 + 1, tokio::spawn(part.send())));
    }
    let mut parts = Vec::new();
    for (number, task) in tasks {
        let etag = task.await??.e_tag.ok_or("a part without an ETag")?;
        parts.push(
            CompletedPart::builder()
                .part_number(number)
                .e_tag(etag)
                .build(),
        );
    }
    parts.sort_by_key(|part| part.part_number);
    let list = CompletedMultipartUpload::builder()
        .set_parts(Some(parts))
        .build();
    let complete = s3
        .complete_multipart_upload()
        .bucket(bucket)
        .key("multi")
        .upload_id(&upload);
    let etag = complete
        .multipart_upload(list)
        .send()
        .await?
        .e_tag
        .unwrap_or_default();
    let digests: Vec<u8> = bodies
        .iter()
        .flat_map(|body| Md5::digest(body).to_vec())
        .collect();
    ensure!(
        etag == format!("\"{}-4\"", md5_hex(&digests)),
        "ETag {etag}"
    );
    ensure!(
        stored(s3, bucket, "multi").await? == bodies.concat(),
        "bytes differ"
    );
    Ok(())
}

async fn checksums(s3: &Client, bucket: &str) -> Verdict {
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let (key, body) = (algorithm.as_str(), sample(5, 100_001));
        let put = s3
            .put_object()
            .bucket(bucket)
            .key(key)
            .checksum_algorithm(algorithm.clone());
        put.body(body.clone().into()).send().await?;
        let get = s3
            .get_object()
            .bucket(bucket)
            .key(key)
            .checksum_mode(ChecksumMode::Enabled);
        let got = get.send().await?;
        let sums = [
            got.checksum_crc32(),
            got.checksum_crc32_c(),
            got.checksum_crc64_nvme(),
            got.checksum_sha1(),
            got.checksum_sha256(),
        ];
        ensure!(
            sums.iter().any(Option::is_some),
            "no checksum on get_object for {key}"
        );
        ensure!(
            got.body.collect().await?.to_vec() == body,
            "bytes differ for {key}"
        );
    }
    let wrong = s3
        .put_object()
        .bucket(bucket)
        .key("wrong")
        .checksum_crc32("AAAAAQ==");
    let refused = wrong.body(b"body".to_vec().into()).send().await;
    let code = refused
        .err()
        .and_then(|error| error.code().map(str::to_owned));
    ensure!(
        code.as_deref() == Some("BadDigest"),
        "a wrong CRC32: {code:?}"
    );
    Ok(())
}

async fn metadata(s3: &Client, bucket: &str) -> Verdict {
    let key = "dir/ü +%.txt";
    let put = s3
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(b"body".to_vec().into());
    put.metadata("colour", "red")
        .content_type("text/x")
        .cache_control("no-store")
        .send()
        .await?;
    let head = s3.head_object().bucket(bucket).key(key).send().await?;
    let colour = head.metadata().and_then(|map| map.get("colour")).cloned();
    ensure!(
        colour.as_deref() == Some("red"),
        "metadata {:?}",
        head.metadata()
    );
    ensure!(
        head.content_type() == Some("text/x"),
        "type {:?}",
        head.content_type()
    );
    ensure!(
        head.cache_control() == Some("no-store"),
        "cache {:?}",
        head.cache_control()
    );
    let source = format!("{bucket}/dir/%C3%BC%20%2B%25.txt");
    let copy = s3
        .copy_object()
        .bucket(bucket)
        .key("copy")
        .copy_source(&source);
    copy.send().await?;
    ensure!(
        stored(s3, bucket, "copy").await? == b"body",
        "bytes of the copy"
    );
    let replace = s3
        .copy_object()
        .bucket(bucket)
        .key(key)
        .copy_source(&source);
    let replace = replace
        .metadata_directive(MetadataDirective::Replace)
        .metadata("a", "b");
    replace.send().await?;
    let head = s3.head_object().bucket(bucket).key(key).send().await?;
    ensure!(
        head.metadata().is_some_and(|map| map.len() == 1),
        "REPLACE: {:?}",
        head.metadata()
    );
    let get = s3
        .get_object()
        .bucket(bucket)
        .key(key)
        .range("bytes=1-2")
        .send()
        .await?;
    ensure!(
        get.content_range() == Some("bytes 1-2/4"),
        "range {:?}",
        get.content_range()
    );
    ensure!(
        get.body.collect().await?.to_vec() == b"od",
        "bytes of a range"
    );
    Ok(())
}

async fn listing(s3: &Client, bucket: &str) -> Verdict {
    let keys: Vec<String> = (0..25).map(|n| format!("d{}/ü {n:02}", n % 3)).collect();
    for key in &keys {
        s3.put_object()
            .bucket(bucket)
            .key(key)
            .body(Vec::new().into())
            .send()
            .await?;
    }
    let mut sorted = keys.clone();
    sorted.sort();
    let list = s3.list_objects_v2().bucket(bucket).max_keys(7);
    let mut pages = list.into_paginator().send();
    let mut listed = Vec::new();
    while let Some(page) = pages.next().await {
        listed.extend(
            page?
                .contents()
                .iter()
                .filter_map(|o| o.key().map(str::to_owned)),
        );
    }
    ensure!(listed == sorted, "listed {listed:?}");
    let folders = s3
        .list_objects_v2()
        .bucket(bucket)
        .delimiter("/")
        .send()
        .await?;
    let prefixes: Vec<_> = folders
        .common_prefixes()
        .iter()
        .filter_map(|p| p.prefix())
        .collect();
    ensure!(prefixes == ["d0/", "d1/", "d2/"], "prefixes {prefixes:?}");
    let old = s3
        .list_objects()
        .bucket(bucket)
        .prefix("d1/")
        .send()
        .await?;
    ensure!(
        old.contents().len() == 8,
        "{} keys under d1/",
        old.contents().len()
    );
    Ok(())
}

async fn conditions(s3: &Client, bucket: &str) -> Verdict {
    let put = || {
        s3.put_object()
            .bucket(bucket)
            .key("k")
            .body(b"one".to_vec().into())
    };
    let etag = put()
        .if_none_match("*")
        .send()
        .await?
        .e_tag
        .unwrap_or_default();
    let again = put().if_none_match("*").send().await.err();
    let code = again.and_then(|error| error.code().map(str::to_owned));
    ensure!(
        code.as_deref() == Some("PreconditionFailed"),
        "second If-None-Match: {code:?}"
    );
    put().if_match(&etag).send().await?;
    let get = || s3.get_object().bucket(bucket).key("k");
    get().if_match(&etag).send().await?;
    let same = get().if_none_match(&etag).send().await.err();
    let status = same.and_then(|error| error.raw_response().map(|r| r.status().as_u16()));
    ensure!(status == Some(304), "If-None-Match: {status:?}");
    Ok(())
}

async fn presigned(s3: &Client, bucket: &str) -> Verdict {
    let expires = PresigningConfig::expires_in(Duration::from_secs(600))?;
    let put = s3
        .put_object()
        .bucket(bucket)
        .key("pre signed+ü")
        .presigned(expires.clone())
        .await?;
    let get = s3
        .get_object()
        .bucket(bucket)
        .key("pre signed+ü")
        .presigned(expires)
        .await?;
    tokio::fs::write("presigned-body", b"through curl").await?;
    let curl = |words: &[&str]| {
        std::process::Command::new("curl")
            .arg("-sSf")
            .args(words)
            .output()
    };
    let sent = curl(&["-T", "presigned-body", put.uri()])?;
    ensure!(
        sent.status.success(),
        "put: {}",
        String::from_utf8_lossy(&sent.stderr)
    );
    let got = curl(&[get.uri()])?;
    ensure!(
        got.stdout == b"through curl",
        "get: {}",
        String::from_utf8_lossy(&got.stderr)
    );
    Ok(())
}

async fn deletes(s3: &Client, bucket: &str) -> Verdict {
    for key in ["one", "two <&>"] {
        s3.put_object()
            .bucket(bucket)
            .key(key)
            .body(b"x".to_vec().into())
            .send()
            .await?;
    }
    let absent = s3
        .get_object()
        .bucket(bucket)
        .key("absent")
        .send()
        .await
        .err();
    let absent = absent.map(aws_sdk_s3::error::SdkError::into_service_error);
    ensure!(
        absent.is_some_and(|error| error.is_no_such_key()),
        "expected NoSuchKey"
    );
    let head = s3
        .head_object()
        .bucket(bucket)
        .key("absent")
        .send()
        .await
        .err();
    let head = head.map(aws_sdk_s3::error::SdkError::into_service_error);
    ensure!(
        head.is_some_and(|error| error.is_not_found()),
        "expected NotFound"
    );
    let full = s3.delete_bucket().bucket(bucket).send().await.err();
    let code = full.and_then(|error| error.code().map(str::to_owned));
    ensure!(
        code.as_deref() == Some("BucketNotEmpty"),
        "delete_bucket: {code:?}"
    );
    let mut wanted = Delete::builder();
    for key in ["one", "two <&>", "absent"] {
        wanted = wanted.objects(ObjectIdentifier::builder().key(key).build()?);
    }
    let said = s3
        .delete_objects()
        .bucket(bucket)
        .delete(wanted.build()?)
        .send()
        .await?;
    ensure!(said.deleted().len() == 3, "deleted {:?}", said.deleted());
    let left = s3.list_objects_v2().bucket(bucket).send().await?;
    ensure!(left.contents().is_empty(), "left {:?}", left.contents());
    Ok(())
}
