//! Who may do what to a bucket and its objects: bucket policies, ACLs, object ownership and the
//! block of public access, as AWS documents them for S3.
//!
//! Pure rules: what a request is about is an argument (`facts.rs`), and so are the documents. What
//! they amount to together with the owner and the grants of the settings is `verdict.rs`.

pub mod acl;
pub mod action;
pub mod bucket;
pub mod condition;
pub mod condition_key;
pub mod facts;
pub mod json;
pub mod operator;
pub mod pattern;
pub mod policy;
pub mod principal;
pub mod public;
pub mod verdict;
