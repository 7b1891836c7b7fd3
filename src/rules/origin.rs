//! Decides whether an archive belongs to this job or to another one that delivers to the same folder.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use url::Url;

use crate::rules::dump::base_name;
use crate::rules::dump_pattern::matches;

const LENGTH: usize = 16;

/// Identifies the archives of one job: 16 hexadecimal digits, which reveal nothing about its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(String);

impl Mark {
    /// The mark of the job that ships the entry `dump`, as written, of the ZIP at `url`. Ignores the query, which may contain a changing
    /// signature.
    pub fn new(url: &Url, dump: &str) -> Mark {
        let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
        let port = url.port_or_known_default().unwrap_or_default();
        let digest = Sha256::digest(format!("{scheme}://{host}:{port}{}\0{dump}", url.path()));
        let mut mark = String::with_capacity(LENGTH);
        for byte in &digest[..LENGTH / 2] {
            // Writing to a string does not fail.
            let _ = write!(mark, "{byte:02x}");
        }
        Mark(mark)
    }

    pub fn parse(bytes: &[u8]) -> Option<Mark> {
        let is_mark = bytes.len() == LENGTH && bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_mark.then(|| Mark(bytes.iter().map(|byte| char::from(*byte)).collect()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The facts about its job at the beginning of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// `None` for archives made by other programs or versions before 0.2.
    pub mark: Option<Mark>,
    /// The name of the packed file, without folders, if readable.
    pub dump: Option<String>,
}

impl Origin {
    /// Whether the archive was made by a job other than the one with `mark` that ships the entry matching `dump` on the
    /// archive's date; false if it cannot be read.
    pub fn belongs_to_another_job(&self, mark: &Mark, dump: &str) -> bool {
        match (&self.mark, &self.dump) {
            (Some(its_mark), _) => its_mark != mark,
            (None, Some(its_dump)) => !matches(base_name(dump), its_dump),
            (None, None) => false,
        }
    }
}
