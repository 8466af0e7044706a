//! Random histories against a map: the same answers, and views equal to a replay.

use std::collections::BTreeMap;

use holdfast::domain::condition::WriteCondition;
use holdfast::domain::description::Change;
use holdfast::domain::ids::{HoldId, PackageId, Timestamp};
use holdfast::domain::package::Rejection;
use holdfast::domain::retention::{DeletionStrategy, HoldKind, RetentionClass};
use holdfast::domain::schema::SchemaSlug;
use holdfast::registry::describe::UpdatePackage;
use holdfast::registry::error::Error;
use holdfast::registry::finalize::FinalizePackage;
use holdfast::registry::listing::{ListEntry, ListFiles};
use holdfast::registry::schemas::RegisterSchema;
use holdfast::registry::sweep::SWEEPER;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{House, bytes, create, rejection};

#[derive(Debug, Clone)]
enum Step {
    Create(usize),
    Delete(usize),
    Put {
        bucket: usize,
        key: usize,
        seed: u64,
        length: usize,
        if_absent: bool,
    },
    Remove {
        bucket: usize,
        key: usize,
    },
    /// Sets a number of the metadata, and a tag or removes it.
    Describe(usize, u64, bool),
    Finalize(usize),
    Hold(usize),
    Release(usize, usize),
    Extend(usize, i64),
    Sweep,
    Janitor,
    Reopen,
    MoveClock(i64),
}

/// What packages of these histories are kept by.
const CLASS: &str = "short";
const DURATION_SECONDS: u64 = 10;
const GRACE_SECONDS: u64 = 3;
const SECOND: i64 = 1_000_000;

/// Every look at the clock moves it by a microsecond: so close to a boundary the model asks the
/// registry on which side it fell.
const CLOSE: i64 = 100_000;

/// What the metadata of these histories conforms to: a number of at most this.
const SCHEMA: &str = "numbered";
const MOST: u64 = 5;

const KEYS: [&str; 6] = ["a", "a/b", "a//b", "é", "../x", "z z"];

fn step() -> impl Strategy<Value = Step> {
    let bucket = 0..3usize;
    let put = (
        bucket.clone(),
        0..KEYS.len(),
        0..4u64,
        0..3usize,
        any::<bool>(),
    )
        .prop_map(|(bucket, key, seed, length, if_absent)| {
            let length = [0, 100, 20_000][length];
            Step::Put {
                bucket,
                key,
                seed,
                length,
                if_absent,
            }
        });
    let remove =
        (bucket.clone(), 0..KEYS.len()).prop_map(|(bucket, key)| Step::Remove { bucket, key });
    prop_oneof![
        3 => bucket.clone().prop_map(Step::Create),
        1 => bucket.clone().prop_map(Step::Delete),
        20 => put,
        8 => remove,
        4 => (bucket.clone(), 0..8u64, any::<bool>())
            .prop_map(|(bucket, number, is_tagged)| Step::Describe(bucket, number, is_tagged)),
        2 => bucket.clone().prop_map(Step::Finalize),
        2 => bucket.clone().prop_map(Step::Hold),
        2 => (bucket.clone(), 0..3usize).prop_map(|(bucket, hold)| Step::Release(bucket, hold)),
        1 => (bucket, -3..8i64).prop_map(|(bucket, seconds)| Step::Extend(bucket, seconds)),
        3 => Just(Step::Sweep),
        1 => Just(Step::Janitor),
        1 => Just(Step::Reopen),
        3 => (-2 * SECOND..8 * SECOND).prop_map(Step::MoveClock),
    ]
}

#[derive(Default)]
struct Bucket {
    id: Option<PackageId>,
    files: BTreeMap<&'static str, Vec<u8>>,
    number: u64,
    is_tagged: bool,
    is_final: bool,
    expires_at: i64,
    eligible_since: Option<i64>,
    holds: Vec<HoldId>,
    /// A finalized package had the name.
    is_retired: bool,
}

impl Bucket {
    /// After the end of its package.
    fn ended(was_final: bool) -> Self {
        Self {
            is_retired: was_final,
            ..Self::default()
        }
    }
}

/// What a write to a bucket must answer, before its own condition is looked at.
fn closed(bucket: &Bucket) -> bool {
    bucket.id.is_none() || bucket.is_final
}

async fn run(house: &mut House, model: &mut [Bucket], step: Step) {
    match step {
        Step::Create(at) => {
            let mut command = create(&format!("bucket-{at}"));
            command.retention_class = Some(CLASS.to_owned());
            command.metadata_schema = Some(SCHEMA.to_owned());
            command.metadata = Some(json!({"n": 0}));
            let outcome = house.registry.create_package(command).await;
            match model[at].id {
                None if model[at].is_retired => {
                    assert_eq!(rejection(outcome), Rejection::NameRetired);
                }
                None => {
                    let package = outcome.unwrap();
                    let seconds = DURATION_SECONDS as i64;
                    model[at] = Bucket {
                        id: Some(package.id),
                        expires_at: package.created_at.0 + seconds * SECOND,
                        ..Bucket::default()
                    }
                }
                Some(_) => assert!(matches!(rejection(outcome), Rejection::NameTaken { .. })),
            }
        }
        Step::Delete(at) => {
            let Some(id) = model[at].id else { return };
            let outcome = house.registry.delete_package(id, "tester", false).await;
            if model[at].is_final {
                end(house, &mut model[at], outcome);
            } else if model[at].files.is_empty() && !model[at].holds.is_empty() {
                let holds = model[at].holds.len();
                assert_eq!(rejection(outcome), Rejection::Held { holds });
            } else if model[at].files.is_empty() {
                outcome.unwrap();
                model[at] = Bucket::default();
            } else {
                assert_eq!(rejection(outcome), Rejection::NotEmpty);
            }
        }
        Step::Put {
            bucket,
            key,
            seed,
            length,
            if_absent,
        } => {
            put(
                house,
                &mut model[bucket],
                KEYS[key],
                &bytes(seed, length),
                if_absent,
            )
            .await;
        }
        Step::Remove { bucket, key } => {
            let bucket = &mut model[bucket];
            let Some(id) = bucket.id else { return };
            let outcome = house.remove(id, KEYS[key]).await;
            if bucket.is_final {
                assert!(matches!(rejection(outcome), Rejection::Finalized { .. }));
            } else {
                outcome.unwrap();
                bucket.files.remove(KEYS[key]);
            }
        }
        Step::Describe(at, number, is_tagged) => {
            describe(house, &mut model[at], number, is_tagged).await;
        }
        Step::Finalize(at) => {
            let Some(id) = model[at].id else { return };
            let command = FinalizePackage {
                actor: "tester".into(),
                ..Default::default()
            };
            house.registry.finalize_package(id, command).await.unwrap();
            model[at].is_final = true;
        }
        Step::Hold(at) => hold(house, &mut model[at]).await,
        Step::Release(at, which) => release(house, &mut model[at], which).await,
        Step::Extend(at, seconds) => extend(house, &mut model[at], seconds).await,
        Step::Sweep => sweep(house, model).await,
        Step::Janitor => {
            house.registry.run_janitor().await.unwrap();
        }
        Step::Reopen => house.reopen().await,
        Step::MoveClock(micros) => house.move_clock(micros),
    }
}

/// Whether an instant has come, or the registry's word for it when it is too close to tell.
fn has_come(house: &House, at: i64, word: bool) -> bool {
    let distance = house.registry.now().0 - at;
    if distance.abs() < CLOSE {
        word
    } else {
        distance > 0
    }
}

/// DeleteBucket of a finalized package.
fn end(house: &House, bucket: &mut Bucket, outcome: Result<(), Error>) {
    if !bucket.holds.is_empty() {
        let holds = bucket.holds.len();
        assert_eq!(rejection(outcome), Rejection::Held { holds });
        return;
    }
    let has_expired = has_come(house, bucket.expires_at, outcome.is_ok());
    if bucket.eligible_since.is_some() && has_expired {
        outcome.unwrap();
        *bucket = Bucket::ended(true);
    } else {
        let expires_at = Some(Timestamp(bucket.expires_at));
        assert_eq!(rejection(outcome), Rejection::Retained { expires_at });
    }
}

async fn describe(house: &House, bucket: &mut Bucket, number: u64, is_tagged: bool) {
    let Some(id) = bucket.id else { return };
    let tag = if is_tagged { json!("x") } else { Value::Null };
    let command = UpdatePackage {
        metadata: Some(Change::Merge(json!({"n": number}))),
        tags: Some(Change::Merge(json!({"t": tag}))),
        actor: "tester".into(),
        ..UpdatePackage::default()
    };
    let outcome = house.registry.update_package(id, command).await;
    if bucket.is_final {
        assert!(matches!(rejection(outcome), Rejection::Finalized { .. }));
    } else if number > MOST {
        assert!(
            matches!(outcome, Err(Error::InvalidArgument(_))),
            "{outcome:?}"
        );
    } else {
        outcome.unwrap();
        (bucket.number, bucket.is_tagged) = (number, is_tagged);
    }
}

async fn hold(house: &House, bucket: &mut Bucket) {
    let Some(id) = bucket.id else { return };
    let registry = &house.registry;
    let hold = registry.apply_hold(id, HoldKind::Operator, "model", "tester");
    bucket.holds.push(hold.await.unwrap());
    bucket.eligible_since = None;
}

async fn release(house: &House, bucket: &mut Bucket, which: usize) {
    let Some(id) = bucket.id else { return };
    let stands = bucket.holds.get(which).copied();
    let hold = stands.unwrap_or(HoldId(uuid::Uuid::nil()));
    let outcome = house
        .registry
        .release_hold(id, hold, "model", "tester")
        .await;
    if stands.is_none() {
        assert_eq!(rejection(outcome), Rejection::NoSuchHold);
        return;
    }
    bucket.holds.remove(which);
    let since = outcome.unwrap().eligible_since.map(|at| at.0);
    let is_free = bucket.holds.is_empty();
    if is_free && has_come(house, bucket.expires_at, since.is_some()) {
        assert!(since.is_some());
    } else {
        assert_eq!(since, None);
    }
    bucket.eligible_since = since;
}

async fn extend(house: &House, bucket: &mut Bucket, seconds: i64) {
    let Some(id) = bucket.id else { return };
    let until = bucket.expires_at + seconds * SECOND;
    let registry = &house.registry;
    let outcome = registry.extend_retention(id, Timestamp(until), "model", "tester");
    let outcome = outcome.await;
    if seconds <= 0 {
        let current = Timestamp(bucket.expires_at);
        assert_eq!(rejection(outcome), Rejection::NotLater { current });
    } else {
        assert_eq!(outcome.unwrap().eligible_since, None);
        bucket.expires_at = until;
        bucket.eligible_since = None;
    }
}

async fn sweep(house: &House, model: &mut [Bucket]) {
    let swept = house.registry.sweep_retention(SWEEPER).await.unwrap();
    for bucket in model {
        let Some(id) = bucket.id else { continue };
        let (is_declared, is_ended) = (swept.eligible.contains(&id), swept.ended.contains(&id));
        let may_declare = bucket.eligible_since.is_none() && bucket.holds.is_empty();
        let expected = may_declare && has_come(house, bucket.expires_at, is_declared);
        assert_eq!(is_declared, expected);
        if is_declared {
            // The instant is that of the transaction, a few looks at the clock ago.
            bucket.eligible_since = Some(house.registry.now().0);
        }
        let expected = bucket.is_final
            && bucket.eligible_since.is_some_and(|since| {
                let due = since + GRACE_SECONDS as i64 * SECOND;
                has_come(house, due, is_ended) && has_come(house, bucket.expires_at, is_ended)
            });
        assert_eq!(is_ended, expected);
        if is_ended {
            *bucket = Bucket::ended(true);
        }
    }
}

async fn put(house: &House, bucket: &mut Bucket, key: &'static str, bytes: &[u8], if_absent: bool) {
    let Some(id) = bucket.id else { return };
    let condition = if if_absent {
        WriteCondition::IfAbsent
    } else {
        WriteCondition::Always
    };
    let outcome = house.put_if(id, key, bytes, condition).await;
    let current = bucket.files.get(key).map(Vec::as_slice);
    if closed(bucket) {
        if current == Some(bytes) {
            outcome.unwrap();
        } else {
            assert!(matches!(rejection(outcome), Rejection::Finalized { .. }));
        }
    } else if if_absent && current.is_some() {
        assert_eq!(rejection(outcome), Rejection::PreconditionFailed);
    } else {
        outcome.unwrap();
        bucket.files.insert(key, bytes.to_vec());
    }
}

async fn compare(house: &House, model: &[Bucket]) {
    for bucket in model {
        let Some(id) = bucket.id else { continue };
        let query = ListFiles {
            limit: 1000,
            ..ListFiles::default()
        };
        let page = house.registry.list_files(id, &query).await.unwrap();
        let listed: Vec<_> = page
            .entries
            .iter()
            .map(|entry| match entry {
                ListEntry::File(file) => (file.key.as_str().to_owned(), file.size_bytes),
                ListEntry::Prefix(prefix) => panic!("a group {prefix} without a delimiter"),
            })
            .collect();
        let expected: Vec<_> = bucket
            .files
            .iter()
            .map(|(key, b)| ((*key).to_owned(), b.len() as u64))
            .collect();
        assert_eq!(listed, expected);
        for key in KEYS {
            assert_eq!(
                house.read(id, key).await.unwrap().as_deref(),
                bucket.files.get(key).map(Vec::as_slice),
                "{key}"
            );
        }
        let record = house.registry.find_package(id).await.unwrap().unwrap();
        assert_eq!(record.metadata, json!({"n": bucket.number}));
        assert_eq!(record.tags.contains_key("t"), bucket.is_tagged);
        let total: u64 = bucket.files.values().map(|b| b.len() as u64).sum();
        assert_eq!(
            (record.file_count, record.total_bytes),
            (bucket.files.len() as u64, total)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_history_answers_like_a_map_and_replays_to_the_same_views(
        steps in proptest::collection::vec(step(), 1..80)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut house =
                House::open_with(|settings| settings.janitor.grace_seconds = 0).await;
            let class = RetentionClass {
                default_duration_seconds: Some(DURATION_SECONDS),
                deletion_strategy: DeletionStrategy::Purge,
                grace_seconds: GRACE_SECONDS,
                ..RetentionClass::unlimited(CLASS)
            };
            house.registry.define_retention_class(class, "tester").await.unwrap();
            let schema = RegisterSchema {
                slug: SchemaSlug::parse(SCHEMA).unwrap(),
                version: None,
                json_schema: json!({"properties": {"n": {"maximum": MOST}}}),
                actor: "tester".into(),
            };
            house.registry.register_schema(schema).await.unwrap();
            let mut model: Vec<Bucket> = (0..3).map(|_| Bucket::default()).collect();
            for step in steps {
                run(&mut house, &mut model, step).await;
            }
            compare(&house, &model).await;
            let report = house.audit().await;
            assert_eq!(report.faults, Vec::<String>::new());
            compare(&house, &model).await;
        });
    }
}

#[tokio::test]
async fn an_unknown_package_is_no_package() {
    let house = House::open().await;
    let nowhere = PackageId(uuid::Uuid::nil());
    let outcome = house.put(nowhere, "key", b"x").await;
    assert!(matches!(
        outcome,
        Err(Error::Rejected(Rejection::NoSuchPackage))
    ));
}
