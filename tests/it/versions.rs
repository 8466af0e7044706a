//! Versions as clients see them: what an overwrite and a removal leave, by which headers they are told,
//! and listings of all of it.

use crate::support::connection::Answer;
use crate::support::multipart;
use crate::support::server::Server;

fn versioning(server: &Server, bucket: &str, status: &str) -> Answer {
    let body =
        format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    server
        .call("PUT", &format!("/{bucket}?versioning"))
        .body(body)
        .send()
}

fn enabled() -> Server {
    let server = Server::start();
    server.make_bucket("pkg");
    versioning(&server, "pkg", "Enabled").expect(200);
    server
}

fn put(server: &Server, target: &str, body: &str) -> String {
    let answer = server.call("PUT", target).body(body).send().expect(200);
    answer.header("x-amz-version-id").unwrap().to_owned()
}

fn call(server: &Server, method: &str, target: &str) -> Answer {
    server.call(method, target).send()
}

/// Each version of a listing: element, key, version id, whether it is the latest.
fn versions(answer: &Answer) -> Vec<(String, String, String, bool)> {
    let text = answer.text();
    let mut found = Vec::new();
    let mut rest = text.as_str();
    loop {
        let next = ["Version", "DeleteMarker"]
            .into_iter()
            .filter_map(|name| Some((rest.find(&format!("<{name}>"))?, name)))
            .min();
        let Some((at, name)) = next else {
            return found;
        };
        let end = rest.find(&format!("</{name}>")).unwrap();
        let inside = &rest[at..end];
        let of = |element: &str| {
            let (_, after) = inside.split_once(&format!("<{element}>")).unwrap();
            after.split_once('<').unwrap().0.to_owned()
        };
        let is_latest = of("IsLatest") == "true";
        found.push((name.to_owned(), of("Key"), of("VersionId"), is_latest));
        rest = &rest[end + 1..];
    }
}

#[test]
fn a_bucket_says_whether_it_keeps_versions() {
    let server = Server::start();
    server.make_bucket("pkg");
    let status = || {
        let answer = call(&server, "GET", "/pkg?versioning").expect(200);
        answer.element("Status")
    };
    assert_eq!(status(), None);
    versioning(&server, "pkg", "Enabled").expect(200);
    assert_eq!(status().as_deref(), Some("Enabled"));
    versioning(&server, "pkg", "Suspended").expect(200);
    assert_eq!(status().as_deref(), Some("Suspended"));
    versioning(&server, "pkg", "On").expect_fault(400, "MalformedXML");
    let empty = "<VersioningConfiguration/>";
    let answer = server.call("PUT", "/pkg?versioning").body(empty).send();
    answer.expect_fault(400, "IllegalVersioningConfigurationException");
    let mfa = "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>\
               </VersioningConfiguration>";
    let answer = server.call("PUT", "/pkg?versioning").body(mfa).send();
    answer.expect_fault(501, "NotImplemented");
    server
        .call("PUT", "/once")
        .header("x-holdfast-write-mode", "write-once")
        .send()
        .expect(200);
    versioning(&server, "once", "Enabled").expect_fault(409, "InvalidBucketState");
}

#[test]
fn an_overwritten_object_is_read_by_its_version() {
    let server = enabled();
    let first = put(&server, "/pkg/k", "first");
    let second = put(&server, "/pkg/k", "second");
    assert_ne!(first, second);
    let current = call(&server, "GET", "/pkg/k").expect(200);
    assert_eq!(current.text(), "second");
    assert_eq!(current.header("x-amz-version-id"), Some(&*second));
    for (id, body) in [(&first, "first"), (&second, "second")] {
        let target = format!("/pkg/k?versionId={id}");
        let answer = call(&server, "GET", &target).expect(200);
        assert_eq!(answer.text(), body);
        assert_eq!(answer.header("x-amz-version-id"), Some(&**id));
        let answer = call(&server, "HEAD", &target).expect(200);
        assert_eq!(
            answer.header("content-length"),
            Some(&*body.len().to_string())
        );
        let ranged = server.call("GET", &target).header("range", "bytes=1-2");
        assert_eq!(ranged.send().expect(206).text(), &body[1..3]);
        let answer = server
            .call("GET", &format!("/pkg/k?attributes&versionId={id}"))
            .header("x-amz-object-attributes", "ObjectSize")
            .send()
            .expect(200);
        assert_eq!(answer.element("ObjectSize"), Some(body.len().to_string()));
        call(&server, "GET", &format!("/pkg/k?tagging&versionId={id}")).expect(200);
    }
}

#[test]
fn a_version_id_that_names_none_is_told_apart_from_one_that_cannot() {
    let server = enabled();
    put(&server, "/pkg/k", "x");
    for wrong in ["x", "3HL4kqtJvjVBH40Nrjfkd", ""] {
        for method in ["GET", "DELETE"] {
            let answer = call(&server, method, &format!("/pkg/k?versionId={wrong}"));
            answer.expect_fault(400, "InvalidArgument");
        }
    }
    let nobody = "0193f0c4-7f1e-7c3a-9c1f-0123456789ab";
    for id in [nobody, "null"] {
        let answer = call(&server, "GET", &format!("/pkg/k?versionId={id}"));
        answer.expect_fault(404, "NoSuchVersion");
        call(&server, "HEAD", &format!("/pkg/k?versionId={id}")).expect(404);
        call(&server, "DELETE", &format!("/pkg/k?versionId={id}")).expect(204);
    }
    let other = put(&server, "/pkg/other", "y");
    let answer = call(&server, "GET", &format!("/pkg/k?versionId={other}"));
    answer.expect_fault(404, "NoSuchVersion");
}

#[test]
fn a_removed_key_is_behind_a_marker() {
    let server = enabled();
    let version = put(&server, "/pkg/k", "x");
    let removed = call(&server, "DELETE", "/pkg/k").expect(204);
    assert_eq!(removed.header("x-amz-delete-marker"), Some("true"));
    let marker = removed.header("x-amz-version-id").unwrap().to_owned();
    let absent = call(&server, "GET", "/pkg/k").expect_fault(404, "NoSuchKey");
    let head = call(&server, "HEAD", "/pkg/k").expect(404);
    for answer in [&absent, &head] {
        assert_eq!(answer.header("x-amz-delete-marker"), Some("true"));
        assert_eq!(answer.header("x-amz-version-id"), Some(&*marker));
    }
    let named = format!("/pkg/k?versionId={marker}");
    let refused = call(&server, "GET", &named).expect_fault(405, "MethodNotAllowed");
    let head = call(&server, "HEAD", &named).expect(405);
    for answer in [&refused, &head] {
        assert_eq!(answer.header("x-amz-delete-marker"), Some("true"));
        assert_eq!(answer.header("allow"), Some("DELETE"));
        assert!(answer.header("last-modified").is_some());
    }
    let listed = call(&server, "GET", "/pkg?list-type=2").expect(200);
    assert_eq!(listed.element("KeyCount").as_deref(), Some("0"));
    call(&server, "DELETE", "/pkg").expect_fault(409, "BucketNotEmpty");

    let gone = call(&server, "DELETE", &named).expect(204);
    assert_eq!(gone.header("x-amz-delete-marker"), Some("true"));
    assert_eq!(gone.header("x-amz-version-id"), Some(&*marker));
    assert_eq!(call(&server, "GET", "/pkg/k").expect(200).text(), "x");
    let named = format!("/pkg/k?versionId={version}");
    let gone = call(&server, "DELETE", &named).expect(204);
    assert_eq!(gone.header("x-amz-version-id"), Some(&*version));
    assert_eq!(gone.header("x-amz-delete-marker"), None);
    let absent = call(&server, "GET", "/pkg/k").expect_fault(404, "NoSuchKey");
    assert_eq!(absent.header("x-amz-delete-marker"), None);
    call(&server, "DELETE", "/pkg").expect(204);
}

#[test]
fn the_null_version_is_what_was_written_without_versioning() {
    let server = Server::start();
    server.make_bucket("pkg");
    let answer = server.call("PUT", "/pkg/k").body("null").send().expect(200);
    assert_eq!(answer.header("x-amz-version-id"), None);
    let listed = call(&server, "GET", "/pkg?versions").expect(200);
    let (version, key) = ("Version".to_owned(), "k".to_owned());
    assert_eq!(versions(&listed), [(version, key, "null".to_owned(), true)]);
    let answer = call(&server, "GET", "/pkg/k?versionId=null").expect(200);
    assert_eq!(answer.text(), "null");
    versioning(&server, "pkg", "Enabled").expect(200);
    put(&server, "/pkg/k", "new");
    let answer = call(&server, "GET", "/pkg/k?versionId=null").expect(200);
    assert_eq!(answer.header("x-amz-version-id"), Some("null"));
    versioning(&server, "pkg", "Suspended").expect(200);
    assert_eq!(put(&server, "/pkg/k", "null again"), "null");
    let listed = versions(&call(&server, "GET", "/pkg?versions").expect(200));
    assert_eq!(listed.len(), 2);
    assert_eq!((&*listed[0].2, listed[0].3), ("null", true));
    let removed = call(&server, "DELETE", "/pkg/k").expect(204);
    assert_eq!(removed.header("x-amz-version-id"), Some("null"));
    assert_eq!(removed.header("x-amz-delete-marker"), Some("true"));
    let listed = versions(&call(&server, "GET", "/pkg?versions").expect(200));
    assert_eq!(listed.len(), 2);
    assert_eq!((&*listed[0].0, &*listed[0].2), ("DeleteMarker", "null"));
}

#[test]
fn versions_are_listed_in_pages() {
    let server = enabled();
    let mut expected = Vec::new();
    for key in ["a", "a/b", "é"] {
        let target = format!("/pkg/{}", key.replace('é', "%C3%A9"));
        let ids: Vec<String> = (0..3)
            .map(|n| put(&server, &target, &n.to_string()))
            .collect();
        let marker = call(&server, "DELETE", &target).expect(204);
        let marker = marker.header("x-amz-version-id").unwrap().to_owned();
        expected.push(("DeleteMarker".to_owned(), key.to_owned(), marker, true));
        for id in ids.into_iter().rev() {
            expected.push(("Version".to_owned(), key.to_owned(), id, false));
        }
    }
    let whole = call(&server, "GET", "/pkg?versions").expect(200);
    assert_eq!(versions(&whole), expected);
    assert_eq!(whole.element("IsTruncated").as_deref(), Some("false"));
    for size in 1..6 {
        let mut found = Vec::new();
        let mut marker = String::new();
        loop {
            let target = format!("/pkg?versions&max-keys={size}&encoding-type=url{marker}");
            let page = call(&server, "GET", &target).expect(200);
            found.extend(versions(&page));
            if page.element("IsTruncated").as_deref() == Some("false") {
                break;
            }
            let key = page.element("NextKeyMarker").unwrap();
            let id = page.element("NextVersionIdMarker").unwrap();
            assert_eq!(found.last().unwrap().2, id);
            marker = format!("&key-marker={key}&version-id-marker={id}");
        }
        for one in &mut found {
            one.1 = one.1.replace("%C3%A9", "é");
        }
        assert_eq!(found, expected, "{size}");
    }
    let grouped = call(&server, "GET", "/pkg?versions&delimiter=/&max-keys=5").expect(200);
    assert_eq!(versions(&grouped).len(), 4);
    assert!(
        grouped
            .text()
            .contains("<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>")
    );
    assert_eq!(grouped.element("NextKeyMarker").as_deref(), Some("a/"));
    let rest = call(&server, "GET", "/pkg?versions&delimiter=/&key-marker=a/").expect(200);
    assert_eq!(versions(&rest), expected[8..]);
    let none = call(&server, "GET", "/pkg?versions&max-keys=0").expect(200);
    assert!(versions(&none).is_empty());
    for wrong in [
        "version-id-marker=null",
        "key-marker=a&version-id-marker=x",
        "max-keys=x",
        "encoding-type=x",
    ] {
        let answer = call(&server, "GET", &format!("/pkg?versions&{wrong}"));
        answer.expect_fault(400, "InvalidArgument");
    }
}

/// A client that removes each page before it asks for the next one.
#[test]
fn who_removes_what_was_listed_goes_on_at_what_is_left() {
    let server = enabled();
    for n in 0..7 {
        put(&server, "/pkg/k", &n.to_string());
        put(&server, "/pkg/l", &n.to_string());
    }
    let mut marker = String::new();
    let mut removed = 0;
    loop {
        let page = call(&server, "GET", &format!("/pkg?versions&max-keys=3{marker}")).expect(200);
        let objects: String = versions(&page)
            .iter()
            .map(|(_, key, id, _)| {
                removed += 1;
                format!("<Object><Key>{key}</Key><VersionId>{id}</VersionId></Object>")
            })
            .collect();
        let answer = server
            .call("POST", "/pkg?delete")
            .body(format!("<Delete>{objects}</Delete>"))
            .send()
            .expect(200);
        assert!(!answer.text().contains("<Error>"), "{}", answer.text());
        if page.element("IsTruncated").as_deref() == Some("false") {
            break;
        }
        let key = page.element("NextKeyMarker").unwrap();
        let id = page.element("NextVersionIdMarker").unwrap();
        marker = format!("&key-marker={key}&version-id-marker={id}");
    }
    assert_eq!(removed, 14);
    call(&server, "DELETE", "/pkg").expect(204);
}

#[test]
fn many_are_removed_with_their_markers_named() {
    let server = enabled();
    let version = put(&server, "/pkg/k", "x");
    let answer = server
        .call("POST", "/pkg?delete")
        .body(format!(
            "<Delete><Object><Key>k</Key></Object><Object><Key>k</Key>\
             <VersionId>{version}</VersionId></Object><Object><Key>k</Key>\
             <VersionId>wrong</VersionId></Object></Delete>"
        ))
        .send()
        .expect(200);
    let text = answer.text();
    assert_eq!(text.matches("<DeleteMarker>true</DeleteMarker>").count(), 1);
    let marker = answer.element("DeleteMarkerVersionId").unwrap();
    assert!(text.contains(&format!("<VersionId>{version}</VersionId></Deleted>")));
    assert!(text.contains("<Code>InvalidArgument</Code>"));
    let left = versions(&call(&server, "GET", "/pkg?versions").expect(200));
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].2, marker);
    let answer = server
        .call("POST", "/pkg?delete")
        .body(format!(
            "<Delete><Object><Key>k</Key><VersionId>{marker}</VersionId></Object></Delete>"
        ))
        .send()
        .expect(200);
    assert_eq!(answer.element("DeleteMarkerVersionId"), Some(marker));
}

#[test]
fn a_copy_takes_a_version_and_restores_it() {
    let server = enabled();
    let old = put(&server, "/pkg/k", "old");
    let new = put(&server, "/pkg/k", "new");
    let copy = |target: &str, source: &str| {
        server
            .call("PUT", target)
            .header("x-amz-copy-source", source)
            .send()
    };
    let answer = copy("/pkg/k", &format!("/pkg/k?versionId={old}")).expect(200);
    assert_eq!(answer.header("x-amz-copy-source-version-id"), Some(&*old));
    let restored = answer.header("x-amz-version-id").unwrap().to_owned();
    assert!(restored != old && restored != new);
    assert_eq!(call(&server, "GET", "/pkg/k").expect(200).text(), "old");
    copy("/pkg/k", "/pkg/k").expect_fault(400, "InvalidRequest");
    let removed = call(&server, "DELETE", "/pkg/k").expect(204);
    let marker = removed.header("x-amz-version-id").unwrap();
    copy("/pkg/l", "/pkg/k").expect_fault(404, "NoSuchKey");
    copy("/pkg/l", &format!("/pkg/k?versionId={marker}")).expect_fault(400, "InvalidRequest");
    copy("/pkg/l", "/pkg/k?versionId=x").expect_fault(400, "InvalidArgument");
    let nobody = "/pkg/k?versionId=0193f0c4-7f1e-7c3a-9c1f-0123456789ab";
    copy("/pkg/l", nobody).expect_fault(404, "NoSuchVersion");

    let created = multipart::create(&server, "/pkg/big").send().expect(200);
    let upload = created.element("UploadId").unwrap();
    let part = server
        .call("PUT", &format!("/pkg/big?partNumber=1&uploadId={upload}"))
        .header("x-amz-copy-source", &format!("/pkg/k?versionId={new}"))
        .send()
        .expect(200);
    assert_eq!(part.header("x-amz-copy-source-version-id"), Some(&*new));
    let etags = [part.element("ETag").unwrap().replace("&quot;", "\"")];
    let done = multipart::complete(&server, "/pkg/big", &upload, &etags);
    let done = done.send().expect(200);
    let id = done.header("x-amz-version-id").unwrap();
    let answer = call(&server, "GET", &format!("/pkg/big?versionId={id}"));
    assert_eq!(answer.expect(200).text(), "new");
}

#[test]
fn a_finalized_package_shows_its_versions_and_loses_none() {
    let server = enabled();
    let old = put(&server, "/pkg/k", "old");
    put(&server, "/pkg/k", "new");
    put(&server, "/pkg/gone", "x");
    call(&server, "DELETE", "/pkg/gone").expect(204);
    let finalize = server.call("PUT", "/pkg/.holdfast/finalize").body("");
    finalize.send().expect(200);
    let manifest = call(&server, "GET", "/pkg/.holdfast/manifest.json").expect(200);
    let manifest: serde_json::Value = serde_json::from_slice(&manifest.body).unwrap();
    assert_eq!(manifest["files"].as_array().unwrap().len(), 1);
    let others = manifest["noncurrent_versions"].as_array().unwrap();
    let paths: Vec<_> = others.iter().map(|one| &one["relative_path"]).collect();
    assert_eq!(paths, ["gone", "gone", "k"]);
    assert_eq!(others[0]["delete_marker"], true);
    assert_eq!(others[2]["id"], old.as_str());
    let named = format!("/pkg/k?versionId={old}");
    assert_eq!(call(&server, "GET", &named).expect(200).text(), "old");
    call(&server, "DELETE", &named).expect_fault(403, "AccessDenied");
    versioning(&server, "pkg", "Suspended").expect_fault(403, "AccessDenied");
    let cbor = call(&server, "GET", "/pkg/.holdfast/manifest.cbor").expect(200);
    let read = holdfast::domain::manifest::Manifest::decode(&cbor.body).unwrap();
    assert_eq!(read.files.len(), 1);
}

#[test]
fn versions_survive_a_kill() {
    let server = enabled();
    let first = put(&server, "/pkg/k", "first");
    let second = put(&server, "/pkg/k", "second");
    let server = server.restart();
    let named = call(&server, "GET", &format!("/pkg/k?versionId={first}"));
    assert_eq!(named.expect(200).text(), "first");
    let current = call(&server, "GET", "/pkg/k").expect(200);
    assert_eq!(current.header("x-amz-version-id"), Some(&*second));
}
