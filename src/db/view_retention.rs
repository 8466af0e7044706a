//! The view tables of retention: classes, states and holds. `views.rs` runs these.

use crate::db::codec::to_int;
use crate::db::script::Script;
use crate::domain::event::{HoldApplied, HoldReleased, Recorded, RetentionDefaultApplied};
use crate::domain::ids::{PackageId, Timestamp};
use crate::domain::retention::RetentionClass;

/// The last definition of a class.
pub(super) fn define_class(script: &mut Script, recorded: &Recorded, class: &RetentionClass) {
    script.add(
        "INSERT INTO retention_classes (id, default_duration_seconds, deletion_strategy, \
         lock_mode, anchor, grace_seconds, defined_at, sequence) VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET \
         default_duration_seconds = excluded.default_duration_seconds, \
         deletion_strategy = excluded.deletion_strategy, lock_mode = excluded.lock_mode, \
         anchor = excluded.anchor, grace_seconds = excluded.grace_seconds, \
         defined_at = excluded.defined_at, sequence = excluded.sequence",
        |values| {
            values
                .bind(class.id.clone())
                .bind(class.default_duration_seconds.map(to_int))
                .bind(class.deletion_strategy.as_str())
                .bind(class.lock_mode.as_str())
                .bind(class.anchor.as_str())
                .bind(to_int(class.grace_seconds))
                .bind(recorded.created_at.0)
                .bind(to_int(recorded.sequence.0))
        },
    );
}

/// The class is taken as it stands at this place of the log. A package's second such event, at its
/// finalize, only sets the expiry.
pub(super) fn insert_retention(
    script: &mut Script,
    recorded: &Recorded,
    event: &RetentionDefaultApplied,
) {
    let fallback = RetentionClass::unlimited(&event.retention_class);
    script.add(
        "INSERT INTO retention_state (package_id, effective_class, default_duration_seconds, \
         deletion_strategy, lock_mode, anchor, grace_seconds, current_expires_at, \
         eligible_since, last_sequence) SELECT v.column1, v.column2, v.column3, \
         COALESCE(c.deletion_strategy, v.column4), COALESCE(c.lock_mode, v.column5), \
         COALESCE(c.anchor, v.column6), COALESCE(c.grace_seconds, v.column7), v.column8, \
         v.column9, v.column10 FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) v \
         LEFT JOIN retention_classes c ON c.id = v.column2 WHERE 1 = 1 \
         ON CONFLICT (package_id) DO UPDATE SET \
         current_expires_at = excluded.current_expires_at, \
         last_sequence = excluded.last_sequence",
        |values| {
            values
                .bind(event.package_id.as_bytes().to_vec())
                .bind(event.retention_class.clone())
                .bind(event.default_duration_seconds.map(to_int))
                .bind(fallback.deletion_strategy.as_str())
                .bind(fallback.lock_mode.as_str())
                .bind(fallback.anchor.as_str())
                .bind(to_int(fallback.grace_seconds))
                .bind(event.expires_at.map(|at| at.0))
                .bind(
                    event
                        .is_eligible_for_deletion
                        .then_some(recorded.created_at.0),
                )
                .bind(to_int(recorded.sequence.0))
        },
    );
}

/// When retention ends.
pub(super) fn set_expiry(
    script: &mut Script,
    recorded: &Recorded,
    id: PackageId,
    expires_at: Option<Timestamp>,
) {
    script.add(
        "UPDATE retention_state SET current_expires_at = ?, last_sequence = ? \
         WHERE package_id = ?",
        |values| {
            values
                .bind(expires_at.map(|at| at.0))
                .bind(to_int(recorded.sequence.0))
                .bind(id.as_bytes().to_vec())
        },
    );
}

/// Since when a package is eligible for deletion.
pub(super) fn set_eligible(
    script: &mut Script,
    recorded: &Recorded,
    id: PackageId,
    since: Option<Timestamp>,
) {
    script.add(
        "UPDATE retention_state SET eligible_since = ?, last_sequence = ? WHERE package_id = ?",
        |values| {
            values
                .bind(since.map(|at| at.0))
                .bind(to_int(recorded.sequence.0))
                .bind(id.as_bytes().to_vec())
        },
    );
}

/// A hold stands.
pub(super) fn insert_hold(script: &mut Script, recorded: &Recorded, event: &HoldApplied) {
    script.add(
        "INSERT INTO holds (package_id, id, kind, reason, applied_at, applied_by, sequence) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        |values| {
            values
                .bind(event.package_id.as_bytes().to_vec())
                .bind(event.hold_id.as_bytes().to_vec())
                .bind(event.kind.as_str())
                .bind(event.reason.clone())
                .bind(recorded.created_at.0)
                .bind(recorded.actor.clone())
                .bind(to_int(recorded.sequence.0))
        },
    );
    touch_retention(script, recorded, event.package_id);
}

/// A hold stands no longer.
pub(super) fn delete_hold(script: &mut Script, recorded: &Recorded, event: &HoldReleased) {
    script.add(
        "DELETE FROM holds WHERE package_id = ? AND id = ?",
        |values| {
            values
                .bind(event.package_id.as_bytes().to_vec())
                .bind(event.hold_id.as_bytes().to_vec())
        },
    );
    touch_retention(script, recorded, event.package_id);
}

fn touch_retention(script: &mut Script, recorded: &Recorded, id: PackageId) {
    script.add(
        "UPDATE retention_state SET last_sequence = ? WHERE package_id = ?",
        |values| {
            values
                .bind(to_int(recorded.sequence.0))
                .bind(id.as_bytes().to_vec())
        },
    );
}
