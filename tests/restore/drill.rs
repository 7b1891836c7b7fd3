//! The drill: what a night has delivered comes back, and nothing changes where it lies.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use serde_json::json;

use super::day::{assert_restored, listing, output, plain, plant, restore};
use super::support::Night;
use super::support::night::DUMP;

#[test]
fn after_a_night_the_dump_comes_back_byte_for_byte_with_its_time() {
    Night::on_each_server(|night| {
        night.run().ended_with(0);
        let before = listing(&night.sshd.directory);
        let ran = restore(night, &["--latest"]);
        assert_restored(night, &ran);
        insta::allow_duplicates!(insta::assert_snapshot!(plain(night, &ran.stdout), @r"
        restored  /restored/dumpfile.sql
        from  N.tgz, N KiB in N s
        the dump  N KiB (N bytes), modified N MONTH N N:N:N +N:N
        dump's SHA-N DIGEST
        made by  unknown: it begins like no dump that this program knows
        "));
        assert_eq!(ran.stderr, "");

        let ran = night.ask("verify", &[]);
        ran.ended_with(0);
        insta::allow_duplicates!(insta::assert_snapshot!(
            plain(night, &ran.stdout),
            @"N.tgz  N-N-N  N KiB  good: a dump of N KiB, modified N MONTH N N:N:N +N:N"
        ));
        assert!(listing(&night.sshd.directory) == before, "something changed on the server");
        assert!(night.work_directory_is_empty());
    });
}

#[test]
fn the_archive_itself_can_be_kept() {
    Night::on_each_server(|night| {
        night.run().ended_with(0);
        let ran = restore(night, &["--archive-only"]);
        ran.ended_with(0);
        let kept = output(night).join(night.archive_name());
        assert!(fs::read(&kept).unwrap() == fs::read(night.archive()).unwrap());
        assert_eq!(listing(&output(night)).len(), 1);
        let (kept, there) = (fs::metadata(kept).unwrap(), fs::metadata(night.archive()).unwrap());
        assert_eq!((kept.mtime(), kept.mode() & 0o777), (there.mtime(), 0o600));
        insta::allow_duplicates!(insta::assert_snapshot!(plain(night, &ran.stdout), @r"
        restored  /restored/N.tgz
        from  N.tgz, N KiB in N s
        the dump  N KiB (N bytes), modified N MONTH N N:N:N +N:N
        dump's SHA-N DIGEST
        to unpack it  tar -xzf /restored/N.tgz
        "));
    });
}

#[test]
fn archives_of_the_replaced_system_and_of_any_compression_come_back() {
    let mut night = Night::new();
    let folder = night.path("theirs");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(DUMP), &night.dump).unwrap();
    let touched =
        Command::new("touch").arg("-d").arg(format!("@{}", night.modified.timestamp())).arg(folder.join(DUMP)).status();
    assert!(touched.unwrap().success());
    for name in [DUMP.to_owned(), format!("./{DUMP}")] {
        let tar = Command::new("tar").arg("-czf").arg("their.tgz").arg(&name).current_dir(&folder).status().unwrap();
        assert!(tar.success());
        plant(&night, 0, &fs::read(folder.join("their.tgz")).unwrap());
        night.ask("verify", &[]).ended_with(0);
        assert_restored(&night, &restore(&night, &["--force"]));
    }
    for level in [json!(1), json!(9), json!("reuse")] {
        fs::remove_file(night.archive()).unwrap();
        night.set("archive.compression", level).run().ended_with(0);
        assert_restored(&night, &restore(&night, &["--force"]));
    }
}

#[test]
fn a_machine_that_has_no_more_than_the_way_in_brings_the_dump_back() {
    Night::on_each_server(|night| {
        night.run().ended_with(0);
        for key in ["source.ca_file", "email.server.ca_file", "mattermost.ca_file"] {
            night.set(key, json!("missing.pem"));
        }
        night.set("email.server.password", json!({"file": "secrets/missing"}));
        night.set("mattermost.webhook_url", json!({"file": "secrets/missing"}));
        night.set("archive.work_directory", json!("missing"));
        night.run().ended_with(3);
        assert_restored(night, &restore(night, &[]));
        for command in ["verify", "list", "status"] {
            assert_eq!(night.ask(command, &[]).ended_with(0).stderr, "");
        }
    });
}

#[test]
fn a_dump_is_told_with_the_command_that_loads_it() {
    let mut night = Night::new();
    for (beginning, told) in [
        ("-- MySQL dump 10.13  Distrib 8.0.36\n--\n", "mysql -u USER -p DATABASE < "),
        ("/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n", "mariadb -u USER -p DATABASE < "),
        ("--\n-- PostgreSQL database dump\n--\n", "psql -v ON_ERROR_STOP=1 -d DATABASE -f "),
        ("PGDMP\u{1}", "pg_restore -d DATABASE "),
    ] {
        night.dump = [beginning.as_bytes(), &[b'x'; 10_000]].concat();
        night.publish_dump_of(night.modified);
        let _ = fs::remove_file(night.archive());
        night.run().ended_with(0);
        let ran = night.ask("restore", &["--force", "--output", night.path("the operator's").to_str().unwrap()]);
        ran.ended_with(0);
        let (_, command) = ran.stdout.rsplit_once("to load it     ").unwrap();
        assert!(command.starts_with(told), "{}", ran.all());
        // What a shell makes of the path.
        let path = command.strip_prefix(told).unwrap();
        let read = Command::new("sh").arg("-c").arg(format!("cat {path}")).output().unwrap();
        assert!(read.stdout == night.dump, "{}", ran.all());
    }
}
