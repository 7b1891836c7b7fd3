//! Checks that the only member of an archive's tar is the dump.

use thiserror::Error;

use crate::rules::dump_pattern::matches;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    File,
    Directory,
    Symlink,
    HardLink,
    /// A device, a pipe, a sparse file or a tar extension.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MemberError {
    #[error("it holds {name:?}, which is {}, not a regular file", describe(*kind))]
    NotAFile { name: String, kind: MemberKind },
    #[error("it holds {name:?} instead of {expected:?}")]
    Name { name: String, expected: String },
    /// Its path might lead out of the folder that it is restored to.
    #[error("it holds {0:?}, which is not the plain name of a file")]
    Path(String),
    #[error("the dump in it, {0:?}, is empty")]
    Empty(String),
}

fn describe(kind: MemberKind) -> &'static str {
    match kind {
        MemberKind::File => "a regular file",
        MemberKind::Directory => "a folder",
        MemberKind::Symlink => "a symbolic link",
        MemberKind::HardLink => "a hard link",
        MemberKind::Other => "a special file",
    }
}

/// Checks that the member `name` with `size` bytes is the dump, and returns its plain name. `expected` is the pattern
/// of the dump's base name, if known. A leading `./`, which `tar .` writes, is removed; other paths are refused.
pub fn check<'n>(name: &'n str, kind: MemberKind, size: u64, expected: Option<&str>) -> Result<&'n str, MemberError> {
    if kind != MemberKind::File {
        return Err(MemberError::NotAFile { name: name.to_owned(), kind });
    }
    let plain = name.strip_prefix("./").unwrap_or(name);
    if plain.contains(['/', '\0']) || matches!(plain, "" | "." | "..") {
        return Err(MemberError::Path(name.to_owned()));
    }
    if let Some(expected) = expected.filter(|expected| !matches(expected, plain)) {
        return Err(MemberError::Name { name: plain.to_owned(), expected: expected.to_owned() });
    }
    if size == 0 {
        return Err(MemberError::Empty(plain.to_owned()));
    }
    Ok(plain)
}
