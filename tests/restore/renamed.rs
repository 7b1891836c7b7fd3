//! A dump that was renamed after older archives were made.

use std::fs;
use std::process::Command;

use serde_json::json;
use testkit::setup::DUMP;
use testkit::{Setup, program};

use super::fixture::{assert_refused, assert_restored, day_before, listing, output, put_archive, restore};

/// Delivers today's archive, and creates yesterday's with the dump under the name `old`.
fn deliver_renamed(setup: &mut Setup, old: &str) {
    setup.run().exited_with(0);
    let folder = setup.path("other-tools");
    fs::create_dir_all(&folder).unwrap();
    let good = fs::read(setup.archive()).unwrap();
    fs::write(folder.join("a.tgz"), good).unwrap();
    let repack = format!("tar -xzf a.tgz && mv {DUMP} \"$OLD\" && tar -czf b.tgz \"$OLD\"");
    let status = Command::new("sh").args(["-c", &repack]).env("OLD", old).current_dir(&folder).status().unwrap();
    assert!(status.success());
    put_archive(setup, 1, &fs::read(folder.join("b.tgz")).unwrap());
}

#[test]
fn restore_names_the_file_in_the_archive_and_prints_a_command_that_restores_it() {
    Setup::on_each_server(|setup| {
        let old = "the old dump's.sql";
        deliver_renamed(setup, old);
        let yesterday = day_before(setup, 1).to_string();
        let outcome = restore(setup, &["--date", &yesterday]);
        assert_refused(setup, &outcome, &["contains \"the old dump's.sql\" instead of \"dumpfile.sql\"", "--dump"]);
        let (_, command) = outcome.stderr.rsplit_once("at that time, run scripting-system ").unwrap();
        let command = format!("'{}' {command}", program().display());
        let restored = Command::new("sh").args(["-c", &command]).env("TZ", "UTC").output().unwrap();
        setup.outcome(restored).exited_with(0);
        assert!(fs::read(output(setup).join(old)).unwrap() == setup.dump);
        fs::remove_dir_all(output(setup)).unwrap();

        // Also with a different name, or none, in the configuration.
        setup.set("source.dump", json!("elsewhere/renamed again.sql"));
        let outcome = restore(setup, &["--date", &yesterday, "--dump", old]);
        outcome.exited_with(0);
        fs::remove_dir_all(output(setup)).unwrap();
        setup.config["source"] = json!(null);
        restore(setup, &["--date", &yesterday]).exited_with(0);
        assert_eq!(listing(&output(setup))[0].0, old);
        fs::remove_dir_all(output(setup)).unwrap();
        assert_restored(setup, &restore(setup, &["--dump", DUMP]));
        restore(setup, &["--date", &yesterday, "--dump", DUMP]).exited_with(4);
    });
}

#[test]
fn verify_reports_an_intact_archive_with_another_name_as_a_warning_until_the_name_is_given() {
    Setup::on_each_server(|setup| {
        deliver_renamed(setup, "old.sql");
        let outcome = setup.call("verify", &["--all"]);
        outcome.exited_with(1);
        assert!(!outcome.stdout.contains("BAD"), "{}", outcome.all());
        assert!(outcome.stdout.contains("intact, but it contains \"old.sql\" instead of \"dumpfile.sql\": a dump of "));
        assert!(outcome.stdout.ends_with("2 archives: 1 good, 1 with another name\n"), "{}", outcome.all());
        let outcome = setup.call("verify", &["--all", "--dump", "old.sql"]);
        assert!(outcome.exited_with(0).stdout.ends_with("2 archives: 2 good\n"), "{}", outcome.all());
        setup.config["source"] = json!(null);
        setup.call("verify", &["--all"]).exited_with(0);
        // A damaged archive outweighs another name.
        put_archive(setup, 2, b"damaged");
        setup.call("verify", &["--all", "--dump", "other.sql"]).exited_with(4);
    });
}
