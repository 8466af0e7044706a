//! Random histories against a map: the same answers, and views equal to a replay.

use std::collections::BTreeMap;

use holdfast::domain::condition::WriteCondition;
use holdfast::domain::ids::PackageId;
use holdfast::domain::package::Rejection;
use holdfast::registry::error::Error;
use holdfast::registry::finalize::FinalizePackage;
use holdfast::registry::listing::{ListEntry, ListFiles};
use proptest::prelude::*;

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
    Finalize(usize),
    Reopen,
    MoveClock(i64),
}

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
        1 => bucket.prop_map(Step::Finalize),
        1 => Just(Step::Reopen),
        1 => (-5_000_000..5_000_000i64).prop_map(Step::MoveClock),
    ]
}

#[derive(Default)]
struct Bucket {
    id: Option<PackageId>,
    files: BTreeMap<&'static str, Vec<u8>>,
    is_final: bool,
}

/// What a write to a bucket must answer, before its own condition is looked at.
fn closed(bucket: &Bucket) -> bool {
    bucket.id.is_none() || bucket.is_final
}

async fn run(house: &mut House, model: &mut [Bucket], step: Step) {
    match step {
        Step::Create(at) => {
            let outcome = house
                .registry
                .create_package(create(&format!("bucket-{at}")))
                .await;
            match model[at].id {
                None => {
                    model[at] = Bucket {
                        id: Some(outcome.unwrap().id),
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
                assert_eq!(rejection(outcome), Rejection::Retained { expires_at: None });
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
        Step::Finalize(at) => {
            let Some(id) = model[at].id else { return };
            let command = FinalizePackage {
                actor: "tester".into(),
                ..Default::default()
            };
            house.registry.finalize_package(id, command).await.unwrap();
            model[at].is_final = true;
        }
        Step::Reopen => house.reopen().await,
        Step::MoveClock(micros) => house.move_clock(micros),
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
            let mut house = House::open().await;
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
