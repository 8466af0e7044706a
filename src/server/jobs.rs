//! Timed work beside the requests.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Does something again and again, a period after it was last done, until the order to stop. A
/// turn that is under way is finished first.
pub async fn every<F, W>(period: Duration, stopping: CancellationToken, mut work: F)
where
    F: FnMut() -> W,
    W: Future<Output = ()>,
{
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(period) => {}
        }
        work().await;
    }
}
