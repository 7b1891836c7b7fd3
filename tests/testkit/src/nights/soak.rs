//! Many nights in a row with one folder, each with a random fault. After each, the folder must match the model.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use chrono::{Days, NaiveDate, Utc};
use fastrand::Rng;

use super::dump::Dump;
use super::faults::Fault;
use super::folder::Item;
use super::history::plant_foreign;
use super::model::{Existing, Exit, Model, Run};
use super::site::{Job, Servers, Site};
use super::victim::Victim;
use crate::servers::smtp::Security;
use crate::servers::{SmtpServer, WebhookServer};
use crate::setup::archive_name;

const MAX_SMALL_DUMP: usize = 300_000;
/// Enough for three connections.
const LARGE_DUMP: usize = 18 * 1024 * 1024;
/// The assumed duration of an undisturbed run until the first measurement.
const USUAL_DURATION: Duration = Duration::from_millis(200);

pub struct Options {
    pub nights: u64,
    pub seed: u64,
    /// The probability that a dump is large.
    pub large_dumps: f64,
}

#[derive(Default)]
pub struct Summary {
    pub fresh: u64,
    pub stale: u64,
    /// Runs after the first one of a night.
    pub repeated: u64,
    /// Runs on a second machine: in total, and at the same time as on the first.
    pub second_machine: (u64, u64),
    pub other_job: u64,
    /// Runs that replaced an archive of the same date.
    pub replacements: u64,
    /// Nights with a delivered archive.
    pub delivered: u64,
    /// The number of runs by [`Fault::name`] and exit code (-1 if killed).
    pub runs: BTreeMap<(&'static str, i32), u64>,
    /// The archives in the folder at the end.
    pub archives: Vec<NaiveDate>,
    /// Every violation of the model.
    pub errors: Vec<String>,
}

pub struct Soak {
    site: Site,
    random: Rng,
    model: Model,
    today: NaiveDate,
    /// The published dumps and their dates, by ZIP.
    published: BTreeMap<&'static str, (NaiveDate, Dump)>,
    /// The delivered dump of each night.
    dumps: BTreeMap<NaiveDate, Dump>,
    usual_duration: Duration,
    large_dumps: f64,
    summary: Summary,
}

/// Circumstances of a run besides its fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circumstance {
    None,
    /// A second machine runs the same job at the same time.
    SecondMachine,
    /// The folder was copied just before the run.
    Copied,
}

/// Runs `options.nights` nights in `folder`, which is recreated. Calls `progress` with each number (from 1).
pub fn soak(folder: &Path, options: &Options, progress: impl Fn(u64)) -> Summary {
    let site = Site::new(folder, None).unwrap();
    let first = Utc::now().date_naive() - Days::new(options.nights);
    plant_foreign(&site.destination(), first).unwrap();
    let model = Model::new(site.listing());
    let mut soak = Soak {
        site,
        random: Rng::with_seed(options.seed),
        model,
        today: first,
        published: BTreeMap::new(),
        dumps: BTreeMap::new(),
        usual_duration: USUAL_DURATION,
        large_dumps: options.large_dumps,
        summary: Summary::default(),
    };
    let mut stale_nights = 0;
    for number in 0..options.nights {
        progress(number + 1);
        let (date, is_last) = (first + Days::new(number), number + 1 == options.nights);
        soak.today = date;
        if stale_nights == 0 && number > 0 && soak.random.f64() < 0.06 {
            // One night, or weeks.
            stale_nights = if soak.random.bool() { 1 } else { soak.random.u64(2..20) };
        }
        if stale_nights == 0 || is_last {
            soak.publish(Job::Own, date);
        }
        stale_nights = stale_nights.saturating_sub(1);
        soak.run_night(date, is_last);
    }
    soak.finish()
}

impl Soak {
    /// Runs one night, and the operator's possible actions after it.
    fn run_night(&mut self, date: NaiveDate, is_last: bool) {
        let is_fresh = self.is_fresh(Job::Own, date);
        *(if is_fresh { &mut self.summary.fresh } else { &mut self.summary.stale }) += 1;
        if !is_last {
            self.add_leftover(date);
            if self.random.f64() < 0.03 {
                self.run_other_job(date);
            }
        }
        let fault = if is_last { Fault::None } else { self.random_fault() };
        let exit = match self.random.f64() {
            chance if chance < 0.05 => self.run(Job::Own, date, &Fault::None, Circumstance::SecondMachine),
            chance if chance < 0.08 => self.run(Job::Own, date, &fault, Circumstance::Copied),
            _ => self.run(Job::Own, date, &fault, Circumstance::None),
        };
        let is_missed = is_fresh && !matches!(exit, Exit::Code(0 | 1));
        if is_missed && self.random.f64() < 0.4 {
            self.run_again(Job::Own, date);
        } else if is_fresh && self.random.f64() < 0.1 {
            // The database is dumped again on the same day, up to four times.
            for _ in 0..self.random.u8(1..5) {
                self.publish(Job::Own, date);
                self.run_again(Job::Own, date);
            }
        } else if !is_last && self.random.f64() < 0.04 {
            // A missed night is repeated.
            let earlier = date - Days::new(self.random.u64(1..5));
            self.publish(Job::Own, earlier);
            self.run_again(Job::Own, earlier);
        }
        if self.random.f64() < 0.1 {
            self.summary.second_machine.0 += 1;
            self.run_again(Job::OnSecondMachine, date);
        }
        if self.random.f64() < 0.06 {
            self.run_other_job(date);
        }
        if is_last {
            self.run(Job::Own, date, &Fault::None, Circumstance::None);
        }
        self.summary.delivered += u64::from(is_fresh && self.dumps.contains_key(&date));
    }

    fn run_again(&mut self, job: Job, date: NaiveDate) {
        self.summary.repeated += 1;
        let fault = self.random_fault();
        self.run(job, date, &fault, Circumstance::None);
    }

    fn run_other_job(&mut self, date: NaiveDate) {
        self.summary.other_job += 1;
        self.publish(Job::Other, date);
        let fault = self.random_fault();
        self.run(Job::Other, date, &fault, Circumstance::None);
    }

    /// Sometimes creates a leftover of another machine or of the previous version.
    fn add_leftover(&mut self, date: NaiveDate) {
        let folder = self.site.destination();
        let yesterday = archive_name(date - Days::new(1));
        match self.random.u8(0..60) {
            0 => fs::write(folder.join(format!(".{}.part", archive_name(date))), "by the previous version").unwrap(),
            1 => fs::write(folder.join(format!(".{yesterday}.0ff1ce00.part")), "by another machine").unwrap(),
            2 if folder.join(&yesterday).exists() => {
                fs::write(folder.join(format!(".{yesterday}.old")), "replaced by the previous version").unwrap();
            }
            3 if folder.join(&yesterday).exists() && self.model.set_aside.is_empty() => {
                fs::rename(folder.join(&yesterday), folder.join(format!(".{yesterday}.old"))).unwrap();
            }
            _ => return,
        }
        self.model.update(self.site.listing(), self.today);
    }

    fn random_fault(&mut self) -> Fault {
        let size = fs::metadata(self.site.zip(Job::Own)).map_or(1, |metadata| metadata.len());
        Fault::random(size, self.usual_duration, &mut self.random)
    }

    fn is_fresh(&self, job: Job, date: NaiveDate) -> bool {
        self.published.get(job.zip()).is_some_and(|(published, _)| *published == date)
    }

    fn random_dump(&mut self, date: NaiveDate) -> Dump {
        if self.random.f64() < self.large_dumps {
            return Dump::random_noise(date, LARGE_DUMP, &mut self.random);
        }
        let size = self.random.usize(1000..MAX_SMALL_DUMP);
        Dump::random(date, size, &mut self.random)
    }

    fn publish(&mut self, job: Job, date: NaiveDate) {
        let dump = self.random_dump(date);
        dump.zip().write(&self.site.zip(job));
        self.published.insert(job.zip(), (date, dump));
    }

    /// Runs `job` for `date`, and checks the exit code and the folder.
    fn run(&mut self, job: Job, date: NaiveDate, fault: &Fault, circumstance: Circumstance) -> Exit {
        let is_fresh = self.is_fresh(job, date);
        let mut run = Run::new(date, Vec::new(), job.zip(), &self.site.id(job));
        run.today = self.today;
        run.is_copied = circumstance == Circumstance::Copied;
        if is_fresh {
            run.dumps.extend(self.published.get(job.zip()).map(|(_, dump)| dump.clone()));
        }
        let existing = self.model.existing(&run);
        let uploads = is_fresh && !matches!(existing, Existing::Same | Existing::OtherJob);
        run.holds_removal = self.model.is_shared(&run) || fault.prevents_removal(uploads);
        let has_changed = Arc::new(AtomicBool::new(false));
        let mut web = fault.on_web(self.site.web());
        let mut successor = None;
        if let (Fault::ZipChanges(request), Some((date, _))) = (fault, self.published.get(job.zip()).cloned()) {
            let dump = self.random_dump(date);
            let path = self.site.path("successor.zip");
            let (from, to, has_changed) = (path.clone(), self.site.zip(job), Arc::clone(&has_changed));
            dump.zip().write(&path);
            // HTTP times have whole seconds, and the times of the two files must differ.
            File::options().append(true).open(&path).unwrap().set_modified(SystemTime::now() + HOUR).unwrap();
            web = web.before_request(*request, move || {
                has_changed.store(true, Ordering::SeqCst);
                fs::rename(from, to).unwrap();
            });
            run.dumps.extend(is_fresh.then(|| dump.clone()));
            successor = Some((date, dump));
        }
        let (mut mail, mut webhook) = (SmtpServer::builder(Security::Tls), WebhookServer::builder());
        match fault {
            Fault::MailRefused => mail = mail.refuse_messages(554),
            Fault::WebhookRefuses => webhook = webhook.status(500),
            _ => {}
        }
        let sftp = fault.on_sftp(self.site.sftp()).start();
        let servers = Servers { web: web.start(), sftp, mail: mail.start(), webhook: webhook.start() };
        let command = self.site.command(job, &servers, &servers.sftp, date);
        let second = (circumstance == Circumstance::SecondMachine).then(|| {
            self.summary.second_machine.0 += 1;
            self.summary.second_machine.1 += 1;
            run.ids.push(self.site.id(Job::OnSecondMachine));
            self.site.command(Job::OnSecondMachine, &servers, &servers.sftp, date)
        });
        self.set_ages(circumstance);
        let second = second.map(|second| thread::spawn(|| Victim::default().run(second, |_| false)));
        let finished = Victim::default().run(command, |duration| matches!(fault, Fault::Killed(at) if duration >= *at));
        let second = second.map(|second| second.join().unwrap().exit);
        drop(servers);
        if successor.is_some() {
            let _ = fs::remove_file(self.site.path("successor.zip"));
        }
        if has_changed.load(Ordering::SeqCst) {
            self.published.extend(successor.map(|successor| (job.zip(), successor)));
        }
        let mut exits = vec![finished.exit];
        exits.extend(second);
        let mut errors = self.check_exits(&run, fault, existing, &exits);
        // The slower one of two machines may exit with 4.
        let is_success = |exit: &Exit| matches!(exit, Exit::Code(0 | 1));
        let exit = exits.iter().copied().find(is_success).unwrap_or(finished.exit);
        let could_finish = exit == Exit::Code(0) || !fault.may_interrupt_removal();
        let could_finish = could_finish && exits.iter().all(is_success);
        errors.extend(self.model.check_run(&run, exit, could_finish, self.site.listing()));
        errors.extend(self.site.local_leftovers());
        if !errors.is_empty() {
            errors.push(format!("the log:\n{}", self.site.log(job)));
        }
        if second.is_some() && !errors.is_empty() {
            errors.push(format!("the log of the second machine:\n{}", self.site.log(Job::OnSecondMachine)));
        }
        let which = if is_fresh { "fresh" } else { "stale" };
        let label = format!("{date} ({job:?}, {which}, {existing:?}, {fault:?}, {circumstance:?})");
        self.summary.errors.extend(errors.into_iter().map(|error| format!("{label}: {error}")));

        let is_replaced = existing == Existing::Different && is_success(&exit) && is_fresh;
        self.summary.replacements += u64::from(is_replaced);
        self.save_dump(&run);
        if matches!(fault, Fault::None) && circumstance == Circumstance::None {
            self.usual_duration = finished.duration;
        }
        exit
    }

    /// Sets modification times that match the simulated dates.
    fn set_ages(&self, circumstance: Circumstance) {
        let day = Duration::from_secs(24 * 3600);
        for (name, upload) in &self.model.uploads {
            let days = (self.today - upload.written).num_days();
            self.site.set_age(name, HOUR + day * u32::try_from(days).unwrap());
        }
        if circumstance == Circumstance::Copied {
            let names = self.site.listing().into_iter();
            for (name, _) in names.filter(|(_, item)| matches!(item, Item::File(_))) {
                self.site.set_age(&name, Duration::ZERO);
            }
        }
    }

    /// Counts the exit codes of a run, and returns a message for each unexpected one.
    fn check_exits(&mut self, run: &Run, fault: &Fault, existing: Existing, exits: &[Exit]) -> Vec<String> {
        let mut expected = fault.allowed_codes(!run.dumps.is_empty(), existing);
        if run.holds_removal {
            // A removal that is held back is a warning.
            expected.iter_mut().filter(|code| **code == 0).for_each(|code| *code = 1);
        }
        if exits.len() > 1 && !run.dumps.is_empty() {
            // The second machine may find the same archive or a different one.
            expected.extend([0, 1, 4]);
        }
        let may_be_killed = matches!(fault, Fault::Killed(_));
        let mut errors = Vec::new();
        for exit in exits {
            let code = match *exit {
                Exit::Code(code) => code,
                Exit::Killed => -1,
            };
            *self.summary.runs.entry((fault.name(), code)).or_default() += 1;
            if !(expected.contains(&code) || code == -1 && may_be_killed) {
                errors.push(format!("it exited with {code} instead of one of {expected:?}"));
            }
        }
        let is_success = exits.iter().any(|exit| matches!(exit, Exit::Code(0 | 1)));
        if exits.len() > 1 && existing != Existing::OtherJob && !is_success {
            errors.push("neither of the two machines delivered an archive".to_owned());
        }
        errors
    }

    /// Saves the dump of the archive, and forgets dumps without an archive.
    fn save_dump(&mut self, run: &Run) {
        if let Some(archive) = self.model.archives.get(&run.date)
            && let Some(dump) = run.dumps.iter().find(|dump| dump.difference(archive).is_none())
        {
            self.dumps.insert(run.date, dump.clone());
        }
        let is_kept = |date: &NaiveDate| {
            self.model.archives.contains_key(date)
                || self.model.set_aside.keys().any(|(replaced, _)| replaced == date)
                || *date == run.date
        };
        self.dumps.retain(|date, _| is_kept(date));
    }

    /// Checks that every archive contains the dump of its night.
    fn finish(mut self) -> Summary {
        let own = self.model.archives.iter().filter(|(_, archive)| *archive != b"foreign");
        for (date, archive) in own {
            let difference = match self.dumps.get(date) {
                Some(dump) => dump.difference(archive),
                None => Some("no dump was delivered for that night".to_owned()),
            };
            let difference = difference.map(|difference| format!("at the end, the archive of {date}: {difference}"));
            self.summary.errors.extend(difference);
            self.summary.archives.push(*date);
        }
        self.summary
    }
}

const HOUR: Duration = Duration::from_secs(3600);
