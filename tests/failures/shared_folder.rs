//! A folder shared by several jobs, machines or versions of the program.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use chrono::TimeDelta;
use serde_json::{Value, json};
use testkit::servers::certificates::write_private;
use testkit::servers::sftp_faults::RequestFault;
use testkit::servers::sftp_watch::{Moment, Operation};
use testkit::servers::{Entry, SftpServer, Zip, times};
use testkit::setup::DUMP;
use testkit::{Outcome, program, wait_until};

use super::bad_night::{BadNight, OLDER_ATTEMPT, PASSWORD};
use super::interruptions::start;

const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const OTHER_JOBS_ARCHIVE: &str = "another job's archive";

/// A second instance of the program that delivers to the same folder.
struct OtherInstance<'a> {
    bad: &'a BadNight,
    config: Value,
    name: &'static str,
}

impl<'a> OtherInstance<'a> {
    /// A copy of the configuration with its own log and known_hosts, as on a second machine.
    fn new(bad: &'a BadNight, name: &'static str) -> OtherInstance<'a> {
        let mut config = bad.config.clone();
        config["log"]["file"] = json!(format!("{name}.log"));
        config["sftp"]["known_hosts"] = json!(format!("{name}.known_hosts"));
        OtherInstance { bad, config, name }
    }

    fn start(&self) -> Child {
        let path = self.bad.path(&format!("{}.json", self.name));
        write_private(&path, self.config.to_string().as_bytes());
        let mut command = Command::new(program());
        command.arg("run").arg("--config").arg(path).args(["--date", &self.bad.date.to_string()]);
        command.env("TZ", "UTC").env_remove("SSH_AUTH_SOCK");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn finish(&self, run: Child) -> Outcome {
        let outcome = self.bad.outcome(run.wait_with_output().unwrap());
        let log = fs::read_to_string(self.bad.path(&format!("{}.log", self.name))).unwrap_or_default();
        Outcome { log, ..outcome }
    }

    fn run(&self) -> Outcome {
        self.finish(self.start())
    }
}

fn on_each_server(test: impl Fn(BadNight)) {
    test(BadNight::new());
    test(BadNight::with_sftp(|sftp| sftp));
}

fn part_files(bad: &BadNight) -> Vec<String> {
    bad.names().into_iter().filter(|name| name.ends_with(".part")).collect()
}

#[test]
fn a_second_job_with_the_same_folder_and_pattern_fails_and_changes_nothing() {
    on_each_server(|bad| {
        // Dumps of another database: one in its own ZIP under the same name, the others in the ZIP of the first job.
        let dump = |name: &str| Entry::new(name, "SELECT 2;\n").extended_time(bad.modified);
        let own = bad.entry();
        bad.publish(&Zip::new().with(own).with(dump("blog.sql")).with(dump(&format!("blog/{DUMP}"))));
        Zip::new().with(dump(DUMP)).write(&bad.path("web/blog.zip"));
        bad.run().exited_with(0);
        let before = bad.listing();
        for (source, entry) in [("/blog.zip", DUMP), ("/my_zip.zip", "blog.sql"), ("/my_zip.zip", "blog/dumpfile.sql")]
        {
            let mut other = OtherInstance::new(&bad, "other");
            other.config["source"]["url"] = json!(bad.web.url(source));
            other.config["source"]["dump"] = json!(entry);
            for _ in 0..2 {
                let outcome = other.run();
                outcome.exited_with(4).logged(OTHER_JOBS_ARCHIVE);
                assert!(
                    outcome.stderr.contains(OTHER_JOBS_ARCHIVE) && outcome.stderr.contains("archive.name"),
                    "{}",
                    outcome.all()
                );
                assert!(bad.listing() == before, "{source} {entry}: {:?}", bad.names());
            }
        }
        bad.run().exited_with(0).logged("is already there, with the same bytes");
        assert!(bad.listing() == before, "{:?}", bad.names());
    });
}

#[test]
fn archives_of_another_job_are_kept_while_that_job_still_delivers() {
    on_each_server(|bad| {
        bad.run().exited_with(0);
        let other_archive = fs::read(bad.archive()).unwrap();
        fs::remove_file(bad.archive()).unwrap();
        for age in [3, 20, 30] {
            fs::write(bad.directory.join(bad.archive_aged(age)), &other_archive).unwrap();
        }
        times::set_from_names(&bad.directory);
        let before = bad.names();
        let mut other = OtherInstance::new(&bad, "other");
        Zip::new().with(Entry::new(DUMP, "SELECT 2;\n").extended_time(bad.modified)).write(&bad.path("web/blog.zip"));
        other.config["source"]["url"] = json!(bad.web.url("/blog.zip"));
        let outcome = other.run();
        outcome
            .exited_with(1)
            .logged("removal is held back: ")
            .logged("was made from another source.url or source.dump");
        assert!(before.iter().all(|name| bad.names().contains(name)), "{:?}", bad.names());
        // Once the last seven archives come from the new source, the change counts as permanent.
        bad.plant(&[1, 2, 3, 4, 5, 6]);
        times::set_from_names(&bad.directory);
        other.run().exited_with(0).logged("2 removed");
    });
}

/// Creates the archive from `age` days ago with tar(1), as the program's predecessor did. Returns its bytes.
pub(crate) fn pack_with_tar(bad: &BadNight, age: u64, entry: &str, content: &[u8]) -> Vec<u8> {
    let folder = bad.path("packing");
    let path = folder.join(entry);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    let archive = bad.directory.join(bad.archive_aged(age));
    let packed = Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(&folder).arg(entry).status().unwrap();
    assert!(packed.success());
    fs::read(archive).unwrap()
}

#[test]
fn an_archive_of_the_predecessor_with_another_dump_belongs_to_another_job() {
    on_each_server(|bad| {
        pack_with_tar(&bad, 0, "blog.sql", b"SELECT 2;\n");
        bad.must_fail(&[OTHER_JOBS_ARCHIVE, "archive.name"]);
        for (index, entry) in [DUMP, "dumps/dumpfile.sql"].into_iter().enumerate() {
            let own_archive = pack_with_tar(&bad, 0, entry, b"SELECT 1;\n");
            bad.must_warn(&["with different content already had the name"]);
            let old = format!("{}.{}", bad.archive_aged(0), ["old", "last.old"][index]);
            assert!(bad.listing()[&old].as_deref() == Some(&own_archive), "{entry}: {:?}", bad.names());
        }
    });
}

#[test]
fn another_jobs_archive_that_was_set_aside_is_put_back_and_not_replaced() {
    let bad = BadNight::with_sftp(|sftp| sftp);
    let other_archive = pack_with_tar(&bad, 0, "blog.sql", b"SELECT 2;\n");
    let archive = bad.archive();
    fs::rename(&archive, bad.directory.join(bad.old_name())).unwrap();
    bad.run().exited_with(4).logged(OTHER_JOBS_ARCHIVE);
    assert_eq!(fs::read(archive).unwrap(), other_archive);
}

#[test]
fn simultaneous_uploads_from_two_machines_do_not_interfere() {
    let mut bad = BadNight::new();
    // Slow enough for the uploads to overlap.
    bad.serve(|web| web.bytes_per_second(100_000));
    let second = OtherInstance::new(&bad, "second");
    let runs = (start(&bad), second.start());
    wait_until("two uploads", || part_files(&bad).len() == 2);
    let (first, second) = (bad.outcome(runs.0.wait_with_output().unwrap()), second.finish(runs.1));
    for outcome in [&first, &second] {
        outcome.exited_with(0);
    }
    bad.assert_holds_exactly(&[0, 1, 2, 3]);
}

/// A second machine. Its run pauses before the first request that `matches`, until it is released.
struct PausedMachine {
    server: SftpServer,
    is_paused: Arc<AtomicBool>,
    is_released: Arc<AtomicBool>,
}

impl PausedMachine {
    fn new(bad: &BadNight, matches: impl Fn(&str) -> bool + Send + Sync + 'static) -> PausedMachine {
        let (is_paused, is_released) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (paused, released) = (Arc::clone(&is_paused), Arc::clone(&is_released));
        let server = SftpServer::builder(&bad.path("sftp")).password(PASSWORD);
        let server = server.on_operation(move |operation: Operation<'_>| {
            if operation.moment == Moment::Before && matches(operation.what) {
                paused.store(true, Ordering::SeqCst);
                while !released.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            RequestFault::None
        });
        PausedMachine { server: server.start(), is_paused, is_released }
    }

    /// Starts the second machine's run, completes a run of the first machine during the pause, then lets the second finish.
    fn race(&self, bad: &BadNight) -> (Outcome, Outcome) {
        let mut second = OtherInstance::new(bad, "second");
        second.config["sftp"]["port"] = json!(self.server.port());
        let run = second.start();
        wait_until("the second machine", || self.is_paused.load(Ordering::SeqCst));
        let before = part_files(bad);
        assert_eq!(before.len(), 1, "{before:?}");
        let first = bad.run();
        assert_eq!(part_files(bad), before, "{}", first.all());
        self.is_released.store(true, Ordering::SeqCst);
        (first, second.finish(run))
    }
}

/// Completes a run while a second machine is paused before its first request for which `matches` returns true. Asserts that the archive is delivered and, if `is_replacement`, that the older one is set aside. Returns the outcomes of both runs.
fn overtake(is_replacement: bool, matches: fn(&str) -> bool) -> (Outcome, Outcome) {
    let bad = BadNight::with_sftp(|sftp| sftp);
    if is_replacement {
        bad.plant_older_attempt();
    }
    let (first, second) = PausedMachine::new(&bad, matches).race(&bad);
    first.exited_with(i32::from(is_replacement));
    assert_eq!(part_files(&bad), [""; 0], "{}", second.all());
    assert!(fs::metadata(bad.archive()).unwrap().len() > 1_000);
    let old = bad.listing().remove(&bad.old_name()).flatten();
    assert_eq!(old.as_deref(), is_replacement.then_some(OLDER_ATTEMPT));
    (first, second)
}

#[test]
fn a_machine_overtaken_during_its_upload_finds_the_archive_already_delivered() {
    for is_replacement in [false, true] {
        let (_, second) = overtake(is_replacement, |what| what.starts_with("write"));
        second.exited_with(0).logged("read back under its final name");
    }
}

#[test]
fn a_machine_overtaken_before_its_final_rename_finds_the_archive_already_delivered() {
    let is_last_rename = |what: &str| what.starts_with("rename") && what.contains(".part ");
    let (_, second) = overtake(false, is_last_rename);
    second.exited_with(0).logged("read back under its final name");
    // The first machine puts the older archive back and then replaces it.
    let (first, second) = overtake(true, is_last_rename);
    first.logged("was put back");
    second.exited_with(1).logged("with different content already had the name");
}

/// Sets the modification time of `name` to `age` ago.
fn set_age(folder: &Path, name: &str, age: Duration) {
    let file = File::options().append(true).open(folder.join(name)).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// Creates, for each age, an unfinished upload by another machine and one by the previous version. Returns their names and ages in hours.
fn plant_uploads(bad: &BadNight, hours: [u32; 2]) -> Vec<(String, u32)> {
    let mut planted = Vec::new();
    for (index, hours) in hours.into_iter().enumerate() {
        let archive = bad.archive_aged(index as u64);
        for name in [format!(".{archive}.0ff1ce00.part"), format!(".{archive}.part")] {
            fs::write(bad.directory.join(&name), "cut off").unwrap();
            set_age(&bad.directory, &name, HOUR * hours);
            planted.push((name, hours));
        }
    }
    planted
}

#[test]
fn uploads_by_others_are_kept_for_24_hours_and_then_removed() {
    for is_stale in [false, true] {
        on_each_server(|mut bad| {
            let planted = plant_uploads(&bad, [23, 25]);
            if is_stale {
                let modified = bad.modified;
                bad.publish_dump_of(modified - TimeDelta::days(2));
            }
            let outcome = bad.run();
            outcome.exited_with(i32::from(is_stale));
            for (name, hours) in planted {
                assert_eq!(bad.names().contains(&name), hours < 24, "{name}, {hours} hours: {}", outcome.all());
                let removed = format!("removed {name}: an upload of another job or machine, last written 25 hours ago");
                assert_eq!(outcome.log.contains(&removed), hours > 24, "{name}: {}", outcome.all());
            }
        });
    }
}

#[test]
fn the_age_of_an_upload_is_measured_by_the_servers_clock() {
    // The server's clock is three hours slow: a 22-hour-old upload looks 25 hours old by the local clock.
    let slow = |sftp: testkit::servers::sftp::Builder| sftp.mapping_times(|seconds| Some(seconds - 3 * 3600));
    let bad = BadNight::with_sftp(slow);
    let planted = plant_uploads(&bad, [20, 22]);
    bad.run().exited_with(0);
    assert!(planted.iter().all(|(name, _)| bad.names().contains(name)), "{:?}", bad.names());
    // Without modification times, the age is unknown.
    let bad = BadNight::with_sftp(|sftp| sftp.mapping_times(|_| None));
    let planted = plant_uploads(&bad, [20, 2_000]);
    bad.run().exited_with(0);
    assert!(planted.iter().all(|(name, _)| bad.names().contains(name)), "{:?}", bad.names());
}

#[test]
fn a_folder_of_the_previous_version_still_works() {
    on_each_server(|mut bad| {
        let modified = bad.modified;
        // Three days old: archives, set-aside archives, and an unfinished upload.
        bad.date = (modified - TimeDelta::days(3)).date_naive();
        bad.publish_dump_of(modified - TimeDelta::days(3));
        let previous = pack_with_tar(&bad, 0, DUMP, b"SELECT 1;\n");
        bad.plant(&[2]);
        let [current, orphan, replaced, unfinished] = [
            format!(".{}.old", bad.archive_aged(0)),
            format!(".{}.old", bad.archive_aged(5)),
            format!(".{}.old", bad.archive_aged(2)),
            format!(".{}.part", bad.archive_aged(1)),
        ];
        for name in [&current, &orphan, &replaced, &unfinished] {
            fs::write(bad.directory.join(name), format!("content of {name}")).unwrap();
        }
        times::set_from_names(&bad.directory);
        let content = |name: &str| Some(format!("content of {name}").into_bytes());

        bad.must_warn(&["with different content already had the name"]).logged("was put back");
        let listing = bad.listing();
        assert_eq!(listing[&bad.archive_aged(5)], content(&orphan), "an archive that was not replaced is put back");
        assert_eq!(listing[&current], content(&current));
        assert_eq!(listing[&replaced], content(&replaced));
        assert!(listing[&bad.old_name()].as_deref() == Some(&previous));
        assert!(!listing.contains_key(&unfinished), "{:?}", bad.names());

        bad.date = modified.date_naive();
        bad.publish_dump_of(modified);
        times::set_from_names(&bad.directory);
        bad.run().exited_with(0);
        assert!(bad.names().iter().all(|name| !name.ends_with(".old")), "three days later: {:?}", bad.names());
        let kept = |age: u64| bad.names().contains(&bad.archive_aged(age));
        assert!([0, 1, 2, 3, 5, 8].into_iter().all(kept), "{:?}", bad.names());
    });
}
