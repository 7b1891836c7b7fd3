//! Finds the dump among the ZIP's entries, and checks that it can be shipped.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use thiserror::Error;

use crate::rules::dump_pattern::matches;
use crate::rules::freshness::DumpTime;
use crate::rules::loading::DumpFormat;
use crate::rules::redaction::printable;

const MAX_REPORTED_NAMES: usize = 5;
/// In characters.
const MAX_REPORTED_LENGTH: usize = 120;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Directory,
    Symlink,
}

/// The compression method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    Supported,
    /// Its name.
    Unsupported(String),
}

/// An entry of the ZIP's central directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipEntry {
    /// Its path in the ZIP.
    pub name: String,
    pub kind: EntryKind,
    /// The declared uncompressed size in bytes.
    pub size: u64,
    pub is_encrypted: bool,
    pub method: Method,
    pub time: DumpTime,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DumpError {
    #[error("the ZIP does not contain {dump:?}; {}. Correct source.dump, or the program that makes the ZIP", contents(.names))]
    Missing {
        dump: String,
        /// Of the ZIP's files.
        names: Names,
    },
    #[error("{} files in the ZIP match {dump:?}: {names}. Change source.dump so that it matches one of them", .names.count)]
    Several { dump: String, names: Names },
    #[error(
        "{name:?} in the ZIP is {kind}, not a regular file. Correct source.dump, or the program that makes the ZIP"
    )]
    NotAFile {
        name: String,
        /// With its article.
        kind: &'static str,
    },
    #[error("{0:?} in the ZIP is empty. Check the program that dumps the database")]
    Empty(String),
    #[error("{0:?} in the ZIP is encrypted. Make the ZIP without a password")]
    Encrypted(String),
    #[error("{name:?} in the ZIP is compressed with {method}. Make the ZIP with deflate (the usual method)")]
    UnsupportedMethod { name: String, method: String },
    #[error("{name:?} has {size} bytes, more than source.max_dump_bytes allows ({max}). Raise it if that is right")]
    TooLarge { name: String, size: u64, max: u64 },
}

/// The nearest of many names, and their number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Up to five, the nearest to the expected name first.
    pub nearest: Vec<String>,
    pub count: usize,
}

impl Names {
    /// `names` are sorted, the nearest first.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Names {
        let mut names = names.into_iter();
        let nearest: Vec<String> = names.by_ref().take(MAX_REPORTED_NAMES).map(str::to_owned).collect();
        Names { count: nearest.len() + names.count(), nearest }
    }
}

/// In quotation marks, safe to report.
impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.nearest.iter().enumerate() {
            let short: String = name.chars().take(MAX_REPORTED_LENGTH).collect();
            let ellipsis = if short.len() < name.len() { "…" } else { "" };
            write!(f, "{}\"{}{ellipsis}\"", if index == 0 { "" } else { ", " }, printable(&short))?;
        }
        match self.count - self.nearest.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

fn contents(names: &Names) -> String {
    if names.nearest.is_empty() { "it contains no file".to_owned() } else { format!("it contains {names}") }
}

/// The other files among `names` with the extension of `sent`: probably dumps too. `None` if there are none.
pub fn other_dumps<'a>(names: impl Iterator<Item = &'a str>, sent: &str) -> Option<Names> {
    let extension = |name: &str| Path::new(name).extension().map(OsStr::to_ascii_lowercase);
    let sent_extension = extension(sent)?;
    let is_dump = |name: &&str| {
        // macOS stores each file's attributes in a separate file with this prefix.
        let is_file = !name.ends_with('/') && !base_name(name).starts_with("._");
        is_file && *name != sent && extension(name).as_ref() == Some(&sent_extension)
    };
    Some(Names::new(names.filter(is_dump))).filter(|names| names.count > 0)
}

/// The kind of a file that is not a ZIP, with its article, by its first 262 bytes; `None` if unknown.
pub fn file_kind(beginning: &[u8]) -> Option<&'static str> {
    let kinds: [(usize, &[u8], &str); 9] = [
        (0, b"\x1f\x8b", "a gzip file (.gz, .tgz or .tar.gz)"),
        (0, b"BZh", "a bzip2 file"),
        (0, b"\xfd7zXZ\0", "an xz file"),
        (0, b"\x28\xb5\x2f\xfd", "a Zstandard file"),
        (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (0, b"Rar!", "a RAR archive"),
        (257, b"ustar", "a tar archive"),
        (0, b"--", "a database dump as plain text"),
        (0, b"/*!", "a database dump as plain text"),
    ];
    let known =
        kinds.iter().find(|(offset, magic, _)| beginning.get(*offset..).is_some_and(|rest| rest.starts_with(magic)));
    match known {
        _ if beginning.is_empty() => Some("an empty file"),
        None if DumpFormat::recognise(beginning).is_some() => Some("a database dump that is not packed"),
        known => known.map(|(_, _, kind)| *kind),
    }
}

/// The index of the only one of the ZIP's `names` that [matches()] `dump`.
pub fn find<'a>(names: impl Iterator<Item = &'a str> + Clone, dump: &str) -> Result<usize, DumpError> {
    let mut found = names.clone().enumerate().filter(|(_, name)| matches(dump, name));
    let first = found.next().map(|(index, _)| index);
    if found.next().is_some() {
        let names = Names::new(names.filter(|name| matches(dump, name)));
        return Err(DumpError::Several { dump: dump.to_owned(), names });
    }
    first.ok_or_else(|| {
        if names.clone().any(|name| name.strip_suffix('/').is_some_and(|name| matches(dump, name))) {
            return DumpError::NotAFile { name: dump.to_owned(), kind: "a folder" };
        }
        let files = names.filter(|name| !name.ends_with('/'));
        let mut ranked: Vec<(usize, &str)> = files.map(|name| (distance(name, dump), name)).collect();
        ranked.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)));
        DumpError::Missing { dump: dump.to_owned(), names: Names::new(ranked.iter().map(|(_, name)| *name)) }
    })
}

/// The last component of `path`: the dump's name outside the ZIP.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Smallest for the same name in another folder or case.
fn distance(name: &str, dump: &str) -> usize {
    let base = |path: &str| base_name(path).to_lowercase();
    // The difference in length is a lower bound, and enough if it is large: a name can have 64 KiB.
    let edits = |a: &str, b: &str| match a.len().abs_diff(b.len()) {
        far @ 64.. => far,
        _ => strsim::damerau_levenshtein(a, b),
    };
    edits(&base(name), &base(dump)) * 1_000 + edits(name, dump).min(999)
}

/// Checks that `entry` can be shipped.
pub fn check(entry: &ZipEntry, max_bytes: u64) -> Result<(), DumpError> {
    let name = entry.name.clone();
    match entry.kind {
        EntryKind::File => {}
        EntryKind::Directory => return Err(DumpError::NotAFile { name, kind: "a folder" }),
        EntryKind::Symlink => return Err(DumpError::NotAFile { name, kind: "a symbolic link" }),
    }
    if entry.is_encrypted {
        return Err(DumpError::Encrypted(name));
    }
    if let Method::Unsupported(method) = &entry.method {
        return Err(DumpError::UnsupportedMethod { name, method: method.clone() });
    }
    if entry.size == 0 {
        return Err(DumpError::Empty(name));
    }
    if entry.size > max_bytes {
        return Err(DumpError::TooLarge { name, size: entry.size, max: max_bytes });
    }
    Ok(())
}
