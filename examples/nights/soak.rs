//! Many nights in a row against one folder, each with a fault drawn by chance; after each, the folder must be as the
//! model says.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use chrono::{Days, NaiveDate, Utc};
use fastrand::Rng;

use super::dump::Dump;
use super::faults::Fault;
use super::model::{Ending, Model, Night};
use super::site::{Servers, Site, mail, webhook};
use super::sweep::plant_foreign;
use super::victim::Victim;
use crate::servers::smtp::Security;
use crate::servers::{SmtpServer, WebhookServer};

const LARGEST_SMALL_DUMP: usize = 300_000;
/// Enough for three connections.
const LARGE_DUMP: usize = 18 * 1024 * 1024;
/// What an undisturbed run takes, before one was seen.
const USUAL: Duration = Duration::from_millis(200);

/// What a soak is like.
pub struct Options {
    /// How many nights.
    pub nights: u64,
    /// Where chance begins.
    pub seed: u64,
    /// How likely a night's dump is a large one.
    pub large_dumps: f64,
}

/// What a soak came to.
#[derive(Default)]
pub struct Summary {
    /// Nights with a fresh dump.
    pub fresh: u64,
    /// Nights with a stale one.
    pub stale: u64,
    /// Runs beyond one a night: nights that were repeated, or done again with another dump.
    pub again: u64,
    /// Nights whose archive was delivered.
    pub delivered: u64,
    /// By the fault's place in [`Fault::NAMES`] and by exit code, -1 for a kill: how many runs.
    pub runs: BTreeMap<(usize, i32), u64>,
    /// The archives in the folder at the end.
    pub archives: Vec<NaiveDate>,
    /// All that must not be.
    pub wrong: Vec<String>,
}

/// A soak under way.
pub struct Soak {
    site: Site,
    random: Rng,
    model: Model,
    /// What the web server has.
    published: Option<(NaiveDate, Dump)>,
    /// The dump of which each night's archive is.
    dumps: BTreeMap<NaiveDate, Dump>,
    usual: Duration,
    large_dumps: f64,
    summary: Summary,
}

/// Lets `options.nights` nights pass with `program` in `folder`, which is made anew, and shows each one's number to
/// `progress`.
pub fn soak(program: &Path, folder: &Path, options: &Options, progress: impl Fn(u64)) -> Summary {
    let site = Site::new(folder, program).unwrap();
    let first = Utc::now().date_naive() - Days::new(options.nights);
    plant_foreign(&site.destination(), first).unwrap();
    let model = Model::of(site.listing());
    let mut soak = Soak {
        site,
        random: Rng::with_seed(options.seed),
        model,
        published: None,
        dumps: BTreeMap::new(),
        usual: USUAL,
        large_dumps: options.large_dumps,
        summary: Summary::default(),
    };
    let mut stale_nights = 0;
    for number in 0..options.nights {
        progress(number + 1);
        let (date, is_last) = (first + Days::new(number), number + 1 == options.nights);
        if stale_nights == 0 && number > 0 && soak.random.f64() < 0.06 {
            // For once, or for weeks.
            stale_nights = if soak.random.bool() { 1 } else { soak.random.u64(2..20) };
        }
        if stale_nights == 0 || is_last {
            soak.publish(date);
        }
        stale_nights = stale_nights.saturating_sub(1);
        soak.pass(date, is_last);
    }
    soak.end()
}

impl Soak {
    /// A night, and what an operator may do after it.
    fn pass(&mut self, date: NaiveDate, is_last: bool) {
        let is_fresh = self.is_fresh(date);
        *(if is_fresh { &mut self.summary.fresh } else { &mut self.summary.stale }) += 1;
        let fault = if is_last { Fault::None } else { self.draw_fault() };
        let ending = self.run(date, &fault);
        let is_missed = is_fresh && !matches!(ending, Ending::Code(0 | 1));
        if is_missed && self.random.f64() < 0.4 {
            self.run_again(date);
        } else if is_fresh && self.random.f64() < 0.08 {
            // The database is dumped again on the same day.
            self.publish(date);
            self.run_again(date);
        } else if !is_last && self.random.f64() < 0.04 {
            // A night of some days before is made good.
            let before = date - Days::new(self.random.u64(1..5));
            self.publish(before);
            self.run_again(before);
        }
        if is_last {
            self.run(date, &Fault::None);
        }
        self.summary.delivered += u64::from(is_fresh && self.dumps.contains_key(&date));
    }

    fn run_again(&mut self, date: NaiveDate) {
        self.summary.again += 1;
        let fault = self.draw_fault();
        self.run(date, &fault);
    }

    fn draw_fault(&mut self) -> Fault {
        let size = fs::metadata(self.site.zip()).map_or(1, |metadata| metadata.len());
        Fault::draw(size, self.usual, &mut self.random)
    }

    fn is_fresh(&self, date: NaiveDate) -> bool {
        self.published.as_ref().is_some_and(|(of, _)| *of == date)
    }

    fn draw_dump(&mut self, date: NaiveDate) -> Dump {
        if self.random.f64() < self.large_dumps {
            return Dump::draw_noise(date, LARGE_DUMP, &mut self.random);
        }
        let size = self.random.usize(1000..LARGEST_SMALL_DUMP);
        Dump::draw(date, size, &mut self.random)
    }

    /// Dumps the database on `date`.
    fn publish(&mut self, date: NaiveDate) {
        let dump = self.draw_dump(date);
        dump.zip().write(&self.site.zip());
        self.published = Some((date, dump));
    }

    /// One run for `date`, and all that must be so after it.
    fn run(&mut self, date: NaiveDate, fault: &Fault) -> Ending {
        let is_fresh = self.is_fresh(date);
        let mut night = Night { date, dumps: Vec::new() };
        if is_fresh {
            night.dumps.extend(self.published.iter().map(|(_, dump)| dump.clone()));
        }
        let is_there = self.model.has_delivered(&night);
        let has_changed = Arc::new(AtomicBool::new(false));
        let mut web = fault.on_web(self.site.web());
        let mut successor = None;
        if let (Fault::ZipChanges(request), Some((of, _))) = (fault, self.published.clone()) {
            let dump = self.draw_dump(of);
            let (path, zip, has_changed) = (self.site.path("successor.zip"), self.site.zip(), Arc::clone(&has_changed));
            dump.zip().write(&path);
            // Times count in whole seconds on the web: another one must tell the two apart.
            File::options().append(true).open(&path).unwrap().set_modified(SystemTime::now() + HOUR).unwrap();
            web = web.before_request(*request, move || {
                has_changed.store(true, Ordering::SeqCst);
                fs::rename(path, zip).unwrap();
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
        let command = self.site.command(&servers, date);
        let ended = Victim::default().run(command, |duration| matches!(fault, Fault::Killed(at) if duration >= *at));
        drop(servers);
        if successor.is_some() {
            let _ = fs::remove_file(self.site.path("successor.zip"));
        }

        let mut wrong = Vec::new();
        if has_changed.load(Ordering::SeqCst) {
            self.published = successor;
        }
        let code = match ended.ending {
            Ending::Code(code) => code,
            Ending::Killed => -1,
        };
        *self.summary.runs.entry((fault.index(), code)).or_default() += 1;
        let expected = fault.codes(is_fresh, is_there);
        let may_be_killed = matches!(fault, Fault::Killed(_));
        if !(expected.contains(&code) || code == -1 && may_be_killed) {
            wrong.push(format!("it ended with {code} instead of one of {expected:?}"));
        }
        let could_finish = code == 0 || !fault.may_stop_removal();
        wrong.extend(self.model.follow(&night, ended.ending, could_finish, self.site.listing()));
        wrong.extend(self.site.local_leftovers());
        if !wrong.is_empty() {
            wrong.push(format!("the log was:\n{}", self.site.log()));
        }
        let which = if is_fresh { "fresh" } else { "stale" };
        self.summary.wrong.extend(wrong.into_iter().map(|what| format!("{date} ({which}, {fault:?}): {what}")));

        self.remember(&night);
        if matches!(fault, Fault::None) {
            self.usual = ended.duration;
        }
        ended.ending
    }

    /// Keeps the dump of each archive that is there.
    fn remember(&mut self, night: &Night) {
        if let Some(archive) = self.model.archives.get(&night.date)
            && let Some(dump) = night.dumps.iter().find(|dump| dump.difference(archive).is_none())
        {
            self.dumps.insert(night.date, dump.clone());
        }
        let is_kept = |date: &NaiveDate| {
            self.model.archives.contains_key(date) || self.model.aside.contains_key(date) || *date == night.date
        };
        self.dumps.retain(|date, _| is_kept(date));
    }

    /// What the soak came to. Every archive must extract to the dump of its night, and every night must have come
    /// down to one that is there or has expired.
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
