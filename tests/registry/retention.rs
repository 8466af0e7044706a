//! Retention: classes, extensions, holds, eligibility, and the end of packages.

use holdfast::domain::event::{
    BlobReclaimed, DeletionEligible, EligibilityRevoked, HoldApplied, HoldReleased, PackageDeleted,
    RetentionDefaultApplied, RetentionExtended,
};
use holdfast::domain::ids::{PackageId, Sequence, Timestamp};
use holdfast::domain::package::{PackageStatus, Rejection};
use holdfast::domain::retention::{
    Anchor, DeletionStrategy, HoldKind, LockMode, MAX_CLASS_SECONDS, MAX_REASON_BYTES, Retention,
    RetentionClass,
};
use holdfast::domain::type_filter::TypeFilter;
use holdfast::registry::error::Error;
use holdfast::registry::feed::EventQuery;
use holdfast::registry::finalize::FinalizePackage;
use holdfast::registry::settings::PackageRule;
use holdfast::registry::sweep::{SWEEPER, Swept};

use crate::support::{House, bytes, create, rejection};

const SECOND: i64 = 1_000_000;

fn class(id: &str, seconds: u64) -> RetentionClass {
    RetentionClass {
        default_duration_seconds: Some(seconds),
        deletion_strategy: DeletionStrategy::Purge,
        grace_seconds: 10,
        ..RetentionClass::unlimited(id)
    }
}

impl House {
    async fn define(&self, class: RetentionClass) {
        self.registry
            .define_retention_class(class, "admin")
            .await
            .unwrap();
    }

    async fn create_with(&self, bucket: &str, class: &str) -> PackageId {
        let mut command = create(bucket);
        command.retention_class = Some(class.to_owned());
        self.registry.create_package(command).await.unwrap().id
    }

    async fn freeze(&self, id: PackageId) {
        let command = FinalizePackage {
            actor: "tester".into(),
            ..FinalizePackage::default()
        };
        self.registry.finalize_package(id, command).await.unwrap();
    }

    async fn retention(&self, id: PackageId) -> Retention {
        self.registry.find_retention(id).await.unwrap().unwrap()
    }

    async fn sweep(&self) -> Swept {
        self.registry.sweep_retention(SWEEPER).await.unwrap()
    }

    /// Makes a package eligible by a hold that is released after its expiry: nothing ends it.
    async fn sweep_only_declares(&self, id: PackageId) {
        let hold = self.hold(id).await;
        let released = self.registry.release_hold(id, hold, "over", "tester").await;
        assert!(released.unwrap().eligible_since.is_some());
    }

    async fn history(&self, id: PackageId) -> Vec<String> {
        let batch = self.registry.retention_history(id, Sequence(0), 1000).await;
        let events = batch.unwrap().events;
        events.into_iter().map(|event| event.event_type).collect()
    }

    async fn hold(&self, id: PackageId) -> holdfast::domain::ids::HoldId {
        let applied = self
            .registry
            .apply_hold(id, HoldKind::Operator, "inquiry", "tester");
        applied.await.unwrap()
    }
}

#[tokio::test]
async fn a_package_is_kept_as_its_class_says_and_ends_as_a_whole() {
    let mut house = House::open_with(|settings| settings.janitor.grace_seconds = 0).await;
    house.define(class("days", 100)).await;
    let id = house.create_with("pkg", "days").await;
    let large = bytes(1, 1 << 20);
    house.put(id, "small", b"x").await.unwrap();
    house.put(id, "large", &large).await.unwrap();
    house.freeze(id).await;
    let registry = house.registry.clone();
    let before = house.retention(id).await;
    let expires_at = before.expires_at.unwrap();

    let refused = registry.delete_package(id, "tester", false).await;
    let kept = Rejection::Retained {
        expires_at: Some(expires_at),
    };
    assert_eq!(rejection(refused), kept);
    let (first, second) = (house.hold(id).await, house.hold(id).await);
    house.move_clock(200 * SECOND);
    assert_eq!(house.sweep().await, Swept::default(), "held");
    let refused = registry.delete_package(id, "tester", true).await;
    assert_eq!(rejection(refused), Rejection::Held { holds: 2 });
    for (hold, stands) in [(first, true), (second, false)] {
        let after = registry.release_hold(id, hold, " closed ", "tester").await;
        let after = after.unwrap();
        assert_eq!(after.holds.is_empty(), !stands);
        assert_eq!(after.eligible_since.is_some(), !stands);
    }
    let again = registry.release_hold(id, second, "closed", "tester").await;
    assert_eq!(rejection(again), Rejection::NoSuchHold);

    assert_eq!(
        house.sweep().await,
        Swept::default(),
        "the grace time runs, and it is eligible already"
    );
    house.move_clock(11 * SECOND);
    let swept = house.sweep().await;
    assert_eq!((swept.eligible, swept.ended), (vec![], vec![id]));
    let record = registry.find_package(id).await.unwrap().unwrap();
    assert_eq!(record.status, PackageStatus::Deleted);
    assert_eq!((record.file_count, record.total_bytes), (2, 1 + (1 << 20)));
    assert!(
        registry
            .find_bucket(&record.bucket)
            .await
            .unwrap()
            .is_none()
    );
    assert!(registry.find_manifest(id).await.unwrap().is_some());
    let taken = rejection(registry.create_package(create("pkg")).await);
    assert_eq!(taken, Rejection::NameRetired);
    let gone = registry.extend_retention(id, Timestamp(i64::MAX / 2), "r", "t");
    assert_eq!(rejection(gone.await), Rejection::NoSuchPackage);

    // The janitor sees a blob unreferenced twice before it goes.
    registry.run_janitor().await.unwrap();
    registry.run_janitor().await.unwrap();
    let query = EventQuery {
        limit: 1000,
        types: TypeFilter::from([BlobReclaimed::TYPE]),
        ..EventQuery::default()
    };
    let reclaimed = registry.fetch_events(&query).await.unwrap().events;
    assert_eq!(reclaimed.len(), 2);
    assert_eq!(
        house.history(id).await,
        [
            RetentionDefaultApplied::TYPE,
            HoldApplied::TYPE,
            HoldApplied::TYPE,
            HoldReleased::TYPE,
            HoldReleased::TYPE,
            DeletionEligible::TYPE,
            PackageDeleted::TYPE,
        ]
    );
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn eligibility_is_revoked_by_an_extension_and_by_a_hold() {
    let mut house = House::open().await;
    let manual = RetentionClass {
        deletion_strategy: DeletionStrategy::Manual,
        ..class("days", 100)
    };
    house.define(manual).await;
    let id = house.create_with("pkg", "days").await;
    house.freeze(id).await;
    house.move_clock(101 * SECOND);
    assert_eq!(house.sweep().await.eligible, [id]);
    assert_eq!(house.sweep().await, Swept::default(), "once is enough");
    let later = Timestamp(house.registry.now().0 + 50 * SECOND);
    let registry = house.registry.clone();
    let extended = registry
        .extend_retention(id, later, "audit", "tester")
        .await;
    let extended = extended.unwrap();
    assert_eq!(
        (extended.expires_at, extended.eligible_since),
        (Some(later), None)
    );
    house.move_clock(60 * SECOND);
    assert_eq!(house.sweep().await.eligible, [id]);
    let hold = house.hold(id).await;
    assert_eq!(house.retention(id).await.eligible_since, None);
    assert_eq!(house.sweep().await, Swept::default());
    registry
        .release_hold(id, hold, "closed", "tester")
        .await
        .unwrap();
    registry.delete_package(id, "tester", false).await.unwrap();
    assert_eq!(
        house.history(id).await,
        [
            RetentionDefaultApplied::TYPE,
            DeletionEligible::TYPE,
            RetentionExtended::TYPE,
            EligibilityRevoked::TYPE,
            DeletionEligible::TYPE,
            HoldApplied::TYPE,
            EligibilityRevoked::TYPE,
            HoldReleased::TYPE,
            DeletionEligible::TYPE,
            PackageDeleted::TYPE,
        ]
    );
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_leaves_no_event() {
    let house = House::open().await;
    house.define(class("days", 100)).await;
    let (limited, unlimited) = (
        house.create_with("limited", "days").await,
        house.create("unlimited").await,
    );
    let registry = &house.registry;
    let head = registry.fetch_events(&EventQuery::default()).await.unwrap();
    let until = house.retention(limited).await.expires_at.unwrap();
    let extend = |id, at, reason| registry.extend_retention(id, at, reason, "tester");
    for at in [until, Timestamp(until.0 - 1)] {
        let refused = rejection(extend(limited, at, "audit").await);
        assert_eq!(refused, Rejection::NotLater { current: until });
    }
    let later = Timestamp(until.0 + 1);
    let never = rejection(extend(unlimited, later, "audit").await);
    assert_eq!(never, Rejection::NeverExpires);
    for reason in ["", " \t\n"] {
        let blank = extend(limited, later, reason).await;
        assert!(matches!(blank, Err(Error::InvalidArgument(_))));
        let blank = registry
            .apply_hold(limited, HoldKind::Operator, reason, "tester")
            .await;
        assert!(matches!(blank, Err(Error::InvalidArgument(_))));
    }
    let mut unknown = create("other");
    unknown.retention_class = Some("weeks".to_owned());
    let unknown = rejection(registry.create_package(unknown).await);
    assert_eq!(
        unknown,
        Rejection::UnknownRetentionClass("weeks".to_owned())
    );
    let too_late = RetentionClass {
        grace_seconds: MAX_CLASS_SECONDS + 1,
        ..class("late", 1)
    };
    let wrong = [
        class("a b", 1),
        class("", 1),
        class(&"a".repeat(65), 1),
        class("long", MAX_CLASS_SECONDS + 1),
        too_late,
    ];
    for class in wrong {
        let refused = registry.define_retention_class(class, "admin").await;
        assert!(matches!(refused, Err(Error::InvalidArgument(_))));
    }
    let wordy = extend(limited, later, &"r".repeat(MAX_REASON_BYTES + 1)).await;
    assert!(matches!(wordy, Err(Error::InvalidArgument(_))));
    let after = registry.fetch_events(&EventQuery::default()).await.unwrap();
    assert_eq!(head.head, after.head);
}

#[tokio::test]
async fn what_is_just_within_its_limits_is_kept_and_replays() {
    let mut house = House::open().await;
    let name = "a".repeat(64);
    let longest = RetentionClass {
        grace_seconds: MAX_CLASS_SECONDS,
        ..class(&name, MAX_CLASS_SECONDS)
    };
    house.define(longest).await;
    let id = house.create_with("pkg", &name).await;
    let until = house.retention(id).await.expires_at.unwrap();
    let reason = "r".repeat(MAX_REASON_BYTES);
    let later = Timestamp(until.0 + 1);
    let extended = house
        .registry
        .extend_retention(id, later, &reason, "tester")
        .await;
    assert_eq!(extended.unwrap().expires_at, Some(later));
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn a_hold_keeps_an_open_package_too() {
    let house = House::open().await;
    let id = house.create("pkg").await;
    let hold = house.hold(id).await;
    let registry = &house.registry;
    let refused = registry.delete_package(id, "tester", true).await;
    assert_eq!(rejection(refused), Rejection::Held { holds: 1 });
    registry
        .release_hold(id, hold, "over", "tester")
        .await
        .unwrap();
    registry.delete_package(id, "tester", false).await.unwrap();
}

#[tokio::test]
async fn a_change_of_a_class_never_alters_packages_that_exist() {
    let mut house = House::open().await;
    house.define(class("days", 100)).await;
    let old = house.create_with("old", "days").await;
    let changed = RetentionClass {
        lock_mode: LockMode::Compliance,
        ..class("days", 5)
    };
    house.define(changed.clone()).await;
    house.define(changed.clone()).await;
    let new = house.create_with("new", "days").await;
    assert_eq!(house.retention(old).await.class, class("days", 100));
    assert_eq!(house.retention(new).await.class, changed);
    let query = EventQuery {
        limit: 100,
        types: TypeFilter::from([RetentionClass::TYPE]),
        ..EventQuery::default()
    };
    let defined = house.registry.fetch_events(&query).await.unwrap();
    assert_eq!(defined.events.len(), 2, "an equal definition is no event");
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
    assert_eq!(house.retention(old).await.class, class("days", 100));
}

#[tokio::test]
async fn retention_may_begin_with_the_finalize() {
    let mut house = House::open().await;
    let anchored = RetentionClass {
        anchor: Anchor::Finalized,
        ..class("sealed", 100)
    };
    house.define(anchored).await;
    let id = house.create_with("pkg", "sealed").await;
    house.move_clock(500 * SECOND);
    assert_eq!(house.sweep().await, Swept::default(), "it has no end yet");
    house.freeze(id).await;
    let finalized_at = house.registry.find_package(id).await.unwrap().unwrap();
    let finalized_at = finalized_at.finalized_at.unwrap();
    let expires_at = Timestamp(finalized_at.0 + 100 * SECOND);
    assert_eq!(house.retention(id).await.expires_at, Some(expires_at));
    let manifest = house
        .registry
        .find_manifest_json(id)
        .await
        .unwrap()
        .unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(
        manifest["package"]["expires_at"],
        expires_at.to_isoformat(),
        "the manifest says so"
    );
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn governance_is_bypassed_with_permission_and_compliance_never() {
    let house = House::open().await;
    for (mode, ends) in [
        (LockMode::None, true),
        (LockMode::Governance, true),
        (LockMode::Compliance, false),
    ] {
        let locked = RetentionClass {
            lock_mode: mode,
            ..class(mode.as_str(), 100)
        };
        house.define(locked).await;
        let id = house.create_with(mode.as_str(), mode.as_str()).await;
        house.freeze(id).await;
        let registry = &house.registry;
        assert!(registry.delete_package(id, "t", false).await.is_err());
        let bypassed = registry.delete_package(id, "t", true).await;
        assert_eq!(bypassed.is_ok(), ends, "{mode:?}");
    }
}

#[tokio::test]
async fn the_manifest_names_the_holds_that_stand() {
    let house = House::open().await;
    let id = house.create("pkg").await;
    let hold = house.hold(id).await;
    house.freeze(id).await;
    let manifest = house
        .registry
        .find_manifest_json(id)
        .await
        .unwrap()
        .unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let summary = &manifest["retention_summary"];
    assert_eq!(
        summary["active_holds"],
        serde_json::json!([hold.to_string()])
    );
    assert_eq!(summary["last_retention_event_sequence"], 3);
}

/// D4 and D5: no hold is lost, and retention is never shortened.
#[tokio::test(flavor = "multi_thread")]
async fn extensions_and_holds_at_once_are_decided_by_the_log() {
    let mut house = House::open().await;
    house.define(class("days", 100)).await;
    let id = house.create_with("pkg", "days").await;
    let base = house.retention(id).await.expires_at.unwrap().0;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..32_i64 {
        let registry = house.registry.clone();
        tasks.spawn(async move {
            let until = Timestamp(base + (n * 7 % 32 + 1) * SECOND);
            let extended = registry.extend_retention(id, until, "race", "t").await;
            let held = registry
                .apply_hold(id, HoldKind::Operator, "race", "t")
                .await
                .unwrap();
            (extended.is_ok().then_some(until), held)
        });
    }
    let outcomes = tasks.join_all().await;
    let retention = house.retention(id).await;
    let accepted = outcomes.iter().filter_map(|(until, _)| *until).max();
    assert_eq!(retention.expires_at, accepted);
    assert_eq!(accepted, Some(Timestamp(base + 32 * SECOND)));
    assert_eq!(retention.holds.len(), 32);
    for (_, hold) in outcomes {
        let released = house.registry.release_hold(id, hold, "over", "t").await;
        released.unwrap();
    }
    assert!(house.retention(id).await.holds.is_empty());
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

/// D7, and a hold against the end of a package.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_and_a_deletion_at_once_do_not_both_succeed() {
    let mut house = House::open().await;
    let short = RetentionClass {
        grace_seconds: 0,
        ..class("short", 1)
    };
    house.define(short).await;
    let (mut held, mut ended) = (0, 0);
    for round in 0..20 {
        let id = house.create_with(&format!("pkg-{round}"), "short").await;
        house.freeze(id).await;
        house.move_clock(2 * SECOND);
        let sweepers: Vec<_> = (0..3)
            .map(|_| {
                let registry = house.registry.clone();
                tokio::spawn(async move { registry.sweep_retention(SWEEPER).await.unwrap() })
            })
            .collect();
        let registry = house.registry.clone();
        let holder =
            tokio::spawn(async move { registry.apply_hold(id, HoldKind::Legal, "r", "t").await });
        let mut swept = Vec::new();
        for sweeper in sweepers {
            swept.push(sweeper.await.unwrap());
        }
        let times_ended = swept.iter().flat_map(|swept| &swept.ended).count();
        let hold = holder.await.unwrap();
        let package = house.registry.find_package(id).await.unwrap().unwrap();
        match hold {
            Ok(_) => {
                assert_eq!((times_ended, package.status), (0, PackageStatus::Finalized));
                held += 1;
            }
            Err(error) => {
                let gone = Err::<(), _>(error);
                assert_eq!(rejection(gone), Rejection::NoSuchPackage);
                assert_eq!((times_ended, package.status), (1, PackageStatus::Deleted));
                ended += 1;
            }
        }
    }
    assert_eq!(held + ended, 20);
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

/// The name of a finalized package that ends is never free, not even to who asks in the same batch.
#[tokio::test(flavor = "multi_thread")]
async fn a_retired_name_is_not_taken_while_its_package_ends() {
    let mut house = House::open().await;
    let short = RetentionClass {
        grace_seconds: 0,
        ..class("short", 1)
    };
    house.define(short).await;
    for round in 0..20 {
        let name = format!("pkg-{round}");
        let id = house.create_with(&name, "short").await;
        house.freeze(id).await;
        house.move_clock(2 * SECOND);
        house.sweep_only_declares(id).await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let registry = house.registry.clone();
            let name = name.clone();
            tasks.spawn(async move { registry.create_package(create(&name)).await });
        }
        house
            .registry
            .delete_package(id, "tester", false)
            .await
            .unwrap();
        for outcome in tasks.join_all().await {
            let refused = rejection(outcome);
            let is_known = matches!(
                refused,
                Rejection::NameTaken { .. } | Rejection::NameRetired
            );
            assert!(is_known, "{refused:?}");
        }
    }
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn classes_of_the_settings_are_defined_once() {
    let mut house = House::open_with(|settings| {
        settings
            .retention_classes
            .push(holdfast::registry::settings::RetentionClassSettings {
                id: "ci".into(),
                duration_seconds: Some(60),
                deletion_strategy: "purge".into(),
                lock_mode: "none".into(),
                anchor: "created".into(),
                grace_seconds: 0,
            });
        settings.package_rules.push(PackageRule {
            buckets: vec!["ci-*".into()],
            retention_class: Some("ci".into()),
            ..PackageRule::default()
        });
    })
    .await;
    house.reopen().await;
    let id = house.create("ci-1").await;
    assert_eq!(house.retention(id).await.class.id, "ci");
    let classes = house.registry.list_retention_classes(None, 10).await;
    assert_eq!(classes.unwrap()[0].sequence, Sequence(1));
    let query = EventQuery {
        limit: 100,
        ..EventQuery::default()
    };
    let events = house.registry.fetch_events(&query).await.unwrap();
    assert_eq!(events.head, Sequence(3), "one definition, one package");
}
