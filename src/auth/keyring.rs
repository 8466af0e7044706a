//! Access keys, the users who hold them, and the signing keys derived from them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::auth::grants::Grants;
use crate::auth::secret::Secret;
use crate::auth::settings::UserSettings;
use crate::domain::grant::KeyScope;
use crate::domain::verb::Verb;
use crate::wire::sigv4::key::{Scope, SigningKey};

/// Someone who may call.
#[derive(Debug, Clone)]
pub struct User {
    /// The actor in events, and the S3 canonical id.
    pub id: String,
    /// The name that listings show.
    pub display_name: String,
    /// An address, for the record only.
    pub email: Option<String>,
    /// What the user may do with packages of others.
    pub grants: Grants,
    /// Whether everything is allowed.
    pub is_root: bool,
}

/// Who signed a request.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The user.
    pub user: Arc<User>,
    /// The session, if a temporary key signed.
    pub session: Option<Arc<Session>>,
}

/// What a temporary key may do: what its user may, and no more than this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// What it is narrowed to, the user's own packages included; `None`: nothing.
    pub narrowed_to: Option<Grants>,
}

/// Whether something is allowed, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it is.
    pub is_allowed: bool,
    /// What decided.
    pub rule: Rule,
}

/// What decides about an act; its text is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The root may do everything.
    Root,
    /// The owner of a package may do everything with it but `bypass` and `admin`.
    Owner,
    /// This grant, by its number from 1.
    Grant(usize),
    /// No grant of the user allows it.
    NoGrant,
    /// No grant that the session is narrowed to allows it.
    Session,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the caller is root"),
            Self::Owner => f.write_str("the caller owns the package"),
            Self::Grant(number) => write!(f, "grant {number} of the caller"),
            Self::NoGrant => f.write_str("no grant of the caller allows it"),
            Self::Session => f.write_str("no grant of the session allows it"),
        }
    }
}

impl Identity {
    /// Decides about an act on a package: the root may everything, an owner everything but `bypass`
    /// and `admin`, others what their grants say; a session also no more than its own grants say.
    /// `owner` is the id of the user who owns the package; `None` for a package that does not exist.
    pub fn judge(
        &self,
        verb: Verb,
        package_name: &str,
        owner: Option<&str>,
        keys: KeyScope<'_>,
    ) -> Judgement {
        let user = &*self.user;
        let owns = owner == Some(user.id.as_str()) && !matches!(verb, Verb::Bypass | Verb::Admin);
        let by_grant = || user.grants.allowing(verb, package_name, keys);
        let rule = match () {
            () if user.is_root => Rule::Root,
            () if owns => Rule::Owner,
            () => by_grant().map_or(Rule::NoGrant, Rule::Grant),
        };
        self.within_session(rule, |grants| {
            grants.allowing(verb, package_name, keys).is_some()
        })
    }

    /// Decides about an act on every package, as server-wide endpoints ask.
    pub fn judge_everywhere(&self, verb: Verb) -> Judgement {
        let rule = if self.user.is_root {
            Rule::Root
        } else {
            let grant = self.user.grants.allowing_everywhere(verb);
            grant.map_or(Rule::NoGrant, Rule::Grant)
        };
        self.within_session(rule, |grants| grants.allowing_everywhere(verb).is_some())
    }

    /// Decides about making a package of a name: anyone with a key may, but a session that is
    /// narrowed only where it may write.
    pub fn judge_creation(&self, package_name: &str) -> Judgement {
        self.within_session(Rule::Owner, |grants| {
            grants
                .allowing(Verb::Write, package_name, KeyScope::Whole)
                .is_some()
        })
    }

    fn within_session(&self, rule: Rule, is_within: impl Fn(&Grants) -> bool) -> Judgement {
        let narrowed_to = self.session.as_deref().and_then(|s| s.narrowed_to.as_ref());
        match (rule, narrowed_to) {
            (Rule::NoGrant, _) => Judgement {
                is_allowed: false,
                rule,
            },
            (_, Some(grants)) if !is_within(grants) => Judgement {
                is_allowed: false,
                rule: Rule::Session,
            },
            _ => Judgement {
                is_allowed: true,
                rule,
            },
        }
    }
}

/// The id of the root user.
pub const ROOT_USER_ID: &str = "root";

/// The least length of a secret key, as IAM has it.
pub const MIN_SECRET_BYTES: usize = 8;

/// How many signing keys are kept for one access key: a day has two at midnight, and few clients
/// of one key name different regions.
const MAX_SIGNING_KEYS: usize = 8;

/// The secret of AWS's documentation, which everybody knows.
const EXAMPLE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// Every access key.
#[derive(Debug)]
pub struct KeyRing {
    holders: HashMap<String, KeyHolder>,
    /// What is computed with for an unknown access key, so that it takes as long as a known one.
    nobody: KeyHolder,
}

/// An access key's secret, its user, and the signing keys in use.
#[derive(Debug)]
pub struct KeyHolder {
    user: Arc<User>,
    secret: Secret,
    signing_keys: RwLock<Vec<CachedKey>>,
}

#[derive(Debug)]
struct CachedKey {
    date: String,
    region: String,
    key: SigningKey,
}

/// Why users or keys cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyRingError(pub String);

impl KeyRing {
    /// The key ring of the root key and the configured users. Refuses duplicate ids and access
    /// keys, blank or short secrets, and the example key of AWS's documentation.
    pub fn new(
        root_access_key: &str,
        root_secret_key: Secret,
        users: &[UserSettings],
    ) -> Result<Self, KeyRingError> {
        let root = User {
            id: ROOT_USER_ID.to_owned(),
            display_name: ROOT_USER_ID.to_owned(),
            email: None,
            grants: Grants::default(),
            is_root: true,
        };
        let nobody = User {
            id: String::new(),
            is_root: false,
            ..root.clone()
        };
        let mut ring = Self {
            holders: HashMap::new(),
            nobody: KeyHolder::new(Arc::new(nobody), Secret::new("x".repeat(40))),
        };
        ring.add(&Arc::new(root), root_access_key, root_secret_key)?;
        let mut ids = HashSet::from([ROOT_USER_ID]);
        for settings in users {
            let fail = |why: &str| Err(KeyRingError(format!("user '{}': {why}", settings.id)));
            if settings.id.is_empty() || settings.id.chars().any(char::is_control) {
                return fail("the id must be printable and not empty");
            }
            if !ids.insert(&settings.id) {
                return fail("the id is used twice");
            }
            let grants = match Grants::from_settings(&settings.grants) {
                Ok(grants) => grants,
                Err(why) => return fail(&why),
            };
            let display_name = settings.display_name.as_ref().unwrap_or(&settings.id);
            let user = Arc::new(User {
                id: settings.id.clone(),
                display_name: display_name.clone(),
                email: settings.email.clone(),
                grants,
                is_root: false,
            });
            for key in &settings.keys {
                if let Err(error) = ring.add(&user, &key.access_key, key.secret_key.clone()) {
                    return fail(&error.0);
                }
            }
        }
        Ok(ring)
    }

    /// The holder of an access key.
    pub fn find(&self, access_key: &str) -> Option<&KeyHolder> {
        self.holders.get(access_key)
    }

    /// Stands in for the holder of an unknown access key. Its signatures match nothing that is
    /// known, and its user is never an identity.
    pub fn nobody(&self) -> &KeyHolder {
        &self.nobody
    }

    fn add(
        &mut self,
        user: &Arc<User>,
        access_key: &str,
        secret: Secret,
    ) -> Result<(), KeyRingError> {
        let fail = |why: String| Err(KeyRingError(why));
        let legal = |b: u8| b.is_ascii_graphic() && !b",/:;=&".contains(&b);
        if !(3..=128).contains(&access_key.len()) || !access_key.bytes().all(legal) {
            return fail(format!(
                "access key '{access_key}' must have 3 to 128 letters, digits or signs other \
                 than , / : ; = &"
            ));
        }
        if secret.reveal().len() < MIN_SECRET_BYTES || secret.reveal().trim().is_empty() {
            return fail(format!(
                "the secret of access key '{access_key}' is shorter than {MIN_SECRET_BYTES} bytes"
            ));
        }
        if secret.reveal() == EXAMPLE_SECRET {
            return fail(format!(
                "the secret of access key '{access_key}' is the example of AWS's documentation"
            ));
        }
        let holder = KeyHolder::new(Arc::clone(user), secret);
        if self.holders.insert(access_key.to_owned(), holder).is_some() {
            return fail(format!("access key '{access_key}' is used twice"));
        }
        Ok(())
    }
}

impl KeyHolder {
    fn new(user: Arc<User>, secret: Secret) -> Self {
        Self {
            user,
            secret,
            signing_keys: RwLock::default(),
        }
    }

    /// Who holds the key.
    pub fn identity(&self) -> Identity {
        Identity {
            user: Arc::clone(&self.user),
            session: None,
        }
    }

    /// The secret, which version 2 signs with directly.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The signing key of a scope: kept since its last good use, or derived.
    pub fn signing_key(&self, scope: &Scope<'_>) -> SigningKey {
        let kept = self
            .signing_keys
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        match kept.iter().find(|kept| kept.is_of(scope)) {
            Some(kept) => kept.key.clone(),
            None => SigningKey::derive(self.secret.reveal(), scope),
        }
    }

    /// Keeps the signing key of a scope. Call it only after a signature was right, so that nobody
    /// without the secret can fill the cache.
    pub fn keep(&self, scope: &Scope<'_>, key: &SigningKey) {
        let is_kept = |keys: &[CachedKey]| keys.iter().any(|kept| kept.is_of(scope));
        if is_kept(
            &self
                .signing_keys
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        ) {
            return;
        }
        let mut keys = self
            .signing_keys
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if is_kept(&keys) {
            return;
        }
        if keys.len() == MAX_SIGNING_KEYS {
            keys.remove(0);
        }
        keys.push(CachedKey {
            date: scope.date.to_owned(),
            region: scope.region.to_owned(),
            key: key.clone(),
        });
    }
}

impl CachedKey {
    /// All scopes name the service `s3`, so day and region tell them apart.
    fn is_of(&self, scope: &Scope<'_>) -> bool {
        self.date == scope.date && self.region == scope.region
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::settings::{GrantSettings, KeySettings};

    fn user(id: &str, keys: &[(&str, &str)]) -> UserSettings {
        let key = |&(access_key, secret): &(&str, &str)| KeySettings {
            access_key: access_key.to_owned(),
            secret_key: Secret::new(secret.to_owned()),
        };
        UserSettings {
            id: id.to_owned(),
            display_name: None,
            email: None,
            keys: keys.iter().map(key).collect(),
            grants: vec![GrantSettings {
                packages: vec!["shared-*".to_owned()],
                keys: Vec::new(),
                verbs: vec!["read".to_owned()],
            }],
        }
    }

    fn ring(users: &[UserSettings]) -> Result<KeyRing, KeyRingError> {
        KeyRing::new("ROOTKEY", Secret::new("root-secret".to_owned()), users)
    }

    #[test]
    fn unsafe_keys_are_refused_with_their_name() {
        let good = "long-enough";
        let cases = [
            (vec![user("", &[])], "user ''"),
            (vec![user("root", &[])], "user 'root': the id is used twice"),
            (vec![user("a", &[]), user("a", &[])], "used twice"),
            (vec![user("a", &[("AK1", "short")])], "shorter than 8"),
            (vec![user("a", &[("AK1", "          ")])], "shorter than 8"),
            (vec![user("a", &[("AK1", EXAMPLE_SECRET)])], "example"),
            (vec![user("a", &[("A/K", good)])], "access key 'A/K'"),
            (vec![user("a", &[("AK", good)])], "3 to 128"),
            (
                vec![user("a", &[("ROOTKEY", good)])],
                "'ROOTKEY' is used twice",
            ),
            (
                vec![user("a", &[("AK1", good)]), user("b", &[("AK1", good)])],
                "user 'b'",
            ),
        ];
        for (users, expected) in cases {
            let error = ring(&users).unwrap_err().0;
            assert!(error.contains(expected), "{error}");
            assert!(
                !error.contains(good) && !error.contains("short:"),
                "{error}"
            );
        }
        let mut wrong = user("a", &[]);
        wrong.grants[0].verbs = vec!["fly".to_owned()];
        assert!(ring(&[wrong]).unwrap_err().0.contains("'fly' is no verb"));
        assert!(KeyRing::new("ROOTKEY", Secret::new(String::new()), &[]).is_err());
    }

    #[test]
    fn a_user_may_have_several_keys_and_no_key_prints() {
        let ring = ring(&[user("ci", &[("AK1", "secret-one"), ("AK2", "secret-two")])]).unwrap();
        for key in ["AK1", "AK2"] {
            assert_eq!(ring.find(key).unwrap().identity().user.id, "ci");
        }
        assert!(ring.find("ROOTKEY").unwrap().identity().user.is_root);
        assert!(ring.find("ak1").is_none() && ring.find("").is_none());
        let printed = format!("{ring:?}");
        assert!(!printed.contains("secret-") && printed.contains("Secret(..)"));
    }

    #[test]
    fn owners_and_grants_decide_what_a_user_may_do() {
        let ring = ring(&[user("ci", &[("AK1", "secret-one")])]).unwrap();
        let ci = ring.find("AK1").unwrap().identity();
        let root = ring.find("ROOTKEY").unwrap().identity();
        let may = |who: &Identity, verb, package, owner| {
            who.judge(verb, package, owner, KeyScope::Whole).is_allowed
        };
        for verb in Verb::ALL {
            assert!(may(&root, verb, "any", None) && root.judge_everywhere(verb).is_allowed);
            let owned = !matches!(verb, Verb::Bypass | Verb::Admin);
            assert_eq!(may(&ci, verb, "own", Some("ci")), owned, "{verb}");
            assert!(!may(&ci, verb, "other", Some("root")), "{verb}");
            assert!(!may(&ci, verb, "other", None));
            assert!(!ci.judge_everywhere(verb).is_allowed);
            let granted = verb == Verb::Read;
            assert_eq!(may(&ci, verb, "shared-1", Some("root")), granted, "{verb}");
        }
        let rule = |package, owner| ci.judge(Verb::Read, package, owner, KeyScope::Whole).rule;
        assert_eq!(rule("own", Some("ci")), Rule::Owner);
        assert_eq!(rule("shared-1", None), Rule::Grant(1));
        assert_eq!(rule("other", None), Rule::NoGrant);
    }

    #[test]
    fn a_session_may_what_its_user_may_and_no_more_than_it_says() {
        let ring = ring(&[user("ci", &[("AK1", "secret-one")])]).unwrap();
        let grant = |packages: &str, keys: &[&str], verb: &str| GrantSettings {
            packages: vec![packages.to_owned()],
            keys: keys.iter().map(|&key| key.to_owned()).collect(),
            verbs: vec![verb.to_owned()],
        };
        let narrow = |key: &str, grants: &[GrantSettings]| Identity {
            session: Some(Arc::new(Session {
                narrowed_to: Some(Grants::from_settings(grants).unwrap()),
            })),
            ..ring.find(key).unwrap().identity()
        };
        let grants = [grant("own", &["logs/*"], "read"), grant("x", &[], "*")];
        let (ci, root) = (narrow("AK1", &grants), narrow("ROOTKEY", &grants));
        let cases = [
            // Its own package, but other keys and other verbs than the session's.
            (&ci, Verb::Read, "own", Some("ci"), "logs/1", true),
            (&ci, Verb::Read, "own", Some("ci"), "other", false),
            (&ci, Verb::Write, "own", Some("ci"), "logs/1", false),
            // What the session says and the user may not.
            (&ci, Verb::Read, "x", Some("root"), "k", false),
            // What the user may and the session does not say.
            (&ci, Verb::Read, "shared-1", Some("root"), "k", false),
            (&root, Verb::Read, "shared-1", Some("root"), "k", false),
            (&root, Verb::Admin, "x", None, "k", true),
        ];
        for (who, verb, package, owner, key, expected) in cases {
            let found = who.judge(verb, package, owner, KeyScope::Key(key));
            assert_eq!(found.is_allowed, expected, "{verb} on {package}/{key}");
        }
        assert!(!root.judge_everywhere(Verb::Admin).is_allowed);
        assert!(ci.judge_creation("x").is_allowed && !ci.judge_creation("own").is_allowed);
        let whole = Identity {
            session: Some(Arc::default()),
            ..ring.find("ROOTKEY").unwrap().identity()
        };
        assert!(whole.judge_everywhere(Verb::Admin).is_allowed);
    }

    #[test]
    fn signing_keys_are_kept_within_a_bound() {
        let ring = ring(&[]).unwrap();
        let holder = ring.find("ROOTKEY").unwrap();
        for day in 10..30 {
            let date = format!("202601{day}");
            let scope = Scope {
                date: &date,
                region: "r",
                service: "s3",
            };
            let key = holder.signing_key(&scope);
            holder.keep(&scope, &key);
            holder.keep(&scope, &key);
            assert_eq!(holder.signing_key(&scope).sign(b"x"), key.sign(b"x"));
            assert!(holder.signing_keys.read().unwrap().len() <= MAX_SIGNING_KEYS);
        }
        let other = Scope {
            date: "20260129",
            region: "other",
            service: "s3",
        };
        let known = holder.signing_key(&Scope {
            region: "r",
            ..other
        });
        assert_ne!(holder.signing_key(&other).sign(b"x"), known.sign(b"x"));
    }
}
