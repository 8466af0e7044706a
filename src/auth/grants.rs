//! What a user may do with the packages of others.

use crate::auth::settings::GrantSettings;
use crate::domain::verb::Verb;

/// The grants of one user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    packages: Vec<String>,
    verbs: Vec<Verb>,
}

impl Grants {
    /// The grants of settings; the error names what is wrong.
    pub fn from_settings(settings: &[GrantSettings]) -> Result<Self, String> {
        let _ = settings;
        todo!()
    }

    /// Whether some grant allows the verb on a package of this name.
    pub fn allow(&self, verb: Verb, package_name: &str) -> bool {
        let _ = (verb, package_name, &self.0);
        todo!()
    }

    /// Whether some grant allows the verb on every package.
    pub fn allow_everywhere(&self, verb: Verb) -> bool {
        self.0
            .iter()
            .any(|g| g.verbs.contains(&verb) && g.packages.iter().any(|p| p == "*"))
    }
}
