//! Kills a run at many points. After each kill the folder must match the model, and the next run must recover.

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
use super::encrypted::Key;
use super::history::plant;
use super::model::{Existing, Exit, Model, Run};
use super::points::{KillTime, Point, TASKS, Traces, plan};
use super::second_machine::SecondMachine;
use super::site::{Job, Servers, Site};
use super::victim::Victim;
use crate::servers::sftp_faults::RequestFault;
use crate::servers::sftp_watch::{Moment, Operation};
use crate::servers::smtp::Security;
use crate::servers::{SmtpServer, WebhookServer};
use crate::setup::archive_name;

const SMALL_DUMP: usize = 1_000_000;
/// Enough for three connections.
const LARGE_DUMP: usize = 18 * 1024 * 1024;
/// The number of requests depends on timing, so that a run may not reach a point.
const MAX_ATTEMPTS: u32 = 6;

/// What exists under the final name of the archive when the run starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// Nothing.
    FreshName,
    /// An archive with different bytes.
    Replacement,
    /// The same, after two earlier replacements on that day.
    ThirdReplacement,
    /// An archive of another job.
    OtherJob,
    /// Nothing, but a second machine is about to deliver the same dump.
    SecondMachine,
    /// An archive with different bytes. The new archive is large enough for several connections.
    Large,
}

#[derive(Default)]
pub struct Result {
    /// For each kind of point, in order: the number of points, and of those without errors.
    pub kinds: Vec<(&'static str, usize, usize)>,
    /// The number of kills during each task, by its index in [`TASKS`].
    pub tasks: BTreeMap<usize, usize>,
    /// Every violation of the model.
    pub errors: Vec<String>,
}

pub struct Sweep {
    folder: PathBuf,
    is_encrypted: bool,
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
    pub fn new(folder: &Path, is_encrypted: bool) -> Sweep {
        let (date, mut random) = (Utc::now().date_naive(), Rng::with_seed(1));
        let mut random_dump = |size| {
            let dump = Dump::random_noise(date, size, &mut random);
            let zip = dump.zip().bytes();
            (dump, zip)
        };
        let (small, large, other) = (random_dump(SMALL_DUMP), random_dump(LARGE_DUMP), random_dump(SMALL_DUMP));
        let folder = folder.to_owned();
        Sweep { folder, is_encrypted, date, small, large, other, durations: Vec::new() }
    }

    /// Kills runs at `count` points. Calls `progress` with each number (from 1).
    pub fn run(&mut self, count: usize, progress: impl Fn(usize)) -> Result {
        let mut result = Result::default();
        // A small sweep skips the slow large scene.
        let scenes = if count < 40 { &Scene::ALL[..Scene::ALL.len() - 1] } else { &Scene::ALL };
        let traces: Vec<Traces> = scenes.iter().map(|scene| self.measure(*scene, &mut result.errors)).collect();
        for (number, point) in plan(count, &archive_name(self.date), &traces).iter().enumerate() {
            progress(number + 1);
            let errors = self.try_point(point, &mut result);
            if result.kinds.last().is_none_or(|(kind, _, _)| *kind != point.kind) {
                result.kinds.push((point.kind, 0, 0));
            }
            if let Some((_, points, good)) = result.kinds.last_mut() {
                *points += 1;
                *good += usize::from(errors.is_empty());
            }
            let label = format!("{:?}, killed at {:?}", point.scene, point.when);
            result.errors.extend(errors.into_iter().map(|error| format!("{label}: {error}")));
        }
        result
    }

    fn dump(&self, scene: Scene) -> &(Dump, Vec<u8>) {
        if scene == Scene::Large { &self.large } else { &self.small }
    }

    fn planned_run(&self, scene: Scene, site: &Site) -> Run {
        Run::new(self.date, vec![self.dump(scene).0.clone()], Job::Own.zip(), &site.id(Job::Own))
    }

    /// Measures the requests and the duration of undisturbed runs.
    fn measure(&mut self, scene: Scene, errors: &mut Vec<String>) -> Traces {
        let mut durations = Vec::new();
        let mut last = None;
        for _ in 0..3 {
            let operations = Arc::new(Mutex::new(Vec::new()));
            let recorded = Arc::clone(&operations);
            let watcher = Box::new(move |operation: Operation<'_>| {
                if operation.moment == Moment::Before {
                    recorded.lock().unwrap().push(operation.what.to_owned());
                }
                RequestFault::None
            });
            let mut stage = self.set_up(scene, watcher, None);
            let requests = stage.servers.web.requests();
            let run = self.planned_run(scene, &stage.site);
            let expected = expected_exit(stage.model.existing(&run));
            let finished = Victim::default().run(stage.command(self.date), |_| false);
            if finished.exit != expected {
                let log = stage.site.log(Job::Own);
                errors.push(format!("an undisturbed run of {scene:?} exits with {:?}:\n{log}", finished.exit));
            }
            let mut wrong = stage.model.check_run(&run, finished.exit, true, stage.site.listing());
            let web_requests = stage.servers.web.requests() - requests;
            wrong.extend(self.finish_second(&mut stage, run));
            wrong.extend(stage.site.unpaired());
            errors.extend(wrong.into_iter().map(|error| format!("after an undisturbed run of {scene:?}: {error}")));
            durations.push(finished.duration);
            last = Some((web_requests, operations.lock().unwrap().clone()));
        }
        durations.sort();
        self.durations.push((scene, durations[1]));
        let (web_requests, operations) = last.unwrap();
        Traces { scene, web_requests, operations }
    }

    /// Kills a run at `point`, checks the folder, and lets the next run recover. Returns all errors.
    fn try_point(&self, point: &Point, result: &mut Result) -> Vec<String> {
        let mut when = point.when.clone();
        for _ in 0..MAX_ATTEMPTS {
            let victim = Victim::default();
            let trigger = Trigger::new(&victim, &when);
            let request = if let KillTime::Request(number) = when { Some((number, victim.clone())) } else { None };
            let mut stage =
                self.set_up(point.scene, Box::new(move |operation| trigger.on_operation(operation)), request);
            let finished =
                victim.run(stage.command(self.date), |duration| self.should_kill(&stage, point.scene, &when, duration));
            if finished.exit != Exit::Killed {
                if let Some(second) = stage.second {
                    second.finish();
                }
                when = when.earlier();
                continue;
            }
            let task = running_task(&stage.site.log(Job::Own));
            *result.tasks.entry(task).or_default() += 1;
            return self.recover(point.scene, &mut stage);
        }
        vec![format!("no run reached that point in {MAX_ATTEMPTS} attempts")]
    }

    fn should_kill(&self, stage: &Stage, scene: Scene, when: &KillTime, duration: Duration) -> bool {
        match when {
            KillTime::Share(share) => {
                let (_, whole) = self.durations.iter().find(|(measured, _)| *measured == scene).unwrap();
                duration >= whole.mul_f64(*share)
            }
            KillTime::Ended(task) => has_ended(task, &stage.site.log(Job::Own)),
            KillTime::Reported(count) => {
                let Servers { mail, webhook, .. } = &stage.servers;
                let mails = mail.connections() + mail.messages().len() as u64;
                mails + webhook.requests() >= *count
            }
            KillTime::Request(_) | KillTime::Operation { .. } => false,
        }
    }

    /// Checks the state after the kill and after the next run against the model.
    fn recover(&self, scene: Scene, stage: &mut Stage) -> Vec<String> {
        let run = self.planned_run(scene, &stage.site);
        let mut errors = Vec::new();
        let mut add = |when: &str, new: Vec<String>| {
            errors.extend(new.into_iter().map(|error| format!("{when}: {error}")));
        };
        add("right after the kill", stage.model.check_run(&run, Exit::Killed, false, stage.site.listing()));
        add("right after the kill", stage.site.local_leftovers());
        let log_before = stage.site.log(Job::Own);
        let expected = expected_exit(stage.model.existing(&run));
        let next = Victim::default().run(stage.command(self.date), |_| false);
        if next.exit != expected {
            let logs = format!(
                "the log of the killed run:\n{log_before}the log of the next run:\n{}",
                stage.site.log(Job::Own)
            );
            add("the next run", vec![format!("it exits with {:?} instead of {expected:?}; {logs}", next.exit)]);
        }
        add("after the next run", stage.model.check_run(&run, expected, true, stage.site.listing()));
        add("after the next run", self.finish_second(stage, run));
        add("after the next run", stage.site.local_leftovers());
        add("after the next run", stage.site.unpaired());
        errors
    }

    /// Lets the second machine finish after the delivery of `run`. Returns all errors.
    fn finish_second(&self, stage: &mut Stage, mut run: Run) -> Vec<String> {
        let Some(second) = stage.second.take() else { return Vec::new() };
        let (finished, expected) = (second.finish(), expected_exit(stage.model.existing(&run)));
        run.ids = vec![stage.site.id(Job::OnSecondMachine)];
        let mut errors = stage.model.check_run(&run, expected, true, stage.site.listing());
        if finished.exit != expected {
            let log = stage.site.log(Job::OnSecondMachine);
            errors.push(format!("the second machine exits with {:?} instead of {expected:?}:\n{log}", finished.exit));
        }
        errors
    }

    /// Sets up a folder with a history. `watcher` is for the SFTP server. `request`: the number of a web request, and
    /// the run to kill then.
    fn set_up(&self, scene: Scene, watcher: Watcher, request: Option<(u64, Victim)>) -> Stage {
        let site = Site::new(&self.folder, self.is_encrypted.then(Key::generate)).unwrap();
        fs::write(site.zip(Job::Own), &self.dump(scene).1).unwrap();
        fs::write(site.zip(Job::Other), &self.other.1).unwrap();
        let (folder, archive) = (site.destination(), archive_name(self.date));
        plant(&folder, self.date, &site.id(Job::Own)).unwrap();
        if scene == Scene::ThirdReplacement {
            fs::write(folder.join(format!("{archive}.old")), "the first archive of the day").unwrap();
            fs::write(folder.join(format!("{archive}.last.old")), "the second archive of the day").unwrap();
        }
        if matches!(scene, Scene::Replacement | Scene::ThirdReplacement | Scene::Large) {
            if self.is_encrypted {
                self.deliver_another_dump(&site);
            } else {
                fs::write(folder.join(&archive), "an archive with different bytes".repeat(1000)).unwrap();
            }
        }
        let mut model = Model::new(site.listing());
        let servers = serve(&site, watcher, request);
        let mut second = None;
        if scene == Scene::OtherJob {
            let run = Run::new(self.date, vec![self.other.0.clone()], Job::Other.zip(), &site.id(Job::Other));
            let sftp = site.sftp().start();
            let finished = Victim::default().run(site.command(Job::Other, &servers, &sftp, self.date), |_| false);
            let errors = model.check_run(&run, finished.exit, true, site.listing());
            assert!(errors.is_empty(), "{errors:?}: {}", site.log(Job::Other));
        } else if scene == Scene::SecondMachine {
            second = Some(SecondMachine::block_at("write", &site, &servers, self.date));
            model.update(site.listing(), self.date);
        }
        Stage { site, servers, model, second }
    }
}

impl Sweep {
    /// Delivers an encrypted archive of this job with another dump.
    fn deliver_another_dump(&self, site: &Site) {
        let zip = fs::read(site.zip(Job::Own)).unwrap();
        fs::write(site.zip(Job::Own), &self.other.1).unwrap();
        let servers = serve(site, Box::new(|_| RequestFault::None), None);
        let finished = Victim::default().run(site.command(Job::Own, &servers, &servers.sftp, self.date), |_| false);
        // A third replacement begins with replaced archives, of which the last one is put back and replaced again.
        assert!(matches!(finished.exit, Exit::Code(0 | 1)), "{}", site.log(Job::Own));
        fs::write(site.zip(Job::Own), zip).unwrap();
    }
}

impl Stage {
    /// The command of the run under test.
    fn command(&self, date: NaiveDate) -> Command {
        self.site.command(Job::Own, &self.servers, &self.servers.sftp, date)
    }
}

fn expected_exit(existing: Existing) -> Exit {
    Exit::Code(match existing {
        Existing::None | Existing::Same => 0,
        Existing::Different => 1,
        Existing::OtherJob => 4,
    })
}

impl Scene {
    const ALL: [Scene; 6] = [
        Scene::FreshName,
        Scene::Replacement,
        Scene::ThirdReplacement,
        Scene::OtherJob,
        Scene::SecondMachine,
        Scene::Large,
    ];
}

/// Kills a run at one of its requests to the SFTP server, once.
struct Trigger {
    victim: Victim,
    when: KillTime,
    counts: Mutex<HashMap<Moment, u64>>,
    has_fired: AtomicBool,
}

impl Trigger {
    fn new(victim: &Victim, when: &KillTime) -> Trigger {
        let (victim, when) = (victim.clone(), when.clone());
        Trigger { victim, when, counts: Mutex::default(), has_fired: AtomicBool::new(false) }
    }

    /// A run that is killed before a request is carried out has not sent it. A run that is killed after it never gets
    /// the reply.
    fn on_operation(&self, operation: Operation<'_>) -> RequestFault {
        let KillTime::Operation { what, nth, moment } = &self.when else { return RequestFault::None };
        if operation.what != what {
            return RequestFault::None;
        }
        let count = *self.counts.lock().unwrap().entry(operation.moment).and_modify(|count| *count += 1).or_insert(1);
        if operation.moment != *moment || count != *nth || self.has_fired.swap(true, Ordering::SeqCst) {
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
    let (sftp, mail) = (site.sftp().on_operation(watcher).start(), SmtpServer::builder(Security::Tls).start());
    Servers { web: web.start(), sftp, mail, webhook: WebhookServer::builder().start() }
}

/// The index in [`TASKS`] of the first task without an end in the log.
fn running_task(log: &str) -> usize {
    TASKS.iter().position(|task| !has_ended(task, log)).unwrap_or(TASKS.len() - 1)
}

/// Whether `log` reports the end of `task`, not only of a step.
fn has_ended(task: &str, log: &str) -> bool {
    let is_end = |text: &str| match task {
        "Connect to SFTP" => !text.starts_with("first contact"),
        "Send archive" => !text.ends_with("did not replace it"),
        "Verify archive" => !text.contains(" with different content already had the name "),
        "Remove expired" => !text.starts_with("kept ") && !text.starts_with("removed "),
        "Report" => text.starts_with("the run has ended"),
        _ => true,
    };
    log.lines().filter_map(|line| line.split_once(&format!("] {task}: "))).any(|(_, text)| is_end(text))
}
