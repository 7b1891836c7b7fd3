//! Each row of the fault matrix has its tests: that none is missing, and that each one that is named is there.

mod rows;
mod trust_and_loss;

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::sources::{files_below, tests_in};

/// A row: its number, the fault in words, and its tests: the file and the name.
type Row = (u32, &'static str, &'static [(&'static str, &'static str)]);

/// The numbers of the rows that are covered: those in between are about what is still to be built.
fn numbers() -> impl Iterator<Item = u32> {
    (1..=98).chain([122])
}

/// What is wrong with `rows`, given the names of the tests in each file.
fn matrix_faults(rows: &[Row], tests: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    if !rows.iter().map(|(number, ..)| *number).eq(numbers()) {
        faults.push("a row is missing, there twice or out of order".to_owned());
    }
    for (number, fault, named) in rows {
        if named.is_empty() {
            faults.push(format!("row {number} ({fault}) has no test"));
        }
        for (file, name) in *named {
            if !tests.get(*file).is_some_and(|tests| tests.contains(*name)) {
                faults.push(format!("row {number} ({fault}): {file} has no test {name}"));
            }
        }
    }
    faults
}

#[test]
fn every_row_of_the_fault_matrix_has_its_tests() {
    let files = ["src", "tests"].into_iter().flat_map(files_below);
    let tests = files.map(|(file, text)| (file, tests_in(&text))).collect();
    assert_none(&matrix_faults(&[rows::ROWS, trust_and_loss::ROWS].concat(), &tests));
}

#[test]
fn a_row_that_is_missing_or_names_no_test_is_found() {
    let file = |text| BTreeMap::from([("tests/a.rs".to_owned(), tests_in(text))]);
    let whole: Vec<Row> = numbers().map(|number| (number, "fault", &[("tests/a.rs", "it_holds")][..])).collect();
    let there = "mod inner { #[test] #[ignore = \"no\"] fn ignored() {} #[test]\n fn it_holds() {} } fn helper() {}";
    assert_none(&matrix_faults(&whole, &file(there)));
    assert_eq!(matrix_faults(&whole[1..], &file(there)).len(), 1);
    for text in ["fn it_holds() {}", "// #[test] fn it_holds() {}", "#[test] #[ignore] fn it_holds() {}", ""] {
        assert_eq!(matrix_faults(&whole, &file(text)).len(), whole.len(), "{text}");
    }
    let mut poor = whole;
    poor[3].2 = &[];
    assert_eq!(matrix_faults(&poor, &file(there)), ["row 4 (fault) has no test"]);
}
