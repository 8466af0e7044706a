//! What a request is about, as conditions and policy variables ask for it: values by the names of
//! condition keys.
//!
//! Only the server fills it in, by names of its own; no header of a client becomes a name here.

use std::collections::BTreeMap;

/// The values of condition keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(BTreeMap<String, Vec<String>>);

impl Facts {
    /// The form in which a key is kept: lowercase but for what follows the slash of a tag's key,
    /// since tags are told apart by case.
    pub fn name(key: &str) -> String {
        match key.split_once('/') {
            Some((start, tag)) => format!("{}/{tag}", start.to_ascii_lowercase()),
            None => key.to_ascii_lowercase(),
        }
    }

    /// With one more value of a key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.add(key, value);
        self
    }

    /// Adds a value to a key.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        let values = self.0.entry(Self::name(key)).or_default();
        values.push(value.into());
    }

    /// Replaces the values of a key by one.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(Self::name(key), vec![value.into()]);
    }

    /// The values of a key in the form of [`Self::name`]; `None` when the request has none.
    pub fn values(&self, name: &str) -> Option<&[String]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// The value of a key that has exactly one.
    pub fn single(&self, name: &str) -> Option<&str> {
        match self.values(name) {
            Some([one]) => Some(one),
            _ => None,
        }
    }
}
