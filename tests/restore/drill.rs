//! Delivered dumps are restored, and nothing changes on the server.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use serde_json::json;
use testkit::Setup;
use testkit::setup::DUMP;

use super::fixture::{assert_restored, listing, output, plain, put_archive, restore};

#[test]
fn the_dump_is_restored_byte_for_byte_with_its_modification_time() {
    Setup::on_each_server(|setup| {
        setup.run().exited_with(0);
        let before = listing(&setup.sshd.directory);
        let outcome = restore(setup, &["--latest"]);
        assert_restored(setup, &outcome);
        insta::allow_duplicates!(insta::assert_snapshot!(plain(setup, &outcome.stdout), @r"
        restored  /restored/dumpfile.sql
        from  N.tgz, N KiB in N s
        the dump  N KiB (N bytes), modified N MONTH N N:N:N +N:N
        dump's SHA-N DIGEST
        made by  unknown: the format is not recognised
        "));
        assert_eq!(outcome.stderr, "");

        let outcome = setup.call("verify", &[]);
        outcome.exited_with(0);
        insta::allow_duplicates!(insta::assert_snapshot!(
            plain(setup, &outcome.stdout),
            @"N.tgz  N-N-N  N KiB  good: a dump of N KiB, modified N MONTH N N:N:N +N:N"
        ));
        assert!(listing(&setup.sshd.directory) == before, "the server was changed");
        assert!(setup.work_directory_is_empty());
    });
}

#[test]
fn the_archive_itself_can_be_restored() {
    Setup::on_each_server(|setup| {
        setup.run().exited_with(0);
        let outcome = restore(setup, &["--archive-only"]);
        outcome.exited_with(0);
        let kept = output(setup).join(setup.archive_name());
        assert!(fs::read(&kept).unwrap() == fs::read(setup.archive()).unwrap());
        assert_eq!(listing(&output(setup)).len(), 1);
        let (kept, stored) = (fs::metadata(kept).unwrap(), fs::metadata(setup.archive()).unwrap());
        assert_eq!((kept.mtime(), kept.mode() & 0o777), (stored.mtime(), 0o600));
        insta::allow_duplicates!(insta::assert_snapshot!(plain(setup, &outcome.stdout), @r"
        restored  /restored/N.tgz
        from  N.tgz, N KiB in N s
        the dump  N KiB (N bytes), modified N MONTH N N:N:N +N:N
        dump's SHA-N DIGEST
        to unpack it  tar -xzf /restored/N.tgz
        "));
    });
}

#[test]
fn archives_by_tar_and_with_any_compression_are_restored() {
    let mut setup = Setup::new();
    let folder = setup.path("other-tools");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(DUMP), &setup.dump).unwrap();
    let status =
        Command::new("touch").arg("-d").arg(format!("@{}", setup.modified.timestamp())).arg(folder.join(DUMP)).status();
    assert!(status.unwrap().success());
    for name in [DUMP.to_owned(), format!("./{DUMP}")] {
        let tar = Command::new("tar").arg("-czf").arg("other.tgz").arg(&name).current_dir(&folder).status().unwrap();
        assert!(tar.success());
        put_archive(&setup, 0, &fs::read(folder.join("other.tgz")).unwrap());
        setup.call("verify", &[]).exited_with(0);
        assert_restored(&setup, &restore(&setup, &["--force"]));
    }
    for level in [json!(1), json!(9), json!("reuse")] {
        fs::remove_file(setup.archive()).unwrap();
        setup.set("archive.compression", level).run().exited_with(0);
        assert_restored(&setup, &restore(&setup, &["--force"]));
    }
}

#[test]
fn a_machine_without_the_files_for_a_run_can_restore_the_dump() {
    Setup::on_each_server(|setup| {
        setup.run().exited_with(0);
        for key in ["source.ca_file", "email.server.ca_file", "mattermost.ca_file"] {
            setup.set(key, json!("missing.pem"));
        }
        setup.set("email.server.password", json!({"file": "secrets/missing"}));
        setup.set("mattermost.webhook_url", json!({"file": "secrets/missing"}));
        setup.set("archive.work_directory", json!("missing"));
        setup.run().exited_with(3);
        assert_restored(setup, &restore(setup, &[]));
        for command in ["verify", "list", "status"] {
            assert_eq!(setup.call(command, &[]).exited_with(0).stderr, "");
        }
    });
}

#[test]
fn the_sections_sftp_and_archive_are_enough_to_restore_the_dump() {
    Setup::on_each_server(|setup| {
        setup.run().exited_with(0);
        let whole = setup.config.clone();
        let [sftp, archive] = ["sftp", "archive"].map(|section| whole[section].clone());
        let mut broken = whole;
        for section in ["source", "retention", "alarm", "retry", "run", "log", "email", "mattermost", "monitor"] {
            broken[section] = json!("gone");
        }
        broken["hooks"] = json!({"after": "of another version"});
        let no_url = json!({"source": {"dump": DUMP, "nonsense": 1}, "sftp": sftp, "archive": archive});
        for config in [json!({"sftp": sftp, "archive": archive}), json!({"sftp": sftp}), broken, no_url] {
            setup.config = config;
            setup.run().exited_with(3);
            assert_restored(setup, &restore(setup, &["--force"]));
            let is_retention_invalid = !setup.config["retention"].is_null();
            for command in ["verify", "list", "status"] {
                let outcome = setup.call(command, &[]);
                outcome.exited_with(0);
                let is_reported = outcome.stderr.contains("retention: must be an object");
                assert_eq!(is_reported, is_retention_invalid && command == "list", "{command}: {}", outcome.all());
            }
        }
        // An existing file with a name that only the archive reveals.
        setup.config = json!({"sftp": sftp});
        let outcome = restore(setup, &[]);
        assert!(
            outcome.exited_with(4).stderr.contains("dumpfile.sql already exists and was not changed"),
            "{}",
            outcome.all()
        );
        setup.config = json!({"archive": archive});
        assert!(restore(setup, &[]).exited_with(3).stderr.contains("sftp.host: is missing"));
    });
}
