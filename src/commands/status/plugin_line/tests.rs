//! The line in every state; no text from outside breaks it.

use proptest::prelude::*;

use crate::commands::status::plugin_line::*;
use crate::rules::retention::reason::RemovalHold;

const LIMITS: Limits =
    Limits { max_age: TimeDelta::hours(26), min_size: Some(1_000_000), alarm: None, max_drill_age: None };

fn newest() -> Newest {
    Newest { name: "20262311.tgz".to_owned(), age: TimeDelta::seconds(32_400), size: Some(3_397_386) }
}

fn line_for(newest: Option<Newest>, problems: Vec<Problem>) -> String {
    let checkup = HealthReport { archives: newest.as_ref().map_or(0, |_| 12), newest, drill_age: None, problems };
    line(&Report::new(&checkup, LIMITS, Some(118_200_000_000), None))
}

#[test]
fn a_good_archive_takes_one_line() {
    insta::assert_snapshot!(line_for(Some(newest()), Vec::new()), @"SCRIPTING-SYSTEM OK - 20262311.tgz is 9 h old, 3.24 MiB | age=32400s;;93600;0 size=3397386B;;1000000:;0 archives=12;;;0 free=118200000000B;;;0");
    let unknown = HealthReport {
        archives: 12,
        newest: Some(Newest { size: None, ..newest() }),
        drill_age: None,
        problems: Vec::new(),
    };
    let limits = Limits { min_size: None, ..LIMITS };
    insta::assert_snapshot!(line(&Report::new(&unknown, limits, None, Some("new host key SHA256:x"))), @"SCRIPTING-SYSTEM OK - 20262311.tgz is 9 h old, of unknown size; new host key SHA256:x | age=32400s;;93600;0 archives=12;;;0");
}

#[test]
fn an_exceeded_limit_is_reported_with_the_limit() {
    let old = Newest { age: TimeDelta::seconds(94_900), size: Some(5), ..newest() };
    insta::assert_snapshot!(line_for(Some(old), vec![Problem::TooOld, Problem::TooSmall]), @"SCRIPTING-SYSTEM CRITICAL - 20262311.tgz is 26 h 21 min old (more than 26 h), 5 B (less than 976.56 KiB (1,000,000 bytes)) | age=94900s;;93600;0 size=5B;;1000000:;0 archives=12;;;0 free=118200000000B;;;0");
    let limits = [93_600, 5_400, 45, 0, 172_800].map(|seconds| limit(TimeDelta::seconds(seconds)));
    assert_eq!(limits, ["26 h", "90 min", "45 s", "0 h", "48 h"]);
}

#[test]
fn without_an_archive_there_is_no_age_and_no_size() {
    insta::assert_snapshot!(line_for(None, vec![Problem::NoArchive]), @"SCRIPTING-SYSTEM CRITICAL - no archive on the server | archives=0;;;0 free=118200000000B;;;0");
}

#[test]
fn every_other_problem_is_reported() {
    let problems = vec![
        Problem::UnknownSize,
        Problem::ClockAhead { by: TimeDelta::hours(5) },
        Problem::DatedAhead { name: "20262511.tgz".to_owned() },
        Problem::HeldBack(RemovalHold::ClockDiffers { hours: 25 }),
        Problem::Leftovers { count: 2, example: ".20262211.tgz.part".to_owned() },
    ];
    insta::assert_snapshot!(line_for(Some(newest()), problems), @"SCRIPTING-SYSTEM WARNING - 20262311.tgz is 9 h old, 3.24 MiB; it was written 5 h in the future: set the clock that is wrong, the server's or ours; 20262511.tgz is dated after today; removal is held back: the clocks of a server and of this machine differ by 25 hours; set the one that is wrong; 2 leftovers of interrupted runs stayed, such as .20262211.tgz.part | age=32400s;;93600;0 size=3397386B;;1000000:;0 archives=12;;;0 free=118200000000B;;;0");
}

fn line_of(health: Health, text: &str) -> String {
    line(&Report::without_figures(health, text))
}

proptest! {
    #[test]
    fn no_text_from_outside_breaks_the_line(text in any::<String>()) {
        let named = Newest { name: text.clone(), ..newest() };
        let line = line_for(Some(named), vec![Problem::DatedAhead { name: text.clone() }]);
        prop_assert_eq!(line.matches('|').count(), 1, "{}", line);
        let hides = |character: char| character.is_control() || ('\u{2028}'..='\u{202e}').contains(&character);
        prop_assert!(!line.contains(hides), "{}", line);
        prop_assert!(line.ends_with(" free=118200000000B;;;0"));
        prop_assert!(!line_of(Health::Unknown, &text).contains(['|', '\n']));
        let lines = lines(&[(text.clone(), Report::without_figures(Health::Ok, text))]);
        prop_assert_eq!((lines.lines().count(), lines.matches('|').count()), (2, 1), "{}", lines);
    }
}
