//! Delivered dumps are restored, and nothing changes on the server.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use serde_json::json;
use testkit::Night;
use testkit::night::DUMP;

use super::fixture::{assert_restored, listing, output, plain, put_archive, restore};

#[test]
fn the_dump_is_restored_byte_for_byte_with_its_modification_time() {
    Night::on_each_server(|night| {
        night.run().exited_with(0);
        let before = listing(&night.sshd.directory);
        let outcome = restore(night, &["--latest"]);
        assert_restored(night, &outcome);
        insta::allow_duplicates!(insta::assert_snapshot!(plain(night, &outcome.stdout), @r"
        restored  /restored/dumpfile.sql
        from  N.tgz, N KiB in N s
        the dump  N KiB (N bytes), modified N MONTH N N:N:N +N:N
        dump's SHA-N DIGEST
        made by  unknown: this program does not recognise the format
        "));
        assert_eq!(outcome.stderr, "");

        let outcome = night.call("verify", &[]);
        outcome.exited_with(0);
        insta::allow_duplicates!(insta::assert_snapshot!(
            plain(night, &outcome.stdout),
            @"N.tgz  N-N-N  N KiB  good: a dump of N KiB, modified N MONTH N N:N:N +N:N"
        ));
        assert!(listing(&night.sshd.directory) == before, "the server was changed");
        assert!(night.work_directory_is_empty());
    });
}

#[test]
fn the_archive_itself_can_be_restored() {
    Night::on_each_server(|night| {
        night.run().exited_with(0);
        let outcome = restore(night, &["--archive-only"]);
        outcome.exited_with(0);
        let kept = output(night).join(night.archive_name());
        assert!(fs::read(&kept).unwrap() == fs::read(night.archive()).unwrap());
        assert_eq!(listing(&output(night)).len(), 1);
        let (kept, stored) = (fs::metadata(kept).unwrap(), fs::metadata(night.archive()).unwrap());
        assert_eq!((kept.mtime(), kept.mode() & 0o777), (stored.mtime(), 0o600));
        insta::allow_duplicates!(insta::assert_snapshot!(plain(night, &outcome.stdout), @r"
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
    let mut night = Night::new();
    let folder = night.path("other-tools");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(DUMP), &night.dump).unwrap();
    let status =
        Command::new("touch").arg("-d").arg(format!("@{}", night.modified.timestamp())).arg(folder.join(DUMP)).status();
    assert!(status.unwrap().success());
    for name in [DUMP.to_owned(), format!("./{DUMP}")] {
        let tar = Command::new("tar").arg("-czf").arg("other.tgz").arg(&name).current_dir(&folder).status().unwrap();
        assert!(tar.success());
        put_archive(&night, 0, &fs::read(folder.join("other.tgz")).unwrap());
        night.call("verify", &[]).exited_with(0);
        assert_restored(&night, &restore(&night, &["--force"]));
    }
    for level in [json!(1), json!(9), json!("reuse")] {
        fs::remove_file(night.archive()).unwrap();
        night.set("archive.compression", level).run().exited_with(0);
        assert_restored(&night, &restore(&night, &["--force"]));
    }
}

#[test]
fn a_machine_without_the_files_for_a_run_can_restore_the_dump() {
    Night::on_each_server(|night| {
        night.run().exited_with(0);
        for key in ["source.ca_file", "email.server.ca_file", "mattermost.ca_file"] {
            night.set(key, json!("missing.pem"));
        }
        night.set("email.server.password", json!({"file": "secrets/missing"}));
        night.set("mattermost.webhook_url", json!({"file": "secrets/missing"}));
        night.set("archive.work_directory", json!("missing"));
        night.run().exited_with(3);
        assert_restored(night, &restore(night, &[]));
        for command in ["verify", "list", "status"] {
            assert_eq!(night.call(command, &[]).exited_with(0).stderr, "");
        }
    });
}

#[test]
fn the_sections_sftp_and_archive_are_enough_to_restore_the_dump() {
    Night::on_each_server(|night| {
        night.run().exited_with(0);
        let whole = night.config.clone();
        let [sftp, archive] = ["sftp", "archive"].map(|section| whole[section].clone());
        let mut broken = whole;
        for section in ["source", "retention", "alarm", "retry", "run", "log", "email", "mattermost", "monitor"] {
            broken[section] = json!("gone");
        }
        broken["hooks"] = json!({"after": "of another version"});
        let no_url = json!({"source": {"dump": DUMP, "nonsense": 1}, "sftp": sftp, "archive": archive});
        for config in [json!({"sftp": sftp, "archive": archive}), json!({"sftp": sftp}), broken, no_url] {
            night.config = config;
            night.run().exited_with(3);
            assert_restored(night, &restore(night, &["--force"]));
            let is_retention_invalid = !night.config["retention"].is_null();
            for command in ["verify", "list", "status"] {
                let outcome = night.call(command, &[]);
                outcome.exited_with(0);
                let is_reported = outcome.stderr.contains("retention: must be an object");
                assert_eq!(is_reported, is_retention_invalid && command == "list", "{command}: {}", outcome.all());
            }
        }
        // An existing file with a name that only the archive reveals.
        night.config = json!({"sftp": sftp});
        let outcome = restore(night, &[]);
        assert!(
            outcome.exited_with(4).stderr.contains("dumpfile.sql already exists and was not changed"),
            "{}",
            outcome.all()
        );
        night.config = json!({"archive": archive});
        assert!(restore(night, &[]).exited_with(3).stderr.contains("sftp.host: is missing"));
    });
}
