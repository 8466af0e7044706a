//! Content-addressed bytes: the storage contract, the local store, verified reads.
