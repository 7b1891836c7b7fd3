//! Listings of a folder with every kind of entry, on every kind of output.

use chrono::{TimeDelta, Utc};
use serde_json::Value;

use crate::commands::json;
use crate::commands::list::document::{Document, document};
use crate::commands::list::table::*;
use crate::report::document::text;
use crate::rules::inventory::tests::{NAMING, POLICY};
use crate::rules::listing::{Entry, Kind};
use crate::rules::retention::keeping::Policy;

const PLAIN: Canvas = Canvas { columns: None, has_colour: false, shows_all_names: false };

fn as_of() -> DateTime<FixedOffset> {
    "2026-11-24T08:10:00+01:00".parse().unwrap()
}

fn file(name: &str, size: u64) -> Entry {
    let modified = Some("2026-11-20T22:00:00Z".parse().unwrap());
    Entry { name: name.to_owned(), kind: Kind::File, size: Some(size), modified }
}

/// An archive dated `days_ago`, written at 23:00 on that day.
fn archive(days_ago: i64, size: u64) -> Entry {
    let date = as_of().date_naive() - TimeDelta::days(days_ago);
    let modified = Some(date.and_hms_opt(22, 0, 0).unwrap().and_local_timezone(Utc).unwrap());
    Entry { modified, ..file(&NAMING.archive.file_name(date), size) }
}

fn every_kind() -> Vec<Entry> {
    vec![
        archive(14, 2_900_000),
        archive(13, 2_950_000),
        archive(12, 3_000_000),
        archive(11, 3_100_000),
        archive(7, 3_200_000),
        archive(6, 3_250_000),
        archive(5, 1),
        archive(4, 3_300_000),
        archive(3, 0),
        Entry { size: None, modified: None, ..archive(2, 0) },
        archive(1, 3_397_386),
        archive(-1, 3_400_000),
        file(".20262211.tgz.0a1b2c3d.part", 900_000),
        file("20261311.tgz.old", 900_000),
        file(".20261511.tgz.old", 900_000),
        Entry { kind: Kind::Symlink, ..archive(10, 10) },
        file("a\u{202e}gzt.\n\u{1b}[31mb|c", 7),
        file("notes.txt", 7),
    ]
}

fn listing_of(entries: &[Entry], policy: Policy) -> Listing {
    Listing {
        inventory: Inventory::new(entries, &NAMING, policy, as_of()),
        folder: "TSE-INFORX at sftp.example.com:22".to_owned(),
        as_of: as_of(),
        free: Some(118_200_000_000),
        drills: DrillHistory::default(),
    }
}

fn terminal(columns: usize) -> Canvas {
    Canvas { columns: Some(columns), ..PLAIN }
}

fn listing_on(entries: &[Entry], canvas: Canvas) -> String {
    listing(&listing_of(entries, POLICY), canvas)
}

#[test]
fn bars_and_wrapping_depend_on_the_width_of_the_terminal() {
    for (name, canvas) in
        [("no_terminal", PLAIN), ("wide", terminal(130)), ("usual", terminal(84)), ("narrow", terminal(70))]
    {
        insta::assert_snapshot!(name, listing_on(&every_kind(), canvas));
    }
    assert_eq!(listing_on(&every_kind(), terminal(20)), listing_on(&every_kind(), PLAIN), "the terminal wraps");
}

#[test]
fn an_archives_line_fits_the_terminal() {
    for columns in 66..200 {
        let text = listing_on(&every_kind(), terminal(columns));
        for line in text.lines().filter(|line| line.contains("2026-11-") && line.contains(".tgz  ")) {
            assert!(measure_text_width(line) <= columns, "{columns}: {line}");
        }
    }
}

#[test]
fn foreign_names_are_shown_on_request_and_escaped() {
    let canvas = Canvas { shows_all_names: true, ..PLAIN };
    let text = listing_on(&every_kind(), canvas);
    let (_, names) = text.split_once("  free       ").unwrap();
    insta::assert_snapshot!(names, @r#"
    110.08 GiB
      leftover   .20261511.tgz.old: to be put back: its successor never came
      replaced   20261311.tgz.old, 878.91 KiB: the next run removes it, unless it fails; restore --replaced --date 2026-11-13 restores it
      leftover   .20262211.tgz.0a1b2c3d.part: an unfinished upload of an earlier run
      no file    20261411.tgz
      unrelated  a\u{202e}gzt.\n\u{1b}[31mb|c
      unrelated  notes.txt
    "#);
    assert!(!text.contains(['\u{202e}', '\u{1b}']));
}

#[test]
fn colours_are_used_only_if_the_terminal_supports_them() {
    let canvas = Canvas { has_colour: true, ..terminal(130) };
    let text = listing_on(&every_kind(), canvas);
    assert!(text.contains("\u{1b}[31mremove expired, 11 days old"), "{text}");
    assert_eq!(console::strip_ansi_codes(&text), listing_on(&every_kind(), terminal(130)));
}

#[test]
fn nights_that_retention_thins_out_do_not_count_as_missing() {
    let weekly = Policy { keep_weekly: 4, ..POLICY };
    let text = listing(&listing_of(&[archive(1, 5), archive(8, 5), archive(15, 5), archive(22, 5)], weekly), PLAIN);
    insta::assert_snapshot!(text);
}

#[test]
fn held_back_removal_has_a_reason() {
    let entries = [archive(1, 5), archive(40, 5), archive(41, 5), archive(42, 5), file("20261122.tgz", 5)];
    insta::assert_snapshot!(listing_on(&entries, PLAIN));
}

#[test]
fn an_empty_folder_is_reported() {
    insta::assert_snapshot!(listing_on(&[], PLAIN), @r"
    TSE-INFORX at sftp.example.com:22, as of Tue 2026-11-24 08:10 +01:00
    The folder is empty.
      drill      never passed
      free       110.08 GiB
    ");
    let foreign = listing(&Listing { free: None, ..listing_of(&[file("notes.txt", 7)], POLICY) }, PLAIN);
    insta::assert_snapshot!(foreign, @r"
    TSE-INFORX at sftp.example.com:22, as of Tue 2026-11-24 08:10 +01:00
    There is no archive.
      others     1 unrelated file; never touched (-v names them)
      drill      never passed
      free       unknown
    ");
}

#[test]
fn bars_are_proportional_and_missing_only_for_0_bytes() {
    assert_eq!(bar(0, 100, 10), "");
    assert_eq!(bar(1, u64::MAX, 10), "▏");
    assert_eq!(bar(50, 100, 10), "█████");
    assert_eq!(bar(99, 100, 10), "█████████▉");
    assert_eq!(bar(u64::MAX, u64::MAX, 10), "█".repeat(10));
}

#[test]
fn json_has_every_field_and_null_for_unknown_values() {
    insta::assert_snapshot!(text(&document("shop", &listing_of(&every_kind(), POLICY))));
    let unknown = Listing { free: None, ..listing_of(&[], POLICY) };
    insta::assert_snapshot!(text(&document("shop", &unknown)), @r#"
    {
      "schema_version": 1,
      "job": "shop",
      "as_of": "2026-11-24T08:10:00+01:00",
      "today": "2026-11-24",
      "next_run": "2026-11-24",
      "reference_day": null,
      "archives": [],
      "nights_without_archive": 0,
      "leftovers": [],
      "replaced": [],
      "irregular": 0,
      "foreign": 0,
      "free_bytes": null,
      "held_back": null,
      "last_drill": null
    }
    "#);
}

#[test]
fn documents_match_the_schema_and_changed_ones_do_not() {
    let schema: Value = serde_json::from_str(&json::schema::<Document>("list")).unwrap();
    let schema = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    for entries in [every_kind(), Vec::new(), vec![file("20261122.tgz", 5)]] {
        let mut document = serde_json::to_value(document("shop", &listing_of(&entries, POLICY))).unwrap();
        schema.validate(&document).unwrap();
        document["today"] = "yesterday".into();
        assert!(!schema.is_valid(&document));
        document["today"] = "2026-11-24".into();
        assert!(schema.is_valid(&document));
        document.as_object_mut().unwrap().remove("held_back");
        assert!(!schema.is_valid(&document), "an unknown value is null, not missing");
    }
}

#[test]
fn the_schema_describes_every_field() {
    fn check(path: &str, schema: &Value) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let is_described = field["description"].as_str().is_some_and(|text| text.len() > 10);
            assert!(is_described, "{path}/{name}: {field}");
        }
        for (name, inner) in schema["$defs"].as_object().into_iter().flatten() {
            assert!(inner["description"].is_string(), "{name}");
            check(name, inner);
        }
    }
    let schema: Value = serde_json::from_str(&json::schema::<Document>("list")).unwrap();
    assert!(schema["properties"].as_object().unwrap().len() > 8);
    check("", &schema);
}
