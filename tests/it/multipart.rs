//! Multipart uploads, from the first part to the object, and everything that can go wrong between.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use crate::support::connection::Answer;
use crate::support::server::Server;

const MIB: usize = 1024 * 1024;

fn bucket() -> Server {
    let server = Server::start();
    server.make_bucket("pkg");
    server
}

fn bytes_of(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 241) as u8 ^ seed).collect()
}

fn etag_of(parts: &[&[u8]]) -> String {
    let joined: Vec<u8> = parts.iter().flat_map(Md5::digest).collect();
    format!("\"{}-{}\"", hex::encode(Md5::digest(joined)), parts.len())
}

struct Upload<'s> {
    server: &'s Server,
    key: &'static str,
    id: String,
}

impl<'s> Upload<'s> {
    fn create(server: &'s Server, key: &'static str, headers: &[(&str, &str)]) -> Self {
        let mut call = server.call("POST", &format!("/pkg/{key}?uploads"));
        for (name, value) in headers {
            call = call.header(name, value);
        }
        let answer = call.send().expect(200);
        assert_eq!(answer.element("Bucket").as_deref(), Some("pkg"));
        assert_eq!(answer.element("Key").as_deref(), Some(key));
        let id = answer.element("UploadId").expect("an upload id");
        Self { server, key, id }
    }

    fn target(&self, query: &str) -> String {
        format!("/pkg/{}?{query}uploadId={}", self.key, self.id)
    }

    fn put(&self, number: u32, body: &[u8]) -> String {
        let answer = self.try_put(number, body, &[]).expect(200);
        answer.header("etag").expect("an ETag").to_owned()
    }

    fn try_put(&self, number: u32, body: &[u8], headers: &[(&str, &str)]) -> Answer {
        let target = self.target(&format!("partNumber={number}&"));
        let mut call = self.server.call("PUT", &target).body(body);
        for (name, value) in headers {
            call = call.header(name, value);
        }
        call.send()
    }

    fn complete(&self, parts: &[(u32, &str)]) -> Answer {
        self.complete_with(parts, &[])
    }

    fn complete_with(&self, parts: &[(u32, &str)], headers: &[(&str, &str)]) -> Answer {
        let parts: String = parts
            .iter()
            .map(|(number, etag)| {
                format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
            })
            .collect();
        self.complete_xml(&parts, headers)
    }

    fn complete_xml(&self, inside: &str, headers: &[(&str, &str)]) -> Answer {
        let body = format!("<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>");
        let mut call = self.server.call("POST", &self.target("")).body(body);
        for (name, value) in headers {
            call = call.header(name, value);
        }
        call.send()
    }
}

#[test]
fn parts_in_any_order_become_one_object() {
    let server = bucket();
    let upload = Upload::create(
        &server,
        "big",
        &[("content-type", "text/css"), ("x-amz-meta-colour", "green")],
    );
    server
        .call("GET", "/pkg/big")
        .send()
        .expect_fault(404, "NoSuchKey");
    let (one, two, three) = (
        bytes_of(1, 5 * MIB),
        bytes_of(2, 5 * MIB + 7),
        bytes_of(3, 13),
    );
    let third = upload.put(9, &three);
    let first = upload.put(2, b"to be replaced");
    assert_ne!(first, upload.put(2, &one));
    let first = format!("\"{}\"", hex::encode(Md5::digest(&one)));
    let second = upload.put(4, &two);
    let list = [(2, &*first), (4, &*second), (9, &*third)];
    let answer = upload.complete(&list).expect(200);
    let etag = etag_of(&[&one, &two, &three]);
    assert_eq!(answer.element("ETag"), Some(etag.replace('"', "&quot;")));
    assert_eq!(answer.element("Key").as_deref(), Some("big"));
    assert!(
        answer
            .element("Location")
            .is_some_and(|at| at.ends_with("/pkg/big"))
    );
    let whole = [one.clone(), two.clone(), three.clone()].concat();
    let read = server.call("GET", "/pkg/big").send().expect(200);
    assert!(read.body == whole);
    assert_eq!(read.header("etag"), Some(&*etag));
    assert_eq!(read.header("content-type"), Some("text/css"));
    assert_eq!(read.header("x-amz-meta-colour"), Some("green"));
    assert_eq!(
        read.header("x-holdfast-blake3"),
        Some(&*blake3::hash(&whole).to_hex())
    );
    let sha256 = STANDARD.encode(sha2::Sha256::digest(&whole));
    assert_eq!(
        read.header("repr-digest"),
        Some(&*format!("sha-256=:{sha256}:"))
    );
    // A range across two parts, and a part by its number.
    let at = 5 * MIB - 3;
    let range = format!("bytes={at}-{}", at + 9);
    let read = server
        .call("GET", "/pkg/big")
        .header("range", &range)
        .send()
        .expect(206);
    assert!(read.body == whole[at..at + 10]);
    let read = server
        .call("GET", "/pkg/big?partNumber=4")
        .send()
        .expect(206);
    assert!(read.body == two);
    assert_eq!(read.header("x-amz-mp-parts-count"), Some("3"));
    let shown = server
        .call("HEAD", "/pkg/big?partNumber=9")
        .send()
        .expect(206);
    assert_eq!(shown.header("content-length"), Some("13"));
    server
        .call("GET", "/pkg/big?partNumber=3")
        .send()
        .expect_fault(416, "InvalidPartNumber");
    // The answer may get lost: a repeat is answered the same.
    let again = upload.complete(&list).expect(200);
    assert_eq!(again.element("ETag"), Some(etag.replace('"', "&quot;")));
    // The upload is gone from the list.
    let uploads = server.call("GET", "/pkg?uploads").send().expect(200);
    assert_eq!(uploads.element("Upload"), None);
}

#[test]
fn a_wrong_list_of_parts_is_refused_and_the_upload_stays() {
    let server = bucket();
    let upload = Upload::create(&server, "k", &[]);
    let (small, large) = (bytes_of(1, 100), bytes_of(2, 5 * MIB));
    let first = upload.put(1, &small);
    let second = upload.put(2, &large);
    let cases: [(&[(u32, &str)], u16, &str); 7] = [
        (&[], 400, "MalformedXML"),
        (&[(1, &first), (2, &second)], 400, "EntityTooSmall"),
        (&[(2, &second), (1, &first)], 400, "InvalidPartOrder"),
        (&[(2, &second), (2, &second)], 400, "InvalidPartOrder"),
        (&[(1, &second)], 400, "InvalidPart"),
        (&[(1, "\"x\"")], 400, "InvalidPart"),
        (&[(3, &first)], 400, "InvalidPart"),
    ];
    for (parts, status, code) in cases {
        let answer = upload.complete(parts);
        assert_eq!(
            (answer.status, &*answer.code()),
            (status, code),
            "{parts:?}"
        );
    }
    for inside in ["<Part>", "<Part><PartNumber>1</PartNumber></Part>", "x<y"] {
        upload
            .complete_xml(inside, &[])
            .expect_fault(400, "MalformedXML");
    }
    upload
        .complete_with(&[(1, &first)], &[("x-amz-mp-object-size", "99")])
        .expect_fault(400, "InvalidRequest");
    server
        .call("GET", "/pkg/k")
        .send()
        .expect_fault(404, "NoSuchKey");
    upload
        .complete_with(
            &[(1, first.trim_matches('"'))],
            &[("x-amz-mp-object-size", "100")],
        )
        .expect(200);
    assert_eq!(server.call("GET", "/pkg/k").send().expect(200).body, small);
}

#[test]
fn an_upload_that_is_not_there_is_not_found() {
    let server = bucket();
    let upload = Upload::create(&server, "k", &[]);
    let etag = upload.put(1, b"abc");
    for id in [
        &*upload.id.replace(|c: char| c.is_ascii_hexdigit(), "0"),
        "x",
        "",
    ] {
        let wrong = Upload {
            server: &server,
            key: "k",
            id: id.to_owned(),
        };
        wrong
            .try_put(1, b"abc", &[])
            .expect_fault(404, "NoSuchUpload");
        wrong
            .complete(&[(1, &etag)])
            .expect_fault(404, "NoSuchUpload");
        for method in ["GET", "DELETE"] {
            let answer = server.call(method, &wrong.target("")).send();
            answer.expect_fault(404, "NoSuchUpload");
        }
    }
    // An upload belongs to its key.
    let elsewhere = Upload {
        server: &server,
        key: "other",
        id: upload.id.clone(),
    };
    elsewhere
        .try_put(1, b"abc", &[])
        .expect_fault(404, "NoSuchUpload");
    elsewhere
        .complete(&[(1, &etag)])
        .expect_fault(404, "NoSuchUpload");
    for number in ["0", "10001", "-1", "x", ""] {
        let target = upload.target(&format!("partNumber={number}&"));
        let answer = server.call("PUT", &target).body("abc").send();
        answer.expect_fault(400, "InvalidArgument");
    }
}

#[test]
fn an_aborted_upload_is_gone() {
    let server = bucket();
    let upload = Upload::create(&server, "k", &[]);
    let etag = upload.put(1, b"abc");
    let answer = server.call("DELETE", &upload.target("")).send().expect(204);
    assert!(answer.body.is_empty());
    server
        .call("DELETE", &upload.target(""))
        .send()
        .expect_fault(404, "NoSuchUpload");
    upload
        .try_put(2, b"abc", &[])
        .expect_fault(404, "NoSuchUpload");
    upload
        .complete(&[(1, &etag)])
        .expect_fault(404, "NoSuchUpload");
    server
        .call("GET", "/pkg/k")
        .send()
        .expect_fault(404, "NoSuchKey");
    let uploads = server.call("GET", "/pkg?uploads").send().expect(200);
    assert_eq!(uploads.element("Upload"), None);
}

#[test]
fn a_conditional_completion_is_decided_at_its_end() {
    let server = bucket();
    let upload = Upload::create(&server, "k", &[]);
    let etag = upload.put(1, b"multi");
    let list = [(1, &*etag)];
    upload
        .complete_with(&list, &[("if-match", "\"x\"")])
        .expect_fault(404, "NoSuchKey");
    server.call("PUT", "/pkg/k").body("abc").send().expect(200);
    upload
        .complete_with(&list, &[("if-none-match", "*")])
        .expect_fault(412, "PreconditionFailed");
    upload
        .complete_with(&list, &[("if-match", "\"x\"")])
        .expect_fault(412, "PreconditionFailed");
    assert_eq!(
        server.call("GET", "/pkg/k").send().expect(200).text(),
        "abc"
    );
    upload
        .complete_with(
            &list,
            &[("if-match", "\"900150983cd24fb0d6963f7d28e17f72\"")],
        )
        .expect(200);
    assert_eq!(
        server.call("GET", "/pkg/k").send().expect(200).text(),
        "multi"
    );
}

#[test]
fn parts_are_listed_in_pages() {
    let server = bucket();
    let upload = Upload::create(&server, "k", &[("x-amz-checksum-algorithm", "CRC32")]);
    for number in [3, 1, 7, 5] {
        upload.put(number, &bytes_of(number as u8, number as usize * 10));
    }
    let mut seen = Vec::new();
    let mut marker = "0".to_owned();
    loop {
        let query = format!("max-parts=3&part-number-marker={marker}&");
        let page = server
            .call("GET", &upload.target(&query))
            .send()
            .expect(200);
        assert_eq!(page.element("MaxParts").as_deref(), Some("3"));
        assert_eq!(page.element("PartNumberMarker").as_deref(), Some(&*marker));
        assert_eq!(page.element("StorageClass").as_deref(), Some("STANDARD"));
        assert_eq!(page.element("ChecksumAlgorithm").as_deref(), Some("CRC32"));
        assert_eq!(page.element("ChecksumType").as_deref(), Some("COMPOSITE"));
        assert!(page.element("ID").is_some() && page.element("DisplayName").is_some());
        for part in page.text().split("<Part>").skip(1) {
            let number = part.split("<PartNumber>").nth(1).unwrap();
            seen.push(number.split('<').next().unwrap().to_owned());
            assert!(part.contains("<ChecksumCRC32>") && part.contains("<Size>"));
        }
        marker = page.element("NextPartNumberMarker").unwrap();
        if page.element("IsTruncated").as_deref() == Some("false") {
            break;
        }
    }
    assert_eq!(seen, ["1", "3", "5", "7"]);
    for query in ["max-parts=-1&", "max-parts=x&", "part-number-marker=x&"] {
        let answer = server.call("GET", &upload.target(query)).send();
        answer.expect_fault(400, "InvalidArgument");
    }
}

#[test]
fn uploads_are_listed_by_key_in_pages_and_groups() {
    let server = bucket();
    let keys = ["a/1", "a/2", "b", "b", "c%20d", "e/f"];
    let mut ids: Vec<_> = keys
        .iter()
        .map(|key| Upload::create_raw(&server, key))
        .collect();
    let mut seen = Vec::new();
    let mut query = "uploads&max-uploads=2".to_owned();
    loop {
        let page = server
            .call("GET", &format!("/pkg?{query}"))
            .send()
            .expect(200);
        for upload in page.text().split("<UploadId>").skip(1) {
            seen.push(upload.split('<').next().unwrap().to_owned());
        }
        if page.element("IsTruncated").as_deref() == Some("false") {
            break;
        }
        let key = page
            .element("NextKeyMarker")
            .unwrap()
            .replace(' ', "%20")
            .replace('/', "%2F");
        let id = page.element("NextUploadIdMarker").unwrap();
        query = format!("uploads&max-uploads=2&key-marker={key}&upload-id-marker={id}");
    }
    ids.sort();
    seen.sort();
    assert_eq!(seen, ids);
    // Groups, one a page: none repeats and none is lost.
    let mut found = Vec::new();
    let mut query = "uploads&delimiter=/&max-uploads=1".to_owned();
    for _ in 0..10 {
        let page = server
            .call("GET", &format!("/pkg?{query}"))
            .send()
            .expect(200);
        let group = page
            .element("CommonPrefixes")
            .map(|group| group.replace("<Prefix>", ""));
        found.extend(group.map(|group| group.replace("</Prefix>", "")));
        found.extend(page.element("Upload").and_then(|_| page.element("Key")));
        if page.element("IsTruncated").as_deref() == Some("false") {
            break;
        }
        let key = page
            .element("NextKeyMarker")
            .unwrap()
            .replace(' ', "%20")
            .replace('/', "%2F");
        let id = page.element("NextUploadIdMarker").unwrap_or_default();
        query = format!("uploads&delimiter=/&max-uploads=1&key-marker={key}&upload-id-marker={id}");
    }
    assert_eq!(found, ["a/", "b", "b", "c d", "e/"]);
    let page = server
        .call("GET", "/pkg?uploads&prefix=c&encoding-type=url")
        .send()
        .expect(200);
    assert_eq!(page.element("Key").as_deref(), Some("c%20d"));
    assert_eq!(page.element("EncodingType").as_deref(), Some("url"));
}

impl Upload<'_> {
    fn create_raw(server: &Server, key: &str) -> String {
        let answer = server
            .call("POST", &format!("/pkg/{key}?uploads"))
            .send()
            .expect(200);
        answer.element("UploadId").expect("an upload id")
    }
}

#[test]
fn a_part_is_held_to_its_claims() {
    let server = bucket();
    let upload = Upload::create(&server, "k", &[("x-amz-checksum-algorithm", "CRC32")]);
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[("x-amz-checksum-crc32", "AAAAAA==")], "BadDigest"),
        (&[("content-md5", "rL0Y20zC+Fzt72VPzMSk2A==")], "BadDigest"),
        (&[("content-md5", "x")], "InvalidDigest"),
        (&[("x-amz-checksum-crc32c", "NksÄ")], "InvalidRequest"),
    ];
    for (headers, code) in &cases[..3] {
        upload.try_put(1, b"abc", headers).expect_fault(400, code);
    }
    // Another algorithm than the upload's.
    upload
        .try_put(1, b"abc", &[("x-amz-checksum-crc32c", "NksTtw==")])
        .expect_fault(400, "InvalidRequest");
    let parts = server.call("GET", &upload.target("")).send().expect(200);
    assert_eq!(
        parts.element("Part"),
        None,
        "what is refused leaves nothing"
    );
    let right = upload
        .try_put(1, b"abc", &[("x-amz-checksum-crc32", "NSRBwg==")])
        .expect(200);
    assert_eq!(right.header("x-amz-checksum-crc32"), Some("NSRBwg=="));
    assert!(right.body.is_empty());
}

fn crc32(bytes: &[u8]) -> Vec<u8> {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes);
    (sum as u32).to_be_bytes().to_vec()
}

#[test]
fn checksums_cover_the_parts_or_the_whole() {
    let server = bucket();
    let (one, two) = (bytes_of(1, 5 * MIB), bytes_of(2, 11));
    let whole = [one.clone(), two.clone()].concat();
    let composite = crc32(&[crc32(&one), crc32(&two)].concat());
    let composite = format!("{}-2", STANDARD.encode(composite));
    let full = STANDARD.encode(crc32(&whole));
    for (kind, value) in [("COMPOSITE", &composite), ("FULL_OBJECT", &full)] {
        let upload = Upload::create(
            &server,
            "k",
            &[
                ("x-amz-checksum-algorithm", "CRC32"),
                ("x-amz-checksum-type", kind),
            ],
        );
        let (first, second) = (upload.put(1, &one), upload.put(2, &two));
        let list = [(1, &*first), (2, &*second)];
        upload
            .complete_with(&list, &[("x-amz-checksum-crc32", "AAAAAA==")])
            .expect_fault(400, "BadDigest");
        let other = if kind == "COMPOSITE" {
            "FULL_OBJECT"
        } else {
            "COMPOSITE"
        };
        upload
            .complete_with(&list, &[("x-amz-checksum-type", other)])
            .expect_fault(400, "InvalidRequest");
        let answer = upload
            .complete_with(
                &list,
                &[
                    ("x-amz-checksum-crc32", value),
                    ("x-amz-checksum-type", kind),
                ],
            )
            .expect(200);
        assert_eq!(answer.element("ChecksumCRC32").as_deref(), Some(&**value));
        assert_eq!(answer.element("ChecksumType").as_deref(), Some(kind));
        let call = server
            .call("GET", "/pkg/k")
            .header("x-amz-checksum-mode", "ENABLED");
        let read = call.send().expect(200);
        assert_eq!(read.header("x-amz-checksum-crc32"), Some(&**value));
        assert_eq!(read.header("x-amz-checksum-type"), Some(kind));
        let call = server.call("GET", "/pkg/k?partNumber=2");
        let part = call
            .header("x-amz-checksum-mode", "ENABLED")
            .send()
            .expect(206);
        let sum = STANDARD.encode(crc32(&two));
        assert_eq!(part.header("x-amz-checksum-crc32"), Some(&*sum));
    }
}

#[test]
fn a_checksum_type_must_suit_its_algorithm() {
    let server = bucket();
    for (algorithm, kind) in [
        ("SHA256", "FULL_OBJECT"),
        ("SHA1", "FULL_OBJECT"),
        ("CRC64NVME", "COMPOSITE"),
        ("SHA512", "FULL_OBJECT"),
        ("SHA384", "COMPOSITE"),
        ("CRC32", "PARTS"),
    ] {
        let call = server.call("POST", "/pkg/k?uploads");
        let call = call.header("x-amz-checksum-algorithm", algorithm);
        let answer = call.header("x-amz-checksum-type", kind).send();
        answer.expect_fault(400, "InvalidRequest");
    }
    for (algorithm, kind) in [
        ("SHA256", "COMPOSITE"),
        ("SHA512", "COMPOSITE"),
        ("XXHASH128", "COMPOSITE"),
        ("CRC64NVME", "FULL_OBJECT"),
        ("CRC32", "COMPOSITE"),
    ] {
        let call = server.call("POST", "/pkg/k?uploads");
        let answer = call
            .header("x-amz-checksum-algorithm", algorithm)
            .send()
            .expect(200);
        assert_eq!(answer.header("x-amz-checksum-algorithm"), Some(algorithm));
        assert_eq!(answer.header("x-amz-checksum-type"), Some(kind));
    }
}

#[test]
fn parts_are_copied_from_objects() {
    let server = bucket();
    let source = bytes_of(5, 6 * MIB);
    server
        .call("PUT", "/pkg/a%3F")
        .body(source.clone())
        .send()
        .expect(200);
    let upload = Upload::create(&server, "k", &[]);
    let copy = |number: u32, headers: &[(&str, &str)]| {
        let target = upload.target(&format!("partNumber={number}&"));
        let mut call = server
            .call("PUT", &target)
            .header("x-amz-copy-source", "pkg/a%3F");
        for (name, value) in headers {
            call = call.header(name, value);
        }
        call.send()
    };
    const RANGE: &str = "x-amz-copy-source-range";
    for range in [
        "0-2",
        "bytes=0",
        "bytes=hello-world",
        "bytes=0-bar",
        "bytes=hello-",
        "bytes=0-2,3-5",
    ] {
        copy(1, &[(RANGE, range)]).expect_fault(400, "InvalidArgument");
    }
    let beyond = format!("bytes=0-{}", 6 * MIB);
    copy(1, &[(RANGE, &beyond)]).expect_fault(416, "InvalidRange");
    copy(1, &[("x-amz-copy-source-if-match", "\"x\"")]).expect_fault(412, "PreconditionFailed");
    let one = copy(1, &[]).expect(200);
    assert!(one.text().contains("<CopyPartResult"));
    let two = copy(2, &[(RANGE, "bytes=10-19")]).expect(200);
    let etag = |answer: &Answer| answer.element("ETag").unwrap().replace("&quot;", "\"");
    let answer = upload
        .complete(&[(1, &etag(&one)), (2, &etag(&two))])
        .expect(200);
    let expected = etag_of(&[&source, &source[10..20]]);
    assert_eq!(
        answer.element("ETag"),
        Some(expected.replace('"', "&quot;"))
    );
    let read = server.call("GET", "/pkg/k").send().expect(200);
    assert!(read.body == [&source[..], &source[10..20]].concat());
}
