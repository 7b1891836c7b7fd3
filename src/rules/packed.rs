//! What the one member of an archive's tar must be.

use thiserror::Error;

/// What sort of thing a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name of a member before it.
    HardLink,
    /// A device, a pipe, a file with holes, or what only some tars know.
    Other,
}

/// Why a member is not the dump.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MemberError {
    /// It is no regular file.
    #[error("it holds {name:?}, which is {}, not a regular file", what(*kind))]
    NotAFile {
        /// Its name.
        name: String,
        /// What it is.
        kind: MemberKind,
    },
    /// It has another name than the dump.
    #[error("it holds {name:?} instead of {wanted:?}")]
    Name {
        /// Its name.
        name: String,
        /// The dump's.
        wanted: String,
    },
    /// Its name would lead out of the folder that it is restored to.
    #[error("it holds {0:?}, which is not the plain name of a file")]
    Path(String),
    /// It has no content.
    #[error("the dump in it, {0:?}, is empty")]
    Empty(String),
}

fn what(kind: MemberKind) -> &'static str {
    match kind {
        MemberKind::File => "a regular file",
        MemberKind::Directory => "a folder",
        MemberKind::Symlink => "a symbolic link",
        MemberKind::HardLink => "a hard link",
        MemberKind::Other => "something special",
    }
}

/// The plain name of a member called `name`, with `size` bytes, if it is the dump: `wanted` is the dump's base name, where
/// that is known. A name may begin with `./`, as a shell's tar writes it, and with nothing else: no member can name a place
/// outside its folder.
///
/// # Errors
/// What it is instead.
pub fn check<'n>(name: &'n str, kind: MemberKind, size: u64, wanted: Option<&str>) -> Result<&'n str, MemberError> {
    if kind != MemberKind::File {
        return Err(MemberError::NotAFile { name: name.to_owned(), kind });
    }
    let plain = name.strip_prefix("./").unwrap_or(name);
    if plain.contains(['/', '\0']) || matches!(plain, "" | "." | "..") {
        return Err(MemberError::Path(name.to_owned()));
    }
    if let Some(wanted) = wanted.filter(|wanted| *wanted != plain) {
        return Err(MemberError::Name { name: plain.to_owned(), wanted: wanted.to_owned() });
    }
    if size == 0 {
        return Err(MemberError::Empty(plain.to_owned()));
    }
    Ok(plain)
}
