//! Gathers the settings of every room: flags, then `HOLDFAST_*` variables, then a file, then the
//! compiled-in defaults, which are `config/holdfast.toml` itself.
//!
//! Holds no default of its own and no room's struct: a setting is defined in its room, stands with
//! its default and a comment in the file, and is thereby known here. An unknown key is an error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use crate::app::telemetry::LogSettings;
use crate::auth::settings::{AuthSettings, UserSettings};
use crate::blob::blobs::LOCAL_BACKEND;
use crate::blob::settings::{BackendSettings, BlobSettings, LOCAL_KIND, MAX_BACKEND_ID_BYTES};
use crate::domain::file::INLINE_BACKEND;
use crate::domain::package::WriteMode;
use crate::domain::retention::DeletionStrategy;
use crate::exchange::settings::ExchangeSettings;
use crate::registry::crash_point::CRASH_POINT_VARIABLE;
use crate::registry::settings::{
    BackendRule, EndSettings, JanitorSettings, PackageRule, RegistrySettings,
    RetentionClassSettings, VERIFICATION_EVENTS, VerificationSettings,
};
use crate::server::settings::ServerSettings;

/// Every setting with its default and a comment.
pub const DEFAULTS: &str = include_str!("../../config/holdfast.toml");

/// What every variable begins with.
pub const VARIABLE_PREFIX: &str = "HOLDFAST_";

/// Lists of tables, which have no default entry to be known by.
const LISTS: [&str; 5] = [
    "users",
    "retention_classes",
    "package_rules",
    "backends",
    "backend_rules",
];

/// Variables that are read elsewhere.
const OTHER_VARIABLES: [&str; 4] = [
    "HOLDFAST_CONFIG",
    CRASH_POINT_VARIABLE,
    "HOLDFAST_ROOT_ACCESS_KEY",
    "HOLDFAST_ROOT_SECRET_KEY",
];

/// Everything that can be set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The data directory.
    pub data: PathBuf,
    /// `[log]`
    pub log: LogSettings,
    /// `[server]`
    pub server: ServerSettings,
    /// `[s3]`
    pub s3: ExchangeSettings,
    /// `[auth]`
    pub auth: AuthSettings,
    /// `[blob]`
    pub blob: BlobSettings,
    /// `[registry]`
    pub registry: RegistrySettings,
    /// `[janitor]`
    pub janitor: JanitorSettings,
    /// `[verification]`
    pub verification: VerificationSettings,
    /// `[retention]`
    pub retention: EndSettings,
    /// `[[backends]]`
    #[serde(default)]
    pub backends: Vec<BackendSettings>,
    /// `[[backend_rules]]`
    #[serde(default)]
    pub backend_rules: Vec<BackendRule>,
    /// `[[retention_classes]]`
    #[serde(default)]
    pub retention_classes: Vec<RetentionClassSettings>,
    /// `[[package_rules]]`
    #[serde(default)]
    pub package_rules: Vec<PackageRule>,
    /// `[[users]]`
    #[serde(default)]
    pub users: Vec<UserSettings>,
}

/// Where settings come from, from the strongest to the weakest.
#[derive(Debug, Default)]
pub struct Sources {
    /// Flags: the path of a setting, its text, and the flag's name for messages.
    pub flags: Vec<(String, String, String)>,
    /// The variables of the environment.
    pub environment: BTreeMap<String, String>,
    /// Variables that flags have read already.
    pub flag_variables: Vec<String>,
    /// The file.
    pub file: Option<PathBuf>,
}

/// What was gathered.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// `HOLDFAST_*` variables that name no setting. Not an error: container platforms invent such
    /// variables for a service called `holdfast`.
    pub unknown_variables: Vec<String>,
}

/// Why settings cannot be taken: which, from where, and what would do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// Gathers the settings.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let defaults = defaults();
    let mut merged = defaults.clone();
    if let Some(path) = &sources.file {
        let origin = path.display().to_string();
        merge(&mut merged, read_file(path)?, "", &origin)?;
    }
    let leaves = leaves(&defaults);
    for path in &leaves {
        let name = variable_of(path);
        if let Some(text) = sources.environment.get(&name) {
            set_text(&mut merged, &defaults, path, text, &format!("${name}"))?;
        }
    }
    for (path, text, flag) in &sources.flags {
        set_text(&mut merged, &defaults, path, text, flag)?;
    }
    drop_blanks(&mut merged, &defaults);
    let mut settings = Settings::deserialize(Value::Table(merged)).map_err(|error| {
        let text = error.to_string();
        ConfigError(text.trim_end().replace('\n', " "))
    })?;
    settings.check()?;
    settings.blob.backends.clone_from(&settings.backends);
    let registry = &mut settings.registry;
    registry.backend_rules.clone_from(&settings.backend_rules);
    registry
        .archive_backend
        .clone_from(&settings.retention.archive_backend);
    settings.registry.data_dir.clone_from(&settings.data);
    settings.registry.janitor = settings.janitor.clone();
    settings.registry.verification = settings.verification.clone();
    settings
        .registry
        .retention_classes
        .clone_from(&settings.retention_classes);
    settings
        .registry
        .package_rules
        .clone_from(&settings.package_rules);
    let is_known = |name: &String| {
        OTHER_VARIABLES.contains(&name.as_str())
            || sources.flag_variables.contains(name)
            || leaves.iter().any(|path| variable_of(path) == *name)
    };
    let unknown_variables = sources
        .environment
        .keys()
        .filter(|name| name.starts_with(VARIABLE_PREFIX) && !is_known(name))
        .cloned()
        .collect();
    Ok(Loaded {
        settings,
        unknown_variables,
    })
}

impl Settings {
    /// What no single room can see, or what only words can get wrong.
    fn check(&self) -> Result<(), ConfigError> {
        let fail = |message: String| Err(ConfigError(message));
        let is_mode = |word: &str| WriteMode::parse(word).is_some();
        if self.s3.region.trim().is_empty() {
            return fail("s3.region must not be blank".to_owned());
        }
        let server = &self.server;
        if server.tls_certificate.is_some() != server.tls_key.is_some() {
            return fail("server.tls_certificate and server.tls_key go together".to_owned());
        }
        if server.tls_listen.is_some() && server.tls_certificate.is_none() {
            return fail("server.tls_listen needs server.tls_certificate".to_owned());
        }
        if self.registry.commit_queue == 0 || self.registry.commit_batch == 0 {
            return fail(
                "registry.commit_queue and registry.commit_batch are at least 1".to_owned(),
            );
        }
        if self.janitor.interval_seconds == 0 || self.janitor.sweep_interval_seconds == 0 {
            return fail(
                "janitor.interval_seconds and janitor.sweep_interval_seconds are at least 1"
                    .to_owned(),
            );
        }
        let verification = &self.verification;
        if verification.parallel_reads == 0 {
            return fail("verification.parallel_reads is at least 1".to_owned());
        }
        if !VERIFICATION_EVENTS.contains(&verification.events.as_str()) {
            return fail("verification.events is changes or each".to_owned());
        }
        let modes = self
            .package_rules
            .iter()
            .filter_map(|rule| rule.write_mode.as_deref());
        if let Some(word) = modes
            .chain([self.registry.write_mode.as_str()])
            .find(|w| !is_mode(w))
        {
            return fail(format!(
                "'{word}' is no write mode; the modes are versioned-by-request and write-once"
            ));
        }
        for class in &self.retention_classes {
            match class.to_class() {
                Err(error) => return fail(format!("retention class '{}': {error}", class.id)),
                Ok(class)
                    if class.deletion_strategy == DeletionStrategy::ArchiveThenPurge
                        && self.retention.archive_backend.is_none() =>
                {
                    return fail(format!(
                        "retention class '{}': archive_then_purge needs retention.archive_backend, \
                         the id of a backend",
                        class.id
                    ));
                }
                Ok(_) => {}
            }
        }
        self.check_backends()
    }

    fn check_backends(&self) -> Result<(), ConfigError> {
        let fail = |message: String| Err(ConfigError(message));
        let mut known = vec![LOCAL_BACKEND];
        for backend in &self.backends {
            let id = backend.id.as_str();
            let is_word =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
            if id.is_empty() || id.len() > MAX_BACKEND_ID_BYTES || !id.bytes().all(is_word) {
                return fail(format!(
                    "backend '{id}': an id is 1 to {MAX_BACKEND_ID_BYTES} of a-z, 0-9, '-' and '_'"
                ));
            }
            if id == INLINE_BACKEND || known.contains(&id) {
                return fail(format!(
                    "backend '{id}': the id is taken; inline and local are those of the data \
                     directory, and every other may stand once"
                ));
            }
            if backend.kind != LOCAL_KIND {
                return fail(format!(
                    "backend '{id}': '{}' is no kind of backend; there is local",
                    backend.kind
                ));
            }
            if backend.path.as_os_str().is_empty() {
                return fail(format!("backend '{id}': the path must not be empty"));
            }
            known.push(id);
        }
        let rules = self
            .backend_rules
            .iter()
            .map(|rule| ("backend_rules", &rule.backend));
        let archive = self.retention.archive_backend.iter();
        let archive = archive.map(|id| ("retention.archive_backend", id));
        for (place, id) in rules.chain(archive) {
            if !known.contains(&id.as_str()) {
                return fail(format!(
                    "{place} names the unknown backend '{id}'; the backends are {}",
                    known.join(", ")
                ));
            }
        }
        Ok(())
    }
}

fn defaults() -> Table {
    DEFAULTS
        .parse()
        .expect("the compiled-in defaults are TOML, as a test says")
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("cannot read the settings in {shown}: {error}")))?;
    text.parse().map_err(|error: toml::de::Error| {
        ConfigError(format!("{shown}: {}", error.to_string().trim_end()))
    })
}

/// Lays a table over another. Only what the defaults know is taken.
fn merge(base: &mut Table, layer: Table, prefix: &str, origin: &str) -> Result<(), ConfigError> {
    for (key, value) in layer {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match (base.get_mut(&key), value) {
            (None, value) if prefix.is_empty() && LISTS.contains(&key.as_str()) => {
                base.insert(key, value);
            }
            (None, _) => return Err(unknown(&path, origin)),
            (Some(Value::Table(inner)), Value::Table(layer)) => {
                merge(inner, layer, &path, origin)?;
            }
            (Some(old), value) if old.same_type(&value) => *old = value,
            (Some(old), value) => {
                return Err(ConfigError(format!(
                    "{path} in {origin} must be {}, not {}",
                    kind(old),
                    kind(&value)
                )));
            }
        }
    }
    Ok(())
}

/// Sets one setting from the text of a flag or a variable, by the type of its default.
fn set_text(
    merged: &mut Table,
    defaults: &Table,
    path: &str,
    text: &str,
    origin: &str,
) -> Result<(), ConfigError> {
    let default = find(defaults, path).ok_or_else(|| unknown(path, origin))?;
    let wrong = || {
        ConfigError(format!(
            "{path} from {origin} must be {}, not '{text}'",
            kind(default)
        ))
    };
    let value = match default {
        Value::String(_) => Value::String(text.to_owned()),
        Value::Integer(_) => Value::Integer(text.trim().parse().map_err(|_| wrong())?),
        Value::Float(_) => Value::Float(text.trim().parse().map_err(|_| wrong())?),
        Value::Boolean(_) => Value::Boolean(text.trim().parse().map_err(|_| wrong())?),
        Value::Array(_) => Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        ),
        Value::Table(_) | Value::Datetime(_) => return Err(unknown(path, origin)),
    };
    let (parents, leaf) = path.rsplit_once('.').unwrap_or(("", path));
    let mut table = merged;
    for parent in parents.split('.').filter(|p| !p.is_empty()) {
        table = match table.get_mut(parent) {
            Some(Value::Table(inner)) => inner,
            _ => return Err(unknown(path, origin)),
        };
    }
    table.insert(leaf.to_owned(), value);
    Ok(())
}

fn find<'t>(table: &'t Table, path: &str) -> Option<&'t Value> {
    let (first, rest) = path
        .split_once('.')
        .map_or((path, None), |(a, b)| (a, Some(b)));
    match (table.get(first)?, rest) {
        (value, None) => Some(value),
        (Value::Table(inner), Some(rest)) => find(inner, rest),
        _ => None,
    }
}

/// A setting whose default is the empty text is absent while it is empty.
fn drop_blanks(table: &mut Table, defaults: &Table) {
    let is_blank = |value: &Value| value.as_str() == Some("");
    table.retain(|key, value| !(is_blank(value) && defaults.get(key).is_some_and(is_blank)));
    for (key, value) in table.iter_mut() {
        if let (Value::Table(inner), Some(Value::Table(defaults))) = (value, defaults.get(key)) {
            drop_blanks(inner, defaults);
        }
    }
}

/// The paths of all settings, such as `server.listen`.
fn leaves(table: &Table) -> Vec<String> {
    let mut paths = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                paths.extend(
                    leaves(inner)
                        .into_iter()
                        .map(|path| format!("{key}.{path}")),
                );
            }
            _ => paths.push(key.clone()),
        }
    }
    paths
}

fn variable_of(path: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", path.replace('.', "_").to_uppercase())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text in quotes",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
        Value::Datetime(_) => "a date",
    }
}

fn unknown(path: &str, origin: &str) -> ConfigError {
    let hint = nearest(path).map_or_else(String::new, |known| format!("; did you mean {known}?"));
    ConfigError(format!("unknown setting {path} in {origin}{hint}"))
}

/// The known path most like an unknown one: the same last part elsewhere, or a few letters off.
fn nearest(path: &str) -> Option<String> {
    let defaults = defaults();
    let mut known = leaves(&defaults);
    known.extend(
        defaults
            .iter()
            .filter(|(_, v)| v.is_table())
            .map(|(key, _)| key.clone()),
    );
    known.extend(LISTS.map(str::to_owned));
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    known
        .into_iter()
        .map(|candidate| {
            let whole = distance(path, &candidate);
            let end = distance(&last(path), &last(&candidate)) + 1;
            (whole.min(end), candidate)
        })
        .min()
        .filter(|(distance, _)| *distance <= 1 + path.len() / 4)
        .map(|(_, candidate)| candidate)
}

/// The edit distance of two short texts.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_file(text: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        let sources = Sources {
            file: Some(path),
            ..Sources::default()
        };
        let shown = folder.path().display().to_string() + "/";
        load(&sources)
            .map(|loaded| loaded.settings)
            .map_err(|error| error.0.replace(&shown, ""))
    }

    #[test]
    fn the_defaults_are_those_of_the_structs() {
        let settings = load(&Sources::default()).unwrap().settings;
        assert_eq!(settings.registry, RegistrySettings::default());
        assert_eq!(settings.janitor, JanitorSettings::default());
        assert_eq!(settings.verification, VerificationSettings::default());
        assert_eq!(settings.s3, ExchangeSettings::default());
        assert_eq!(settings.server, ServerSettings::default());
        assert_eq!(settings.blob, BlobSettings::default());
        assert_eq!(settings.log, LogSettings::default());
        assert_eq!(
            format!("{:?}", settings.auth),
            format!("{:?}", AuthSettings::default())
        );
    }

    #[test]
    fn every_field_of_every_struct_stands_in_the_file() {
        let table = defaults();
        let inside = |section: &str, fields: &[&str]| {
            for field in fields {
                let path = format!("{section}.{field}");
                assert!(
                    find(&table, &path).is_some(),
                    "{path} is not in config/holdfast.toml"
                );
            }
        };
        inside("log", fields_of::<LogSettings>());
        inside("server", fields_of::<ServerSettings>());
        inside("s3", fields_of::<ExchangeSettings>());
        inside("auth", fields_of::<AuthSettings>());
        inside("blob", fields_of::<BlobSettings>());
        inside("registry", fields_of::<RegistrySettings>());
        inside("janitor", fields_of::<JanitorSettings>());
        inside("verification", fields_of::<VerificationSettings>());
        let lists: [(&str, &[&str]); 3] = [
            ("users", fields_of::<UserSettings>()),
            ("retention_classes", fields_of::<RetentionClassSettings>()),
            ("package_rules", fields_of::<PackageRule>()),
        ];
        for (list, fields) in lists {
            let (_, example) = DEFAULTS.split_once(&format!("# [[{list}]]\n")).unwrap();
            let example: Vec<_> = example
                .lines()
                .take_while(|line| line.starts_with("# "))
                .collect();
            for field in fields {
                let start = format!("# {field} = ");
                assert!(
                    example.iter().any(|line| line.starts_with(&start)),
                    "{list}: {field}"
                );
            }
        }
        for field in fields_of::<Settings>() {
            assert!(
                table.contains_key(*field) || LISTS.contains(field),
                "{field}"
            );
        }
    }

    #[test]
    fn the_examples_in_the_file_are_settings() {
        let mut text = String::new();
        for list in LISTS {
            let (_, example) = DEFAULTS.split_once(&format!("# [[{list}]]\n")).unwrap();
            text.push_str(&["[[", list, "]]\n"].concat());
            for line in example.lines().take_while(|line| line.starts_with("# ")) {
                text += &line[2..];
                text += "\n";
            }
        }
        let settings = load_file(&text).unwrap();
        assert_eq!(settings.users.len(), 1);
        assert_eq!(settings.registry.retention_classes.len(), 1);
        assert_eq!(settings.registry.package_rules.len(), 1);
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_would_do() {
        let cases = [
            (
                "[server]\nlistn = 'x'",
                "unknown setting server.listn in c.toml; did you mean server.listen?",
            ),
            (
                "listen = 'x'",
                "unknown setting listen in c.toml; did you mean server.listen?",
            ),
            (
                "[sever]\nx = 1",
                "unknown setting sever in c.toml; did you mean server?",
            ),
            ("[zzzzzzzz]\nx = 1", "unknown setting zzzzzzzz in c.toml"),
            (
                "[server]\nlisten = 9000",
                "server.listen in c.toml must be text in quotes, not a whole number",
            ),
            (
                "data = ['a']",
                "data in c.toml must be text in quotes, not a list",
            ),
            (
                "[server]\ntls_key = 'k'",
                "server.tls_certificate and server.tls_key go together",
            ),
            (
                "[server]\ntls_listen = '[::]:1'",
                "server.tls_listen needs server.tls_certificate",
            ),
            ("[server]\nlisten = 'here'", "in `server.listen`"),
            ("[registry]\nwrite_mode = 'once'", "'once' is no write mode"),
            (
                "[verification]\nevents = 'all'",
                "verification.events is changes or each",
            ),
            (
                "[verification]\nparallel_reads = 0",
                "verification.parallel_reads is at least 1",
            ),
            ("[[users]]\nid = 'a'\nkeyz = []", "unknown field `keyz`"),
            (
                "[[retention_classes]]\nid = 'x'\nanchor = 'sunday'",
                "retention class 'x': 'sunday' is no anchor; they are created and finalized",
            ),
            (
                "[[retention_classes]]\nid = 'x'\ndeletion_strategy = 'archive_then_purge'",
                "archive_then_purge needs retention.archive_backend",
            ),
        ];
        for (text, expected) in cases {
            let error = load_file(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn flags_win_over_variables_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        std::fs::write(
            &path,
            "data = 'file'\n[s3]\nregion = 'file'\n[log]\nlevel = 'warn'",
        )
        .unwrap();
        let pairs = [
            ("HOLDFAST_S3_REGION", "variable"),
            ("HOLDFAST_DATA", "variable"),
            ("HOLDFAST_S3_DOMAINS", "a.example, b.example"),
            ("HOLDFAST_PORT_9000_TCP", "tcp://10.0.0.1:9000"),
            ("HOLDFAST_ROOT_ACCESS_KEY", "x"),
            ("HOLDFAST_LISTEN", "x"),
        ];
        let sources = Sources {
            flags: vec![("data".into(), "flag".into(), "--data".into())],
            environment: pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            flag_variables: vec!["HOLDFAST_LISTEN".to_owned()],
            file: Some(path),
        };
        let loaded = load(&sources).unwrap();
        assert_eq!(loaded.settings.data, PathBuf::from("flag"));
        assert_eq!(loaded.settings.registry.data_dir, PathBuf::from("flag"));
        assert_eq!(loaded.settings.s3.region, "variable");
        assert_eq!(loaded.settings.s3.domains, ["a.example", "b.example"]);
        assert_eq!(loaded.settings.log.level, "warn");
        assert_eq!(loaded.unknown_variables, ["HOLDFAST_PORT_9000_TCP"]);
        let wrong = Sources {
            environment: [(
                "HOLDFAST_JANITOR_GRACE_SECONDS".to_owned(),
                "soon".to_owned(),
            )]
            .into(),
            ..Sources::default()
        };
        assert_eq!(
            load(&wrong).unwrap_err().0,
            "janitor.grace_seconds from $HOLDFAST_JANITOR_GRACE_SECONDS must be a whole number, \
             not 'soon'"
        );
    }

    /// The names of a struct's fields, as its `Deserialize` asks for them.
    fn fields_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
        let mut probe = Probe(&[]);
        let _ = T::deserialize(&mut probe);
        assert!(!probe.0.is_empty(), "{}", std::any::type_name::<T>());
        probe.0
    }

    struct Probe(&'static [&'static str]);

    impl<'de> serde::Deserializer<'de> for &mut Probe {
        type Error = serde::de::value::Error;

        fn deserialize_any<V: serde::de::Visitor<'de>>(
            self,
            _: V,
        ) -> Result<V::Value, Self::Error> {
            Err(serde::de::Error::custom("no struct"))
        }

        fn deserialize_struct<V: serde::de::Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            self.0 = fields;
            Err(serde::de::Error::custom("seen"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
}
