//! Packages that are archived before they end: every byte, once, and only while they may end.

use std::path::{Path, PathBuf};

use holdfast::domain::event::{LocationAdded, PackageDeleted};
use holdfast::domain::ids::PackageId;
use holdfast::domain::package::PackageStatus;
use holdfast::domain::retention::{DeletionStrategy, HoldKind, RetentionClass};
use holdfast::domain::type_filter::TypeFilter;
use holdfast::registry::feed::EventQuery;
use holdfast::registry::finalize::FinalizePackage;
use holdfast::registry::settings::BackendRule;
use holdfast::registry::sweep::{SWEEPER, Swept};

use crate::support::{House, bytes, create};

/// A house with two further backends, `archive` and `disk`, and packages of the class `kept` that are
/// archived as soon as they are finalized.
async fn open() -> House {
    let house = House::open_on(&["archive", "disk"], |settings| {
        settings.janitor.grace_seconds = 0;
        settings.archive_backend = Some("archive".to_owned());
        settings.backend_rules = [("on-disk", "disk"), ("in-archive", "archive")]
            .map(|(producer, backend)| BackendRule {
                producer: Some(producer.to_owned()),
                retention_class: None,
                backend: backend.to_owned(),
            })
            .to_vec();
    })
    .await;
    for (id, deletion_strategy) in [
        ("kept", DeletionStrategy::ArchiveThenPurge),
        ("purged", DeletionStrategy::Purge),
    ] {
        let class = RetentionClass {
            default_duration_seconds: Some(0),
            deletion_strategy,
            ..RetentionClass::unlimited(id)
        };
        let defined = house.registry.define_retention_class(class, "admin");
        defined.await.unwrap();
    }
    house
}

async fn make(house: &House, bucket: &str, class: &str, producer: &str) -> PackageId {
    let mut command = create(bucket);
    command.retention_class = Some(class.to_owned());
    command.producer = Some(producer.to_owned());
    house.registry.create_package(command).await.unwrap().id
}

async fn freeze(house: &House, id: PackageId) {
    let command = FinalizePackage {
        actor: "tester".into(),
        ..FinalizePackage::default()
    };
    house.registry.finalize_package(id, command).await.unwrap();
}

async fn sweep(house: &House) -> Swept {
    house.registry.sweep_retention(SWEEPER).await.unwrap()
}

async fn count(house: &House, event_type: &'static str) -> usize {
    let query = EventQuery {
        limit: 1000,
        types: TypeFilter::from([event_type]),
        ..EventQuery::default()
    };
    house
        .registry
        .fetch_events(&query)
        .await
        .unwrap()
        .events
        .len()
}

fn blob_at(root: &Path, bytes: &[u8]) -> PathBuf {
    let hex = blake3::hash(bytes).to_hex();
    root.join("blobs").join(&hex[..2]).join(hex.as_str())
}

#[tokio::test]
async fn every_byte_is_archived_before_a_package_ends_and_stays() {
    let mut house = open().await;
    let (small, large, placed) = (bytes(1, 100), bytes(2, 1 << 20), bytes(3, 300_000));
    let mut ids = Vec::new();
    for (bucket, producer) in [("aaa", "people"), ("bbb", "on-disk"), ("ccc", "in-archive")] {
        let id = make(&house, bucket, "kept", producer).await;
        house.put(id, "small", &small).await.unwrap();
        house.put(id, "again", &small).await.unwrap();
        house.put(id, "large", &large).await.unwrap();
        house.put(id, "placed", &placed).await.unwrap();
        house.put(id, "empty", b"").await.unwrap();
        freeze(&house, id).await;
        ids.push(id);
    }
    let mut ended = sweep(&house).await.ended;
    ended.sort_unstable();
    ids.sort_unstable();
    assert_eq!(ended, ids);
    // What was placed in the archive from the beginning has its location.
    assert_eq!(count(&house, LocationAdded::TYPE).await, 10);
    for id in ids {
        let record = house.registry.find_package(id).await.unwrap().unwrap();
        assert_eq!(record.status, PackageStatus::Deleted);
        assert_eq!(record.archive_backend.as_deref(), Some("archive"));
    }
    for _ in 0..3 {
        house.registry.run_janitor().await.unwrap();
    }
    let root = house.folder.path().to_owned();
    for content in [&small, &large, &placed, &Vec::new()] {
        let archived = std::fs::read(blob_at(&root.join("archive"), content)).unwrap();
        assert!(archived == *content);
        for elsewhere in [root.clone(), root.join("disk")] {
            assert!(!blob_at(&elsewhere, content).exists());
        }
    }
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
    house.registry.run_janitor().await.unwrap();
    assert!(blob_at(&root.join("archive"), &large).exists());
}

#[tokio::test]
async fn a_hold_that_comes_while_it_copies_stops_the_end() {
    let mut house = open().await;
    let id = make(&house, "pkg", "kept", "people").await;
    for number in 0..200 {
        let content = bytes(number, 20_000);
        house.put(id, &format!("{number}"), &content).await.unwrap();
    }
    freeze(&house, id).await;
    let registry = house.registry.clone();
    let sweeping = tokio::spawn(async move { registry.sweep_retention(SWEEPER).await });
    while count(&house, LocationAdded::TYPE).await == 0 {
        tokio::task::yield_now().await;
    }
    let registry = house.registry.clone();
    let hold = registry.apply_hold(id, HoldKind::Operator, "wait", "tester");
    let hold = hold.await.unwrap();
    assert_eq!(sweeping.await.unwrap().unwrap().ended, []);
    let copied = count(&house, LocationAdded::TYPE).await;
    assert!((1..200).contains(&copied), "{copied}");
    assert_eq!(sweep(&house).await, Swept::default());
    assert_eq!(count(&house, LocationAdded::TYPE).await, copied);

    // Released, it goes on where it was.
    let released = registry.release_hold(id, hold, "over", "tester");
    released.await.unwrap();
    let (first, second) = tokio::join!(sweep(&house), sweep(&house));
    assert_eq!([first.ended, second.ended].concat(), [id]);
    assert_eq!(count(&house, LocationAdded::TYPE).await, 200);
    assert_eq!(count(&house, PackageDeleted::TYPE).await, 1);
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn without_its_archive_a_package_stays_and_others_end() {
    let house = open().await;
    let (root, content) = (house.folder.path().to_owned(), bytes(1, 100_000));
    let mut ids = Vec::new();
    for (bucket, class) in [("aaa", "kept"), ("bbb", "purged"), ("ccc", "kept")] {
        let id = make(&house, bucket, class, "people").await;
        house.put(id, "key", &content).await.unwrap();
        freeze(&house, id).await;
        ids.push(id);
    }
    let (archive, away) = (root.join("archive"), root.join("away"));
    std::fs::rename(&archive, &away).unwrap();
    std::fs::create_dir(&archive).unwrap();
    assert_eq!(sweep(&house).await.ended, [ids[1]]);
    let asked = house.registry.delete_package(ids[0], "tester", false).await;
    assert!(asked.is_err());
    assert_eq!(house.read(ids[0], "key").await.unwrap().unwrap(), content);
    assert_eq!(std::fs::read_dir(&archive).unwrap().count(), 0);
    std::fs::remove_dir(&archive).unwrap();
    std::fs::rename(&away, &archive).unwrap();
    let asked = house.registry.delete_package(ids[0], "tester", false).await;
    asked.unwrap();
    assert_eq!(sweep(&house).await.ended, [ids[2]]);
}

#[tokio::test]
async fn a_class_asks_for_an_archive_only_where_there_is_one() {
    let house = House::open().await;
    let class = RetentionClass {
        deletion_strategy: DeletionStrategy::ArchiveThenPurge,
        ..RetentionClass::unlimited("kept")
    };
    let refused = house.registry.define_retention_class(class, "admin").await;
    assert!(refused.unwrap_err().to_string().contains("archive_backend"));
}
