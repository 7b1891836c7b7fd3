//! Decides whether an archive on the server belongs to this job or to another one that delivers to the same folder.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use url::Url;

use crate::rules::dump::base_name;

const LENGTH: usize = 16;

/// Marks the archives of one job: 16 hexadecimal digits, which reveal nothing about its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(String);

impl Mark {
    /// The mark of the job that ships the entry `dump` of the ZIP at `url`. The query does not count: it may hold a
    /// signature that changes.
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

/// What the beginning of an archive reveals about its job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Archives made by other programs and by versions before 0.2 have none.
    pub mark: Option<Mark>,
    /// The name of the file in it, without folders, if it can be read.
    pub dump: Option<String>,
}

impl Origin {
    /// Whether another job made the archive than the one with `mark`, which ships the entry `dump`. An archive that cannot
    /// be read belongs to no other job.
    pub fn is_of_another_job(&self, mark: &Mark, dump: &str) -> bool {
        match (&self.mark, &self.dump) {
            (Some(theirs), _) => theirs != mark,
            (None, Some(theirs)) => theirs != base_name(dump),
            (None, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(url: &str, dump: &str) -> Mark {
        Mark::new(&Url::parse(url).unwrap(), dump)
    }

    #[test]
    fn a_mark_depends_on_what_is_fetched_and_not_on_the_query() {
        let ours = mark("https://example.com/a.zip?sig=1", "dump.sql");
        // printf 'https://example.com:443/a.zip\0dump.sql' | sha256sum
        assert_eq!(ours.as_str(), "f0671cb8b123bbfa");
        assert_eq!(mark("https://example.com:443/a.zip?sig=2", "dump.sql"), ours);
        for (url, dump) in [
            ("https://example.org/a.zip", "dump.sql"),
            ("https://example.com:8443/a.zip", "dump.sql"),
            ("https://example.com/b.zip", "dump.sql"),
            ("https://example.com/a.zip", "db/dump.sql"),
        ] {
            assert_ne!(mark(url, dump), ours, "{url} {dump}");
        }
        assert_eq!(Mark::parse(ours.as_str().as_bytes()), Some(ours));
        assert_eq!(Mark::parse(b"F0671CB8B123BBFA"), None);
    }

    #[test]
    fn a_mark_decides_and_without_one_the_name_of_the_dump() {
        let (ours, theirs) = (mark("https://a.example/a.zip", "dump.sql"), mark("https://b.example/a.zip", "dump.sql"));
        let is_other = |mark: Option<&Mark>, dump: Option<&str>| {
            Origin { mark: mark.cloned(), dump: dump.map(str::to_owned) }.is_of_another_job(&ours, "db/dump.sql")
        };
        assert!(is_other(Some(&theirs), Some("dump.sql")));
        assert!(!is_other(Some(&ours), Some("former.sql")));
        assert!(!is_other(None, Some("dump.sql")));
        assert!(is_other(None, Some("blog.sql")));
        assert!(!is_other(None, None));
    }
}
