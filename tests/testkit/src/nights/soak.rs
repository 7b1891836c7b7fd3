//! Many nights in a row against one folder, each with a random fault; after each, the folder must match the model.

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
use super::model::{Ending, Model, Night, Standing};
use super::site::{Job, Servers, Site, mail, webhook};
use super::victim::Victim;
use crate::night::archive_name;
use crate::servers::smtp::Security;
use crate::servers::{SmtpServer, WebhookServer};

const LARGEST_SMALL_DUMP: usize = 300_000;
/// Enough for three connections.
const LARGE_DUMP: usize = 18 * 1024 * 1024;
/// The assumed duration of an undisturbed run, until one is measured.
const USUAL: Duration = Duration::from_millis(200);

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
    /// Runs beyond the first of a night.
    pub again: u64,
    /// Runs on a second machine, and how many of them at the same time as the first.
    pub second: (u64, u64),
    pub other: u64,
    /// Runs that replaced an archive of the same date.
    pub replaced: u64,
    /// Nights whose archive was delivered.
    pub delivered: u64,
    /// The number of runs by [`Fault::index`] and exit code (-1: killed).
    pub runs: BTreeMap<(usize, i32), u64>,
    /// The archives in the folder at the end.
    pub archives: Vec<NaiveDate>,
    /// Everything that was wrong.
    pub wrong: Vec<String>,
}

pub struct Soak {
    site: Site,
    random: Rng,
    model: Model,
    today: NaiveDate,
    /// The published dump and its date, by ZIP.
    published: BTreeMap<&'static str, (NaiveDate, Dump)>,
    /// The delivered dump of each night.
    dumps: BTreeMap<NaiveDate, Dump>,
    usual: Duration,
    large_dumps: f64,
    summary: Summary,
}

/// What happens during a run, besides its fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Company {
    None,
    /// A second machine runs the same job at the same time.
    SecondMachine,
    /// The folder was copied just before.
    Copied,
}

/// Runs `options.nights` nights in `folder`, which is recreated, and reports each number to `progress`.
pub fn soak(folder: &Path, options: &Options, progress: impl Fn(u64)) -> Summary {
    let site = Site::new(folder).unwrap();
    let first = Utc::now().date_naive() - Days::new(options.nights);
    plant_foreign(&site.destination(), first).unwrap();
    let model = Model::of(site.listing());
    let mut soak = Soak {
        site,
        random: Rng::with_seed(options.seed),
        model,
        today: first,
        published: BTreeMap::new(),
        dumps: BTreeMap::new(),
        usual: USUAL,
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
        soak.pass(date, is_last);
    }
    soak.end()
}

impl Soak {
    /// One night, and what an operator may do after it.
    fn pass(&mut self, date: NaiveDate, is_last: bool) {
        let is_fresh = self.is_fresh(Job::Own, date);
        *(if is_fresh { &mut self.summary.fresh } else { &mut self.summary.stale }) += 1;
        if !is_last {
            self.leave_something(date);
            if self.random.f64() < 0.03 {
                self.run_other_job(date);
            }
        }
        let fault = if is_last { Fault::None } else { self.draw_fault() };
        let ending = match self.random.f64() {
            chance if chance < 0.05 => self.run(Job::Own, date, &Fault::None, Company::SecondMachine),
            chance if chance < 0.08 => self.run(Job::Own, date, &fault, Company::Copied),
            _ => self.run(Job::Own, date, &fault, Company::None),
        };
        let is_missed = is_fresh && !matches!(ending, Ending::Code(0 | 1));
        if is_missed && self.random.f64() < 0.4 {
            self.run_again(Job::Own, date);
        } else if is_fresh && self.random.f64() < 0.1 {
            // The database is dumped again on the same day, perhaps several times.
            for _ in 0..self.random.u8(1..5) {
                self.publish(Job::Own, date);
                self.run_again(Job::Own, date);
            }
        } else if !is_last && self.random.f64() < 0.04 {
            // A missed night is repeated.
            let before = date - Days::new(self.random.u64(1..5));
            self.publish(Job::Own, before);
            self.run_again(Job::Own, before);
        }
        if self.random.f64() < 0.1 {
            self.summary.second.0 += 1;
            self.run_again(Job::OnSecondMachine, date);
        }
        if self.random.f64() < 0.06 {
            self.run_other_job(date);
        }
        if is_last {
            self.run(Job::Own, date, &Fault::None, Company::None);
        }
        self.summary.delivered += u64::from(is_fresh && self.dumps.contains_key(&date));
    }

    fn run_again(&mut self, job: Job, date: NaiveDate) {
        self.summary.again += 1;
        let fault = self.draw_fault();
        self.run(job, date, &fault, Company::None);
    }

    fn run_other_job(&mut self, date: NaiveDate) {
        self.summary.other += 1;
        self.publish(Job::Other, date);
        let fault = self.draw_fault();
        self.run(Job::Other, date, &fault, Company::None);
    }

    /// Sometimes creates a leftover of another machine or of the former version.
    fn leave_something(&mut self, date: NaiveDate) {
        let folder = self.site.destination();
        let yesterday = archive_name(date - Days::new(1));
        match self.random.u8(0..60) {
            0 => fs::write(folder.join(format!(".{}.part", archive_name(date))), "by the former version").unwrap(),
            1 => fs::write(folder.join(format!(".{yesterday}.0ff1ce00.part")), "on some machine").unwrap(),
            2 if folder.join(&yesterday).exists() => {
                fs::write(folder.join(format!(".{yesterday}.old")), "replaced by the former version").unwrap();
            }
            3 if folder.join(&yesterday).exists() && self.model.set_aside.is_empty() => {
                fs::rename(folder.join(&yesterday), folder.join(format!(".{yesterday}.old"))).unwrap();
            }
            _ => return,
        }
        self.model.observe(self.site.listing(), self.today);
    }

    fn draw_fault(&mut self) -> Fault {
        let size = fs::metadata(self.site.zip(Job::Own)).map_or(1, |metadata| metadata.len());
        Fault::draw(size, self.usual, &mut self.random)
    }

    fn is_fresh(&self, job: Job, date: NaiveDate) -> bool {
        self.published.get(job.zip()).is_some_and(|(of, _)| *of == date)
    }

    fn draw_dump(&mut self, date: NaiveDate) -> Dump {
        if self.random.f64() < self.large_dumps {
            return Dump::draw_noise(date, LARGE_DUMP, &mut self.random);
        }
        let size = self.random.usize(1000..LARGEST_SMALL_DUMP);
        Dump::draw(date, size, &mut self.random)
    }

    fn publish(&mut self, job: Job, date: NaiveDate) {
        let dump = self.draw_dump(date);
        dump.zip().write(&self.site.zip(job));
        self.published.insert(job.zip(), (date, dump));
    }

    /// Runs `job` for `date` and checks everything afterwards.
    fn run(&mut self, job: Job, date: NaiveDate, fault: &Fault, company: Company) -> Ending {
        let is_fresh = self.is_fresh(job, date);
        let mut night = Night::new(date, Vec::new(), job.zip(), &self.site.id(job));
        night.today = self.today;
        night.is_copied = company == Company::Copied;
        if is_fresh {
            night.dumps.extend(self.published.get(job.zip()).map(|(_, dump)| dump.clone()));
        }
        let standing = self.model.standing(&night);
        let uploads = is_fresh && !matches!(standing, Standing::Same | Standing::OfAnotherJob);
        night.is_held_back = self.model.is_shared(&night) || fault.holds_removal_back(uploads);
        let has_changed = Arc::new(AtomicBool::new(false));
        let mut web = fault.on_web(self.site.web());
        let mut successor = None;
        if let (Fault::ZipChanges(request), Some((of, _))) = (fault, self.published.get(job.zip()).cloned()) {
            let dump = self.draw_dump(of);
            let path = self.site.path("successor.zip");
            let (from, to, has_changed) = (path.clone(), self.site.zip(job), Arc::clone(&has_changed));
            dump.zip().write(&path);
            // HTTP times have whole seconds: the two files must differ in theirs.
            File::options().append(true).open(&path).unwrap().set_modified(SystemTime::now() + HOUR).unwrap();
            web = web.before_request(*request, move || {
                has_changed.store(true, Ordering::SeqCst);
                fs::rename(from, to).unwrap();
            });
            night.dumps.extend(is_fresh.then(|| dump.clone()));
            successor = Some((of, dump));
        }
        let servers = Servers {
            web: web.start(),
            sftp: fault.on_sftp(self.site.sftp()).start(),
            mail: match fault {
                Fault::MailRefused => SmtpServer::builder(Security::Tls).refuse_messages(554).start(),
                _ => mail(),
            },
            webhook: match fault {
                Fault::WebhookFails => WebhookServer::builder().status(500).start(),
                _ => webhook(),
            },
        };
        let command = self.site.command(job, &servers, &servers.sftp, date);
        let second = (company == Company::SecondMachine).then(|| {
            self.summary.second.0 += 1;
            self.summary.second.1 += 1;
            night.ids.push(self.site.id(Job::OnSecondMachine));
            self.site.command(Job::OnSecondMachine, &servers, &servers.sftp, date)
        });
        self.set_ages(company);
        let second = second.map(|second| thread::spawn(|| Victim::default().run(second, |_| false)));
        let ended = Victim::default().run(command, |duration| matches!(fault, Fault::Killed(at) if duration >= *at));
        let second = second.map(|second| second.join().unwrap().ending);
        drop(servers);
        if successor.is_some() {
            let _ = fs::remove_file(self.site.path("successor.zip"));
        }
        if has_changed.load(Ordering::SeqCst) {
            self.published.extend(successor.map(|successor| (job.zip(), successor)));
        }
        let mut endings = vec![ended.ending];
        endings.extend(second);
        let mut wrong = self.check_endings(&night, fault, standing, &endings);
        // One of two machines may find that the other was faster; it exits with 4.
        let is_well = |ending: &Ending| matches!(ending, Ending::Code(0 | 1));
        let ending = endings.iter().copied().find(is_well).unwrap_or(ended.ending);
        let could_finish = ending == Ending::Code(0) || !fault.may_stop_removal();
        let could_finish = could_finish && endings.iter().all(is_well);
        wrong.extend(self.model.follow(&night, ending, could_finish, self.site.listing()));
        wrong.extend(self.site.local_leftovers());
        if !wrong.is_empty() {
            wrong.push(format!("the log was:\n{}", self.site.log(job)));
        }
        if second.is_some() && !wrong.is_empty() {
            wrong.push(format!("the second machine's log was:\n{}", self.site.log(Job::OnSecondMachine)));
        }
        let which = if is_fresh { "fresh" } else { "stale" };
        let what = format!("{date} ({job:?}, {which}, {standing:?}, {fault:?}, {company:?})");
        self.summary.wrong.extend(wrong.into_iter().map(|wrong| format!("{what}: {wrong}")));

        let is_replaced = standing == Standing::Other && is_well(&ending) && is_fresh;
        self.summary.replaced += u64::from(is_replaced);
        self.remember(&night);
        if matches!(fault, Fault::None) && company == Company::None {
            self.usual = ended.duration;
        }
        ending
    }

    /// Sets every modification time to what it would be by now.
    fn set_ages(&self, company: Company) {
        let day = Duration::from_secs(24 * 3600);
        for (name, upload) in &self.model.uploads {
            let days = (self.today - upload.written).num_days();
            self.site.set_age(name, HOUR + day * u32::try_from(days).unwrap());
        }
        if company == Company::Copied {
            let names = self.site.listing().into_iter();
            for (name, _) in names.filter(|(_, item)| matches!(item, Item::File(_))) {
                self.site.set_age(&name, Duration::ZERO);
            }
        }
    }

    /// Counts the exit codes of a night, and returns what is wrong with them.
    fn check_endings(&mut self, night: &Night, fault: &Fault, standing: Standing, endings: &[Ending]) -> Vec<String> {
        let mut expected = fault.codes(!night.dumps.is_empty(), standing);
        if night.is_held_back {
            // A held-back removal is a warning.
            expected.iter_mut().filter(|code| **code == 0).for_each(|code| *code = 1);
        }
        if endings.len() > 1 && !night.dumps.is_empty() {
            // The second machine finds the archive delivered, or another one in its place.
            expected.extend([0, 1, 4]);
        }
        let may_be_killed = matches!(fault, Fault::Killed(_));
        let mut wrong = Vec::new();
        for ending in endings {
            let code = match *ending {
                Ending::Code(code) => code,
                Ending::Killed => -1,
            };
            *self.summary.runs.entry((fault.index(), code)).or_default() += 1;
            if !(expected.contains(&code) || code == -1 && may_be_killed) {
                wrong.push(format!("it ended with {code} instead of one of {expected:?}"));
            }
        }
        let is_well = endings.iter().any(|ending| matches!(ending, Ending::Code(0 | 1)));
        if endings.len() > 1 && standing != Standing::OfAnotherJob && !is_well {
            wrong.push("neither of the two machines has delivered".to_owned());
        }
        wrong
    }

    /// Keeps the dumps of the existing archives.
    fn remember(&mut self, night: &Night) {
        if let Some(archive) = self.model.archives.get(&night.date)
            && let Some(dump) = night.dumps.iter().find(|dump| dump.difference(archive).is_none())
        {
            self.dumps.insert(night.date, dump.clone());
        }
        let is_kept = |date: &NaiveDate| {
            self.model.archives.contains_key(date)
                || self.model.set_aside.keys().any(|(of, _)| of == date)
                || *date == night.date
        };
        self.dumps.retain(|date, _| is_kept(date));
    }

    /// Checks that every archive extracts to the dump of its night.
    fn end(mut self) -> Summary {
        let ours = self.model.archives.iter().filter(|(_, archive)| *archive != b"not ours");
        for (date, archive) in ours {
            let difference = match self.dumps.get(date) {
                Some(dump) => dump.difference(archive),
                None => Some("nothing was ever delivered for that night".to_owned()),
            };
            let difference = difference.map(|difference| format!("at the end, the archive of {date}: {difference}"));
            self.summary.wrong.extend(difference);
            self.summary.archives.push(*date);
        }
        self.summary
    }
}

const HOUR: Duration = Duration::from_secs(3600);
