//! How many connections there may be, in all and of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections.
#[derive(Debug)]
pub struct Turnstile {
    max_total: usize,
    max_per_address: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub struct Place {
    turnstile: Arc<Turnstile>,
    address: IpAddr,
}

impl Turnstile {
    /// A turnstile that nobody has passed.
    pub fn new(max_total: usize, max_per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            max_total,
            max_per_address,
            counts: Mutex::default(),
        })
    }

    /// How many there are.
    pub fn connections(&self) -> usize {
        let counts = self.counts.lock();
        counts.unwrap_or_else(PoisonError::into_inner).total
    }

    /// A place for a connection; `None` when there are too many. Loopback has no limit of its own.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.total >= self.max_total {
            return None;
        }
        let of_address = counts.by_address.entry(address).or_default();
        if *of_address >= self.max_per_address && !address.is_loopback() {
            return None;
        }
        *of_address += 1;
        counts.total += 1;
        Some(Place {
            turnstile: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let counts = self.turnstile.counts.lock();
        let mut counts = counts.unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        if let Some(of_address) = counts.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_limited_in_all_and_of_one_address() {
        let turnstile = Turnstile::new(4, 2);
        let [near, far, other] = ["127.0.0.1", "10.0.0.1", "10.0.0.2"].map(|a| a.parse().unwrap());
        let first = turnstile.enter(far).unwrap();
        let second = turnstile.enter(far).unwrap();
        assert!(turnstile.enter(far).is_none());
        let third = turnstile.enter(near).unwrap();
        let fourth = turnstile.enter(near).unwrap();
        assert!(turnstile.enter(other).is_none());
        drop(first);
        drop((second, third));
        assert!(turnstile.enter(far).is_some());
        drop(fourth);
        assert!(turnstile.counts.lock().unwrap().by_address.is_empty());
    }
}
