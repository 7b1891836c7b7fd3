//! A dump that was renamed after older archives were made.

use std::fs;
use std::process::Command;

use serde_json::json;
use testkit::night::DUMP;
use testkit::{Night, program};

use super::fixture::{assert_refused, assert_restored, day_before, listing, output, put_archive, restore};

/// Delivers today's archive, and creates yesterday's with the dump under the name `old`.
fn deliver_renamed(night: &mut Night, old: &str) {
    night.run().exited_with(0);
    let folder = night.path("other-tools");
    fs::create_dir_all(&folder).unwrap();
    let good = fs::read(night.archive()).unwrap();
    fs::write(folder.join("a.tgz"), good).unwrap();
    let repack = format!("tar -xzf a.tgz && mv {DUMP} \"$OLD\" && tar -czf b.tgz \"$OLD\"");
    let status = Command::new("sh").args(["-c", &repack]).env("OLD", old).current_dir(&folder).status().unwrap();
    assert!(status.success());
    put_archive(night, 1, &fs::read(folder.join("b.tgz")).unwrap());
}

#[test]
fn restore_names_the_file_in_the_archive_and_prints_a_command_that_restores_it() {
    Night::on_each_server(|night| {
        let old = "the old dump's.sql";
        deliver_renamed(night, old);
        let yesterday = day_before(night, 1).to_string();
        let outcome = restore(night, &["--date", &yesterday]);
        assert_refused(night, &outcome, &["contains \"the old dump's.sql\" instead of \"dumpfile.sql\"", "--dump"]);
        let (_, command) = outcome.stderr.rsplit_once("at that time, run scripting-system ").unwrap();
        let command = format!("'{}' {command}", program().display());
        let restored = Command::new("sh").args(["-c", &command]).env("TZ", "UTC").output().unwrap();
        night.outcome(restored).exited_with(0);
        assert!(fs::read(output(night).join(old)).unwrap() == night.dump);
        fs::remove_dir_all(output(night)).unwrap();

        // Also with a different name, or none, in the configuration.
        night.set("source.dump", json!("elsewhere/renamed again.sql"));
        let outcome = restore(night, &["--date", &yesterday, "--dump", old]);
        outcome.exited_with(0);
        fs::remove_dir_all(output(night)).unwrap();
        night.config["source"] = json!(null);
        restore(night, &["--date", &yesterday]).exited_with(0);
        assert_eq!(listing(&output(night))[0].0, old);
        fs::remove_dir_all(output(night)).unwrap();
        assert_restored(night, &restore(night, &["--dump", DUMP]));
        restore(night, &["--date", &yesterday, "--dump", DUMP]).exited_with(4);
    });
}

#[test]
fn verify_reports_an_intact_archive_with_another_name_as_a_warning_until_the_name_is_given() {
    Night::on_each_server(|night| {
        deliver_renamed(night, "old.sql");
        let outcome = night.call("verify", &["--all"]);
        outcome.exited_with(1);
        assert!(!outcome.stdout.contains("BAD"), "{}", outcome.all());
        assert!(outcome.stdout.contains("intact, but it contains \"old.sql\" instead of \"dumpfile.sql\": a dump of "));
        assert!(outcome.stdout.ends_with("2 archives: 1 good, 1 with another name\n"), "{}", outcome.all());
        let outcome = night.call("verify", &["--all", "--dump", "old.sql"]);
        assert!(outcome.exited_with(0).stdout.ends_with("2 archives: 2 good\n"), "{}", outcome.all());
        night.config["source"] = json!(null);
        night.call("verify", &["--all"]).exited_with(0);
        // A damaged archive outweighs another name.
        put_archive(night, 2, b"damaged");
        night.call("verify", &["--all", "--dump", "other.sql"]).exited_with(4);
    });
}
