//! What `list`, `status` and the mail of a run show of the last drill.

use std::fs;

use chrono::{DateTime, Utc};
use scripting_system::disk::job_id::JobId;
use scripting_system::disk::{last_drill, state_folder};
use scripting_system::rules::drill_history::{DrillHistory, PassedDrill};
use serde_json::{Value, json};
use testkit::Setup;

use super::fixture::{SHOP, delivered, drill, last_mail};

fn set_history(setup: &Setup, days: i64, failed: Option<i64>) {
    let time = |days: i64| Utc::now().timestamp() - days * 86_400 - 60;
    let (archive, server) = ("20262311.tgz".to_owned(), "SQLite 3".to_owned());
    let passed = Some(PassedDrill { time: time(days), archive, server, tables: 2, rows: 2 });
    let history = DrillHistory { passed, failed: failed.map(time) };
    last_drill::write(&JobId::new(&setup.write_config()), &setup.path("work"), &history).unwrap();
}

fn last_in_json(setup: &Setup) -> Value {
    serde_json::from_str::<Value>(&setup.call("list", &["--json"]).stdout).unwrap()["last_drill"].clone()
}

#[test]
fn without_a_drill_the_commands_say_never_and_create_nothing() {
    let mut setup = delivered(SHOP);
    let list = setup.call("list", &[]);
    assert!(list.exited_with(0).stdout.contains("\n  drill      never passed\n"), "{}", list.all());
    assert_eq!(last_in_json(&setup), json!(null));
    let status = setup.call("status", &["--max-drill-age", "8d"]);
    assert!(
        status.exited_with(2).stdout.contains("; the last drill failed, or is too old: never passed | "),
        "{}",
        status.all()
    );
    assert!(!status.stdout.contains("drill_age"), "{}", status.stdout);
    setup.call("status", &[]).exited_with(0);
    // A run mentions drills only if they are configured.
    assert!(!last_mail(&setup).1.contains("\nDrill "));
    setup.config["drill"] = json!({});
    setup.run().exited_with(0);
    assert!(last_mail(&setup).1.contains("\nDrill              never passed\n"));
    let file = state_folder::find(&setup.path("work"), false).unwrap();
    let id = JobId::new(&setup.path("config.json"));
    let names = fs::read_dir(file).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| name.starts_with(&id.to_string())).collect();
    assert_eq!(names, [format!("{id}.lock")]);
}

#[test]
fn the_last_drill_is_shown_and_an_old_one_is_critical() {
    let setup = delivered(SHOP);
    drill(&setup).exited_with(0);
    let archive = setup.archive_name();
    let list = setup.call("list", &[]);
    assert!(list.stdout.contains(&format!("\n  drill      last passed 0 min ago ({archive})\n")), "{}", list.all());
    let last = last_in_json(&setup);
    assert_eq!(last["archive"], json!(archive));
    assert!(DateTime::parse_from_rfc3339(last["time"].as_str().unwrap()).is_ok(), "{last}");
    let status = setup.call("status", &["--max-drill-age", "8d"]);
    assert!(status.exited_with(0).stdout.contains(" drill_age="), "{}", status.all());

    set_history(&setup, 9, Some(2));
    let list = setup.call("list", &[]);
    let text = "last passed 9 days ago (20262311.tgz); failed 2 days ago";
    assert!(list.stdout.contains(&format!("\n  drill      {text}\n")), "{}", list.all());
    let status = setup.call("status", &["--max-drill-age", "8d"]);
    assert!(
        status.exited_with(2).stdout.contains(&format!("the last drill failed, or is too old: {text}")),
        "{}",
        status.all()
    );
    assert!(status.stdout.contains(";;691200;0"), "{}", status.stdout);
    setup.run().exited_with(0);
    assert!(last_mail(&setup).1.contains(&format!("\nDrill              {text}\n")));
    // A drill in the future says nothing.
    set_history(&setup, -30, None);
    setup.call("status", &["--max-drill-age", "8d"]).exited_with(2);
}

#[test]
fn a_failed_drill_is_kept_until_one_passes_and_a_broken_file_counts_as_none() {
    let setup = delivered(SHOP);
    let good = fs::read(setup.archive()).unwrap();
    drill(&setup).exited_with(0);
    fs::write(setup.archive(), "bad").unwrap();
    drill(&setup).exited_with(4);
    let list = setup.call("list", &[]).stdout;
    assert!(list.contains("last passed 0 min ago") && list.contains("; failed 0 min ago\n"), "{list}");
    setup.call("status", &["--max-drill-age", "8d"]).exited_with(2);
    fs::write(setup.archive(), good).unwrap();
    drill(&setup).exited_with(0);
    assert!(!setup.call("list", &[]).stdout.contains("; failed"));
    let folder = state_folder::find(&setup.path("work"), false).unwrap();
    let file = folder.join(format!("{}.drill.json", JobId::new(&setup.path("config.json"))));
    fs::write(&file, "{\"passed\": 7").unwrap();
    assert!(setup.call("list", &[]).stdout.contains("never passed"));
    drill(&setup).exited_with(0);
}
