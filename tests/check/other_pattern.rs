//! Names that look like archives of another pattern.

use scripting_system::rules::archive_name::ArchiveName;
use scripting_system::rules::listing::{Entry, Kind};
use scripting_system::rules::other_pattern::find;

fn found(pattern: &str, names: &[&str]) -> Option<(usize, String, Option<String>)> {
    let entry = |name: &&str| Entry { name: (*name).to_owned(), kind: Kind::File, size: Some(1), modified: None };
    let listing: Vec<Entry> = names.iter().map(entry).collect();
    find(&listing, &ArchiveName::new(pattern).unwrap()).map(|other| (other.count, other.example, other.pattern))
}

#[test]
fn the_pattern_that_most_names_match_is_reported() {
    for (old, names, example) in [
        ("%Y%d%m", ["20262111.tgz", "20261111.tgz", "20260911.tgz"], "20262111.tgz"),
        ("%Y%m%d", ["20261121.tgz", "20261111.tgz", "20261109.tgz"], "20261121.tgz"),
        ("%Y-%d-%m", ["2026-21-11.tgz", "2026-11-11.tgz", "2026-09-11.tgz"], "2026-21-11.tgz"),
        ("db %Y-%m-%d%%", ["db 2026-11-21%.tgz", "db 2026-11-11%.tgz", "db 2026-11-09%.tgz"], "db 2026-11-21%.tgz"),
    ] {
        assert_eq!(found("new-%F", &names), Some((3, example.to_owned(), Some(old.to_owned()))));
    }
    let odd = ["kw47-2026-1.tgz", "kw48-2026-2.tgz"];
    assert_eq!(found("%F", &odd), Some((2, odd[1].to_owned(), None)));
}

#[test]
fn archives_of_the_current_pattern_and_names_without_a_date_are_not_found() {
    let few = ["2026-11-21.tgz", "20261120.tgz", "20261119.tgz"];
    assert!(found("%F", &few).is_some());
    assert_eq!(found("%F", &few[..2]), None);
    let many = ["2026-11-21.tgz", "2026-11-20.tgz", "2026-11-19.tgz", "2026-11-18.tgz"];
    let old: Vec<String> = (1..=9).map(|day| format!("2026110{day}.tgz")).collect();
    let both: Vec<&str> = many.iter().copied().chain(old.iter().map(String::as_str)).collect();
    assert_eq!(found("%F", &both), None);
    assert_eq!(found("%F", &["backup.tgz", "notes-1.tgz", "20261121.tgz.part", "20261121.zip"]), None);
    assert_eq!(found("%Y%d%m", &["20262611-keep.tgz", "20262511-keep.tgz"]), None);
}
