//! Who asks and whom: the usual variables and files of AWS's tools.
//!
//! Reads static keys only: no roles, no single sign-on, no instance metadata.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::app::client::cli::ConnectionArguments;
use crate::app::failure::Failure;
use crate::auth::secret::Secret;

/// Where Holdfast listens when nothing is configured.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:9000";

/// Everything that a signed call needs.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The server's URL, without a slash at the end.
    pub endpoint: String,
    /// The region of the signature.
    pub region: String,
    /// The public half of the key.
    pub access_key: String,
    /// The secret half.
    pub secret_key: Secret,
    /// The token of temporary keys.
    pub session_token: Option<String>,
}

/// A file of profiles: section, then key, then value.
type Sections = BTreeMap<String, BTreeMap<String, String>>;

impl Profile {
    /// The profile of the process: flags, then variables, then the two files.
    pub fn find(arguments: &ConnectionArguments) -> Result<Self, Failure> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let file = |name: &str, default: &str| {
            let path = variable(name)
                .map(PathBuf::from)
                .or_else(|| Some(std::env::home_dir()?.join(".aws").join(default)));
            path.and_then(|path| std::fs::read_to_string(path).ok())
                .unwrap_or_default()
        };
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let config = file("AWS_CONFIG_FILE", "config");
        Self::gather(arguments, variable, &credentials, &config)
    }

    fn gather(
        arguments: &ConnectionArguments,
        variable: impl Fn(&str) -> Option<String>,
        credentials: &str,
        config: &str,
    ) -> Result<Self, Failure> {
        let name = arguments
            .profile
            .clone()
            .or_else(|| variable("AWS_PROFILE"));
        let shown = name.clone().unwrap_or_else(|| "default".to_owned());
        let mut section = read(config)
            .remove(
                if shown == "default" {
                    "default".to_owned()
                } else {
                    format!("profile {shown}")
                }
                .as_str(),
            )
            .unwrap_or_default();
        section.extend(read(credentials).remove(&shown).unwrap_or_default());
        if name.is_some() && section.is_empty() {
            return Err(Failure::usage(format!(
                "there is no profile '{shown}' in ~/.aws/credentials or ~/.aws/config"
            )));
        }
        let find = |variables: &[&str], key: &str| {
            variables
                .iter()
                .find_map(|name| variable(name))
                .or_else(|| section.get(key).cloned())
        };
        let endpoint = arguments
            .endpoint
            .clone()
            .or_else(|| find(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"], "endpoint_url"))
            .unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            return Err(Failure::usage(format!(
                "the endpoint '{endpoint}' is no URL; write it like {DEFAULT_ENDPOINT}"
            )));
        }
        let (access_key, secret_key, session_token) = keys(arguments, &variable, &section)?;
        Ok(Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            region: arguments
                .region
                .clone()
                .or_else(|| find(&["AWS_REGION", "AWS_DEFAULT_REGION"], "region"))
                .unwrap_or_else(|| "us-east-1".to_owned()),
            access_key,
            secret_key: Secret::new(secret_key),
            session_token,
        })
    }
}

/// The access key, its secret and its token. A profile named by flag outweighs the variables, as
/// with AWS's tools.
fn keys(
    arguments: &ConnectionArguments,
    variable: impl Fn(&str) -> Option<String>,
    section: &BTreeMap<String, String>,
) -> Result<(String, String, Option<String>), Failure> {
    let named = |key: &str| section.get(key).cloned();
    let by_variables = variable("AWS_ACCESS_KEY_ID")
        .zip(variable("AWS_SECRET_ACCESS_KEY"))
        .filter(|_| arguments.profile.is_none())
        .map(|(access, secret)| (access, secret, variable("AWS_SESSION_TOKEN")));
    let by_files = || {
        let (access, secret) = named("aws_access_key_id").zip(named("aws_secret_access_key"))?;
        Some((access, secret, named("aws_session_token")))
    };
    by_variables.or_else(by_files).ok_or_else(|| {
        Failure::usage(
            "no key to sign with: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (for the root \
             key: `. holdfast-data/root-key.env`), or name a profile with --profile",
        )
    })
}

/// Reads the plain part of the files' syntax: sections, and keys that stand at the line's start.
fn read(text: &str) -> Sections {
    let mut sections = Sections::new();
    let mut current = String::new();
    for line in text.lines() {
        if line.starts_with(['#', ';']) || line.starts_with(char::is_whitespace) {
            continue;
        }
        if let Some(name) = line
            .trim()
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            current = name.split_whitespace().collect::<Vec<_>>().join(" ");
        } else if let Some((key, value)) = line.split_once('=') {
            let section = sections.entry(current.clone()).or_default();
            section.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "[default]\naws_access_key_id = D\naws_secret_access_key=ds\n\
        # a comment\n[ci]\naws_access_key_id = C\naws_secret_access_key = cs\n";
    const CONFIG: &str = "[default]\nregion = r1\n[profile  ci]\nregion = r2\n\
        endpoint_url = https://ci.example/\ns3 =\n  max_concurrent_requests = 20\n";

    fn gather(profile: Option<&str>, variables: &[(&str, &str)]) -> Result<Profile, Failure> {
        let arguments = ConnectionArguments {
            profile: profile.map(str::to_owned),
            ..ConnectionArguments::default()
        };
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        let variable = |name: &str| variables.get(name).map(|&text| text.to_owned());
        Profile::gather(&arguments, variable, CREDENTIALS, CONFIG)
    }

    #[test]
    fn variables_files_and_profiles_are_found_as_by_the_tools() {
        let keys = [("AWS_ACCESS_KEY_ID", "V"), ("AWS_SECRET_ACCESS_KEY", "vs")];
        let default = gather(None, &[]).unwrap();
        assert_eq!(
            (default.access_key.as_str(), default.region.as_str()),
            ("D", "r1")
        );
        assert_eq!(default.endpoint, DEFAULT_ENDPOINT);
        let named = gather(Some("ci"), &keys).unwrap();
        assert_eq!(
            (named.access_key.as_str(), named.region.as_str()),
            ("C", "r2")
        );
        assert_eq!(named.endpoint, "https://ci.example");
        let variables = [
            keys[0],
            keys[1],
            ("AWS_ENDPOINT_URL", "http://a:1/"),
            ("AWS_REGION", "x"),
        ];
        let found = gather(None, &variables).unwrap();
        assert_eq!(
            (found.access_key.as_str(), found.region.as_str()),
            ("V", "x")
        );
        assert_eq!(found.endpoint, "http://a:1");
        assert!(
            gather(Some("nobody"), &keys)
                .unwrap_err()
                .to_string()
                .contains("'nobody'")
        );
        assert!(
            gather(None, &[("AWS_ENDPOINT_URL", "a:1")])
                .unwrap_err()
                .to_string()
                .contains("URL")
        );
    }
}
