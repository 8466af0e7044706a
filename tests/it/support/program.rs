//! The program's other commands, on the data directory of a server that has ended.

use std::process::Command;

use crate::support::server::Server;

/// `holdfast audit` finds nothing wrong.
pub fn audit(server: &Server) {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .arg("audit")
        .arg("--data")
        .arg(server.data())
        .env_clear()
        .output()
        .expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}\n{errors}");
}
