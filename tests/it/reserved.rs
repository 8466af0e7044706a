//! The special objects under `.holdfast/`, and what finalize makes of a package.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use md5::{Digest, Md5};

use crate::support::connection::Answer;
use crate::support::server::Server;

fn bucket() -> Server {
    let server = Server::start();
    server.make_bucket("pkg");
    server
}

fn get(server: &Server, name: &str) -> Answer {
    server.call("GET", &format!("/pkg/.holdfast/{name}")).send()
}

fn finalize(server: &Server, body: &str) -> Answer {
    server
        .call("PUT", "/pkg/.holdfast/finalize")
        .body(body)
        .send()
}

#[test]
fn reserved_keys_are_not_written() {
    let server = bucket();
    for key in ["x", "manifest.cbor", "status.json", "finalize/x"] {
        let target = format!("/pkg/.holdfast/{key}");
        for method in ["PUT", "DELETE"] {
            let answer = server.call(method, &target).send();
            answer.expect_fault(400, "InvalidRequest");
        }
    }
    let target = "/pkg/.holdfast/finalize";
    server
        .call("PUT", target)
        .header("x-amz-copy-source", "pkg/k")
        .send()
        .expect_fault(400, "InvalidRequest");
    let uploads = format!("{target}?uploads");
    server
        .call("POST", &uploads)
        .send()
        .expect_fault(400, "InvalidRequest");
    let status = get(&server, "status.json").expect(200).text();
    assert!(status.contains("\"created\""), "{status}");
    get(&server, "x").expect_fault(404, "NoSuchKey");
}

#[test]
fn there_is_no_manifest_before_the_end() {
    let server = bucket();
    for name in ["manifest.cbor", "manifest.json", "finalize"] {
        get(&server, name).expect_fault(404, "NoSuchKey");
        let target = format!("/pkg/.holdfast/{name}");
        server.call("HEAD", &target).send().expect(404);
    }
}

#[test]
fn a_body_that_is_not_understood_finalizes_nothing() {
    let server = bucket();
    for body in [
        "yes",
        "[]",
        "{\"abort\":true}",
        "{\"abort_uploads\":\"no\"}",
    ] {
        finalize(&server, body).expect_fault(400, "InvalidArgument");
    }
    let digest = format!(
        "{{\"expect_content_digest\":\"blake3:{}\"}}",
        "0".repeat(64)
    );
    finalize(&server, &digest).expect_fault(412, "PreconditionFailed");
    let large = format!("{{}}{}", " ".repeat(70_000));
    let answer = finalize(&server, &large).expect(400);
    assert!(["MaxMessageLengthExceeded", "EntityTooLarge"].contains(&&*answer.code()));
    finalize(&server, "").expect(200);
}

#[test]
fn open_uploads_refuse_the_end_unless_they_are_to_be_aborted() {
    let server = bucket();
    let upload = server.call("POST", "/pkg/k?uploads").send().expect(200);
    let id = upload.element("UploadId").unwrap();
    let answer = finalize(&server, "").expect(409);
    assert!(answer.text().contains(&id), "{}", answer.text());
    finalize(&server, "{\"abort_uploads\":true}").expect(200);
}

#[test]
fn the_end_is_idempotent_and_can_be_read_back() {
    let server = bucket();
    server.call("PUT", "/pkg/k").body("abc").send().expect(200);
    let body = "{\"provenance\":{\"environment\":{\"os\":\"linux\"}}}";
    let first = finalize(&server, body).expect(200);
    assert!(first.body.is_empty());
    let digest = first
        .header("x-holdfast-manifest-digest")
        .unwrap()
        .to_owned();
    assert!(digest.starts_with("blake3:") && digest.len() == 71);
    let etag = format!("\"{}\"", hex::encode(Md5::digest(body)));
    assert_eq!(first.header("etag"), Some(&*etag));
    let again = finalize(&server, "").expect(200);
    assert_eq!(again.header("x-holdfast-manifest-digest"), Some(&*digest));
    let read = get(&server, "finalize").expect(200);
    assert_eq!(
        (read.text(), read.header("etag")),
        (body.to_owned(), Some(&*etag))
    );
    for name in ["manifest.cbor", "manifest.json"] {
        let read = get(&server, name).expect(200);
        assert_eq!(read.header("x-amz-meta-holdfast-digest"), Some(&*digest));
        let etag = format!("\"{}\"", hex::encode(Md5::digest(&read.body)));
        assert_eq!(read.header("etag"), Some(&*etag));
        if name == "manifest.cbor" {
            let address = format!("blake3:{}", blake3::hash(&read.body).to_hex());
            assert_eq!(address, digest);
        } else {
            assert!(read.text().contains("\"linux\""));
        }
        // Read like any object.
        let target = format!("/pkg/.holdfast/{name}");
        let range = server
            .call("GET", &target)
            .header("range", "bytes=1-4")
            .send();
        assert_eq!(range.expect(206).body, read.body[1..5]);
        let call = server.call("GET", &target).header("if-none-match", &etag);
        call.send().expect(304);
        let shown = server.call("HEAD", &target).send().expect(200);
        assert_eq!(
            shown.header("content-length"),
            read.header("content-length")
        );
    }
}

#[test]
fn a_finalized_package_changes_no_more() {
    let server = bucket();
    server.call("PUT", "/pkg/k").body("abc").send().expect(200);
    server.make_bucket("other");
    server
        .call("PUT", "/other/k")
        .body("xyz")
        .send()
        .expect(200);
    let digest = finalize(&server, "").expect(200);
    let digest = digest.header("x-holdfast-manifest-digest").unwrap();
    let refused = [
        server.call("PUT", "/pkg/k").body("abd").send(),
        server.call("PUT", "/pkg/new").body("abc").send(),
        server
            .call("PUT", "/pkg/k")
            .header("x-amz-copy-source", "other/k")
            .send(),
        server.call("DELETE", "/pkg/k").send(),
        server.call("POST", "/pkg/k?uploads").send(),
        server.call("DELETE", "/pkg").send(),
    ];
    for answer in refused {
        let answer = answer.expect_fault(403, "AccessDenied");
        assert!(answer.text().contains("finalized"), "{}", answer.text());
    }
    let answer = server.call("PUT", "/pkg/k").body("abd").send();
    assert!(answer.text().contains(digest), "{}", answer.text());
    // The same bytes again are no change: a script that is run again succeeds.
    let again = server.call("PUT", "/pkg/k").body("abc").send().expect(200);
    assert_eq!(
        again.header("etag"),
        Some("\"900150983cd24fb0d6963f7d28e17f72\"")
    );
    assert_eq!(
        server.call("GET", "/pkg/k").send().expect(200).text(),
        "abc"
    );
}

#[test]
fn sha256sum_checks_a_download() {
    let server = bucket();
    let names = [
        ("a", "a"),
        ("b c", "b%20c"),
        ("d\\e", "d%5Ce"),
        ("f\ng", "f%0Ag"),
        ("é", "%C3%A9"),
    ];
    let directory = server.directory().join("download");
    std::fs::create_dir(&directory).unwrap();
    for (name, raw) in names {
        server
            .call("PUT", &format!("/pkg/{raw}"))
            .body(name)
            .send()
            .expect(200);
        let read = server
            .call("GET", &format!("/pkg/{raw}"))
            .send()
            .expect(200);
        std::fs::write(directory.join(name), read.body).unwrap();
    }
    server.call("PUT", "/pkg/folder/").send().expect(200);
    let sums = get(&server, "SHA256SUMS").expect(200);
    let shown = server
        .call("HEAD", "/pkg/.holdfast/SHA256SUMS")
        .send()
        .expect(200);
    for name in ["content-length", "etag"] {
        assert_eq!(shown.header(name), sums.header(name), "{name}");
    }
    assert_eq!(
        sums.header("content-length"),
        Some(&*sums.body.len().to_string())
    );
    let etag = sums.header("etag").unwrap().trim_matches('"');
    assert!(etag.len() != 32 || !etag.bytes().all(|b| b.is_ascii_hexdigit()));
    std::fs::write(directory.join("SHA256SUMS"), &sums.body).unwrap();
    let checked = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&directory)
        .stdout(Stdio::piped())
        .output()
        .expect("sha256sum runs");
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{text}");
    assert_eq!(text.lines().count(), names.len(), "{text}");
}

#[test]
fn the_list_of_checksums_is_read_in_ranges_however_long() {
    let server = bucket();
    // 1,100 keys of some 1,000 bytes make two pages and more than is kept in memory.
    let filler = "k".repeat(1000);
    thread::scope(|scope| {
        for writer in 0..8 {
            let (server, filler) = (&server, &filler);
            scope.spawn(move || {
                let mut connection = server.connect();
                for n in (writer..1100).step_by(8) {
                    let target = format!("/pkg/{n:05}{filler}");
                    let call = server.call("PUT", &target).body(format!("{n}"));
                    call.send_on(&mut connection).expect(200);
                }
            });
        }
    });
    let whole = get(&server, "SHA256SUMS").expect(200);
    assert_eq!(whole.text().lines().count(), 1100);
    assert_eq!(
        whole.header("content-length"),
        Some(&*whole.body.len().to_string())
    );
    for (first, last) in [(0, 9), (1_000_000, 1_200_000), (500, whole.body.len() - 1)] {
        let range = format!("bytes={first}-{last}");
        let call = server.call("GET", "/pkg/.holdfast/SHA256SUMS");
        let etag = whole.header("etag").unwrap();
        let read = call.header("range", &range).header("if-match", etag).send();
        let last = last.min(whole.body.len() - 1);
        assert!(read.expect(206).body == whole.body[first..=last]);
    }
}

#[test]
fn events_are_read_from_where_one_stands() {
    let server = bucket();
    server.call("PUT", "/pkg/k").body("abc").send().expect(200);
    let all = get(&server, "events/since/0.jsonl").expect(200);
    let lines: Vec<serde_json::Value> = all
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let types: Vec<_> = lines
        .iter()
        .map(|event| event["event_type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "v1.package.created",
            "v1.retention.default_applied",
            "v1.file.ingested"
        ]
    );
    assert_eq!(lines[2]["payload"]["relative_path"], "k");
    let last = lines[2]["sequence"].as_u64().unwrap();
    let rest = get(&server, &format!("events/since/{}.jsonl", last - 1)).expect(200);
    assert_eq!(rest.text().lines().count(), 1);
    let binary = get(&server, "events/since/0.cborseq").expect(200);
    assert_eq!(binary.header("content-type"), Some("application/cbor-seq"));
    for cursor in ["-1.jsonl", "x.jsonl"] {
        get(&server, &format!("events/since/{cursor}")).expect_fault(400, "InvalidArgument");
    }
    get(&server, "events/since/0.txt").expect_fault(404, "NoSuchKey");
    // HEAD does not wait; a GET waits until something happens.
    let since = Instant::now();
    let target = format!("/pkg/.holdfast/events/since/{last}.jsonl");
    let shown = server.call("HEAD", &target).send().expect(200);
    assert_eq!(shown.header("content-length"), Some("0"));
    assert!(since.elapsed().as_secs() < 5);
    let waited = thread::scope(|scope| {
        let waiting = scope.spawn(|| server.call("GET", &target).send().expect(200));
        server.call("PUT", "/pkg/l").body("abc").send().expect(200);
        waiting.join().unwrap()
    });
    assert_eq!(waited.text().lines().count(), 1);
    assert!(since.elapsed().as_secs() < 15);
}

#[test]
fn special_objects_are_listed_when_asked_for() {
    let server = bucket();
    server
        .call("PUT", "/pkg/.holdfast-like")
        .body("abc")
        .send()
        .expect(200);
    let plain = server
        .call("GET", "/pkg?list-type=2")
        .send()
        .expect(200)
        .text();
    assert!(!plain.contains(".holdfast/"), "{plain}");
    let asked = "/pkg?list-type=2&prefix=.holdfast/";
    let open = server.call("GET", asked).send().expect(200).text();
    assert!(
        open.contains("SHA256SUMS") && !open.contains("manifest"),
        "{open}"
    );
    finalize(&server, "").expect(200);
    let closed = server.call("GET", asked).send().expect(200).text();
    for name in [
        "SHA256SUMS",
        "finalize",
        "manifest.cbor",
        "manifest.json",
        "status.json",
    ] {
        assert!(
            closed.contains(&format!("<Key>.holdfast/{name}</Key>")),
            "{closed}"
        );
    }
}

#[test]
fn special_objects_can_be_copied() {
    let server = bucket();
    server.call("PUT", "/pkg/k").body("abc").send().expect(200);
    finalize(&server, "").expect(200);
    server.make_bucket("other");
    for name in ["manifest.json", "SHA256SUMS"] {
        let from = format!("pkg/.holdfast/{name}");
        let call = server
            .call("PUT", "/other/copy")
            .header("x-amz-copy-source", &from);
        call.send().expect(200);
        let copy = server.call("GET", "/other/copy").send().expect(200);
        assert_eq!(copy.body, get(&server, name).expect(200).body);
    }
}

#[test]
fn an_upload_does_not_complete_into_a_finalized_package() {
    let server = bucket();
    let upload = server.call("POST", "/pkg/k?uploads").send().expect(200);
    let id = upload.element("UploadId").unwrap();
    let part = format!("/pkg/k?partNumber=1&uploadId={id}");
    let etag = server.call("PUT", &part).body("abc").send().expect(200);
    let etag = etag.header("etag").unwrap().to_owned();
    finalize(&server, "{\"abort_uploads\":true}").expect(200);
    for call in [
        server.call("PUT", &part).body("abc"),
        server.call("POST", &format!("/pkg/k?uploadId={id}")).body(format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>\
             </CompleteMultipartUpload>"
        )),
    ] {
        let answer = call.send();
        assert!([403, 404].contains(&answer.status), "{}", answer.text());
    }
    server
        .call("GET", "/pkg/k")
        .send()
        .expect_fault(404, "NoSuchKey");
}
