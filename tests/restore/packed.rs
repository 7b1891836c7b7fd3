//! The only member of an archive must be the dump.

use scripting_system::rules::packed::{MemberError, MemberKind, check};

#[test]
fn the_name_may_begin_with_the_current_folder() {
    for name in ["dump.sql", "./dump.sql"] {
        assert_eq!(check(name, MemberKind::File, 1, Some("dump.sql")), Ok("dump.sql"));
        assert_eq!(check(name, MemberKind::File, 1, None), Ok("dump.sql"));
    }
}

#[test]
fn any_other_member_is_reported_by_name() {
    for (name, kind, size, words) in [
        ("dump.sql", MemberKind::File, 0, "the dump in it, \"dump.sql\", is empty"),
        ("dump.sql", MemberKind::Symlink, 0, "it holds \"dump.sql\", which is a symbolic link, not a regular file"),
        ("dump.sql", MemberKind::HardLink, 0, "it holds \"dump.sql\", which is a hard link, not a regular file"),
        ("./", MemberKind::Directory, 0, "it holds \"./\", which is a folder, not a regular file"),
        ("a.sql", MemberKind::File, 1, "it holds \"a.sql\" instead of \"dump.sql\""),
    ] {
        assert_eq!(check(name, kind, size, Some("dump.sql")).unwrap_err().to_string(), words);
    }
}

#[test]
fn no_name_leaves_the_folder() {
    for name in ["/a.sql", "../a.sql", "a/a.sql", "././a.sql", ".//a.sql", "a.sql/", "a.sql\0", "..", "./.", ""] {
        for expected in [None, Some("dump.sql")] {
            assert_eq!(check(name, MemberKind::File, 1, expected), Err(MemberError::Path(name.to_owned())));
        }
    }
}
