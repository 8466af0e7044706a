//! Admission: who calls, whether they may, and the body wrapped as the row says.
//!
//! A request is authenticated before anything is looked up for it. A refusal here costs no body.
