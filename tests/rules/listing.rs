//! The archives in a listing of the folder.

use chrono::NaiveDate;
use scripting_system::rules::archive_name::ArchiveName;
use scripting_system::rules::archive_name::Naming;
use scripting_system::rules::listing::*;

#[test]
fn archives_are_regular_nonempty_files_dated_up_to_today_sorted_by_date() {
    let archive = ArchiveName::new("%Y%d%m").unwrap();
    let (temporary_prefix, id) = (".".to_owned(), "0a1b2c3d".to_owned());
    let naming = Naming { archive, temporary_prefix, id, is_encrypted: false };
    let listing = [
        ("20262311.tgz.age", Kind::File, Some(3)),
        ("20262311.tgz.age.sha256", Kind::File, Some(3)),
        ("20260112.tgz", Kind::File, Some(3)),
        ("20262211.tgz", Kind::File, Some(0)),
        ("20260211.tgz", Kind::File, None),
        ("20260311.tgz", Kind::Directory, Some(3)),
        (".20260411.tgz.part", Kind::File, Some(3)),
        ("notes.txt", Kind::File, Some(3)),
    ]
    .map(|(name, kind, size)| Entry { name: name.to_owned(), kind, size, modified: None });
    let today = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
    let names: Vec<String> = archives(&listing, &naming, today).into_iter().map(|archive| archive.name).collect();
    assert_eq!(names, ["20260211.tgz", "20262311.tgz.age"]);
}
