//! Checks the one member of an archive's tar: it must be the dump.

use thiserror::Error;

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
    #[error("it holds {name:?}, which is {}, not a regular file", what(*kind))]
    NotAFile { name: String, kind: MemberKind },
    #[error("it holds {name:?} instead of {wanted:?}")]
    Name { name: String, wanted: String },
    /// It would be written outside the folder it is restored to.
    #[error("it holds {0:?}, which is not the plain name of a file")]
    Path(String),
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

/// The plain name of the member `name`, with `size` bytes, if it is the dump. `wanted` is the dump's base name, if known.
/// A name may begin with `./`, as `tar .` writes it, but holds no other folder: no member can leave its folder.
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
