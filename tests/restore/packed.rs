//! What the one member of an archive may be.

use scripting_system::rules::packed::{MemberError, MemberKind, check};

#[test]
fn the_dump_may_have_its_folder_before_its_name() {
    for name in ["dump.sql", "./dump.sql"] {
        assert_eq!(check(name, MemberKind::File, 1, Some("dump.sql")), Ok("dump.sql"));
        assert_eq!(check(name, MemberKind::File, 1, None), Ok("dump.sql"));
    }
}

#[test]
fn what_is_not_the_dump_is_told_as_what_it_is() {
    for (name, kind, size, told) in [
        ("dump.sql", MemberKind::File, 0, "the dump in it, \"dump.sql\", is empty"),
        ("dump.sql", MemberKind::Symlink, 0, "it holds \"dump.sql\", which is a symbolic link, not a regular file"),
        ("dump.sql", MemberKind::HardLink, 0, "it holds \"dump.sql\", which is a hard link, not a regular file"),
        ("./", MemberKind::Directory, 0, "it holds \"./\", which is a folder, not a regular file"),
        ("a.sql", MemberKind::File, 1, "it holds \"a.sql\" instead of \"dump.sql\""),
    ] {
        assert_eq!(check(name, kind, size, Some("dump.sql")).unwrap_err().to_string(), told);
    }
}

#[test]
fn no_name_leads_out_of_the_folder() {
    for name in ["/a.sql", "../a.sql", "a/a.sql", "././a.sql", ".//a.sql", "a.sql/", "a.sql\0", "..", "./.", ""] {
        for wanted in [None, Some("dump.sql")] {
            assert_eq!(check(name, MemberKind::File, 1, wanted), Err(MemberError::Path(name.to_owned())));
        }
    }
}
