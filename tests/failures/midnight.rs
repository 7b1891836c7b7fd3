//! A run that starts on one day and ends on the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{Days, Local, NaiveTime};
use scripting_system::cli;
use scripting_system::commands::invocation::Invocation;
use scripting_system::commands::run::run;
use scripting_system::config::Environment;
use scripting_system::exit_code::ExitCode;
use scripting_system::runtime::clock::Clock;

use super::bad_night::BadNight;

/// Runs the command in this process to control the clock. The log, the signal handlers and the panic hook are global, so no
/// other test may do this.
#[test]
fn a_run_that_crosses_midnight_is_for_the_day_on_which_it_began() {
    let mut bad = BadNight::new();
    bad.date = Local::now().date_naive();
    let at = |date: chrono::NaiveDate, hour, minute, second| {
        let time = date.and_time(NaiveTime::from_hms_opt(hour, minute, second).unwrap());
        time.and_local_timezone(Local).latest().unwrap()
    };
    let noon = at(bad.date, 12, 0, 0).to_utc();
    bad.publish_dump_of(noon);
    bad.plant(&[1, 2, 3, 10, 11]);
    let (evening, morning) = (at(bad.date, 23, 59, 59), at(bad.date + Days::new(1), 0, 0, 1));
    let has_begun = AtomicBool::new(false);
    let clock: Clock = Arc::new(move || {
        let time = if has_begun.swap(true, Ordering::SeqCst) { morning } else { evening };
        time.fixed_offset()
    });
    let jobs = cli::Jobs { config: Some(bad.write_config()), ..cli::Jobs::default() };
    let arguments = cli::Run { jobs, parallel: 1, date: None, dry_run: false, json: false, json_schema: false };
    let environment = Environment::capture();
    let code = run(&arguments, &Invocation::new(0, &clock, &environment));
    drop(std::panic::take_hook());
    let log = std::fs::read_to_string(bad.path("log.log")).unwrap();
    assert_eq!(code, ExitCode::Success, "{log}");
    assert!(log.contains("fresh"), "{log}");
    let names = bad.names();
    assert!(names.contains(&bad.archive_aged(0)) && names.contains(&bad.archive_aged(10)), "{names:?}");
    assert!(!names.contains(&bad.archive_aged(11)), "{names:?}");
    let (subject, _) = bad.last_mail();
    assert!(subject.contains(&bad.date.format("%-d %b %Y").to_string()), "{subject}");
}
