//! A full disk: writes are refused, reads go on, and once there is room all is well again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::bytes::content;
use crate::support::server::Server;

/// A small file system in memory. Unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// Mounts it; `None` where that is not allowed.
    fn new(path: PathBuf, options: &str) -> Option<Self> {
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", options, "holdfast-test"])
            .arg(&path);
        let output = command.output().ok()?;
        output.status.success().then_some(Self(path))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Takes all the room that is left.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).expect("there is room for a name");
    let block = vec![1; 64 * 1024];
    while file.write_all(&block).is_ok() {}
    while file.write_all(&[1]).is_ok() {}
}

#[test]
fn a_full_disk_refuses_writes_and_keeps_serving() {
    let mut server = Server::start();
    server.stop();
    fs::remove_dir_all(server.data()).expect("it has ended");
    fs::create_dir(server.data()).expect("it is gone");
    let Some(_mount) = Mount::new(server.data(), "size=64m") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let server = server.restart();
    server.make_bucket("bucket");
    let cases = [("small", content(1, 4096)), ("large", content(2, 3 << 20))];
    for (key, bytes) in &cases {
        let call = server
            .call("PUT", &format!("/bucket/{key}"))
            .body(bytes.clone());
        call.send().expect(200);
    }
    let ballast = server.data().join("ballast");
    fill(&ballast);
    for (key, bytes) in &cases {
        let target = format!("/bucket/new-{key}");
        for round in 0..20 {
            let mut other = bytes.clone();
            other[0] = other[0].wrapping_add(1 + round);
            let answer = server.call("PUT", &target).body(other).send();
            // What the database has in hand may hold a few small ones more.
            if answer.status == 200 && *key == "small" {
                server.call("DELETE", &target).send();
                continue;
            }
            answer.expect_fault(503, "ServiceUnavailable");
            server
                .call("GET", &target)
                .send()
                .expect_fault(404, "NoSuchKey");
        }
        let stored = server
            .call("GET", &format!("/bucket/{key}"))
            .send()
            .expect(200);
        assert!(stored.body == *bytes);
    }
    let staging = fs::read_dir(server.data().join("staging")).expect("a folder");
    assert_eq!(staging.count(), 0, "nothing is left behind");
    fs::remove_file(&ballast).expect("it is there");
    for (key, bytes) in &cases {
        let target = format!("/bucket/new-{key}");
        server
            .call("PUT", &target)
            .body(bytes.clone())
            .send()
            .expect(200);
        let stored = server.call("GET", &target).send().expect(200);
        assert!(stored.body == *bytes);
    }
}
