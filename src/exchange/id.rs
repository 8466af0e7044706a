//! The identifier of a request: what a client quotes and the log is searched for.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

/// Sixteen uppercase hex digits, unlike any other of this process and, by a random start, hardly
/// ever like one of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 16]);

static NEXT: AtomicU64 = AtomicU64::new(0);
static START: OnceLock<u64> = OnceLock::new();

impl RequestId {
    /// A new identifier.
    pub fn next() -> Self {
        let start = *START.get_or_init(|| getrandom::u64().unwrap_or(0x5851_f42d_4c95_7f2d));
        Self::of(scramble(
            start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)),
        ))
    }

    /// The identifier of a number.
    fn of(number: u64) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let mut text = [0; 16];
        for (place, digit) in text.iter_mut().enumerate() {
            *digit = DIGITS[(number >> (60 - 4 * place)) as usize & 0xf];
        }
        Self(text)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hex digits are ASCII")
    }

    /// The digits as a header's value.
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).expect("hex digits are a header value")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What `x-amz-id-2` says: which process answered.
pub fn host_id() -> &'static HeaderValue {
    static HOST: OnceLock<HeaderValue> = OnceLock::new();
    HOST.get_or_init(|| RequestId::next().header_value())
}

/// The finalizer of splitmix64: a bijection, so that different counts give different identifiers.
fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_sixteen_hex_digits_and_differ() {
        assert_eq!(
            RequestId::of(0x0123_4567_89ab_cdef).as_str(),
            "0123456789ABCDEF"
        );
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| RequestId::next()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
