//! The program as people run it: the first start, the lock, wrong settings, the order to stop, and
//! the client and owner commands.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::server::{ACCESS_KEY, SECRET_KEY, Server};

fn holdfast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.env_clear().args(arguments);
    command
}

/// Runs to the end: code, standard output and standard error.
fn run(command: &mut Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// A gateway that greets on standard output.
struct Greeting {
    child: Child,
    text: String,
}

impl Greeting {
    /// Starts it and reads what it says until the last line of the greeting.
    fn of(data: &Path, last: &str) -> Self {
        let mut child = holdfast(&["--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let mut out = child.stdout.take().expect("standard output is piped");
        let mut text = Vec::new();
        let mut buffer = [0; 1024];
        while !String::from_utf8_lossy(&text).contains(last) {
            let count = out.read(&mut buffer).expect("it greets");
            assert!(count > 0, "it ended: {}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&buffer[..count]);
        }
        Self {
            child,
            text: String::from_utf8(text).expect("text"),
        }
    }

    fn value(&self, variable: &str) -> String {
        let (_, rest) = self
            .text
            .split_once(&format!("{variable}="))
            .expect("it is printed");
        rest.split_whitespace().next().expect("a value").to_owned()
    }

    /// Sends a signal, and answers the code of the end.
    fn end(mut self, signal: &str) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .expect("kill runs")
                .success()
        );
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    }
}

impl Drop for Greeting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[test]
fn the_first_start_makes_a_key_and_shows_it_once() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = Greeting::of(&data, "alias aws=");
    let names = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ENDPOINT_URL",
    ];
    let [access, secret, endpoint] = names.map(|name| first.value(name));
    assert_eq!((access.len(), secret.len()), (20, 40));
    assert!(first.text.contains("aws s3 mb s3://hello"));
    let mode = |name: &str| {
        std::fs::metadata(data.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("root-key.env"), mode("")), (0o600, 0o700));
    // The printed lines are enough to work with.
    let list = |access: &str, secret: &str, endpoint: &str| {
        run(holdfast(&["package", "create", "hello"])
            .env("AWS_ACCESS_KEY_ID", access)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_ENDPOINT_URL", endpoint))
    };
    let (code, _, errors) = list(&access, &secret, &endpoint);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(first.end("-TERM"), Some(0));

    let second = Greeting::of(&data, "AWS_DEFAULT_REGION");
    assert!(!second.text.contains(&secret), "{}", second.text);
    assert!(
        second
            .text
            .contains(&data.join("root-key.env").display().to_string())
    );
    let (code, _, errors) = list(
        &access,
        "wrong-secret-0123456789",
        &second.value("AWS_ENDPOINT_URL"),
    );
    assert_eq!(code, 1);
    assert!(
        errors.contains("SignatureDoesNotMatch") && errors.contains("root-key.env"),
        "{errors}"
    );
    assert_eq!(second.end("-INT"), Some(0));
}

#[test]
fn a_data_directory_has_one_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let held = Greeting::of(&data, "alias aws=");
    let shown = data.display().to_string();
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["audit"],
        &["rebuild"],
    ] {
        let (code, _, errors) = run(holdfast(arguments).arg("--data").arg(&data));
        assert_ne!(code, 0);
        assert!(
            errors.contains(&shown) && errors.contains("in use"),
            "{errors}"
        );
    }
    drop(held);
    let (code, _, errors) = run(holdfast(&["audit", "--data"]).arg(folder.path().join("none")));
    assert_eq!(code, 2);
    assert!(errors.contains("--data DIR"), "{errors}");
}

#[test]
fn a_taken_address_keeps_no_key_that_nobody_saw() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, output, errors) = run(holdfast(&["--listen", &address, "--data"]).arg(&data));
    assert_eq!((code, output.as_str()), (1, ""));
    assert!(errors.contains(&address), "{errors}");
    assert!(!data.join("root-key.env").exists());
}

#[test]
fn wrong_settings_and_keys_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("c.toml");
    std::fs::write(&file, "[server]\nlistn = \"127.0.0.1:0\"\n").unwrap();
    let config = file.to_str().unwrap();
    let absent = folder.path().join("none");
    let example = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let (access, secret) = ("HOLDFAST_ROOT_ACCESS_KEY", "HOLDFAST_ROOT_SECRET_KEY");
    type Case<'c> = (&'c [&'c str], &'c [(&'c str, &'c str)], &'c str);
    let cases: [Case; 8] = [
        (&["--config", config], &[], "did you mean server.listen?"),
        (
            &["--config", absent.to_str().unwrap()],
            &[],
            "cannot read the settings",
        ),
        (
            &[],
            &[("HOLDFAST_JANITOR_GRACE_SECONDS", "soon")],
            "$HOLDFAST_JANITOR_GRACE_SECONDS",
        ),
        (&["--set", "s3.regoin=x"], &[], "did you mean s3.region?"),
        (&["--log-level", "loud=very"], &[], "log.level"),
        (&[], &[(access, "A")], "go together"),
        (
            &[],
            &[(access, "AKIAIOSFODNN7EXAMPLE"), (secret, example)],
            access,
        ),
        (
            &[],
            &[(access, "ROOTACCESSKEY0000001"), (secret, "")],
            secret,
        ),
    ];
    for (flags, variables, expected) in cases {
        let mut command = holdfast(&["serve", "--listen", "127.0.0.1:0", "--data"]);
        command
            .arg(&data)
            .args(flags)
            .envs(variables.iter().copied());
        let (code, _, errors) = run(&mut command);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains(expected), "{expected}: {errors}");
        assert!(!errors.contains("panicked"), "{errors}");
    }
}

/// A client command of the root user against a server.
fn client(server: &Server, arguments: &[&str]) -> (i32, String, String) {
    let endpoint = format!("http://{}", server.address);
    run(holdfast(arguments)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_ENDPOINT_URL", endpoint))
}

fn client_json(server: &Server, arguments: &[&str]) -> Value {
    let (code, output, errors) = client(server, arguments);
    assert_eq!(code, 0, "{arguments:?}: {errors}");
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output}"))
}

#[test]
fn packages_are_handled_from_the_command_line() {
    let server = Server::start();
    let create = [
        "package",
        "create",
        "tour",
        "--producer",
        "me",
        "--metadata",
        "n=1",
        "--json",
    ];
    let package = client_json(&server, &create);
    assert_eq!(
        (&package["producer"], &package["metadata"]["n"]),
        (&"me".into(), &1.into())
    );
    server
        .call("PUT", "/tour/a/b.txt")
        .body("hello")
        .send()
        .expect(200);
    let (code, table, _) = client(&server, &["package", "list"]);
    assert!(
        code == 0 && table.contains("BUCKET") && table.contains("tour"),
        "{table}"
    );
    let files = client_json(&server, &["package", "files", "tour", "--json"]);
    assert_eq!(files[0]["relative_path"], "a/b.txt");
    let (code, table, _) = client(&server, &["package", "show", "tour"]);
    assert!(code == 0 && table.contains("created"), "{table}");
    let (code, _, errors) = client(&server, &["package", "rm", "tour"]);
    assert!(code == 1 && errors.contains("BucketNotEmpty"), "{errors}");
    let (code, _, errors) = client(&server, &["package", "manifest", "tour"]);
    assert!(code == 1 && errors.contains("not finalized"), "{errors}");
    let finalized = client_json(&server, &["package", "finalize", "tour", "--json"]);
    let digest = finalized["manifest_digest"].as_str().unwrap();

    let file = server.directory().join("manifest.cbor");
    let path = file.to_str().unwrap();
    let (code, _, errors) = client(
        &server,
        &[
            "package", "manifest", "tour", "--format", "cbor", "-o", path,
        ],
    );
    assert_eq!(code, 0, "{errors}");
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(format!("blake3:{}", blake3::hash(&bytes).to_hex()), digest);
    client_json(&server, &["package", "create", "gone", "--json"]);
    client_json(&server, &["package", "rm", "gone", "--json"]);
    let (code, _, errors) = client(&server, &["package", "show", "gone"]);
    assert!(
        code == 1 && errors.contains("holdfast package list"),
        "{errors}"
    );

    let (code, lines, _) = client(&server, &["events", "--package", "tour", "--json"]);
    assert_eq!(code, 0);
    let types: Vec<_> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event_type"].to_string())
        .collect();
    assert_eq!(types.len(), 4, "{types:?}");
    let (code, lines, _) = client(&server, &["events", "--types", "v1.package.deleted"]);
    assert!(
        code == 0 && lines.lines().count() == 1 && lines.contains("v1.package.deleted"),
        "{lines}"
    );
    let (code, _, errors) = run(
        holdfast(&["package", "list", "--endpoint", "http://127.0.0.1:1"])
            .env("AWS_ACCESS_KEY_ID", "A")
            .env("AWS_SECRET_ACCESS_KEY", "B"),
    );
    assert!(
        code == 1 && errors.contains("cannot reach") && errors.contains("--endpoint"),
        "{errors}"
    );
    let (code, _, errors) = run(holdfast(&["package", "list"]).env("HOME", server.directory()));
    assert!(
        code == 2 && errors.contains("AWS_ACCESS_KEY_ID"),
        "{errors}"
    );
}

#[test]
fn a_client_trusts_whom_it_is_told_to_trust() {
    let folder = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let [certificate, key] = [certificate, key].map(|path| path.to_str().unwrap().to_owned());
    let flags = ["--tls-certificate", &certificate, "--tls-key", &key];
    let server = Server::start_with("", &flags);
    let list = |bundle: Option<&str>| {
        let endpoint = format!("https://{}", server.address);
        let mut command = holdfast(&["package", "list", "--json", "--endpoint", &endpoint]);
        command
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        run(command.envs(bundle.map(|path| ("AWS_CA_BUNDLE", path))))
    };
    let (code, output, errors) = list(Some(&certificate));
    assert_eq!((code, output.trim()), (0, "[]"), "{errors}");
    let (code, _, errors) = list(None);
    assert!(code == 1 && errors.contains("AWS_CA_BUNDLE"), "{errors}");
    let (code, _, errors) = list(Some("/none"));
    assert!(
        code == 2 && errors.contains("AWS_CA_BUNDLE=/none"),
        "{errors}"
    );
}

#[test]
fn following_the_events_shows_them_as_they_come() {
    let server = Server::start();
    let mut child = holdfast(&["events", "--follow", "--json"])
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_ENDPOINT_URL", format!("http://{}", server.address))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut out = child.stdout.take().expect("standard output is piped");
    let mut text = Vec::new();
    for name in ["one", "two-two", "three"] {
        server.make_bucket(&format!("bucket-{name}"));
        let wanted = format!("\"subject\":\"bucket-{name}\"");
        while !String::from_utf8_lossy(&text).contains(&wanted) {
            let mut buffer = [0; 4096];
            let count = out.read(&mut buffer).expect("it follows");
            assert!(count > 0, "it ended");
            text.extend_from_slice(&buffer[..count]);
        }
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
}

#[test]
fn a_download_is_checked_against_its_manifest() {
    let server = Server::start();
    server.make_bucket("pkg");
    let folder = server.directory().join("download");
    for (key, text) in [("a.txt", "hello"), ("d/b.txt", "world"), ("empty", "")] {
        server
            .call("PUT", &format!("/pkg/{key}"))
            .body(text)
            .send()
            .expect(200);
        let path = folder.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let finalized = client_json(&server, &["package", "finalize", "pkg", "--json"]);
    let digest = finalized["manifest_digest"].as_str().unwrap();
    let mut files = Vec::new();
    for form in ["cbor", "json"] {
        let path = folder
            .join(format!("manifest.{form}"))
            .to_str()
            .unwrap()
            .to_owned();
        let (code, _, errors) = client(
            &server,
            &["package", "manifest", "pkg", "--format", form, "-o", &path],
        );
        assert_eq!(code, 0, "{errors}");
        files.push(path);
    }
    let directory = folder.to_str().unwrap();
    let check = |manifest: &str, more: &[&str]| {
        run(holdfast(&["check", directory, "--manifest", manifest]).args(more))
    };
    // Its own file is no surprise, the other form is.
    let (code, output, _) = check(&files[1], &[]);
    assert!(
        code == 1 && output.contains("extra    manifest.cbor"),
        "{output}"
    );
    std::fs::rename(&files[1], server.directory().join("manifest.json")).unwrap();
    let (code, output, errors) = check(&files[0], &["--digest", digest]);
    assert!(
        code == 0 && output.contains("all 3 files"),
        "{output}{errors}"
    );
    let other = format!("blake3:{}", "0".repeat(64));
    let (code, _, errors) = check(&files[0], &["--digest", &other]);
    assert!(code == 2 && errors.contains(digest), "{errors}");

    std::fs::write(folder.join("a.txt"), "hellO").unwrap();
    std::fs::remove_file(folder.join("d/b.txt")).unwrap();
    std::fs::write(folder.join("empty"), "x").unwrap();
    std::fs::write(folder.join("d/new"), "x").unwrap();
    let (code, output, _) = check(&files[0], &["--json"]);
    assert_eq!(code, 1);
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(report["missing"], serde_json::json!(["d/b.txt"]));
    assert_eq!(report["extra"], serde_json::json!(["d/new"]));
    assert_eq!(report["changed"].as_array().unwrap().len(), 2);
    assert_eq!(report["is_clean"], false);
    let (code, _, errors) = check("/dev/null", &[]);
    assert_eq!(code, 2, "{errors}");
}

#[test]
fn the_owner_audits_and_rebuilds() {
    let mut server = Server::start();
    server.make_bucket("pkg");
    for n in 0..20 {
        server
            .call("PUT", &format!("/pkg/{}", n % 7))
            .body(format!("{n}"))
            .send()
            .expect(200);
    }
    server.call("DELETE", "/pkg/3").send().expect(204);
    server.stop();
    let owner = |command: &str| run(holdfast(&[command, "--json", "--data"]).arg(server.data()));
    let (code, output, errors) = owner("audit");
    assert_eq!(code, 0, "{output}{errors}");
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(
        (report["is_clean"].as_bool(), report["events"].as_u64()),
        (Some(true), Some(36))
    );
    let (code, output, errors) = owner("rebuild");
    assert_eq!(code, 0, "{output}{errors}");
    let (code, _, errors) = owner("audit");
    assert_eq!(code, 0, "{errors}");
    let server = server.restart();
    assert_eq!(server.call("GET", "/pkg/5").send().expect(200).text(), "19");
}
