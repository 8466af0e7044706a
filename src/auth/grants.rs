//! What a user may do with the packages of others, and which grant says so.

use crate::auth::settings::GrantSettings;
use crate::domain::grant::{Grant, KeyScope, MAX_GRANTS};
use crate::domain::verb::Verb;

/// The grants of one user, or those that a session is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

impl Grants {
    /// These grants.
    pub fn new(grants: Vec<Grant>) -> Self {
        Self(grants)
    }

    /// The grants of settings; the error names what is wrong.
    pub fn from_settings(settings: &[GrantSettings]) -> Result<Self, String> {
        if settings.len() > MAX_GRANTS {
            return Err(format!("there are at most {MAX_GRANTS} grants"));
        }
        let grants = settings
            .iter()
            .map(|grant| Grant::new(&grant.packages, &grant.keys, &grant.verbs));
        grants.collect::<Result<_, _>>().map(Self)
    }

    /// The grants themselves.
    pub fn as_slice(&self) -> &[Grant] {
        &self.0
    }

    /// The number, from 1, of the first grant that allows the verb on these keys of a package.
    pub fn allowing(&self, verb: Verb, package: &str, keys: KeyScope<'_>) -> Option<usize> {
        self.first(|grant| grant.allows(verb, package, keys))
    }

    /// The number, from 1, of the first grant that allows the verb on every package as a whole.
    pub fn allowing_everywhere(&self, verb: Verb) -> Option<usize> {
        self.first(|grant| grant.allows_everywhere(verb))
    }

    fn first(&self, is_allowing: impl Fn(&Grant) -> bool) -> Option<usize> {
        let found = self.0.iter().position(is_allowing);
        found.map(|index| index + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_grant_that_allows_is_named() {
        let settings = |packages: &str, keys: &[&str], verb: &str| GrantSettings {
            packages: vec![packages.to_owned()],
            keys: keys.iter().map(|&key| key.to_owned()).collect(),
            verbs: vec![verb.to_owned()],
        };
        let grants =
            Grants::from_settings(&[settings("a", &["x/*"], "read"), settings("*", &[], "read")])
                .unwrap();
        let read = |package, key| grants.allowing(Verb::Read, package, KeyScope::Key(key));
        assert_eq!(read("a", "x/1"), Some(1));
        assert_eq!(read("a", "y"), Some(2));
        assert_eq!(grants.allowing(Verb::Write, "a", KeyScope::Some), None);
        assert_eq!(grants.allowing_everywhere(Verb::Read), Some(2));
        let many = vec![settings("a", &[], "read"); MAX_GRANTS + 1];
        assert!(Grants::from_settings(&many[1..]).is_ok());
        assert!(Grants::from_settings(&many).is_err());
        assert!(Grants::from_settings(&[settings("a", &[], "fly")]).is_err());
    }
}
