//! Kills a run at many points; after each, the folder must match the model, and the next run must recover.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{NaiveDate, Utc};
use fastrand::Rng;

use super::dump::Dump;
use super::history::plant;
use super::model::{Ending, Model, Night, Standing};
use super::points::{Point, TASKS, Traces, When, plan};
use super::second_machine::SecondMachine;
use super::site::{Job, Servers, Site, mail, webhook};
use super::victim::Victim;
use crate::night::archive_name;
use crate::servers::sftp_faults::RequestFault;
use crate::servers::sftp_watch::{Moment, Operation};

const SMALL_DUMP: usize = 1_000_000;
/// Enough for three connections.
const LARGE_DUMP: usize = 18 * 1024 * 1024;
/// Attempts for a point that the run does not reach: the number of requests depends on timing.
const TRIES: u32 = 6;

/// What has the final name of the archive when the run starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// Nothing.
    FreshName,
    /// An archive with other bytes.
    Replacement,
    /// The same, and two others were replaced before on that day.
    ThirdReplacement,
    /// Another job's archive.
    OfAnotherJob,
    /// Nothing, and a second machine is about to deliver the same dump.
    SecondMachine,
    /// An archive with other bytes; the new archive is large enough for several connections.
    Large,
}

#[derive(Default)]
pub struct Result {
    /// Each kind of point in order: how many, and how many were good.
    pub kinds: Vec<(&'static str, usize, usize)>,
    /// The number of kills during each task, by its index in [`TASKS`].
    pub tasks: BTreeMap<usize, usize>,
    /// Everything that was wrong.
    pub faults: Vec<String>,
}

pub struct Sweep {
    folder: PathBuf,
    date: NaiveDate,
    small: (Dump, Vec<u8>),
    large: (Dump, Vec<u8>),
    other: (Dump, Vec<u8>),
    durations: Vec<(Scene, Duration)>,
}

struct Stage {
    site: Site,
    servers: Servers,
    model: Model,
    second: Option<SecondMachine>,
}

type Watcher = Box<dyn Fn(Operation<'_>) -> RequestFault + Send + Sync>;

impl Sweep {
    /// `folder` is recreated for each point.
    pub fn new(folder: &Path) -> Sweep {
        let (date, mut random) = (Utc::now().date_naive(), Rng::with_seed(1));
        let mut draw = |size| {
            let dump = Dump::draw_noise(date, size, &mut random);
            let zip = dump.zip().bytes();
            (dump, zip)
        };
        let (small, large, other) = (draw(SMALL_DUMP), draw(LARGE_DUMP), draw(SMALL_DUMP));
        let folder = folder.to_owned();
        Sweep { folder, date, small, large, other, durations: Vec::new() }
    }

    /// Tries `count` points and reports each number to `progress`.
    pub fn run(&mut self, count: usize, progress: impl Fn(usize)) -> Result {
        let mut result = Result::default();
        // A small sweep skips the slow large scene.
        let scenes = if count < 40 { &Scene::ALL[..Scene::ALL.len() - 1] } else { &Scene::ALL };
        let traces: Vec<Traces> = scenes.iter().map(|scene| self.measure(*scene, &mut result.faults)).collect();
        for (number, point) in plan(count, &archive_name(self.date), &traces).iter().enumerate() {
            progress(number + 1);
            let faults = self.try_point(point, &mut result);
            if result.kinds.last().is_none_or(|(kind, _, _)| *kind != point.kind) {
                result.kinds.push((point.kind, 0, 0));
            }
            if let Some((_, points, good)) = result.kinds.last_mut() {
                *points += 1;
                *good += usize::from(faults.is_empty());
            }
            let told =
                faults.into_iter().map(|fault| format!("{:?}, killed at {:?}: {fault}", point.scene, point.when));
            result.faults.extend(told);
        }
        result
    }

    fn dump(&self, scene: Scene) -> &(Dump, Vec<u8>) {
        if scene == Scene::Large { &self.large } else { &self.small }
    }

    fn night(&self, scene: Scene, site: &Site) -> Night {
        Night::new(self.date, vec![self.dump(scene).0.clone()], Job::Own.zip(), &site.id(Job::Own))
    }

    /// Measures undisturbed runs: their requests and their duration.
    fn measure(&mut self, scene: Scene, faults: &mut Vec<String>) -> Traces {
        let mut durations = Vec::new();
        let mut last = None;
        for _ in 0..3 {
            let operations = Arc::new(Mutex::new(Vec::new()));
            let seen = Arc::clone(&operations);
            let watcher = Box::new(move |operation: Operation<'_>| {
                if operation.moment == Moment::Before {
                    seen.lock().unwrap().push(operation.what.to_owned());
                }
                RequestFault::None
            });
            let mut stage = self.set(scene, watcher, None);
            let requests = stage.servers.web.requests();
            let night = self.night(scene, &stage.site);
            let expected = expected_ending(stage.model.standing(&night));
            let ended = Victim::default().run(stage.command(self.date), |_| false);
            if ended.ending != expected {
                let log = stage.site.log(Job::Own);
                faults.push(format!("an undisturbed run of {scene:?} ends with {:?}:\n{log}", ended.ending));
            }
            let mut wrong = stage.model.follow(&night, ended.ending, true, stage.site.listing());
            let requests = stage.servers.web.requests() - requests;
            wrong.extend(self.finish_second(&mut stage, night));
            faults.extend(wrong.into_iter().map(|fault| format!("after an undisturbed run of {scene:?}: {fault}")));
            durations.push(ended.duration);
            last = Some((requests, operations.lock().unwrap().clone()));
        }
        durations.sort();
        self.durations.push((scene, durations[1]));
        let (requests, operations) = last.unwrap();
        Traces { scene, requests, operations }
    }

    /// Kills a run at `point`, checks the folder, and lets the next run recover. Returns every error.
    fn try_point(&self, point: &Point, result: &mut Result) -> Vec<String> {
        let mut when = point.when.clone();
        for _ in 0..TRIES {
            let victim = Victim::default();
            let trigger = Trigger::new(&victim, &when);
            let request = if let When::Request(number) = when { Some((number, victim.clone())) } else { None };
            let mut stage = self.set(point.scene, Box::new(move |operation| trigger.meet(operation)), request);
            let ended =
                victim.run(stage.command(self.date), |duration| self.is_time(&stage, point.scene, &when, duration));
            if ended.ending != Ending::Killed {
                if let Some(second) = stage.second {
                    second.finish();
                }
                when = when.earlier();
                continue;
            }
            let under_way = task_under_way(&stage.site.log(Job::Own));
            *result.tasks.entry(under_way).or_default() += 1;
            return self.recover(point.scene, &mut stage);
        }
        vec![format!("no run came to that point in {TRIES} tries")]
    }

    fn is_time(&self, stage: &Stage, scene: Scene, when: &When, duration: Duration) -> bool {
        match when {
            When::Share(share) => {
                let (_, whole) = self.durations.iter().find(|(of, _)| *of == scene).unwrap();
                duration >= whole.mul_f64(*share)
            }
            When::Ended(task) => has_ended(task, &stage.site.log(Job::Own)),
            When::Reported(count) => {
                let Servers { mail, webhook, .. } = &stage.servers;
                let mails = mail.connections() + mail.messages().len() as u64;
                mails + webhook.requests() >= *count
            }
            When::Request(_) | When::Operation { .. } => false,
        }
    }

    /// Checks the state after the kill and after the next run against the model.
    fn recover(&self, scene: Scene, stage: &mut Stage) -> Vec<String> {
        let night = self.night(scene, &stage.site);
        let mut faults = Vec::new();
        let mut note = |when: &str, found: Vec<String>| {
            faults.extend(found.into_iter().map(|fault| format!("{when}: {fault}")));
        };
        note("right after the kill", stage.model.follow(&night, Ending::Killed, false, stage.site.listing()));
        note("right after the kill", stage.site.local_leftovers());
        let log_before = stage.site.log(Job::Own);
        let expected = expected_ending(stage.model.standing(&night));
        let next = Victim::default().run(stage.command(self.date), |_| false);
        if next.ending != expected {
            let logs = format!("the log of the killed run:\n{log_before}the next one:\n{}", stage.site.log(Job::Own));
            note("the next run", vec![format!("it ends with {:?} instead of {expected:?}; {logs}", next.ending)]);
        }
        note("after the next run", stage.model.follow(&night, expected, true, stage.site.listing()));
        note("after the next run", self.finish_second(stage, night));
        note("after the next run", stage.site.local_leftovers());
        faults
    }

    /// Lets the second machine finish; it finds the archive of `night` delivered. Returns every error.
    fn finish_second(&self, stage: &mut Stage, mut night: Night) -> Vec<String> {
        let Some(second) = stage.second.take() else { return Vec::new() };
        let (ended, expected) = (second.finish(), expected_ending(stage.model.standing(&night)));
        night.ids = vec![stage.site.id(Job::OnSecondMachine)];
        let mut faults = stage.model.follow(&night, expected, true, stage.site.listing());
        if ended.ending != expected {
            let log = stage.site.log(Job::OnSecondMachine);
            faults.push(format!("the second machine ends with {:?} instead of {expected:?}:\n{log}", ended.ending));
        }
        faults
    }

    /// A site with a history. `watcher` disturbs the SFTP server; `request` kills a run at a request to the web
    /// server.
    fn set(&self, scene: Scene, watcher: Watcher, request: Option<(u64, Victim)>) -> Stage {
        let site = Site::new(&self.folder).unwrap();
        fs::write(site.zip(Job::Own), &self.dump(scene).1).unwrap();
        fs::write(site.zip(Job::Other), &self.other.1).unwrap();
        let (folder, archive) = (site.destination(), archive_name(self.date));
        plant(&folder, self.date, &site.id(Job::Own)).unwrap();
        if matches!(scene, Scene::Replacement | Scene::ThirdReplacement | Scene::Large) {
            fs::write(folder.join(&archive), "an archive with other bytes".repeat(1000)).unwrap();
        }
        if scene == Scene::ThirdReplacement {
            fs::write(folder.join(format!("{archive}.old")), "the first archive of tonight").unwrap();
            fs::write(folder.join(format!("{archive}.last.old")), "the second archive of tonight").unwrap();
        }
        let mut model = Model::of(site.listing());
        let servers = serve(&site, watcher, request);
        let mut second = None;
        if scene == Scene::OfAnotherJob {
            let night = Night::new(self.date, vec![self.other.0.clone()], Job::Other.zip(), &site.id(Job::Other));
            let sftp = site.sftp().start();
            let ended = Victim::default().run(site.command(Job::Other, &servers, &sftp, self.date), |_| false);
            let faults = model.follow(&night, ended.ending, true, site.listing());
            assert!(faults.is_empty(), "{faults:?}: {}", site.log(Job::Other));
        } else if scene == Scene::SecondMachine {
            second = Some(SecondMachine::stop_at("write", &site, &servers, self.date));
            model.observe(site.listing(), self.date);
        }
        Stage { site, servers, model, second }
    }
}

impl Stage {
    /// The command of the run under test.
    fn command(&self, date: NaiveDate) -> Command {
        self.site.command(Job::Own, &self.servers, &self.servers.sftp, date)
    }
}

fn expected_ending(standing: Standing) -> Ending {
    Ending::Code(match standing {
        Standing::Free | Standing::Same => 0,
        Standing::Other => 1,
        Standing::OfAnotherJob => 4,
    })
}

impl Scene {
    const ALL: [Scene; 6] = [
        Scene::FreshName,
        Scene::Replacement,
        Scene::ThirdReplacement,
        Scene::OfAnotherJob,
        Scene::SecondMachine,
        Scene::Large,
    ];
}

/// Kills a run at one of its requests to the SFTP server, once.
struct Trigger {
    victim: Victim,
    when: When,
    counts: Mutex<HashMap<Moment, u64>>,
    is_pulled: AtomicBool,
}

impl Trigger {
    fn new(victim: &Victim, when: &When) -> Trigger {
        let (victim, when) = (victim.clone(), when.clone());
        Trigger { victim, when, counts: Mutex::default(), is_pulled: AtomicBool::new(false) }
    }

    /// A run killed before a request is carried out never sent it; one killed after it never gets the answer.
    fn meet(&self, operation: Operation<'_>) -> RequestFault {
        let When::Operation { what, nth, moment } = &self.when else { return RequestFault::None };
        if operation.what != what {
            return RequestFault::None;
        }
        let count = *self.counts.lock().unwrap().entry(operation.moment).and_modify(|count| *count += 1).or_insert(1);
        if operation.moment != *moment || count != *nth || self.is_pulled.swap(true, Ordering::SeqCst) {
            return RequestFault::None;
        }
        self.victim.kill();
        RequestFault::Disconnect
    }
}

fn serve(site: &Site, watcher: Watcher, request: Option<(u64, Victim)>) -> Servers {
    let mut web = site.web();
    if let Some((number, victim)) = request {
        web = web.before_request(number, move || victim.kill());
    }
    let sftp = site.sftp().on_operation(watcher).start();
    Servers { web: web.start(), sftp, mail: mail(), webhook: webhook() }
}

/// The index in [`TASKS`] of the first task whose end is not in the log.
fn task_under_way(log: &str) -> usize {
    TASKS.iter().position(|task| !has_ended(task, log)).unwrap_or(TASKS.len() - 1)
}

/// Whether `log` reports the end of `task`, not only a step of it.
fn has_ended(task: &str, log: &str) -> bool {
    let is_end = |text: &str| match task {
        "Connect to SFTP" => !text.starts_with("first contact"),
        "Send archive" => !text.ends_with("did not replace it"),
        "Verify archive" => !text.contains(" with other content was already called "),
        "Remove expired" => !text.starts_with("kept ") && !text.starts_with("removed "),
        "Report" => text.starts_with("the run has ended"),
        _ => true,
    };
    log.lines().filter_map(|line| line.split_once(&format!("] {task}: "))).any(|(_, text)| is_end(text))
}
