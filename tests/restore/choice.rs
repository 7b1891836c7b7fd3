//! The choice of the archive to restore.

use std::fs;

use serde_json::json;
use testkit::Setup;

use super::fixture::{assert_refused, assert_restored, day_before, listing, put_archive, restore};

#[test]
fn the_newest_is_restored_unless_a_date_is_given() {
    Setup::on_each_server(|setup| {
        setup.run().exited_with(0);
        let good = fs::read(setup.archive()).unwrap();
        fs::remove_file(setup.archive()).unwrap();
        put_archive(setup, 3, &good);
        put_archive(setup, 5, b"bad");
        assert_restored(setup, &restore(setup, &[]));
        fs::remove_dir_all(super::fixture::output(setup)).unwrap();
        let date = |days| day_before(setup, days).to_string();
        assert_refused(setup, &restore(setup, &["--date", &date(5)]), &["is not a gzip file"]);
        assert_restored(setup, &restore(setup, &["--date", &date(3)]));
        fs::remove_dir_all(super::fixture::output(setup)).unwrap();
        let between = restore(setup, &["--date", &date(4)]);
        let words = format!("there is no archive of {}; the nearest are those of {} and {}", date(4), date(5), date(3));
        assert_refused(setup, &between, &[&words]);
        let future = restore(setup, &["--date", "2999-12-31"]);
        assert_refused(setup, &future, &["there is no archive of 2999-12-31; the nearest is that of "]);
        let verified = setup.call("verify", &["--date", &date(4)]);
        assert!(verified.exited_with(4).stderr.contains(&words), "{}", verified.all());
        restore(setup, &["--date", &date(3), "--latest"]).exited_with(2);
        setup.call("verify", &["--date", &date(3), "--all"]).exited_with(2);
    });
}

#[test]
fn a_folder_without_an_archive_is_reported() {
    Setup::on_each_server(|setup| {
        fs::write(setup.sshd.directory.join("notes.txt"), "x").unwrap();
        assert_refused(setup, &restore(setup, &[]), &["sftp.directory holds no archive"]);
        for arguments in [&[][..], &["--all"], &["--date", "2026-01-01"]] {
            let outcome = setup.call("verify", arguments);
            assert!(outcome.exited_with(4).stderr.contains("sftp.directory holds no archive"), "{}", outcome.all());
        }
    });
}

#[test]
fn a_replaced_archive_without_a_successor_is_restored_and_not_renamed() {
    Setup::on_each_server(|setup| {
        setup.run().exited_with(0);
        let old = setup.sshd.directory.join(format!(".{}.old", setup.archive_name()));
        fs::rename(setup.archive(), old).unwrap();
        let before = listing(&setup.sshd.directory);
        let outcome = setup.call("verify", &[]);
        assert!(outcome.exited_with(0).stdout.starts_with(&setup.archive_name()), "{}", outcome.all());
        let outcome = restore(setup, &["--latest"]);
        assert_restored(setup, &outcome);
        assert!(outcome.stdout.contains(&format!("from           {}, ", setup.archive_name())), "{}", outcome.all());
        assert!(listing(&setup.sshd.directory) == before, "the server was changed");
    });
}

#[test]
fn archives_of_another_pattern_are_named_with_that_pattern() {
    Setup::on_each_server(|setup| {
        setup.run().exited_with(0);
        let name = setup.modified.format("db-%d.%m.%Y.tgz").to_string();
        fs::rename(setup.archive(), setup.sshd.directory.join(&name)).unwrap();
        setup.config["archive"] = json!(null);
        let words = format!("\"{name}\" looks like an archive of another pattern: set archive.name to \"db-%d.%m.%Y\"");
        assert_refused(setup, &restore(setup, &[]), &["sftp.directory holds no archive: ", &words]);
        assert!(setup.call("verify", &[]).exited_with(4).stderr.contains(&words));
        setup.config["archive"] = json!({"name": "db-%d.%m.%Y"});
        assert_restored(setup, &restore(setup, &[]));
    });
}
