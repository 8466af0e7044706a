//! AWS signature version 4, the verifying side.
