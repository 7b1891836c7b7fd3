//! The section `archive`: how an archive is named and made.

use std::path::PathBuf;

use age::x25519::Recipient;
use serde_json::json;

use crate::config::json::Value;
use crate::config::kind::{Kind, flag, whole, word};
use crate::config::mistakes::{Refusal, quote, refuse};
use crate::config::paths::folder;
use crate::config::section::{Section, keys};
use crate::rules::archive_name::ArchiveName;

/// Of an X25519 recipient, in characters.
const RECIPIENT_LENGTH: usize = 62;

/// It survives a reboot, and is meant for large files.
const WORK_DIRECTORY: &str = "/var/tmp";

/// The default of `archive.name`: year, day, month, as the system that this one replaces wrote it.
pub(in crate::config) const DEFAULT_NAME: &str = "%Y%d%m";

#[derive(Debug, Clone)]
pub struct Archive {
    pub name: ArchiveName,
    pub compression: Compression,
    /// The public keys to encrypt to; empty if archives are not encrypted.
    pub encrypt_to: Vec<Recipient>,
    /// Whether each archive gets a checksum file.
    pub has_checksum: bool,
    pub work_directory: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Copies the ZIP's data if it is deflate.
    Reuse,
    /// Compresses again, as one gzip member at this level, 1 to 9.
    Level(u32),
}

pub(in crate::config) fn read(keys: &mut Section<'_, '_>) -> Option<Archive> {
    keys! { keys:
        /// The archive's name without .tgz, as a strftime pattern with year, month and day.
        name = with_default(archive_name(), DEFAULT_NAME);
        /// How the archive is compressed: "reuse" copies the ZIP's compressed data; a level from 1 to 9 compresses it again.
        compression = with_default(compression(), "reuse");
        /// The recipients whose private keys can decrypt the archives, as age-keygen prints them. Encrypted archives end with
        /// .tgz.age; without recipients, archives are not encrypted.
        encrypt_to = optional_list(recipient());
        /// Whether each archive gets a checksum file, which sha256sum -c reads. null is true if archives are encrypted,
        /// otherwise false. Encrypted archives need it.
        checksum = optional(flag());
        /// The folder for temporary files on this machine. It needs space for the archive, and also for the ZIP if the web
        /// server does not support range requests.
        work_directory = with_default(folder(), WORK_DIRECTORY);
    }
    // It decides whether the archive is on the server already, which an encrypted archive does not show.
    keys.rule(json!({
        "if": {"properties": {"encrypt_to": {"type": "array", "minItems": 1}}, "required": ["encrypt_to"]},
        "then": {"properties": {"checksum": {"not": {"const": false}}}},
    }));
    if !encrypt_to.is_empty() && checksum == Some(false) {
        keys.refuse(
            "checksum",
            "is false, but encrypted archives need a checksum file",
            "write true, or remove the key",
        );
    }
    let has_checksum = checksum.unwrap_or(!encrypt_to.is_empty());
    // If it is invalid, no command uses it.
    let work_directory = work_directory.unwrap_or_else(|| PathBuf::from(WORK_DIRECTORY));
    Some(Archive { name: name?, compression: compression?, encrypt_to, has_checksum, work_directory })
}

/// A public key of age. No message repeats a private one.
fn recipient() -> Kind<Recipient> {
    Kind::hidden_text("age recipient", "^age1[02-9ac-hj-np-z]{58}$", |text, _| {
        let upper = text.trim().to_ascii_uppercase();
        if upper.starts_with("AGE-SECRET-KEY-") {
            let fix = "write the recipient that belongs to it, which begins with age1 (age-keygen -y prints it), and keep \
                       the private key on another machine";
            return Err(Refusal::new("is a private key", fix).about("the text"));
        }
        text.parse().or_else(|_| {
            let problem = match text {
                _ if text.starts_with("ssh-") => "is an SSH key",
                _ if text.starts_with("age1") && text.len() > RECIPIENT_LENGTH => {
                    "is not an X25519 recipient: those of plugins and of other types are not supported"
                }
                _ if text.starts_with("age1") => "has a typing error: its checksum is wrong",
                _ => "is not an age recipient",
            };
            let fix = "write a public key as age-keygen prints it: \"age1\" and 58 letters and digits";
            refuse(problem, fix).map_err(|refusal| refusal.about(quote(text)))
        })
    })
}

/// A strftime pattern. The schema checks that it has a year; the reader checks that every date can be read back from its name.
fn archive_name() -> Kind<ArchiveName> {
    let part = "%[-_0]?[YCyqmbBhdeaAwuUWGgVjFv%]";
    let pattern = format!(r"^(?!\.)(?!.*\.\.)(?=.*%[-_0]?[YyGgFv])(?:[^%/\p{{Cc}}]|{part})+$");
    Kind::text("date pattern", pattern, |text| {
        ArchiveName::new(text).map_err(|error| {
            let fix = "write a pattern with year, month and day, such as \"%Y%d%m\" or \"dump-%Y-%m-%d\"";
            Refusal::new(error.to_string(), fix)
        })
    })
}

fn compression() -> Kind<Compression> {
    let (reuse, level) = (word(&[("reuse", Compression::Reuse)]), whole(1..=9));
    let schema = json!({"oneOf": [reuse.form.schema, level.form.schema]});
    Kind::new(schema, move |value, context| match value {
        Value::Text(_) => (reuse.read)(value, context),
        _ => (level.read)(value, context).map(Compression::Level),
    })
}
