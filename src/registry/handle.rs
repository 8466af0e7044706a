//! `Registry`: the log, the blobs and the clock held together.

use std::sync::Arc;

/// The library's entry: cheap to clone, shared by every request.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {}
