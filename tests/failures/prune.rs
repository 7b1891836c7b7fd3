//! Credentials that may write but not remove files: what a run leaves is removed by `prune`, with other credentials.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use chrono::TimeDelta;
use scripting_system::disk::job_id::JobId;
use scripting_system::disk::lock::Lock;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use testkit::keys::sha256sum_accepts;
use testkit::servers::certificates::write_private;
use testkit::servers::sftp_faults::RequestFault;
use testkit::servers::sftp_watch::{Moment, Operation};
use testkit::servers::zips::sql_dump;
use testkit::servers::{Proxy, listener};
use testkit::setup::archive_name;
use testkit::{Outcome, Sshd, program};

use super::bad_night::BadNight;

/// From docs/security.md.
const FORCE_COMMAND: &str = "ForceCommand internal-sftp -P remove,rmdir,posix-rename";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A job whose account may not remove files. Its folder has two expired archives.
struct Site {
    bad: BadNight,
    /// Serves the same folder to an account that may do everything.
    full: Sshd,
}

impl Site {
    fn new() -> Site {
        let mut bad = BadNight::with_sshd(Sshd::start_with(&["ed25519"], FORCE_COMMAND));
        bad.config["retention"] = json!({"remove": "prune"});
        Site { bad, full: Sshd::start(&["ed25519"]) }
    }

    /// Runs `prune` with the account that may remove files.
    fn prune(&self, arguments: &[&str]) -> Outcome {
        self.prune_changed(arguments, |_| {})
    }

    /// As [`prune`](Site::prune), with another change of the configuration.
    fn prune_changed(&self, arguments: &[&str], change: impl FnOnce(&mut serde_json::Value)) -> Outcome {
        let mut config = self.bad.config.clone();
        config["sftp"]["port"] = json!(self.full.port());
        config["sftp"]["private_key"] = json!(self.full.user_key());
        config["log"]["file"] = json!("prune.log");
        change(&mut config);
        let path = self.bad.path("prune.json");
        write_private(&path, config.to_string().as_bytes());
        self.call(&path, arguments)
    }

    fn prune_with_restricted_account(&self) -> Outcome {
        self.prune_changed(&[], |config| config["sftp"] = self.bad.config["sftp"].clone())
    }

    fn call(&self, config: &Path, arguments: &[&str]) -> Outcome {
        let _ = fs::remove_file(self.bad.path("prune.log"));
        let mut command = Command::new(program());
        command.arg("prune").arg("--config").arg(config).args(arguments);
        let output = command.env("TZ", "UTC").env_remove("SSH_AUTH_SOCK").output().unwrap();
        let log = fs::read_to_string(self.bad.path("prune.log")).unwrap_or_default();
        Outcome { log, ..self.bad.outcome(output) }
    }

    /// Publishes another dump of the day and runs.
    fn run_with_dump(&mut self, dump: Vec<u8>) -> Outcome {
        self.bad.dump = dump;
        let modified = self.bad.modified;
        self.bad.publish_dump_of(modified);
        self.bad.run()
    }
}

fn set_modified(path: &Path, ago: Duration) {
    File::options().append(true).open(path).unwrap().set_modified(SystemTime::now() - ago).unwrap();
}

#[test]
fn a_run_without_permission_to_remove_delivers_and_leaves_expired_archives() {
    let site = Site::new();
    let bad = &site.bad;
    let left = "2 expired archives are left to \"prune\", 6 archives kept";
    let dry = bad.call("run", &["--dry-run", "--date", &bad.date.to_string()]);
    assert!(dry.exited_with(0).stdout.contains("would be removed: 0 files"), "{}", dry.all());
    let expired = format!("{}: expired, 20 days old; left to \"prune\"", bad.archive_aged(20));
    assert!(dry.stdout.contains(&expired), "{}", dry.all());
    let outcome = bad.run();
    outcome.exited_with(0).logged(left).logged("warnings 0");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    let (subject, mail) = bad.last_mail();
    assert!(!subject.contains("warning") && mail.contains(left) && mail.contains(&expired), "{subject}\n{mail}");
    assert!(bad.last_post().contains("2 expired archives are left to"), "{}", bad.last_post());
    bad.assert_holds_exactly(&[0, 1, 2, 3, 20, 30]);
    bad.run().exited_with(0).logged("is already there, with the same bytes").logged(left);
    bad.assert_holds_exactly(&[0, 1, 2, 3, 20, 30]);
}

#[test]
fn every_replacement_of_a_day_is_delivered_without_permission_to_remove() {
    let mut site = Site::new();
    let mut delivered = Vec::new();
    for size in [200_000, 190_000, 180_000, 170_000, 160_000] {
        site.run_with_dump(sql_dump(size)).exited_with(i32::from(!delivered.is_empty())).logged("read back");
        delivered.push(fs::read(site.bad.archive()).unwrap());
        // The modification time, in seconds, is part of the name of a version that can be neither kept nor removed.
        thread::sleep(Duration::from_millis(1_100));
    }
    let (name, listing) = (site.bad.archive_aged(0), site.bad.listing());
    let content = |ending: &str| listing[&format!("{name}{ending}")].as_ref();
    assert_eq!([content(".old"), content(".last.old")], [Some(&delivered[0]), Some(&delivered[3])]);
    let parts: Vec<&String> = listing.keys().filter(|name| name.ends_with(".part")).collect();
    assert_eq!(parts.len(), 2, "{parts:?}");

    site.prune(&[]).exited_with(0).logged("an upload of another job or machine, maybe still under way");
    assert!(parts.iter().all(|name| site.bad.directory.join(name).exists()));
    parts.iter().for_each(|name| set_modified(&site.bad.directory.join(name), 2 * DAY));
    site.prune(&[]).exited_with(0);
    assert_eq!(site.bad.names().iter().filter(|name| name.starts_with('.')).count(), 0, "{:?}", site.bad.names());
    assert_eq!(site.bad.listing()[&format!("{name}.last.old")].as_ref(), Some(&delivered[3]));
}

#[test]
fn every_replacement_of_a_day_keeps_its_checksum_file_without_permission_to_remove() {
    let mut site = Site::new();
    site.bad.set("archive.checksum", json!(true));
    for size in [200_000, 190_000, 180_000, 170_000] {
        let outcome = site.run_with_dump(sql_dump(size));
        assert!([0, 1].contains(&outcome.code), "{}", outcome.all());
        thread::sleep(Duration::from_millis(1_100));
    }
    let name = site.bad.archive_aged(0);
    assert!(sha256sum_accepts(&site.bad.directory.join(format!("{name}.sha256"))));
    for ending in ["old", "last.old"] {
        let [checksum, archive] = [".sha256", ""].map(|of| site.bad.directory.join(format!("{name}{of}.{ending}")));
        let (text, digest) = (fs::read_to_string(checksum).unwrap(), Sha256::digest(fs::read(archive).unwrap()));
        assert!(text.contains(&scripting_system::rules::checksum::hex(&digest)), "{ending}: {text}");
    }
    site.prune(&[]).exited_with(0);
}

#[test]
fn unfinished_uploads_that_cannot_be_removed_are_no_obstacle() {
    let mut site = Site::new();
    let bad = &mut site.bad;
    let (part, older) = (bad.part_of(&bad.archive_aged(0)), bad.part_of(&bad.archive_aged(1)));
    fs::write(bad.directory.join(&part), vec![7; 3_000_000]).unwrap();
    fs::write(bad.directory.join(&older), "begun").unwrap();
    let outcome = bad.run();
    outcome.exited_with(0).logged(&format!("could not remove {older:?}, an unfinished upload of an earlier run"));
    assert!(fs::metadata(bad.archive()).unwrap().len() < 300_000);
    assert!(!bad.names().contains(&part) && bad.names().contains(&older), "{:?}", bad.names());
    set_modified(&bad.directory.join(&older), 2 * DAY);
    site.prune(&[]).exited_with(0);
    site.bad.assert_holds_exactly(&[0, 1, 2, 3]);
}

#[test]
fn an_upload_over_a_broken_line_continues_without_permission_to_remove() {
    let mut site = Site::new();
    let bad = &mut site.bad;
    bad.enlarge(6_000_000);
    let port = u16::try_from(bad.config["sftp"]["port"].as_u64().unwrap()).unwrap();
    let proxy = Proxy::builder(listener::loopback(port)).cut_after(3_000_000).start();
    bad.set("sftp.port", json!(proxy.port())).set("sftp.connections", json!(1)).set("retry.attempts", json!(1));
    bad.run().exited_with(4);
    let part = bad.part_of(&bad.archive_aged(0));
    assert!(bad.names().contains(&part), "{:?}", bad.names());
    bad.set("sftp.port", json!(port)).set("retry.attempts", json!(2));
    bad.run().exited_with(0);
    bad.assert_holds_exactly(&[0, 1, 2, 3, 20, 30]);
}

#[test]
fn an_upload_that_another_machine_made_unnecessary_may_remain() {
    let is_armed = Arc::new(AtomicBool::new(false));
    let bytes = Arc::new(std::sync::Mutex::new(None));
    let (armed, planted) = (Arc::clone(&is_armed), Arc::clone(&bytes));
    let mut bad = BadNight::with_sftp(|sftp| {
        sftp.without_removal().on_operation(move |operation: Operation<'_>| {
            let is_upload = operation.moment == Moment::After && operation.what.starts_with("open-to-write");
            if is_upload && armed.swap(false, Ordering::SeqCst) {
                let (path, content): (std::path::PathBuf, Vec<u8>) = planted.lock().unwrap().take().unwrap();
                fs::write(path, content).unwrap();
            }
            RequestFault::None
        })
    });
    bad.config["retention"] = json!({"remove": "prune"});
    bad.run().exited_with(0);
    let archive = fs::read(bad.archive()).unwrap();
    fs::remove_file(bad.archive()).unwrap();
    *bytes.lock().unwrap() = Some((bad.archive(), archive.clone()));
    is_armed.store(true, Ordering::SeqCst);
    bad.run().exited_with(0).logged("which is not needed");
    assert!(!is_armed.load(Ordering::SeqCst));
    assert_eq!(fs::read(bad.archive()).unwrap(), archive);
}

#[test]
fn prune_removes_exactly_what_has_expired_and_is_silent() {
    let site = Site::new();
    let bad = &site.bad;
    bad.run().exited_with(0);
    let foreign = ["notes.txt", "20260101-keep.tgz"];
    foreign.iter().for_each(|name| fs::write(bad.directory.join(name), "mine").unwrap());
    let before = bad.listing();

    let dry = site.prune(&["--dry-run"]);
    dry.exited_with(0);
    let [first, second] = [20, 30].map(|age| bad.archive_aged(age));
    for text in [
        "would be removed: 2 files".to_owned(),
        format!("{first}: expired, 20 days old"),
        format!("{second}: expired, 30 days old"),
        format!("{}: 3 days old", bad.archive_aged(3)),
        "dry run: 2 would be removed, 4 archives kept".to_owned(),
    ] {
        assert!(dry.stdout.contains(&text), "{text}: {}", dry.all());
    }
    assert!(bad.listing() == before && dry.log.is_empty() && dry.stderr.is_empty(), "{}", dry.all());

    // The other sections may be missing.
    let outcome = site.prune_changed(&[], |config| {
        let sections = config.as_object_mut().unwrap();
        sections.retain(|section, _| !["source", "email", "mattermost"].contains(&section.as_str()));
    });
    outcome
        .exited_with(0)
        .logged(&format!("removed {first}: expired, 20 days old"))
        .logged("2 removed, 4 archives kept");
    outcome.logged("files removed 2");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    for name in foreign {
        fs::remove_file(bad.directory.join(name)).unwrap();
    }
    bad.assert_holds_exactly(&[0, 1, 2, 3]);
    site.prune(&[]).exited_with(0).logged("0 removed, 4 archives kept");
}

#[test]
fn prune_names_each_file_that_it_may_not_remove_and_the_fix() {
    let site = Site::new();
    let before = site.bad.listing();
    let outcome = site.prune_with_restricted_account();
    outcome.exited_with(1);
    for age in [20, 30] {
        let line = outcome.stderr.lines().find(|line| line.contains(&site.bad.archive_aged(age)));
        let line = line.unwrap_or_else(|| panic!("{}", outcome.all()));
        assert!(line.starts_with("scripting-system: warning: Remove expired: "), "{line}");
        assert!(
            line.contains("could not be removed") && line.contains(&format!("expired, {} days old", age - 1)),
            "{line}"
        );
        assert!(line.ends_with("The account may not remove files: use one that may, see docs/security.md"), "{line}");
    }
    outcome.logged("0 removed");
    assert!(site.bad.listing() == before);
}

#[test]
fn prune_does_not_begin_during_a_run() {
    let site = Site::new();
    site.prune(&["--dry-run"]).exited_with(0);
    let config = site.bad.path("prune.json");
    let lock = Lock::acquire(&config, &JobId::new(&config), &site.bad.path("work")).unwrap();
    let outcome = site.prune(&[]);
    outcome.exited_with(5).logged("another run with");
    site.bad.assert_holds_exactly(&[1, 2, 3, 20, 30]);
    drop(lock);
    site.prune(&[]).exited_with(0);
}

#[test]
fn removal_by_prune_is_held_back_as_in_a_run() {
    let mut site = Site::new();
    site.bad.run().exited_with(0);
    let before = site.bad.listing();
    let must_hold = |outcome: &Outcome, why: &str| {
        outcome.exited_with(1);
        assert!(outcome.stderr.contains("removal is held back: ") && outcome.stderr.contains(why), "{}", outcome.all());
        assert!(site.bad.listing() == before);
    };
    // The newest archive is thousands of times larger than those in the folder.
    must_hold(&site.prune_changed(&[], |config| config["alarm"] = json!({})), "alarm.larger_than_percent");
    File::options().append(true).open(site.bad.archive()).unwrap().set_modified(SystemTime::now() + 3 * DAY).unwrap();
    must_hold(&site.prune(&[]), "the clocks of a server and of this machine differ by");
    set_modified(&site.bad.archive(), Duration::ZERO);
    // Every archive is another job's, of which one is recent.
    site.bad.plant(&[]);
    let archive = site.bad.archive();
    fs::copy(&archive, site.bad.directory.join(site.bad.archive_aged(20))).unwrap();
    testkit::servers::times::set_from_names(&site.bad.directory);
    let before = site.bad.listing();
    let outcome = site.prune_changed(&[], |config| config["source"]["dump"] = json!("other.sql"));
    outcome.exited_with(1);
    assert!(outcome.stderr.contains("was made from another source.url or source.dump"), "{}", outcome.all());
    assert!(site.bad.listing() == before);
    site.bad.config["retention"]["remove"] = json!("run");
    site.prune(&[]).exited_with(0).logged("2 removed");
}

#[test]
fn prune_refuses_mistakes_in_the_sections_that_it_needs() {
    let site = Site::new();
    for (section, value, key) in [
        ("retention", json!({"keep_days": 0}), "retention.keep_days"),
        ("alarm", json!({"smaller_than_percent": "x"}), "alarm.smaller_than_percent"),
    ] {
        let outcome = site.prune_changed(&[], |config| config[section] = value);
        assert!(outcome.exited_with(3).stderr.contains(key), "{}", outcome.all());
    }
    let unreachable = site.prune_changed(&[], |config| config["sftp"]["directory"] = json!("/nonexistent"));
    assert!(unreachable.exited_with(4).stderr.contains("does not exist on the server"), "{}", unreachable.all());
    site.bad.assert_holds_exactly(&[1, 2, 3, 20, 30]);
}

#[test]
fn status_and_list_show_that_prune_is_overdue() {
    let mut site = Site::new();
    site.bad.run().exited_with(0);
    let date = site.bad.date;
    let plant = |days: i64| {
        let path = site.bad.directory.join(archive_name(date - TimeDelta::days(days)));
        fs::write(path, "expired").unwrap();
    };
    site.bad.call("status", &[]).exited_with(0);
    plant(26);
    testkit::servers::times::set_from_names(&site.bad.directory);
    let outcome = site.bad.call("status", &[]);
    outcome.exited_with(1);
    assert!(
        outcome.stdout.contains("3 archives expired more than a week ago are still there: run prune"),
        "{}",
        outcome.all()
    );
    let list = site.bad.call("list", &[]);
    assert!(list.stdout.contains("  prune      removes 3 files; ages are as of"), "{}", list.all());
    assert!(!list.stdout.contains("next run"), "{}", list.all());
    site.prune(&[]).exited_with(0);
    site.bad.call("status", &[]).exited_with(0);
    // Where runs remove files, the next one does.
    plant(24);
    plant(26);
    plant(28);
    testkit::servers::times::set_from_names(&site.bad.directory);
    site.bad.call("status", &[]).exited_with(1);
    site.bad.config["retention"] = json!({});
    site.bad.call("status", &[]).exited_with(0);
    let list = site.bad.call("list", &[]);
    assert!(list.stdout.contains("  next run   removes 3 files, unless it fails"), "{}", list.all());
}

#[test]
fn check_is_content_with_an_account_that_may_not_remove_files() {
    let mut site = Site::new();
    for _ in 0..3 {
        let outcome = site.bad.call("check", &[]);
        assert!(
            outcome.stdout.contains("✓ removing        left to \"prune\", as this user may not remove files"),
            "{}",
            outcome.all()
        );
        assert!(outcome.stdout.contains("; what has expired is left to \"prune\""), "{}", outcome.all());
        outcome.exited_with(0);
    }
    assert_eq!(site.bad.names().iter().filter(|name| name.starts_with(".1970")).count(), 1, "{:?}", site.bad.names());
    site.bad.config["retention"] = json!({});
    let outcome = site.bad.call("check", &[]);
    assert!(outcome.stdout.contains("! removing"), "{}", outcome.all());
}

#[test]
fn the_documented_command_restricts_as_this_test_does() {
    let page = fs::read_to_string("docs/security.md").unwrap();
    assert!(page.contains(FORCE_COMMAND));
}
