//! Stored bytes that went bad are never served as good, whole or by range, and the same bytes
//! uploaded again make the object readable.

use std::fs;
use std::path::Path;

use crate::support::bytes::{content, stored_file};
use crate::support::database::edit;
use crate::support::harm::{cut, flip};
use crate::support::multipart;
use crate::support::server::Server;

const MIB: usize = 1 << 20;

/// One group, several, more than is checked before the first byte.
const SIZES: [usize; 3] = [20_000, 300_000, 3 * MIB + 12_345];

/// What a read gives.
enum Outcome {
    /// Bytes, as good.
    Good(Vec<u8>),
    /// A fault, or a connection that broke.
    Refused,
}

fn read(server: &Server, target: &str, range: Option<(usize, usize)>) -> Outcome {
    let mut call = server.call("GET", target);
    if let Some((from, to)) = range {
        call = call.header("range", &format!("bytes={from}-{}", to - 1));
    }
    let mut connection = server.connect();
    connection.send(call.bytes());
    let Some(answer) = connection.try_answer(false) else {
        return Outcome::Refused;
    };
    if answer.status >= 300 {
        answer.expect_fault(500, "InternalError");
        return Outcome::Refused;
    }
    assert_eq!(answer.status, if range.is_some() { 206 } else { 200 });
    Outcome::Good(answer.body)
}

fn assert_refused(server: &Server, target: &str, range: Option<(usize, usize)>, case: &str) {
    let is_refused = matches!(read(server, target, range), Outcome::Refused);
    assert!(is_refused, "{case}: {range:?} was served");
}

/// If it is served, it is right.
fn assert_right(server: &Server, target: &str, (from, to): (usize, usize), bytes: &[u8]) {
    if let Outcome::Good(found) = read(server, target, Some((from, to))) {
        assert!(found == bytes[from..to], "{from}..{to} was served wrong");
    }
}

fn assert_readable(server: &Server, target: &str, bytes: &[u8], case: &str) {
    let length = bytes.len();
    for (from, to) in [(0, 1), (length / 2, length / 2 + 1), (length / 3, length)] {
        match read(server, target, Some((from, to))) {
            Outcome::Good(found) => assert!(found == bytes[from..to], "{case}: {from}..{to}"),
            Outcome::Refused => panic!("{case}: {from}..{to} is refused"),
        }
    }
    match read(server, target, None) {
        Outcome::Good(found) => assert!(found == bytes, "{case}: other bytes"),
        Outcome::Refused => panic!("{case}: refused"),
    }
}

fn put(server: &Server, target: &str, bytes: &[u8]) {
    server.call("PUT", target).body(bytes).send().expect(200);
}

/// Damages the file of a blob; answers a range that is bad now.
fn do_harm(harm: &str, path: &Path, size: usize, other: &Path) -> (usize, usize) {
    match harm {
        "first" => flip(path, 0),
        "middle" => flip(path, size / 2),
        "last" => flip(path, size - 1),
        "half" => cut(path, size / 2),
        "longer" => cut(path, size + 1),
        "empty" => cut(path, 0),
        "gone" => fs::remove_file(path).expect("it is there"),
        _ => drop(fs::copy(other, path).expect("it is copied")),
    }
    match harm {
        "first" => (0, 1),
        "last" => (size - 1, size),
        _ => (size / 2, size / 2 + 1),
    }
}

#[test]
fn a_damaged_blob_is_not_served_and_heals_when_it_comes_again() {
    let server = Server::start();
    server.make_bucket("bucket");
    let mut seed = 0;
    for size in SIZES {
        for harm in [
            "first", "middle", "last", "half", "longer", "empty", "gone", "swapped",
        ] {
            seed += 2;
            let case = format!("{harm} of {size}");
            let (bytes, other) = (content(seed, size), content(seed + 1, size));
            let target = format!("/bucket/{seed}");
            put(&server, &target, &bytes);
            assert_readable(&server, &target, &bytes, &case);
            let path = stored_file(&server, "blobs", &bytes);
            put(&server, &format!("/bucket/{}", seed + 1), &other);
            let other = stored_file(&server, "blobs", &other);
            let harmed = do_harm(harm, &path, size, &other);
            assert_refused(&server, &target, None, &case);
            assert_refused(&server, &target, Some(harmed), &case);
            for range in [(0, 10), (size / 4, size / 4 + 10), (size - 10, size)] {
                assert_right(&server, &target, range, &bytes);
            }
            // Once to the same key, once to another.
            let again = if seed % 4 == 0 {
                target.clone()
            } else {
                format!("/bucket/{seed}-again")
            };
            put(&server, &again, &bytes);
            assert_readable(&server, &target, &bytes, &case);
            assert_readable(&server, &again, &bytes, &case);
        }
    }
}

#[test]
fn a_damaged_hash_tree_harms_nobody() {
    let server = Server::start();
    server.make_bucket("bucket");
    let mut seed = 1000;
    for size in [300_000, 3 * MIB + 12_345] {
        for harm in ["first", "last", "half", "gone", "empty"] {
            seed += 1;
            let bytes = content(seed, size);
            let target = format!("/bucket/{seed}");
            put(&server, &target, &bytes);
            let path = stored_file(&server, "trees", &bytes);
            let length = path.metadata().expect("it has a tree").len() as usize;
            match harm {
                "first" => flip(&path, 0),
                "last" => flip(&path, length - 1),
                "half" => cut(&path, length / 2),
                "empty" => cut(&path, 0),
                _ => fs::remove_file(&path).expect("it is there"),
            }
            assert_readable(&server, &target, &bytes, &format!("{harm} of {size}"));
            let mended = path.metadata().expect("it has a tree again");
            assert_eq!(mended.len() as usize, length);
        }
    }
}

#[test]
fn a_damaged_part_spoils_only_what_touches_it() {
    let server = Server::start();
    server.make_bucket("bucket");
    let target = "/bucket/parts";
    let bytes = content(5000, 5 * MIB + 400_000);
    let parts = [&bytes[..5 * MIB], &bytes[5 * MIB..]];
    let (upload, etags) = multipart::upload(&server, target, &parts);
    let answer = multipart::complete(&server, target, &upload, &etags).send();
    assert!(
        multipart::completed_etag(&answer).is_some(),
        "{}",
        answer.text()
    );
    assert_readable(&server, target, &bytes, "before");
    flip(&stored_file(&server, "blobs", parts[1]), 200_000);
    assert_refused(&server, target, None, "whole");
    assert_refused(
        &server,
        target,
        Some((5 * MIB + 200_000, 5 * MIB + 200_001)),
        "the byte",
    );
    assert_refused(
        &server,
        target,
        Some((5 * MIB - 1, 5 * MIB + 300_000)),
        "across",
    );
    let Outcome::Good(found) = read(&server, target, Some((0, 5 * MIB))) else {
        panic!("the good part is refused");
    };
    assert!(found == parts[0]);
    put(&server, "/bucket/again", parts[1]);
    assert_readable(&server, target, &bytes, "after");
}

#[test]
fn damage_inside_the_database_is_not_served_either() {
    const HARMS: [&str; 4] = [
        "UPDATE inline_blobs SET bytes = CAST(x'00' || substr(bytes, 2) AS BLOB) WHERE address = $1",
        "UPDATE inline_blobs SET bytes = substr(bytes, 1, 500) WHERE address = $1",
        "UPDATE inline_blobs SET bytes = x'' WHERE address = $1",
        "DELETE FROM inline_blobs WHERE address = $1",
    ];
    let mut server = Server::start();
    server.make_bucket("bucket");
    let body = |number: usize| {
        let mut bytes = content(6000 + number as u64, 1000);
        bytes[0] = b'x';
        bytes
    };
    for number in 0..HARMS.len() {
        put(&server, &format!("/bucket/{number}"), &body(number));
    }
    server.stop();
    for (number, statement) in HARMS.into_iter().enumerate() {
        let address = blake3::hash(&body(number));
        edit(&server, statement, address.as_bytes());
    }
    let server = server.restart();
    for (number, statement) in HARMS.into_iter().enumerate() {
        let target = format!("/bucket/{number}");
        assert_refused(&server, &target, None, statement);
        assert_refused(&server, &target, Some((0, 1)), statement);
        assert_refused(&server, &target, Some((900, 1000)), statement);
        put(&server, &format!("/bucket/{number}-again"), &body(number));
        assert_readable(&server, &target, &body(number), statement);
    }
}
