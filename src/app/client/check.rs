//! `holdfast check`: a downloaded package against its manifest, offline.
//!
//! Follows no path out of the directory: a key that is no plain path below it is reported instead.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::app::client::cli::CheckArguments;
use crate::app::client::output::{print_json, print_line, size, visible};
use crate::app::failure::Failure;
use crate::domain::cbor::json::from_json;
use crate::domain::digest::ContentAddress;
use crate::domain::manifest::{Manifest, ManifestFile, manifest_address};

/// How much of a file is read at once.
const BLOCK_BYTES: usize = 1 << 20;

/// What became of one file of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Same,
    Missing,
    Changed(String),
    NoPath,
}

/// Everything that differs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    checked: usize,
    missing: Vec<String>,
    changed: Vec<(String, String)>,
    extra: Vec<String>,
    /// Keys that cannot be files below a directory.
    no_path: Vec<String>,
}

/// Compares and reports; a difference is a failure.
pub fn run(arguments: &CheckArguments) -> Result<(), Failure> {
    let bytes = fs::read(&arguments.manifest).map_err(|error| {
        Failure::usage(format!(
            "cannot read {}: {error}",
            arguments.manifest.display()
        ))
    })?;
    let manifest = read_manifest(&bytes, arguments.digest.as_deref()).map_err(|problem| {
        Failure::usage(format!("{}: {problem}", arguments.manifest.display()))
    })?;
    if !arguments.directory.is_dir() {
        let shown = arguments.directory.display();
        return Err(Failure::usage(format!("{shown} is no directory")));
    }
    let report = compare(&arguments.directory, &manifest, &arguments.manifest)
        .map_err(|error| Failure::usage(format!("{}: {error}", arguments.directory.display())))?;
    if arguments.json {
        print_json(&report.to_json(&manifest))?;
    } else {
        report.print(&manifest)?;
    }
    if report.is_clean() {
        Ok(())
    } else {
        Err(Failure::silent())
    }
}

fn read_manifest(bytes: &[u8], digest: Option<&str>) -> Result<Manifest, String> {
    let is_json = bytes.trim_ascii_start().starts_with(b"{");
    if let Some(text) = digest {
        let expected: ContentAddress =
            text.parse().map_err(|error| format!("--digest: {error}"))?;
        if is_json {
            return Err(
                "the digest is of the cbor form: use manifest.cbor with --digest".to_owned(),
            );
        }
        let actual = manifest_address(bytes);
        if actual != expected {
            return Err(format!(
                "the manifest's digest is {actual}, not the one given"
            ));
        }
    }
    if !is_json {
        return Manifest::decode(bytes).map_err(|error| error.to_string());
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let canonical = from_json(&value).map_err(|error| error.to_string())?;
    Manifest::decode(&canonical).map_err(|error| error.to_string())
}

fn compare(directory: &Path, manifest: &Manifest, own_file: &Path) -> io::Result<Report> {
    let bar = progress(manifest.files.iter().map(|file| file.size_bytes).sum());
    let outcomes = check_files(directory, &manifest.files, &bar);
    bar.finish_and_clear();
    let mut report = Report {
        checked: manifest.files.len(),
        ..Report::default()
    };
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for (file, outcome) in manifest.files.iter().zip(outcomes) {
        known.extend(file.local_path());
        let path = file.path.as_str().to_owned();
        match outcome {
            Outcome::Same => {}
            Outcome::Missing => report.missing.push(path),
            Outcome::Changed(how) => report.changed.push((path, how)),
            Outcome::NoPath => report.no_path.push(path),
        }
    }
    let own_file = fs::canonicalize(own_file).ok();
    let mut found = Vec::new();
    list_below(directory, "", &mut found)?;
    for path in found {
        let is_own = own_file.is_some() && fs::canonicalize(directory.join(&path)).ok() == own_file;
        if !known.contains(path.as_str()) && !is_own {
            report.extra.push(path);
        }
    }
    report.extra.sort();
    Ok(report)
}

/// Checks files on as many threads as there are processors, in the order of the manifest.
fn check_files(directory: &Path, files: &[ManifestFile], bar: &ProgressBar) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(vec![Outcome::Missing; files.len()]);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(files.len()) {
            scope.spawn(|| {
                let mut block = vec![0; BLOCK_BYTES];
                while let Some((place, file)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    files.get(place).map(|file| (place, file))
                } {
                    let outcome = check_file(directory, file, &mut block, bar);
                    let mut outcomes = outcomes
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    outcomes[place] = outcome;
                }
            });
        }
    });
    outcomes
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn check_file(
    directory: &Path,
    file: &ManifestFile,
    block: &mut [u8],
    bar: &ProgressBar,
) -> Outcome {
    let Some(path) = file.local_path() else {
        return Outcome::NoPath;
    };
    let outcome = digest_of(&directory.join(path), block, bar);
    match outcome {
        Ok((bytes, _)) if bytes != file.size_bytes => {
            Outcome::Changed(format!("has {bytes} bytes instead of {}", file.size_bytes))
        }
        Ok((_, address)) if address != file.address => {
            Outcome::Changed("has the right size and other bytes".to_owned())
        }
        Ok(_) => Outcome::Same,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Outcome::Missing,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Outcome::Missing,
        Err(error) => Outcome::Changed(format!("cannot be read: {error}")),
    }
}

fn digest_of(
    path: &Path,
    block: &mut [u8],
    bar: &ProgressBar,
) -> io::Result<(u64, ContentAddress)> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut bytes = 0;
    loop {
        let count = file.read(block)?;
        if count == 0 {
            return Ok((bytes, ContentAddress(*hasher.finalize().as_bytes())));
        }
        hasher.update(&block[..count]);
        bytes += count as u64;
        bar.inc(count as u64);
    }
}

/// The files below a directory, by path with `/`. Links are listed, never followed into.
fn list_below(directory: &Path, prefix: &str, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list_below(&entry.path(), &format!("{path}/"), found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

fn progress(total_bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(total_bytes);
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let template = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

impl Report {
    fn is_clean(&self) -> bool {
        let lists = [&self.missing, &self.extra, &self.no_path];
        self.changed.is_empty() && lists.iter().all(|list| list.is_empty())
    }

    fn to_json(&self, manifest: &Manifest) -> Value {
        let changed = self
            .changed
            .iter()
            .map(|(path, how)| json!({"path": path, "problem": how}));
        json!({
            "package_id": manifest.package_id,
            "content_digest": manifest.content_digest.to_string(),
            "is_clean": self.is_clean(),
            "checked": self.checked,
            "missing": self.missing,
            "changed": changed.collect::<Vec<_>>(),
            "extra": self.extra,
            "not_a_path": self.no_path,
        })
    }

    fn print(&self, manifest: &Manifest) -> Result<(), Failure> {
        for path in &self.missing {
            print_line(&format!("missing  {}", visible(path)))?;
        }
        for (path, how) in &self.changed {
            print_line(&format!("changed  {}: {how}", visible(path)))?;
        }
        for path in &self.extra {
            print_line(&format!("extra    {}", visible(path)))?;
        }
        for path in &self.no_path {
            print_line(&format!(
                "no path  {}: this key cannot be a file here",
                visible(path)
            ))?;
        }
        let bytes = size(manifest.files.iter().map(|file| file.size_bytes).sum());
        let name = visible(&manifest.name);
        if self.is_clean() {
            return print_line(&format!(
                "{name}: all {} files are as they should be ({bytes})",
                self.checked
            ));
        }
        let (missing, changed) = (self.missing.len(), self.changed.len());
        let (extra, no_path) = (self.extra.len(), self.no_path.len());
        print_line(&format!(
            "{name}: of {} files ({bytes}), {missing} missing, {changed} changed, {no_path} without \
             a path; {extra} extra",
            self.checked
        ))
    }
}
