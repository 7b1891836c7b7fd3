//! A configuration of the system that this one replaces, turned into one of this system. What it said is kept, what it left
//! open is assumed as it was handled there, and each of these is told.
//!
//! That system kept its secrets in clear; here each becomes a file of its own, which the new configuration names.

mod old;
mod reports;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use secrecy::SecretString;
use url::Url;

use crate::config::error::{LoadError, Mistake};
use crate::config::json::{self, Value};
use crate::config::original::old::Old;
use crate::config::template::TEMPLATE;
use crate::config::walk::{Fault, quoted};
use crate::config::{job, parse, read_text, source, values};
use crate::rules::redaction::printable;

/// The web server that it always asked.
const WEB_SERVER: &str = "http://localhost:8000/";
/// Where it always put its archives.
const DIRECTORY: &str = "TSE-INFORX";

/// What becomes of an old configuration.
#[derive(Debug)]
pub struct Conversion {
    /// The new configuration as JSON text: every key, in the order of the template. It holds no secret.
    pub configuration: String,
    /// The files that it names for its secrets.
    pub secrets: Vec<SecretFile>,
    /// What is to be told about it, in the order in which it is to be read.
    pub remarks: Vec<Remark>,
}

/// A file with a secret that the old configuration held in clear.
#[derive(Debug)]
pub struct SecretFile {
    /// The file, from the new configuration's folder on.
    pub file: &'static str,
    /// The key under which the secret stands in the old configuration.
    pub old_key: &'static str,
    /// What the file has to hold.
    pub content: SecretString,
}

/// Something to be told about a conversion, on one line and without a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// How much it matters.
    pub kind: RemarkKind,
    /// What is to be told.
    pub text: String,
}

/// How much a remark matters to whoever converts, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemarkKind {
    /// It says the same as before.
    Converted,
    /// It was not said, or could not be read.
    Assumed,
    /// Somebody has to look at it.
    ByHand,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            RemarkKind::Converted => "converted",
            RemarkKind::Assumed => "assumed",
            RemarkKind::ByHand => "by hand",
        };
        write!(f, "{kind:<9}  {}", self.text)
    }
}

/// Reads and converts the old configuration `path`. Its mode does not matter: it was 0777 there.
///
/// # Errors
/// Where the file cannot be read or is not JSON, or where something is missing without which that system did not work
/// either; then with every such key.
pub fn read(path: &Path) -> Result<Conversion, LoadError> {
    let text = read_text(path)?;
    let value = parse(path, &text)?;
    convert(&value).map_err(|mistakes| LoadError::Mistakes { file: path.to_owned(), mistakes })
}

/// A conversion under way.
struct Converter {
    new: Value,
    secrets: Vec<SecretFile>,
    remarks: Vec<Remark>,
    mistakes: Vec<Mistake>,
}

fn convert(value: &Value) -> Result<Conversion, Vec<Mistake>> {
    let mut converter = Converter::new();
    let Value::Object(members) = value else {
        let problem = format!("must be an object, found {}", value.kind());
        converter.mistake("the whole file", Fault::new(problem, "name a configuration of the system to be replaced"));
        return Err(converter.mistakes);
    };
    let mut old = Old::new(String::new(), members);
    converter.source(&mut old);
    converter.retention(&mut old);
    converter.sftp(&mut old);
    converter.email(&mut old);
    converter.mattermost(&mut old);
    old.finish(&mut converter);
    for key in ["alarm", "monitor", "metrics"] {
        converter.new.set(key, Value::Null);
    }
    converter.finish()
}

impl Converter {
    fn new() -> Converter {
        // The template is JSON: a test reads it.
        let new = json::parse(TEMPLATE).unwrap_or(Value::Object(Vec::new()));
        Converter { new, secrets: Vec::new(), remarks: Vec::new(), mistakes: Vec::new() }
    }

    fn finish(mut self) -> Result<Conversion, Vec<Mistake>> {
        if !self.mistakes.is_empty() {
            return Err(self.mistakes);
        }
        self.remarks.sort_by_key(|remark| remark.kind);
        // A tree of texts, numbers and the like is always JSON.
        let configuration = serde_json::to_string_pretty(&self.new).unwrap_or_default() + "\n";
        Ok(Conversion { configuration, secrets: self.secrets, remarks: self.remarks })
    }

    fn remark(&mut self, kind: RemarkKind, text: impl Into<String>) {
        self.remarks.push(Remark { kind, text: text.into() });
    }

    fn assumed(&mut self, text: impl Into<String>) {
        self.remark(RemarkKind::Assumed, text);
    }

    fn by_hand(&mut self, text: impl Into<String>) {
        self.remark(RemarkKind::ByHand, text);
    }

    fn mistake(&mut self, path: impl Into<String>, fault: Fault) {
        self.mistakes.push(Mistake { path: path.into(), problem: fault.problem, fix: fault.fix });
    }

    /// Sets `key` to what `old_key` said, and tells so.
    fn carry(&mut self, old_key: &str, key: &str, value: Value) {
        let told = match &value {
            Value::Text(text) => quoted(text),
            other => printable(&serde_json::to_string(other).unwrap_or_default()),
        };
        self.remark(RemarkKind::Converted, format!("{old_key} is now {key}: {told}"));
        self.new.set(key, value);
    }

    /// Sets `key` to the text that `old_key` said, even where the program will not take it: that is told.
    fn carry_text<T>(&mut self, old_key: &str, key: &str, text: String, judge: impl Fn(&str) -> Result<T, Fault>) {
        if let Err(fault) = judge(&text) {
            self.by_hand(format!("{key}: {}; {}", fault.problem, fault.fix));
        }
        self.carry(old_key, key, Value::Text(text));
    }

    /// Has `key` name the file that will hold the secret of `old_key`.
    fn carry_secret(&mut self, old_key: &'static str, key: &str, file: &'static str, secret: &str) {
        if secret.contains('\0') {
            self.by_hand(format!(
                "{key}: {old_key} holds a NUL character, which no password can; write it into {file}"
            ));
        } else {
            // What reads the file takes a line break at its end for none of the secret, with a carriage return before it.
            let end = if secret.ends_with('\r') { "" } else { "\n" };
            self.secrets.push(SecretFile { file, old_key, content: format!("{secret}{end}").into() });
        }
        self.carry(old_key, key, Value::Object(vec![("file".to_owned(), Value::Text(file.to_owned()))]));
    }

    fn source(&mut self, old: &mut Old<'_>) {
        if let Some(zip) = old.required(self, "zip", "the name of the ZIP on the web server") {
            self.carry("zip", "source.url", Value::Text(address(&with_ending(zip, ".zip"))));
            self.assumed(format!(
                "source.url: the web server is {WEB_SERVER}, as it always was; write https://… for another one"
            ));
        }
        if let Some(dump) = old.required(self, "file", "the name of the dump in the ZIP") {
            self.carry_text("file", "source.dump", with_ending(dump, ".sql"), source::dump_path);
        }
        self.new.set("source.username", Value::Null);
        self.new.set("source.password", Value::Null);
    }

    fn retention(&mut self, old: &mut Old<'_>) {
        const OLD_KEY: &str = "time-to-save";
        const KEY: &str = "retention.keep_days";
        let default = job::KEEP_DAYS.default;
        let most = *job::KEEP_DAYS.bounds.end();
        let days = match old.number(self, OLD_KEY) {
            Ok(days) if days > i128::from(most) => {
                self.assumed(format!("{OLD_KEY} {days} is more than {KEY} takes: {most} days"));
                most
            }
            Ok(days) => match u32::try_from(days) {
                Ok(days) if job::KEEP_DAYS.bounds.contains(&days) => {
                    self.carry(OLD_KEY, KEY, Value::Integer(days.into()));
                    days
                }
                _ => {
                    self.assumed(format!("{OLD_KEY} {days} is no number of days to keep anything: {default} days"));
                    default
                }
            },
            Err(problem) => {
                self.assumed(format!("{OLD_KEY} {problem}: {default} days, as it was taken before"));
                default
            }
        };
        self.new.set(KEY, Value::Integer(days.into()));
        let floor = job::KEEP_AT_LEAST.default;
        self.assumed(format!(
            "retention.keep_at_least: the newest {floor} archives stay however old they are; before, none was sure to"
        ));
    }

    fn sftp(&mut self, old: &mut Old<'_>) {
        let mut sftp = old.section(self, "sftp");
        if let Some(host) = sftp.required(self, "ip", "the SFTP server's name or address") {
            self.carry_text("sftp.ip", "sftp.host", host, values::host);
        }
        if let Some(user) = sftp.required(self, "user", "the name to log in with") {
            self.carry_text("sftp.user", "sftp.username", user, values::name);
        }
        let secret = sftp.required_secret(self, "password", "the password to log in with, or \"\" for none");
        self.new.set("sftp.private_key", Value::Null);
        match secret.as_deref() {
            Some("") => {
                self.new.set("sftp.password", Value::Null);
                self.by_hand("sftp.private_key: sftp.password is empty, so name the private key to log in with");
            }
            Some(secret) => self.carry_secret("sftp.password", "sftp.password", "secrets/sftp-password", secret),
            None => {}
        }
        sftp.finish(self);
        self.new.set("sftp.directory", Value::Text(DIRECTORY.to_owned()));
        self.assumed(format!("sftp.directory: {DIRECTORY}, where the archives always went"));
        self.by_hand(
            "sftp.host_key: write the server's fingerprint here (SHA256:…, from ssh-keygen -lf \
             /etc/ssh/ssh_host_ed25519_key.pub on the server); before, any first key was trusted",
        );
    }
}

fn with_ending(name: String, ending: &str) -> String {
    if name.ends_with(ending) { name } else { name + ending }
}

/// The address of the file `name` on the web server.
fn address(name: &str) -> String {
    let mut url = match Url::parse(WEB_SERVER) {
        Ok(url) => url,
        Err(_) => return format!("{WEB_SERVER}{name}"),
    };
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(name.split('/').filter(|segment| !segment.is_empty()));
    }
    url.into()
}
