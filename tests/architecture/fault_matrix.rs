//! Every row of the fault matrix has tests, and all of them exist.

mod drills;
mod encryption;
mod jobs;
mod rows;
mod trust_and_loss;

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::sources::{files_below, tests_in};

/// The number, a description of the fault, and the tests, each with file and name.
type Row = (u32, &'static str, &'static [(&'static str, &'static str)]);

fn numbers() -> impl Iterator<Item = u32> {
    1..=124
}

/// `tests` are the names of the tests in each file.
fn matrix_breaches(rows: &[Row], tests: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut breaches = Vec::new();
    if !rows.iter().map(|(number, ..)| *number).eq(numbers()) {
        breaches.push("a row is missing, duplicated or out of order".to_owned());
    }
    for (number, fault, named) in rows {
        if named.is_empty() {
            breaches.push(format!("row {number} ({fault}) has no test"));
        }
        for (file, name) in *named {
            if !tests.get(*file).is_some_and(|tests| tests.contains(*name)) {
                breaches.push(format!("row {number} ({fault}): {file} has no test {name}"));
            }
        }
    }
    breaches
}

#[test]
fn every_row_of_the_fault_matrix_has_tests() {
    let mut rows = [rows::ROWS, trust_and_loss::ROWS, encryption::ROWS, drills::ROWS, jobs::ROWS].concat();
    rows.sort_by_key(|(number, ..)| *number);
    let files = ["src", "tests"].into_iter().flat_map(files_below);
    let tests = files.map(|(file, text)| (file, tests_in(&text))).collect();
    assert_none(&matrix_breaches(&rows, &tests));
}

#[test]
fn a_missing_row_and_a_missing_test_are_found() {
    let file = |text| BTreeMap::from([("tests/a.rs".to_owned(), tests_in(text))]);
    let rows: Vec<Row> = numbers().map(|number| (number, "fault", &[("tests/a.rs", "it_holds")][..])).collect();
    let text = "mod inner { #[test] #[ignore = \"no\"] fn ignored() {} #[test]\n fn it_holds() {} } fn helper() {}";
    assert_none(&matrix_breaches(&rows, &file(text)));
    assert_eq!(matrix_breaches(&rows[1..], &file(text)).len(), 1);
    for missing in ["fn it_holds() {}", "// #[test] fn it_holds() {}", "#[test] #[ignore] fn it_holds() {}", ""] {
        assert_eq!(matrix_breaches(&rows, &file(missing)).len(), rows.len(), "{missing}");
    }
    let mut untested = rows;
    untested[3].2 = &[];
    assert_eq!(matrix_breaches(&untested, &file(text)), ["row 4 (fault) has no test"]);
}
