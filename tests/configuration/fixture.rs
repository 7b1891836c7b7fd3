//! A folder with a configuration and its files, and the environment for loading it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use scripting_system::config;
use scripting_system::config::{Config, Environment, LoadError, Mistake};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::schema;

/// Only the first line of a certificate is checked.
pub(crate) const CERTIFICATE: &str = "# a comment\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
pub(crate) const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";

/// A folder for `config.json`, and a home folder.
pub(crate) struct Fixture {
    folder: TempDir,
    home: TempDir,
    variables: Vec<(String, String)>,
}

impl Fixture {
    /// An empty folder, and a home folder with an empty `.ssh`.
    pub(crate) fn new() -> Fixture {
        let home = TempDir::new().unwrap();
        fs::create_dir(home.path().join(".ssh")).unwrap();
        Fixture { folder: TempDir::new().unwrap(), home, variables: Vec::new() }
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Fixture {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file with `mode`. Returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// The configuration's folder, without symbolic links.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn environment(&self) -> Environment {
        Environment::new(Some(self.home().to_owned()), self.variables.clone())
    }

    /// Loads `bytes` as a configuration of mode 0600.
    pub(crate) fn load_bytes(&self, bytes: impl AsRef<[u8]>) -> Result<Config, LoadError> {
        let path = self.file("config.json", bytes, 0o600);
        config::load(&path, &self.environment())
    }

    /// Loads `value` as a configuration of mode 0600. If it loads, it must match the schema.
    pub(crate) fn load(&self, value: &Value) -> Result<Config, LoadError> {
        let config = self.load_bytes(value.to_string())?;
        assert_eq!(schema::schema_errors(value), [""; 0], "{value}");
        Ok(config)
    }

    /// Loads a valid configuration.
    pub(crate) fn loaded(&self, value: &Value) -> Config {
        self.load(value).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The mistakes of an invalid configuration.
    pub(crate) fn mistakes(&self, value: &Value) -> Vec<Mistake> {
        match self.load(value) {
            Err(LoadError::Mistakes { mistakes, .. }) => mistakes,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("should not load: {value}"),
        }
    }

    /// The only mistake of an invalid configuration.
    pub(crate) fn mistake(&self, value: &Value) -> Mistake {
        let mistakes = self.mistakes(value);
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        mistakes.into_iter().next().unwrap()
    }
}

/// Only the required keys.
pub(crate) fn minimal() -> Value {
    json!({
        "source": {"url": "https://www.example.com/dump.zip", "dump": "dump.sql"},
        "sftp": {"host": "sftp.example.com", "username": "backup", "password": "sftp-secret", "directory": "in"},
    })
}

/// [`minimal`] with all reports.
pub(crate) fn with_reports() -> Value {
    let mut value = minimal();
    value["email"] = json!({
        "server": {"host": "mail.example.com"}, "from": "a@example.com", "to": ["b@example.com"]
    });
    value["mattermost"] = json!({"webhook_url": "https://chat.example.com/hooks/webhook-id"});
    value["monitor"] = json!({"ping_url": "https://ping.example.com/check-id"});
    value["metrics"] = json!({"textfile": "job.prom"});
    value
}

/// `value` with `new` for the key `path`, such as `sftp.port`.
pub(crate) fn with(value: &Value, path: &str, new: Value) -> Value {
    let mut value = value.clone();
    let mut place = &mut value;
    for key in path.split('.') {
        place = &mut place[key];
    }
    *place = new;
    value
}

/// `value` without the key `path`.
pub(crate) fn without(value: &Value, path: &str) -> Value {
    let mut value = value.clone();
    let pointer = format!("/{}", path.replace('.', "/"));
    let (section, key) = pointer.rsplit_once('/').unwrap();
    value.pointer_mut(section).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    value
}
