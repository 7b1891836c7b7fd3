//! Patterns of the dump's path: which paths they match, on which dates.

use chrono::NaiveDate;
use proptest::prelude::*;
use scripting_system::rules::dump::find;
use scripting_system::rules::dump_pattern::{DumpPattern, matches};

fn on(pattern: &str, date: &str) -> String {
    DumpPattern::new(pattern).unwrap().on(date.parse().unwrap())
}

#[test]
fn an_asterisk_matches_within_one_segment() {
    for (pattern, matching, others) in [
        ("dump.sql", &["dump.sql"][..], &["Dump.sql", "dump.sql/", "a/dump.sql", "dump_sql", ""][..]),
        ("*.sql", &["a.sql", ".sql", "*.sql"], &["a/b.sql", "a.sql.gz", "a.sql/"]),
        ("db/*", &["db/a", "db/"], &["db", "db/a/b", "a/db/c"]),
        ("*/dump-*.sql", &["db/dump-1.sql", "/dump-.sql"], &["dump-1.sql", "a/b/dump-1.sql"]),
        ("a*bc*c", &["abcc", "axbcyc", "abcbcc"], &["abc", "abcd", "bcc"]),
        ("ab*ba", &["abba", "ab-ba"], &["aba"]),
        ("**", &["", "a"], &["/"]),
    ] {
        assert!(matching.iter().all(|path| matches(pattern, path)), "{pattern}");
        assert!(!others.iter().any(|path| matches(pattern, path)), "{pattern}");
    }
}

#[test]
fn date_fields_are_those_of_the_run_date() {
    for (pattern, expected) in [
        ("dump.sql", "dump.sql"),
        ("a b\u{a0}c", "a b\u{a0}c"),
        ("dump-%Y-%m-%d.sql", "dump-2026-11-05.sql"),
        ("%F/%-d.%b*.sql", "2026-11-05/5.Nov*.sql"),
        ("100%%.sql", "100%.sql"),
    ] {
        assert_eq!(on(pattern, "2026-11-05"), expected);
        let differs = on(pattern, "2026-11-06") != expected;
        assert_eq!(DumpPattern::new(pattern).unwrap().has_date(), differs, "{pattern}");
        assert_eq!(DumpPattern::new(pattern).unwrap().as_str(), pattern);
    }
    for invalid in ["100%.sql", "dump%", "%H.sql", "%Q", "%s"] {
        assert_eq!(DumpPattern::new(invalid), None, "{invalid}");
    }
}

#[test]
fn several_matching_files_are_reported_by_name() {
    let names = ["a/1.sql", "notes.txt", "a/2.sql", "b/1.sql", "a/3.sql/"];
    let error = find(names.into_iter(), "a/*.sql").unwrap_err().to_string();
    assert!(error.starts_with(r#"2 files in the ZIP match "a/*.sql": "a/1.sql", "a/2.sql". "#), "{error}");
    assert_eq!(find(names.into_iter(), "b/*"), Ok(3));
    let folder = find(names.into_iter(), "a/3*").unwrap_err().to_string();
    assert!(folder.contains("is a folder"), "{folder}");
}

proptest! {
    #[test]
    fn a_path_without_special_characters_matches_only_itself(path in "[a-z./]{0,8}", other in "[a-z./]{0,8}") {
        let date = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        let pattern = DumpPattern::new(&path).unwrap().on(date);
        prop_assert!(matches(&pattern, &path));
        prop_assert_eq!(matches(&pattern, &other), path == other);
    }

    #[test]
    fn an_asterisk_matches_whatever_replaces_it(before in "[ab]{0,4}", between in "[ab]{0,4}", after in "[ab]{0,4}") {
        let text = [&*before, &between, &after].concat();
        prop_assert!(matches(&[&*before, "*", &after].concat(), &text));
        prop_assert!(matches(&["*", &*between, "*"].concat(), &text));
    }
}
