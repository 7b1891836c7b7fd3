//! The choice of the archive to restore.

use std::fs;

use serde_json::json;
use testkit::Night;

use super::fixture::{assert_refused, assert_restored, day_before, listing, put_archive, restore};

#[test]
fn the_newest_is_restored_unless_a_date_is_given() {
    Night::on_each_server(|night| {
        night.run().exited_with(0);
        let good = fs::read(night.archive()).unwrap();
        fs::remove_file(night.archive()).unwrap();
        put_archive(night, 3, &good);
        put_archive(night, 5, b"bad");
        assert_restored(night, &restore(night, &[]));
        fs::remove_dir_all(super::fixture::output(night)).unwrap();
        let date = |days| day_before(night, days).to_string();
        assert_refused(night, &restore(night, &["--date", &date(5)]), &["is no gzip file"]);
        assert_restored(night, &restore(night, &["--date", &date(3)]));
        fs::remove_dir_all(super::fixture::output(night)).unwrap();
        let between = restore(night, &["--date", &date(4)]);
        let words = format!("there is no archive of {}; the nearest are those of {} and {}", date(4), date(5), date(3));
        assert_refused(night, &between, &[&words]);
        let future = restore(night, &["--date", "2999-12-31"]);
        assert_refused(night, &future, &["there is no archive of 2999-12-31; the nearest is that of "]);
        let verified = night.call("verify", &["--date", &date(4)]);
        assert!(verified.exited_with(4).stderr.contains(&words), "{}", verified.all());
        restore(night, &["--date", &date(3), "--latest"]).exited_with(2);
        night.call("verify", &["--date", &date(3), "--all"]).exited_with(2);
    });
}

#[test]
fn a_folder_without_an_archive_is_reported() {
    Night::on_each_server(|night| {
        fs::write(night.sshd.directory.join("notes.txt"), "x").unwrap();
        assert_refused(night, &restore(night, &[]), &["sftp.directory holds no archive"]);
        for arguments in [&[][..], &["--all"], &["--date", "2026-01-01"]] {
            let outcome = night.call("verify", arguments);
            assert!(outcome.exited_with(4).stderr.contains("sftp.directory holds no archive"), "{}", outcome.all());
        }
    });
}

#[test]
fn a_replaced_archive_without_a_successor_is_restored_and_not_renamed() {
    Night::on_each_server(|night| {
        night.run().exited_with(0);
        let old = night.sshd.directory.join(format!(".{}.old", night.archive_name()));
        fs::rename(night.archive(), old).unwrap();
        let before = listing(&night.sshd.directory);
        let outcome = night.call("verify", &[]);
        assert!(outcome.exited_with(0).stdout.starts_with(&night.archive_name()), "{}", outcome.all());
        let outcome = restore(night, &["--latest"]);
        assert_restored(night, &outcome);
        assert!(outcome.stdout.contains(&format!("from           {}, ", night.archive_name())), "{}", outcome.all());
        assert!(listing(&night.sshd.directory) == before, "the server was changed");
    });
}

#[test]
fn archives_of_another_pattern_are_named_with_that_pattern() {
    Night::on_each_server(|night| {
        night.run().exited_with(0);
        let name = night.modified.format("db-%d.%m.%Y.tgz").to_string();
        fs::rename(night.archive(), night.sshd.directory.join(&name)).unwrap();
        night.config["archive"] = json!(null);
        let words = format!("\"{name}\" looks like an archive of another pattern: set archive.name to \"db-%d.%m.%Y\"");
        assert_refused(night, &restore(night, &[]), &["sftp.directory holds no archive: ", &words]);
        assert!(night.call("verify", &[]).exited_with(4).stderr.contains(&words));
        night.config["archive"] = json!({"name": "db-%d.%m.%Y"});
        assert_restored(night, &restore(night, &[]));
    });
}
