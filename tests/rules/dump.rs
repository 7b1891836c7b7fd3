//! Finding and checking the dump in a ZIP, and recognising other files.

use scripting_system::rules::dump::{EntryKind, Method, ZipEntry, check, file_kind, find, other_dumps};
use scripting_system::rules::freshness::DumpTime;

fn entry() -> ZipEntry {
    ZipEntry {
        name: "dumpfile.sql".to_owned(),
        kind: EntryKind::File,
        size: 10,
        is_encrypted: false,
        method: Method::Supported,
        time: DumpTime::Missing,
    }
}

#[test]
fn only_the_exact_path_is_the_dump() {
    let names = ["a/dumpfile.sql", "dumpfile.sql", "Dumpfile.sql"];
    assert_eq!(find(names.into_iter(), "dumpfile.sql"), Ok(1));
}

#[test]
fn a_missing_dump_is_reported_with_the_nearest_names_first() {
    let names = ["zzz.txt", "backup/", "backup/dumpfile.sql", "Dumpfile.SQL", "b", "c", "d\n"];
    let error = find(names.into_iter(), "dumpfile.sql").unwrap_err().to_string();
    assert!(
        error.starts_with(
            "the ZIP does not contain \"dumpfile.sql\"; it contains \"Dumpfile.SQL\", \"backup/dumpfile.sql\", \"d\\n\","
        ),
        "{error}"
    );
    assert!(error.contains(" and 1 more."), "{error}");
    assert!(find(["x/"].into_iter(), "y").unwrap_err().to_string().contains("it contains no file"));
}

#[test]
fn a_folder_with_the_dumps_name_is_reported_as_a_folder() {
    let error = find(["dumpfile.sql/", "b"].into_iter(), "dumpfile.sql").unwrap_err().to_string();
    assert!(error.contains("is a folder, not a regular file"), "{error}");
}

#[test]
fn each_defect_of_an_entry_is_reported() {
    assert_eq!(check(&entry(), 10), Ok(()));
    let defects: [(&str, ZipEntry); 6] = [
        ("a folder", ZipEntry { kind: EntryKind::Directory, ..entry() }),
        ("a symbolic link", ZipEntry { kind: EntryKind::Symlink, ..entry() }),
        ("is encrypted", ZipEntry { is_encrypted: true, ..entry() }),
        ("with LZMA", ZipEntry { method: Method::Unsupported("LZMA".to_owned()), ..entry() }),
        ("is empty", ZipEntry { size: 0, ..entry() }),
        ("has 11 bytes", ZipEntry { size: 11, ..entry() }),
    ];
    for (text, defect) in defects {
        let error = check(&defect, 10).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn other_files_with_the_dumps_extension_count_as_dumps() {
    let names = ["shop.sql", "old/BLOG.SQL", "x.sql/", "__MACOSX/._shop.sql", "notes.txt", "sql", "a\n.sql"];
    let others = other_dumps(names.into_iter(), "shop.sql").unwrap();
    assert_eq!(others.to_string(), r#""old/BLOG.SQL", "a\n.sql""#);
    assert_eq!(other_dumps(names.into_iter(), "sql"), None, "no extension");
    assert_eq!(other_dumps(["shop.sql", "notes.txt"].into_iter(), "shop.sql"), None);
}

#[test]
fn many_other_dumps_are_counted_and_only_a_few_listed() {
    let names: Vec<String> = (0..1_000).map(|number| format!("{number}{}.sql", "x".repeat(60_000))).collect();
    let others = other_dumps(names.iter().map(String::as_str), "shop.sql").unwrap().to_string();
    assert!(others.ends_with("…\" and 995 more") && others.len() < 1_000, "{others}");
}

#[test]
fn a_file_that_is_not_a_zip_is_recognised_by_its_first_bytes() {
    let tar = [&[b'x'; 257][..], b"ustar\0"].concat();
    for (beginning, kind) in [
        (&b"\x1f\x8b\x08"[..], "a gzip file (.gz, .tgz or .tar.gz)"),
        (b"BZh9", "a bzip2 file"),
        (b"\xfd7zXZ\0", "an xz file"),
        (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (&tar, "a tar archive"),
        (b"-- phpMyAdmin SQL Dump", "a database dump as plain text"),
        (b"PGDMP\x01", "a database dump that is not packed"),
        (b"", "an empty file"),
    ] {
        assert_eq!(file_kind(beginning), Some(kind));
    }
    assert_eq!(file_kind(b"<!doctype html>"), None);
}
