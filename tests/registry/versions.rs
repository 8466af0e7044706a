//! Versions and Object Lock in the library: what each act leaves, and that views equal a replay.

use std::sync::Arc;

use holdfast::domain::condition::WriteCondition;
use holdfast::domain::file::{FileRecord, ObjectAttributes};
use holdfast::domain::ids::{PackageId, Timestamp};
use holdfast::domain::lock::{
    DefaultRetention, LockRequest, ObjectLockConfig, ObjectRetention, Period, RetentionMode,
    VersionRefused,
};
use holdfast::domain::name::ObjectKey;
use holdfast::domain::package::Rejection;
use holdfast::domain::retention::{DeletionStrategy, RetentionClass};
use holdfast::domain::version::{VersionRef, Versioning, version_id};
use holdfast::registry::files::IngestFile;
use holdfast::registry::finalize::FinalizePackage;
use holdfast::registry::object_locks::{LockChange, LockedVersion};
use holdfast::registry::sweep::SWEEPER;
use holdfast::registry::versions::{ListVersions, VersionEntry, VersionPage, VersionPosition};
use proptest::prelude::*;

use crate::support::{House, Source, create, rejection};

const SECOND: i64 = 1_000_000;

async fn versioned(house: &House, bucket: &str) -> PackageId {
    let id = house.create(bucket).await;
    set(house, id, Versioning::Enabled).await;
    id
}

async fn set(house: &House, id: PackageId, state: Versioning) {
    let registry = &house.registry;
    registry.set_versioning(id, state, "tester").await.unwrap();
}

async fn locked(house: &House, bucket: &str) -> PackageId {
    let mut command = create(bucket);
    command.object_lock = true;
    house.registry.create_package(command).await.unwrap().id
}

async fn list(house: &House, id: PackageId, query: &ListVersions) -> VersionPage {
    house.registry.list_versions(id, query).await.unwrap()
}

/// Every version as text: key, version id or `null`, `*` for the latest, `-` for a marker.
async fn shown(house: &House, id: PackageId) -> Vec<String> {
    let query = ListVersions {
        limit: 1000,
        ..ListVersions::default()
    };
    let page = list(house, id, &query).await;
    assert!(!page.is_truncated);
    page.entries.iter().map(line).collect()
}

fn line(entry: &VersionEntry) -> String {
    match entry {
        VersionEntry::Prefix(prefix) => format!("{prefix}…"),
        VersionEntry::Version(version) => format!(
            "{} {}{}{}",
            version.key,
            version_id(version.id, version.is_versioned),
            if version.is_latest { " *" } else { "" },
            if version.file.is_none() { " -" } else { "" },
        ),
    }
}

async fn counts(house: &House, id: PackageId) -> (u64, u64, u64) {
    let package = house.registry.find_package(id).await.unwrap().unwrap();
    (
        package.file_count,
        package.total_bytes,
        package.noncurrent_count,
    )
}

async fn check(house: &mut House) {
    let report = house.audit().await;
    assert_eq!(report.faults, Vec::<String>::new());
}

fn target(id: PackageId, key: &str, version: Option<VersionRef>) -> LockedVersion {
    LockedVersion {
        package_id: id,
        key: ObjectKey::parse(key).unwrap(),
        version,
        actor: "tester".into(),
    }
}

fn retention(mode: RetentionMode, until: i64) -> ObjectRetention {
    ObjectRetention {
        mode,
        retain_until: Timestamp(until),
    }
}

async fn retain(
    house: &House,
    id: PackageId,
    key: &str,
    retention: Option<ObjectRetention>,
) -> holdfast::registry::error::Result<()> {
    let change = LockChange::Retention {
        retention,
        bypasses: false,
    };
    house
        .registry
        .change_lock(target(id, key, None), change)
        .await
}

async fn hold(house: &House, id: PackageId, key: &str, is_on: bool) {
    let change = LockChange::LegalHold(is_on);
    let changed = house.registry.change_lock(target(id, key, None), change);
    changed.await.unwrap();
}

#[tokio::test]
async fn an_enabled_package_keeps_what_is_overwritten_and_removed() {
    let mut house = House::open().await;
    let id = house.create("pkg").await;
    let before = house.put(id, "k", b"before").await.unwrap();
    assert!(!before.is_versioned);
    set(&house, id, Versioning::Enabled).await;
    let first = house.put(id, "k", b"first").await.unwrap();
    let removed = house.remove(id, "k").await.unwrap();
    let marker = removed.marker.unwrap();
    assert_eq!(house.read(id, "k").await.unwrap(), None);
    let second = house.put(id, "k", b"second").await.unwrap();
    let expected = [
        format!("k {} *", second.id),
        format!("k {} -", marker.id),
        format!("k {}", first.id),
        "k null".to_owned(),
    ];
    assert_eq!(shown(&house, id).await, expected);
    assert_eq!(counts(&house, id).await, (1, 6, 3));
    check(&mut house).await;

    // The next older version becomes current when the current one goes.
    let second = Some(VersionRef::Id(second.id));
    let outcome = house.remove_version(id, "k", second, false).await.unwrap();
    assert_eq!(outcome.marker, None);
    assert_eq!(house.read(id, "k").await.unwrap(), None);
    let named = Some(VersionRef::Id(marker.id));
    let outcome = house.remove_version(id, "k", named, false).await.unwrap();
    assert_eq!(outcome.marker, Some(marker));
    assert_eq!(house.read(id, "k").await.unwrap().unwrap(), b"first");
    assert_eq!(counts(&house, id).await, (1, 5, 1));
    check(&mut house).await;
    let first = Some(VersionRef::Id(first.id));
    house.remove_version(id, "k", first, false).await.unwrap();
    assert_eq!(house.read(id, "k").await.unwrap().unwrap(), b"before");
    house
        .remove_version(id, "k", Some(VersionRef::Null), false)
        .await
        .unwrap();
    assert_eq!(shown(&house, id).await, Vec::<String>::new());
    assert_eq!(counts(&house, id).await, (0, 0, 0));
    check(&mut house).await;
    let registry = &house.registry;
    registry.delete_package(id, "tester", false).await.unwrap();
}

#[tokio::test]
async fn a_suspended_package_replaces_the_null_version_alone() {
    let mut house = House::open().await;
    let id = versioned(&house, "pkg").await;
    let kept = house.put(id, "k", b"kept").await.unwrap();
    set(&house, id, Versioning::Suspended).await;
    for bytes in [b"null-1", b"null-2"] {
        house.put(id, "k", bytes).await.unwrap();
        let expected = ["k null *".to_owned(), format!("k {}", kept.id)];
        assert_eq!(shown(&house, id).await, expected);
    }
    assert_eq!(counts(&house, id).await, (1, 6, 1));
    for _ in 0..2 {
        house.remove(id, "k").await.unwrap();
        let expected = ["k null * -".to_owned(), format!("k {}", kept.id)];
        assert_eq!(shown(&house, id).await, expected);
    }
    assert_eq!(counts(&house, id).await, (0, 0, 2));
    set(&house, id, Versioning::Enabled).await;
    let newest = house.put(id, "k", b"newest").await.unwrap();
    set(&house, id, Versioning::Suspended).await;
    // The null version is a marker in the middle now.
    house.put(id, "k", b"null-3").await.unwrap();
    let expected = [
        "k null *".to_owned(),
        format!("k {}", newest.id),
        format!("k {}", kept.id),
    ];
    assert_eq!(shown(&house, id).await, expected);
    check(&mut house).await;
}

#[tokio::test]
async fn a_bucket_with_versions_or_markers_is_not_empty() {
    let house = House::open().await;
    let id = versioned(&house, "pkg").await;
    house.remove(id, "never-there").await.unwrap();
    assert_eq!(counts(&house, id).await, (0, 0, 1));
    let outcome = house.registry.delete_package(id, "tester", false).await;
    assert_eq!(rejection(outcome), Rejection::NotEmpty);
}

#[tokio::test]
async fn conditions_judge_the_current_version() {
    let house = House::open().await;
    let id = versioned(&house, "pkg").await;
    let absent = WriteCondition::IfAbsent;
    house.put_if(id, "k", b"1", absent.clone()).await.unwrap();
    let outcome = house.put_if(id, "k", b"2", absent.clone()).await;
    assert_eq!(rejection(outcome), Rejection::PreconditionFailed);
    house.remove(id, "k").await.unwrap();
    house.put_if(id, "k", b"3", absent).await.unwrap();
    let any = WriteCondition::IfMatch(vec!["*".to_owned()]);
    house.remove(id, "k").await.unwrap();
    let outcome = house.put_if(id, "k", b"4", any).await;
    assert_eq!(rejection(outcome), Rejection::NoSuchFile);
}

#[tokio::test]
async fn blobs_of_older_versions_are_kept_and_verified() {
    let mut house = House::open_with(|settings| settings.janitor.grace_seconds = 0).await;
    let id = versioned(&house, "pkg").await;
    let big = crate::support::bytes(1, 100_000);
    let first = house.put(id, "k", &big).await.unwrap();
    house.put(id, "k", b"small").await.unwrap();
    for _ in 0..3 {
        house.registry.run_janitor().await.unwrap();
    }
    let named = VersionRef::Id(first.id);
    let name = Some(named);
    let mut newest = house.registry.find_version(id, &first.key, named).await;
    assert!(newest.as_mut().unwrap().is_some());
    let current = house
        .registry
        .find_file(id, &first.key)
        .await
        .unwrap()
        .unwrap();
    let current = Some(VersionRef::Id(current.id));
    house.remove_version(id, "k", current, false).await.unwrap();
    assert_eq!(house.read(id, "k").await.unwrap().unwrap(), big);
    house.remove_version(id, "k", name, false).await.unwrap();
    let mut reclaimed = 0;
    for _ in 0..3 {
        reclaimed += house.registry.run_janitor().await.unwrap().blobs;
    }
    assert!(reclaimed >= 1);
    check(&mut house).await;
}

#[tokio::test]
async fn a_write_once_package_has_no_versions() {
    let house = House::open().await;
    let mut command = create("once");
    command.write_mode = Some(holdfast::domain::package::WriteMode::WriteOnce);
    let registry = &house.registry;
    let id = registry.create_package(command.clone()).await.unwrap().id;
    let outcome = registry.set_versioning(id, Versioning::Enabled, "tester");
    assert_eq!(
        rejection(outcome.await),
        Rejection::Version(VersionRefused::WriteOnceVersioning)
    );
    command.bucket = holdfast::domain::name::PackageName::parse("twice").unwrap();
    command.object_lock = true;
    let outcome = registry.create_package(command).await;
    assert_eq!(
        rejection(outcome),
        Rejection::Version(VersionRefused::WriteOnceVersioning)
    );
}

async fn finalize(house: &House, id: PackageId) {
    let command = FinalizePackage {
        actor: "tester".into(),
        ..Default::default()
    };
    house.registry.finalize_package(id, command).await.unwrap();
}

#[tokio::test]
async fn a_finalized_package_keeps_its_versions_as_they_are() {
    let mut house = House::open().await;
    let id = locked(&house, "pkg").await;
    let old = house.put(id, "k", b"old").await.unwrap();
    house.put(id, "k", b"new").await.unwrap();
    house.put(id, "gone", b"x").await.unwrap();
    house.remove(id, "gone").await.unwrap();
    finalize(&house, id).await;
    let frozen = |outcome| matches!(rejection(outcome), Rejection::Finalized { .. });
    let name = Some(VersionRef::Id(old.id));
    assert!(frozen(
        house.remove_version(id, "k", name, false).await.map(|_| ())
    ));
    let registry = &house.registry;
    let outcome = registry.set_versioning(id, Versioning::Enabled, "tester");
    assert!(frozen(outcome.await));
    let outcome = registry.configure_object_lock(id, ObjectLockConfig::default(), "tester");
    assert!(frozen(outcome.await));
    // Retention is extended, and not shortened, whoever bypasses.
    let now = house.registry.now().0;
    let governance = |seconds| Some(retention(RetentionMode::Governance, now + seconds * SECOND));
    retain(&house, id, "k", governance(100)).await.unwrap();
    let change = LockChange::Retention {
        retention: governance(50),
        bypasses: true,
    };
    let outcome = house.registry.change_lock(target(id, "k", None), change);
    assert!(matches!(
        rejection(outcome.await),
        Rejection::Version(VersionRefused::VersionRetained { .. })
    ));
    check(&mut house).await;
}

#[tokio::test]
async fn locked_versions_keep_their_package() {
    let mut house = House::open().await;
    let class = RetentionClass {
        default_duration_seconds: Some(10),
        deletion_strategy: DeletionStrategy::Purge,
        ..RetentionClass::unlimited("short")
    };
    let defined = house.registry.define_retention_class(class, "tester");
    defined.await.unwrap();
    let mut command = create("pkg");
    command.retention_class = Some("short".to_owned());
    command.object_lock = true;
    let id = house.registry.create_package(command).await.unwrap().id;
    house.put(id, "k", b"old").await.unwrap();
    hold(&house, id, "k", true).await;
    house.put(id, "k", b"new").await.unwrap();
    finalize(&house, id).await;
    house.move_clock(60 * SECOND);
    for _ in 0..2 {
        let swept = house.registry.sweep_retention(SWEEPER).await.unwrap();
        assert!(swept.ended.is_empty());
    }
    let outcome = house.registry.delete_package(id, "tester", true).await;
    assert_eq!(
        rejection(outcome),
        Rejection::Version(VersionRefused::VersionsLocked)
    );
    let query = ListVersions {
        limit: 10,
        ..ListVersions::default()
    };
    let page = list(&house, id, &query).await;
    let VersionEntry::Version(old) = &page.entries[1] else {
        panic!("no version")
    };
    let off = LockChange::LegalHold(false);
    let old = target(id, "k", Some(VersionRef::Id(old.id)));
    house.registry.change_lock(old, off).await.unwrap();
    let swept = house.registry.sweep_retention(SWEEPER).await.unwrap();
    assert_eq!(swept.ended, [id]);
    check(&mut house).await;
}

#[tokio::test]
async fn retention_keeps_a_version_until_its_instant() {
    let house = House::open().await;
    let id = locked(&house, "pkg").await;
    for mode in RetentionMode::ALL {
        let file = house.put(id, "k", b"x").await.unwrap();
        let until = house.registry.now().0 + 100 * SECOND;
        retain(&house, id, "k", Some(retention(mode, until)))
            .await
            .unwrap();
        let name = Some(VersionRef::Id(file.id));
        let refused = |outcome| {
            matches!(
                rejection(outcome),
                Rejection::Version(VersionRefused::VersionRetained { .. })
            )
        };
        house.move_clock(99 * SECOND);
        assert!(refused(house.remove_version(id, "k", name, false).await));
        if mode == RetentionMode::Compliance {
            assert!(refused(house.remove_version(id, "k", name, true).await));
        }
        // Back a day: it is kept all the same.
        house.move_clock(-86_400 * SECOND);
        assert!(refused(house.remove_version(id, "k", name, false).await));
        house.move_clock(86_401 * SECOND);
        house.remove_version(id, "k", name, false).await.unwrap();
        assert_eq!(house.read(id, "k").await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_default_is_applied_in_the_commit_and_a_write_may_say_otherwise() {
    let mut house = House::open().await;
    let id = locked(&house, "pkg").await;
    let config = ObjectLockConfig {
        default: Some(DefaultRetention {
            mode: RetentionMode::Governance,
            period: Period::Days(1),
        }),
    };
    let registry = &house.registry;
    let configured = registry.configure_object_lock(id, config, "tester");
    configured.await.unwrap();
    let file = house.put(id, "k", b"x").await.unwrap();
    let kept = file.lock.retention.unwrap();
    assert_eq!(kept.mode, RetentionMode::Governance);
    assert_eq!(kept.retain_until.0, file.created_at.0 + 86_400 * SECOND);
    let until = house.registry.now().0 + 5 * SECOND;
    let asked = LockRequest {
        retention: Some(retention(RetentionMode::Compliance, until)),
        legal_hold: Some(true),
    };
    let put = |lock| IngestFile {
        package_id: id,
        key: ObjectKey::parse("own").unwrap(),
        media_type: "text/plain".into(),
        attributes: ObjectAttributes::default(),
        condition: WriteCondition::Always,
        lock,
        actor: "tester".into(),
    };
    let registry = &house.registry;
    let file = registry
        .ingest_file(put(asked), &mut Source::of(b"y"))
        .await;
    let lock = file.unwrap().lock;
    assert_eq!(
        (lock.retention, lock.legal_hold),
        (asked.retention, Some(true))
    );
    let plain = house.create("plain").await;
    let mut wrong = put(asked);
    wrong.package_id = plain;
    let outcome = registry.ingest_file(wrong, &mut Source::of(b"y")).await;
    assert_eq!(
        rejection(outcome),
        Rejection::Version(VersionRefused::NoObjectLock)
    );
    check(&mut house).await;
}

#[tokio::test]
async fn a_locked_null_version_is_not_replaced_and_lock_keeps_versioning() {
    let house = House::open().await;
    let id = house.create("pkg").await;
    house.put(id, "k", b"null").await.unwrap();
    let registry = &house.registry;
    let config = ObjectLockConfig::default();
    let outcome = registry.configure_object_lock(id, config, "tester").await;
    assert_eq!(
        rejection(outcome),
        Rejection::Version(VersionRefused::LockWithoutVersioning)
    );
    set(&house, id, Versioning::Enabled).await;
    let configured = registry.configure_object_lock(id, config, "tester");
    configured.await.unwrap();
    hold(&house, id, "k", true).await;
    let outcome = registry.set_versioning(id, Versioning::Suspended, "tester");
    assert_eq!(
        rejection(outcome.await),
        Rejection::Version(VersionRefused::LockNeedsVersioning)
    );
    house.put(id, "k", b"newer").await.unwrap();
    let null = Some(VersionRef::Null);
    let outcome = house.remove_version(id, "k", null, true).await;
    assert_eq!(
        rejection(outcome),
        Rejection::Version(VersionRefused::VersionHeld)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_legal_hold_and_a_deletion_at_once_the_log_decides() {
    let house = Arc::new(House::open().await);
    let id = locked(&house, "pkg").await;
    for round in 0..50 {
        let key = format!("k{round}");
        let file = house.put(id, &key, b"x").await.unwrap();
        let name = Some(VersionRef::Id(file.id));
        let held = {
            let (house, key) = (house.clone(), key.clone());
            tokio::spawn(async move {
                let change = LockChange::LegalHold(true);
                let target = target(id, &key, name);
                house.registry.change_lock(target, change).await
            })
        };
        let removed = {
            let (house, key) = (house.clone(), key.clone());
            tokio::spawn(async move { house.remove_version(id, &key, name, false).await })
        };
        let (held, removed) = (held.await.unwrap(), removed.await.unwrap());
        let is_there = house.read(id, &key).await.unwrap().is_some();
        assert_eq!(held.is_ok(), is_there, "round {round}");
        assert_eq!(removed.is_err(), is_there, "round {round}");
    }
}

// ---- paging against a sorted oracle ----

fn page_query(prefix: &str, delimiter: &str, limit: usize) -> ListVersions {
    ListVersions {
        prefix: prefix.to_owned(),
        delimiter: delimiter.to_owned(),
        after: None,
        limit,
    }
}

fn next(entry: &VersionEntry) -> VersionPosition {
    match entry {
        VersionEntry::Prefix(prefix) => VersionPosition::AfterPrefix(prefix.clone()),
        VersionEntry::Version(version) => {
            let name = if version.is_versioned {
                VersionRef::Id(version.id)
            } else {
                VersionRef::Null
            };
            VersionPosition::AfterVersion(version.key.clone(), name)
        }
    }
}

/// What the pages must add up to: all versions, grouped.
fn grouped(all: &[String], prefix: &str, delimiter: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in all {
        let (key, _) = line.rsplit_once(" v").unwrap();
        let Some(rest) = key.strip_prefix(prefix) else {
            continue;
        };
        let group = rest
            .find(delimiter)
            .filter(|_| !delimiter.is_empty())
            .map(|at| format!("{prefix}{}…", &rest[..at + delimiter.len()]));
        match group {
            Some(group) if lines.last() == Some(&group) => {}
            Some(group) => lines.push(group),
            None => lines.push(line.clone()),
        }
    }
    lines
}

const KEYS: [&str; 7] = ["a", "a/b", "a/c", "a//b", "b/é", "é", "z z"];

#[derive(Debug, Clone)]
enum Act {
    Put(usize),
    Remove(usize),
    State(bool),
    RemoveVersion(usize, usize),
}

fn act() -> impl Strategy<Value = Act> {
    let key = 0..KEYS.len();
    prop_oneof![
        8 => key.clone().prop_map(Act::Put),
        4 => key.clone().prop_map(Act::Remove),
        1 => any::<bool>().prop_map(Act::State),
        4 => (key, 0..4usize).prop_map(|(key, at)| Act::RemoveVersion(key, at)),
    ]
}

/// A version of the model: its number in the test's order, the null version or not, its file.
type Line = (
    u64,
    bool,
    Option<Arc<FileRecord>>,
    holdfast::domain::ids::FileId,
);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_listing_of_versions_is_exact(
        acts in proptest::collection::vec(act(), 1..60),
        limit in 1..5usize,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut house = House::open().await;
            let id = house.create("pkg").await;
            let mut state = None;
            // The versions of each key, the newest first.
            let mut model: std::collections::BTreeMap<&str, Vec<Line>> =
                std::collections::BTreeMap::new();
            for (number, act) in acts.into_iter().enumerate() {
                let number = number as u64;
                match act {
                    Act::State(is_enabled) => {
                        let new = if is_enabled { Versioning::Enabled } else { Versioning::Suspended };
                        set(&house, id, new).await;
                        state = Some(new);
                    }
                    Act::Put(at) => {
                        let file = house.put(id, KEYS[at], &number.to_le_bytes()).await.unwrap();
                        let is_versioned = state == Some(Versioning::Enabled);
                        assert_eq!(file.is_versioned, is_versioned);
                        let stack = model.entry(KEYS[at]).or_default();
                        stack.retain(|line| is_versioned || line.1);
                        stack.insert(0, (number, is_versioned, Some(file.clone()), file.id));
                    }
                    Act::Remove(at) => {
                        let removed = house.remove(id, KEYS[at]).await.unwrap();
                        let stack = model.entry(KEYS[at]).or_default();
                        match state {
                            None => stack.clear(),
                            Some(state) => {
                                let is_versioned = state == Versioning::Enabled;
                                stack.retain(|line| is_versioned || line.1);
                                let marker = removed.marker.unwrap();
                                stack.insert(0, (number, is_versioned, None, marker.id));
                            }
                        }
                    }
                    Act::RemoveVersion(key, at) => {
                        let stack = model.entry(KEYS[key]).or_default();
                        if at < stack.len() {
                            let line = stack.remove(at);
                            let name = if line.1 { VersionRef::Id(line.3) } else { VersionRef::Null };
                            house.remove_version(id, KEYS[key], Some(name), false).await.unwrap();
                        }
                    }
                }
            }
            let mut all = Vec::new();
            for (key, stack) in &model {
                for (at, (_, is_versioned, file, version)) in stack.iter().enumerate() {
                    let latest = if at == 0 { " *" } else { "" };
                    let marker = if file.is_none() { " -" } else { "" };
                    let name = version_id(*version, *is_versioned);
                    all.push(format!("{key} v{name}{latest}{marker}"));
                }
                let current = stack.first().and_then(|line| line.2.clone());
                let read = house.registry.find_file(id, &ObjectKey::parse(key).unwrap()).await;
                assert_eq!(read.unwrap().map(|file| file.id), current.map(|file| file.id));
            }
            for prefix in ["", "a", "a/", "b", "é", "none"] {
                for delimiter in ["", "/", "b"] {
                    let expected = grouped(&all, prefix, delimiter);
                    let mut found = Vec::new();
                    let mut query = page_query(prefix, delimiter, limit);
                    loop {
                        let page = list(&house, id, &query).await;
                        assert!(page.entries.len() <= limit);
                        assert!(!page.is_truncated || page.entries.len() == limit);
                        for entry in &page.entries {
                            found.push(match entry {
                                VersionEntry::Prefix(_) => line(entry),
                                VersionEntry::Version(version) => {
                                    let key = version.key.as_str();
                                    let text = line(entry);
                                    format!("{key} v{}", &text[key.len() + 1..])
                                }
                            });
                        }
                        if !page.is_truncated {
                            break;
                        }
                        query.after = page.entries.last().map(next);
                    }
                    assert_eq!(found, expected, "{prefix:?} {delimiter:?}");
                }
            }
            check(&mut house).await;
        });
    }
}
