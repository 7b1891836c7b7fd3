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
    /// It has another name.
    #[error(
        "it holds {name:?} instead of {wanted:?}, which source.dump names; if the dump was called so then, use a copy of the configuration that says so"
    )]
    Name {
        /// Its name.
        name: String,
        /// The dump's.
        wanted: String,
    },
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

/// Whether a member called `name`, with `size` bytes, is the dump whose base name is `wanted`. A name may begin with
/// `./`, as a shell's tar writes it, and with nothing else: no member can name a place outside its folder.
///
/// # Errors
/// What it is instead.
pub fn check(name: &str, kind: MemberKind, size: u64, wanted: &str) -> Result<(), MemberError> {
    if kind != MemberKind::File {
        return Err(MemberError::NotAFile { name: name.to_owned(), kind });
    }
    if name.strip_prefix("./").unwrap_or(name) != wanted {
        return Err(MemberError::Name { name: name.to_owned(), wanted: wanted.to_owned() });
    }
    if size == 0 {
        return Err(MemberError::Empty(wanted.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dump_may_have_its_folder_before_its_name() {
        for name in ["dump.sql", "./dump.sql"] {
            assert_eq!(check(name, MemberKind::File, 1, "dump.sql"), Ok(()));
        }
    }

    #[test]
    fn what_is_not_the_dump_is_told_as_what_it_is() {
        for (name, kind, size, told) in [
            ("dump.sql", MemberKind::File, 0, "the dump in it, \"dump.sql\", is empty"),
            ("dump.sql", MemberKind::Symlink, 0, "it holds \"dump.sql\", which is a symbolic link, not a regular file"),
            ("dump.sql", MemberKind::HardLink, 0, "it holds \"dump.sql\", which is a hard link, not a regular file"),
            ("./", MemberKind::Directory, 0, "it holds \"./\", which is a folder, not a regular file"),
            (
                "a.sql",
                MemberKind::File,
                1,
                "it holds \"a.sql\" instead of \"dump.sql\", which source.dump names; if the dump was called so then, use a copy of the configuration that says so",
            ),
        ] {
            assert_eq!(check(name, kind, size, "dump.sql").unwrap_err().to_string(), told);
        }
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for name in ["/dump.sql", "../dump.sql", "a/dump.sql", "././dump.sql", ".//dump.sql", "dump.sql/", "dump.sql\0"]
        {
            assert!(matches!(check(name, MemberKind::File, 1, "dump.sql"), Err(MemberError::Name { .. })), "{name}");
        }
    }
}
