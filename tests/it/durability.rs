//! The order of syncs, seen from outside: when an answer is written to the socket, a power cut
//! changes nothing any more. `strace` tells; where it cannot run, the test fails in CI and says
//! elsewhere that it was skipped.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::bytes::content;
use crate::support::server::Server;

/// What is traced: how files are written, synced and renamed, and how sockets are written.
const CALLS: &str = "trace=fsync,fdatasync,sync_file_range,rename,renameat,renameat2,write,writev,\
                     pwrite64,sendto,sendmsg";

/// Whether there is an `strace` that may trace.
fn has_strace() -> bool {
    let probe = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let works = probe.is_ok_and(|status| status.success());
    let is_ci = std::env::var_os("CI").is_some();
    assert!(
        works || !is_ci,
        "strace cannot trace here: install it, allow ptrace"
    );
    works
}

/// The calls of a trace, each once and whole: what only shows (a sync, a rename) where it ended,
/// what is seen by others (a write) where it began.
fn calls(trace: &str) -> Vec<String> {
    let mut calls = Vec::new();
    let mut unfinished: HashMap<&str, String> = HashMap::new();
    for line in trace.lines() {
        let Some((process, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
            if is_write(begun) {
                calls.push(begun.to_owned());
            }
            unfinished.insert(process, begun.to_owned());
        } else if let Some((_, end)) = call.split_once(" resumed>") {
            let begun = unfinished.remove(process).unwrap_or_default();
            if !is_write(&begun) {
                calls.push(begun + end);
            }
        } else {
            calls.push(call.to_owned());
        }
    }
    calls
}

fn is_write(call: &str) -> bool {
    ["write", "pwrite", "send"]
        .iter()
        .any(|name| call.starts_with(name))
}

/// The calls between the last answer but one and the last.
fn of_last_answer(calls: &[String]) -> &[String] {
    let is_answer = |call: &&String| is_write(call) && call.contains("\"HTTP/1.1 200");
    let places: Vec<usize> = (0..calls.len())
        .filter(|&at| is_answer(&&calls[at]))
        .collect();
    let [.., before, last] = places[..] else {
        panic!("there are two answers in {calls:#?}");
    };
    &calls[before + 1..=last]
}

/// The place of the last call that begins with one of these names and has this in it.
fn last(calls: &[String], names: &[&str], text: &str) -> Option<usize> {
    calls
        .iter()
        .rposition(|call| names.iter().any(|name| call.starts_with(name)) && call.contains(text))
}

const SYNC: [&str; 2] = ["fsync(", "fdatasync("];
const WRITE: [&str; 3] = ["write(", "writev(", "pwrite64("];

/// A server under `strace` has answered a PUT; these are its calls for it.
fn trace_of_put(length: usize) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("trace");
    let file = path.to_str().expect("a path of text");
    // -D: the server is the child, and strace beside it.
    let mut server =
        Server::start_under(&["strace", "-D", "-q", "-f", "-yy", "-e", CALLS, "-o", file]);
    server.make_bucket("bucket");
    let call = server.call("PUT", "/bucket/key");
    call.body(content(1, length)).send().expect(200);
    server.stop();
    let trace = ended_trace(&path, server.pid());
    let calls = calls(&trace);
    of_last_answer(&calls).to_vec()
}

/// The trace, once `strace` has written all of it.
fn ended_trace(path: &Path, pid: u32) -> String {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(30) {
        let trace = fs::read_to_string(path).expect("a trace");
        let end = trace.lines().rfind(|line| line.contains("+++ exited"));
        if end.is_some_and(|line| line.starts_with(&pid.to_string())) {
            return trace;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("the trace does not end");
}

/// The database's log is synced after its last write and before the answer; answers where it was
/// first written.
fn assert_log_synced(calls: &[String]) -> usize {
    let is_write = |call: &&String| call.starts_with("pwrite64(") && call.contains("-wal>");
    let first = calls
        .iter()
        .position(|call| is_write(&call))
        .expect("a commit");
    let written = last(calls, &WRITE, "-wal>").expect("a commit");
    let synced = last(calls, &SYNC, "-wal>").expect("a synced commit");
    assert!(written < synced, "{calls:#?}");
    assert!(synced < calls.len() - 1, "{calls:#?}");
    first
}

#[test]
fn a_large_object_is_synced_named_and_recorded_before_the_answer() {
    if !has_strace() {
        eprintln!("skipped: strace cannot trace here");
        return;
    }
    let calls = trace_of_put(1 << 20);
    let hex = blake3::hash(&content(1, 1 << 20)).to_hex();
    let folder = format!("/blobs/{}", &hex[..2]);
    let rename = ["rename(", "renameat(", "renameat2("];
    let renamed = last(&calls, &rename, &format!("{folder}/{hex}")).expect("a rename");
    // The file has its draft's name until then.
    let draft = calls[renamed]
        .split('"')
        .nth(1)
        .expect("the old name")
        .to_owned();
    let (_, draft) = draft.rsplit_once('/').expect("a path");
    let written = last(&calls, &WRITE, draft).expect("the bytes are written");
    let synced = last(&calls, &SYNC, draft).expect("the file is synced");
    let named = last(&calls, &SYNC, &format!("{folder}>")).expect("the directory is synced");
    let recorded = assert_log_synced(&calls);
    let order = [written, synced, renamed, named, recorded];
    assert!(order.is_sorted(), "{order:?} of {calls:#?}");
}

#[test]
fn a_small_object_is_recorded_with_its_bytes_before_the_answer() {
    if !has_strace() {
        eprintln!("skipped: strace cannot trace here");
        return;
    }
    let calls = trace_of_put(4096);
    assert_log_synced(&calls);
    for folder in ["/staging/", "/blobs/", "/trees/"] {
        let touched = calls.iter().find(|call| call.contains(folder));
        assert_eq!(touched, None, "it needs no file of its own");
    }
    let syncs = calls
        .iter()
        .filter(|call| SYNC.iter().any(|name| call.starts_with(name)));
    assert_eq!(syncs.count(), 1, "{calls:#?}");
}
