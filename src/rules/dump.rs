//! Which entry of the ZIP is the dump, and what keeps an entry from being one.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use thiserror::Error;

use crate::rules::freshness::DumpTime;
use crate::rules::loading::Loading;
use crate::rules::redaction::printable;

/// How many of a ZIP's names are told when the dump is not among them.
const NAMES_TOLD: usize = 5;
/// How many characters of each.
const NAME_LENGTH: usize = 120;

/// What sort of thing an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// How an entry's bytes are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// In a way that can be read here.
    Readable,
    /// Compressed in a way that cannot, with the method's name.
    Unsupported(String),
}

/// An entry, as the ZIP's directory describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path in the ZIP.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its uncompressed size in bytes, as declared.
    pub size: u64,
    /// Whether a password is needed.
    pub encrypted: bool,
    /// How it is compressed.
    pub method: Method,
    /// When it was modified.
    pub time: DumpTime,
}

/// Why there is no dump to ship.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DumpError {
    /// No entry has the name.
    #[error("the ZIP holds no {wanted:?}; {}. Correct source.dump, or what makes the ZIP", told(.names))]
    Missing {
        /// The name that was looked for.
        wanted: String,
        /// The names of the ZIP's files, nearest first, cut to a handful, and how many there are in all.
        names: Names,
    },
    /// The entry is a folder or a link.
    #[error("{name:?} in the ZIP is {what}, not a regular file. Correct source.dump, or what makes the ZIP")]
    NotAFile {
        /// The entry.
        name: String,
        /// What it is, with its article.
        what: &'static str,
    },
    /// The entry has no content.
    #[error("{0:?} in the ZIP is empty. Look at what dumps the database")]
    Empty(String),
    /// The entry is encrypted.
    #[error("{0:?} in the ZIP is encrypted. Make the ZIP without a password")]
    Encrypted(String),
    /// The entry's compression is not supported.
    #[error("{name:?} in the ZIP is compressed with {method}. Make the ZIP with deflate (the usual method)")]
    UnsupportedMethod {
        /// The entry.
        name: String,
        /// The method's name.
        method: String,
    },
    /// The entry is larger than the cap.
    #[error("{name:?} has {size} bytes, more than source.max_dump_bytes allows ({cap}). Raise it if that is right")]
    TooLarge {
        /// The entry.
        name: String,
        /// Its declared size.
        size: u64,
        /// The cap.
        cap: u64,
    },
}

/// Some of many names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The nearest to what was looked for, nearest first.
    pub nearest: Vec<String>,
    /// How many there are.
    pub count: usize,
}

impl Names {
    /// The first few of `names`, nearest first.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Names {
        let mut names = names.into_iter();
        let nearest: Vec<String> = names.by_ref().take(NAMES_TOLD).map(str::to_owned).collect();
        Names { count: nearest.len() + names.count(), nearest }
    }
}

/// In quotation marks, safe to report.
impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.nearest.iter().enumerate() {
            let shown: String = name.chars().take(NAME_LENGTH).collect();
            let cut = if shown.len() < name.len() { "…" } else { "" };
            write!(f, "{}\"{}{cut}\"", if index == 0 { "" } else { ", " }, printable(&shown))?;
        }
        match self.count - self.nearest.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

fn told(names: &Names) -> String {
    if names.nearest.is_empty() { "it holds no file at all".to_owned() } else { format!("it holds {names}") }
}

/// Those of `names` that seem to be dumps too, because they have the extension of `sent`; `None` if there are none.
pub fn unsent<'a>(names: impl Iterator<Item = &'a str>, sent: &str) -> Option<Names> {
    let extension = |name: &str| Path::new(name).extension().map(OsStr::to_ascii_lowercase);
    let wanted = extension(sent)?;
    let is_dump = |name: &&str| {
        // macOS keeps each file's attributes in a file of their own, whose name begins so.
        let is_file = !name.ends_with('/') && !base_name(name).starts_with("._");
        is_file && *name != sent && extension(name).as_ref() == Some(&wanted)
    };
    Some(Names::of(names.filter(is_dump))).filter(|names| names.count > 0)
}

/// What a file is that is not a ZIP and starts with `beginning`, with its article; `None` if it is not recognised. 262
/// bytes are enough.
pub fn kind_of(beginning: &[u8]) -> Option<&'static str> {
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
    let found = kinds.iter().find(|(at, magic, _)| beginning.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    match found {
        _ if beginning.is_empty() => Some("an empty file"),
        None if Loading::of(beginning).is_some() => Some("a database dump that is not packed"),
        found => found.map(|(_, _, kind)| *kind),
    }
}

/// Where `wanted` stands among the ZIP's `names`.
///
/// # Errors
/// [`DumpError::Missing`], with the names nearest to it; [`DumpError::NotAFile`] where a folder has the name.
pub fn find<'a>(names: impl Iterator<Item = &'a str> + Clone, wanted: &str) -> Result<usize, DumpError> {
    names.clone().position(|name| name == wanted).ok_or_else(|| {
        if names.clone().any(|name| name.strip_suffix('/') == Some(wanted)) {
            return DumpError::NotAFile { name: wanted.to_owned(), what: "a folder" };
        }
        let files = names.filter(|name| !name.ends_with('/'));
        let mut ranked: Vec<(usize, &str)> = files.map(|name| (distance(name, wanted), name)).collect();
        ranked.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)));
        DumpError::Missing { wanted: wanted.to_owned(), names: Names::of(ranked.iter().map(|(_, name)| *name)) }
    })
}

/// The last part of `path`, which is the dump's name outside the ZIP.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// How far `name` is from `wanted`: the same name in another folder or in other case is nearest.
fn distance(name: &str, wanted: &str) -> usize {
    let base = |path: &str| base_name(path).to_lowercase();
    // At least the difference in length, which is enough where it is large: a name can have 64 KiB.
    let edits = |a: &str, b: &str| match a.len().abs_diff(b.len()) {
        far @ 64.. => far,
        _ => strsim::damerau_levenshtein(a, b),
    };
    edits(&base(name), &base(wanted)) * 1_000 + edits(name, wanted).min(999)
}

/// Whether `entry` can be shipped.
///
/// # Errors
/// What keeps it from being a dump.
pub fn check(entry: &Entry, max_bytes: u64) -> Result<(), DumpError> {
    let name = entry.name.clone();
    match entry.kind {
        EntryKind::File => {}
        EntryKind::Directory => return Err(DumpError::NotAFile { name, what: "a folder" }),
        EntryKind::Symlink => return Err(DumpError::NotAFile { name, what: "a symbolic link" }),
    }
    if entry.encrypted {
        return Err(DumpError::Encrypted(name));
    }
    if let Method::Unsupported(method) = &entry.method {
        return Err(DumpError::UnsupportedMethod { name, method: method.clone() });
    }
    if entry.size == 0 {
        return Err(DumpError::Empty(name));
    }
    if entry.size > max_bytes {
        return Err(DumpError::TooLarge { name, size: entry.size, cap: max_bytes });
    }
    Ok(())
}
