//! What tools probe: every operation of the S3 API is built, truthfully "none configured", or 501 as
//! XML, as the page of compatibility says.

use std::collections::BTreeMap;

use crate::support::connection::Answer;
use crate::support::server::Server;

fn text_of(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// The rows of the page: operation -> what follows it.
fn rows() -> BTreeMap<String, String> {
    let page = text_of("docs/s3-compatibility.md");
    let row = |line: &str| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((name.to_owned(), rest.to_owned()))
    };
    page.lines().filter_map(row).collect()
}

#[test]
fn every_operation_of_the_api_is_answered_as_its_row_says() {
    let server = Server::start();
    server.make_bucket("bucket");
    let rows = rows();
    let model = text_of("tests/golden/s3-operations.txt");
    let mut probed = 0;
    for line in model.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, method, path] = words.as_slice() else {
            panic!("{line}");
        };
        let row = &rows[*name];
        let mut target = path.replace("{Bucket}", "bucket").replace("{Key+}", "key");
        if *name == "CompleteMultipartUpload" {
            // What tells it from other requests is no part of the model's path.
            target.push_str("?uploadId=absent");
        }
        if *name == "DeleteBucket" {
            continue;
        }
        server
            .call("PUT", "/bucket/key")
            .body("x")
            .send()
            .expect(200);
        let answer = server.call(method, &target).send();
        probed += 1;
        let said = format!("{line}: {}: {}", answer.status, answer.text());
        if *method != "HEAD" && answer.status >= 400 {
            assert!(!answer.code().is_empty(), "no XML: {said}");
        }
        let is_built = row.starts_with("built") || row.contains("answered as such");
        match answer.status {
            501 => {
                assert!(!is_built || row.contains("501"), "{said}");
                assert_eq!(answer.code(), "NotImplemented", "{said}");
            }
            405 | 500.. => panic!("{said}"),
            // Of another host; its path is no bucket's name.
            400 if *name == "WriteGetObjectResponse" => {}
            _ => assert!(is_built, "{said}"),
        }
    }
    assert!(probed > 100, "{probed}");
}

#[test]
fn what_is_not_configured_is_said_so() {
    let server = Server::start();
    server.make_bucket("bucket");
    server
        .call("PUT", "/bucket/key")
        .body("x")
        .send()
        .expect(200);
    let get = |query: &str| server.call("GET", &format!("/bucket?{query}")).send();
    let delete = |query: &str| server.call("DELETE", &format!("/bucket?{query}")).send();
    for (query, code) in [
        (
            "encryption",
            "ServerSideEncryptionConfigurationNotFoundError",
        ),
        ("replication", "ReplicationConfigurationNotFoundError"),
        ("website", "NoSuchWebsiteConfiguration"),
        ("policy", "NoSuchBucketPolicy"),
        ("policyStatus", "NoSuchBucketPolicy"),
        ("analytics&id=a", "NoSuchConfiguration"),
        ("inventory&id=a", "NoSuchConfiguration"),
        ("metrics&id=a", "NoSuchConfiguration"),
        ("intelligent-tiering&id=a", "NoSuchConfiguration"),
        ("cors", "NoSuchCORSConfiguration"),
        ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
    ] {
        let none = get(query).expect_fault(404, code);
        assert_eq!(
            none.element("BucketName").as_deref(),
            Some("bucket"),
            "{query}"
        );
    }
    for (query, root, inside) in [
        ("accelerate", "AccelerateConfiguration", ""),
        ("logging", "BucketLoggingStatus", ""),
        ("notification", "NotificationConfiguration", ""),
        (
            "requestPayment",
            "RequestPaymentConfiguration",
            "<Payer>BucketOwner</Payer>",
        ),
        ("abac", "AbacStatus", "<Status>Disabled</Status>"),
        (
            "analytics",
            "ListBucketAnalyticsConfigurationResult",
            "<IsTruncated>false</IsTruncated>",
        ),
        (
            "inventory",
            "ListInventoryConfigurationsResult",
            "<IsTruncated>false</IsTruncated>",
        ),
        (
            "metrics",
            "ListMetricsConfigurationsResult",
            "<IsTruncated>false</IsTruncated>",
        ),
        (
            "intelligent-tiering",
            "ListBucketIntelligentTieringConfigurationsOutput",
            "<IsTruncated>false</IsTruncated>",
        ),
    ] {
        let text = get(query).expect(200).text();
        let start =
            format!("<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inside}</{root}>");
        assert!(text.ends_with(&start), "{text}");
    }
    for query in [
        "encryption",
        "policy",
        "replication",
        "website",
        "cors",
        "publicAccessBlock",
    ] {
        delete(query).expect(204);
    }
    delete("metrics&id=a").expect_fault(404, "NoSuchConfiguration");
    for target in ["/bucket?acl", "/bucket/key?acl"] {
        let acl = server.call("GET", target).send().expect(200);
        assert_eq!(acl.element("ID").as_deref(), Some("root"));
        assert_eq!(acl.element("Permission").as_deref(), Some("FULL_CONTROL"));
        assert!(
            acl.text().contains("xsi:type=\"CanonicalUser\""),
            "{}",
            acl.text()
        );
    }
    server
        .call("GET", "/bucket/absent?acl")
        .send()
        .expect_fault(404, "NoSuchKey");
    server
        .call("GET", "/absent?policy")
        .send()
        .expect_fault(404, "NoSuchBucket");
    for (method, target) in [
        ("PUT", "/bucket?acl"),
        ("PUT", "/bucket?policy"),
        ("PUT", "/bucket?website"),
        ("PUT", "/bucket?encryption"),
        ("PUT", "/bucket/key?acl"),
        ("GET", "/bucket/key?torrent"),
        ("PUT", "/bucket?metrics&id=a"),
    ] {
        server
            .call(method, target)
            .send()
            .expect_fault(501, "NotImplemented");
    }
}

fn put(server: &Server, query: &str, body: &str) -> Answer {
    server
        .call("PUT", &format!("/bucket?{query}"))
        .body(body)
        .send()
}

#[test]
fn ownership_is_kept_and_has_its_effect() {
    let server = Server::start();
    server.make_bucket("bucket");
    let get = || server.call("GET", "/bucket?ownershipControls").send();
    let upload = |acl: &str| {
        let call = server.call("PUT", "/bucket/key").header("x-amz-acl", acl);
        call.body("x").send()
    };
    let controls = |word: &str| {
        format!(
            "<OwnershipControls><Rule><ObjectOwnership>{word}</ObjectOwnership></Rule></OwnershipControls>"
        )
    };
    assert_eq!(
        get().expect(200).element("ObjectOwnership").as_deref(),
        Some("BucketOwnerEnforced")
    );
    upload("public-read").expect(200);
    for word in ["ObjectWriter", "BucketOwnerPreferred"] {
        put(&server, "ownershipControls", &controls(word)).expect_fault(501, "NotImplemented");
    }
    put(&server, "ownershipControls", &controls("Nobody")).expect_fault(400, "MalformedXML");
    put(
        &server,
        "ownershipControls",
        &controls("BucketOwnerEnforced"),
    )
    .expect(200);
    upload("public-read").expect_fault(400, "AccessControlListNotSupported");
    upload("bucket-owner-full-control").expect(200);
    server
        .call("PUT", "/bucket/key")
        .body("x")
        .send()
        .expect(200);
    let delete = || server.call("DELETE", "/bucket?ownershipControls").send();
    delete().expect(204);
    get().expect_fault(404, "OwnershipControlsNotFoundError");
    delete().expect(204);
    upload("public-read").expect(200);
}

#[test]
fn a_public_access_block_is_kept_and_has_its_effect() {
    let server = Server::start();
    server.make_bucket("bucket");
    let block = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
        <IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>";
    put(&server, "publicAccessBlock", "<Block/>").expect_fault(400, "MalformedXML");
    put(&server, "publicAccessBlock", block).expect(200);
    let shown = server
        .call("GET", "/bucket?publicAccessBlock")
        .send()
        .expect(200);
    for (name, value) in [
        ("BlockPublicAcls", "true"),
        ("IgnorePublicAcls", "true"),
        ("BlockPublicPolicy", "false"),
        ("RestrictPublicBuckets", "false"),
    ] {
        assert_eq!(shown.element(name).as_deref(), Some(value), "{name}");
    }
    let with = |method: &str, target: &str, acl: &str| {
        server.call(method, target).header("x-amz-acl", acl)
    };
    with("PUT", "/bucket/key", "public-read")
        .body("x")
        .send()
        .expect_fault(403, "AccessDenied");
    with("POST", "/bucket/key?uploads", "public-read")
        .send()
        .expect_fault(403, "AccessDenied");
    with("PUT", "/bucket/key", "private")
        .body("x")
        .send()
        .expect(200);
    with("PUT", "/bucket/copy", "authenticated-read")
        .header("x-amz-copy-source", "/bucket/key")
        .send()
        .expect_fault(403, "AccessDenied");
    server
        .call("DELETE", "/bucket?publicAccessBlock")
        .send()
        .expect(204);
    with("PUT", "/bucket/key", "public-read")
        .body("x")
        .send()
        .expect(200);
}
