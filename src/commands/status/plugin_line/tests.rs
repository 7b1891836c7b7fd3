//! The line in every state, and that nothing from outside breaks it.

use proptest::prelude::*;

use crate::commands::status::plugin_line::*;
use crate::rules::retention::reason::RemovalHold;

const BOUNDS: Bounds = Bounds { max_age: TimeDelta::hours(26), min_size: Some(1_000_000), alarm: None };

fn newest() -> Newest {
    Newest { name: "20262311.tgz".to_owned(), age: TimeDelta::seconds(32_400), size: Some(3_397_386) }
}

fn checkup(newest: Option<Newest>, findings: Vec<Finding>) -> Checkup {
    Checkup { archives: newest.as_ref().map_or(0, |_| 12), newest, findings }
}

fn line(checkup: &Checkup) -> String {
    check_line(checkup, BOUNDS, Some(118_200_000_000), None)
}

#[test]
fn a_good_night_in_one_line() {
    insta::assert_snapshot!(line(&checkup(Some(newest()), Vec::new())), @"SCRIPTING-SYSTEM OK - 20262311.tgz is 9 h old, 3.24 MiB | age=32400s;;93600;0 size=3397386B;;1000000:;0 archives=12;;;0 free=118200000000B;;;0");
    let bounds = Bounds { min_size: None, ..BOUNDS };
    let unknown = checkup(Some(Newest { size: None, ..newest() }), Vec::new());
    insta::assert_snapshot!(check_line(&unknown, bounds, None, Some("new host key SHA256:x")), @"SCRIPTING-SYSTEM OK - 20262311.tgz is 9 h old, of unknown size; new host key SHA256:x | age=32400s;;93600;0 archives=12;;;0");
}

#[test]
fn broken_bounds_are_told_with_the_bound() {
    let old = Newest { age: TimeDelta::seconds(94_900), size: Some(5), ..newest() };
    let told = line(&checkup(Some(old), vec![Finding::TooOld, Finding::TooSmall]));
    insta::assert_snapshot!(told, @"SCRIPTING-SYSTEM CRITICAL - 20262311.tgz is 26 h 21 min old (more than 26 h), 5 B (less than 976.56 KiB (1,000,000 bytes)) | age=94900s;;93600;0 size=5B;;1000000:;0 archives=12;;;0 free=118200000000B;;;0");
}

#[test]
fn without_an_archive_there_is_no_age_and_no_size() {
    insta::assert_snapshot!(line(&checkup(None, vec![Finding::NoArchive])), @"SCRIPTING-SYSTEM CRITICAL - no archive on the server | archives=0;;;0 free=118200000000B;;;0");
}

#[test]
fn every_finding_is_told() {
    let findings = vec![
        Finding::UnknownSize,
        Finding::ClockAhead { by: TimeDelta::hours(5) },
        Finding::DatedAhead { name: "20262511.tgz".to_owned() },
        Finding::HeldBack(RemovalHold::ClockDiffers { hours: 25 }),
        Finding::Leftovers { count: 2, example: ".20262211.tgz.part".to_owned() },
    ];
    insta::assert_snapshot!(line(&checkup(Some(newest()), findings)), @"SCRIPTING-SYSTEM WARNING - 20262311.tgz is 9 h old, 3.24 MiB; it was written 5 h in the future: set the clock that is wrong, the server's or ours; 20262511.tgz is dated after today; removal is held back: the web server's clock and this machine's differ by 25 hours; set the one that is wrong; 2 leftovers of interrupted runs stayed, such as .20262211.tgz.part | age=32400s;;93600;0 size=3397386B;;1000000:;0 archives=12;;;0 free=118200000000B;;;0");
}

#[test]
fn limits_are_told_exactly() {
    let told = [93_600, 5_400, 45, 0, 172_800].map(|seconds| limit(TimeDelta::seconds(seconds)));
    assert_eq!(told, ["26 h", "90 min", "45 s", "0 h", "48 h"]);
}

proptest! {
    #[test]
    fn nothing_from_outside_breaks_the_line(text in any::<String>()) {
        let named = Newest { name: text.clone(), ..newest() };
        let told = line(&checkup(Some(named), vec![Finding::DatedAhead { name: text.clone() }]));
        prop_assert_eq!(told.matches('|').count(), 1, "{}", told);
        let hides = |character: char| character.is_control() || ('\u{2028}'..='\u{202e}').contains(&character);
        prop_assert!(!told.contains(hides), "{}", told);
        prop_assert!(told.ends_with(" free=118200000000B;;;0"));
        prop_assert!(!plain_check_line(Health::Unknown, &text).contains(['|', '\n']));
    }
}
