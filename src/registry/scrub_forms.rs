//! How verification runs look outside.

use serde_json::{Value, json};

use crate::db::scrub::{RunFault, RunRecord};
use crate::domain::scrub::Mismatch;
use crate::registry::scrub::Verification;

/// A run as JSON.
pub fn run_json(run: &RunRecord) -> Value {
    let tally = &run.tally;
    json!({
        "id": run.id.to_string(),
        "package_id": run.scope.package_id.map(|id| id.to_string()),
        "backend_id": run.scope.backend_id,
        "actor": run.actor,
        "state": if run.is_running { "running" } else { "completed" },
        "total": run.total,
        "checked": tally.checked,
        "verified": tally.verified,
        "mismatched": tally.mismatched,
        "missing": tally.missing,
        "unreachable": tally.unreachable,
        "repaired": tally.repaired,
        "bytes": tally.bytes,
        "started_at": run.started_at.to_isoformat(),
        "updated_at": run.updated_at.to_isoformat(),
    })
}

/// A run with its first faults as JSON.
pub fn verification_json(verification: &Verification) -> Value {
    let mut value = run_json(&verification.run);
    value["faults"] = verification.faults.iter().map(fault_json).collect();
    value
}

fn fault_json(fault: &RunFault) -> Value {
    json!({
        "package_id": fault.package_id.to_string(),
        "relative_path": fault.key.as_str(),
        "file_id": fault.file_id.to_string(),
        "storage_location_id": fault.location_id.to_string(),
        "backend_id": fault.backend_id,
        "outcome": if fault.mismatch.is_some() { "mismatch" } else { "unreachable" },
        "mismatch": fault.mismatch.map(Mismatch::as_str),
        "detail": fault.detail,
        "is_repaired": fault.is_repaired,
    })
}
