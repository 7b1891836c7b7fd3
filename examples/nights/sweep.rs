//! Kills a night's run at many points; after each, the folder must be as the model says, and the next run must put all
//! right.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{Days, NaiveDate, Utc};
use fastrand::Rng;

use super::dump::Dump;
use super::model::{Ending, Model, Night, archive_name};
use super::points::{Point, TASKS, Traces, When, plan};
use super::site::{Servers, Site, mail, webhook};
use super::victim::Victim;
use crate::servers::sftp_faults::Disturbance;
use crate::servers::sftp_watch::{Moment, Operation};

const SMALL_DUMP: usize = 1_000_000;
/// Enough for three connections.
const LARGE_DUMP: usize = 18 * 1024 * 1024;
/// How often a point is tried that the run does not reach: how it cuts the archive into requests depends on the time.
const TRIES: u32 = 6;

/// What the run meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// Nothing has tonight's name.
    FreshName,
    /// An archive with other bytes has it.
    Replacement,
    /// The same, and the new archive is large enough for several connections.
    Large,
}

/// What a sweep came to.
#[derive(Default)]
pub struct Result {
    /// Each kind of point, in the order in which they were tried: how many, and how many were good.
    pub kinds: Vec<(&'static str, usize, usize)>,
    /// In how many runs each task was under way when they were killed.
    pub tasks: BTreeMap<usize, usize>,
    /// All that must not be.
    pub faults: Vec<String>,
}

/// A sweep.
pub struct Sweep {
    program: PathBuf,
    folder: PathBuf,
    date: NaiveDate,
    dumps: [(Scene, Dump, Vec<u8>); 3],
    durations: Vec<(Scene, Duration)>,
}

/// What disturbs a run.
type Watcher = Box<dyn Fn(Operation<'_>) -> Disturbance + Send + Sync>;

impl Sweep {
    /// A sweep with `program` in `folder`, which is made anew for each point.
    pub fn new(program: &Path, folder: &Path) -> Sweep {
        let (date, mut random) = (Utc::now().date_naive(), Rng::with_seed(1));
        let small = Dump::draw_noise(date, SMALL_DUMP, &mut random);
        let large = Dump::draw_noise(date, LARGE_DUMP, &mut random);
        let dumps = [(Scene::FreshName, &small), (Scene::Replacement, &small), (Scene::Large, &large)];
        let dumps = dumps.map(|(scene, dump)| (scene, dump.clone(), dump.zip().bytes()));
        Sweep { program: program.to_owned(), folder: folder.to_owned(), date, dumps, durations: Vec::new() }
    }

    /// Tries `count` points and shows each one's number to `progress`.
    pub fn run(&mut self, count: usize, progress: impl Fn(usize)) -> Result {
        let mut result = Result::default();
        // A few points are none for the large scene, which takes its time.
        let scenes = if count < 40 { &[Scene::FreshName, Scene::Replacement][..] } else { &Scene::ALL };
        let traces: Vec<Traces> = scenes.iter().map(|scene| self.measure(*scene, &mut result.faults)).collect();
        for (number, point) in plan(count, &traces).iter().enumerate() {
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

    fn dump(&self, scene: Scene) -> &(Scene, Dump, Vec<u8>) {
        self.dumps.iter().find(|(of, _, _)| *of == scene).unwrap()
    }

    fn night(&self, scene: Scene) -> Night {
        Night { date: self.date, dumps: vec![self.dump(scene).1.clone()] }
    }

    /// Undisturbed runs: what they ask for, and how long they take.
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
                Disturbance::None
            });
            let (site, mut model) = self.set(scene);
            let servers = serve(&site, watcher, None);
            let ended = Victim::default().run(site.command(&servers, self.date), |_| false);
            if ended.ending != Ending::Code(0) {
                faults.push(format!("an undisturbed run of {scene:?} ends with {:?}:\n{}", ended.ending, site.log()));
            }
            let wrong = model.follow(&self.night(scene), ended.ending, true, site.listing());
            faults.extend(wrong.into_iter().map(|fault| format!("after an undisturbed run of {scene:?}: {fault}")));
            durations.push(ended.duration);
            last = Some((servers.web.requests(), operations.lock().unwrap().clone()));
        }
        durations.sort();
        self.durations.push((scene, durations[1]));
        let (requests, operations) = last.unwrap();
        Traces { scene, requests, operations }
    }

    /// Kills a run at `point`, looks, and lets the next run put it right. Gives all that must not be.
    fn try_point(&self, point: &Point, result: &mut Result) -> Vec<String> {
        let mut when = point.when.clone();
        for _ in 0..TRIES {
            let victim = Victim::default();
            let trigger = Trigger::new(&victim, &when);
            let (site, mut model) = self.set(point.scene);
            let request = if let When::Request(number) = when { Some((number, victim.clone())) } else { None };
            let servers = serve(&site, Box::new(move |operation| trigger.meet(operation)), request);
            let ended = victim.run(site.command(&servers, self.date), |duration| {
                self.is_time(&site, &servers, point.scene, &when, duration)
            });
            if ended.ending != Ending::Killed {
                when = when.earlier();
                continue;
            }
            let under_way = task_under_way(&site.log());
            *result.tasks.entry(under_way).or_default() += 1;
            return self.look_and_mend(point.scene, &site, &servers, &mut model);
        }
        vec![format!("no run came to that point in {TRIES} tries")]
    }

    fn is_time(&self, site: &Site, servers: &Servers, scene: Scene, when: &When, duration: Duration) -> bool {
        match when {
            When::Share(share) => {
                let (_, whole) = self.durations.iter().find(|(of, _)| *of == scene).unwrap();
                duration >= whole.mul_f64(*share)
            }
            When::Ended(task) => has_ended(task, &site.log()),
            When::Reported(count) => {
                let mails = servers.mail.connections() + servers.mail.messages().len() as u64;
                mails + servers.webhook.requests() >= *count
            }
            When::Request(_) | When::Operation { .. } => false,
        }
    }

    /// The state after the kill, and after the next run, against the model.
    fn look_and_mend(&self, scene: Scene, site: &Site, servers: &Servers, model: &mut Model) -> Vec<String> {
        let night = self.night(scene);
        let mut faults = Vec::new();
        let mut tell = |when: &str, found: Vec<String>| {
            faults.extend(found.into_iter().map(|fault| format!("{when}: {fault}")));
        };
        tell("right after the kill", model.follow(&night, Ending::Killed, false, site.listing()));
        tell("right after the kill", site.local_leftovers());
        let log_before = site.log();
        let next = Victim::default().run(site.command(servers, self.date), |_| false);
        if next.ending != Ending::Code(0) {
            let logs = format!("the killed run told:\n{log_before}the next one:\n{}", site.log());
            tell("the next run", vec![format!("it ends with {:?}; {logs}", next.ending)]);
        }
        tell("after the next run", model.follow(&night, Ending::Code(0), true, site.listing()));
        tell("after the next run", site.local_leftovers());
        faults
    }

    /// A site with a history, and what it means.
    fn set(&self, scene: Scene) -> (Site, Model) {
        let site = Site::new(&self.folder, &self.program).unwrap();
        fs::write(site.zip(), &self.dump(scene).2).unwrap();
        plant(&site.destination(), self.date, scene != Scene::FreshName).unwrap();
        let model = Model::of(site.listing());
        (site, model)
    }
}

impl Scene {
    const ALL: [Scene; 3] = [Scene::FreshName, Scene::Replacement, Scene::Large];
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

    /// Whoever is killed before a request is carried out never sent it; whoever is killed after never hears of it.
    fn meet(&self, operation: Operation<'_>) -> Disturbance {
        let When::Operation { what, nth, moment } = &self.when else { return Disturbance::None };
        if operation.what != what {
            return Disturbance::None;
        }
        let count = *self.counts.lock().unwrap().entry(operation.moment).and_modify(|count| *count += 1).or_insert(1);
        if operation.moment != *moment || count != *nth || self.is_pulled.swap(true, Ordering::SeqCst) {
            return Disturbance::None;
        }
        self.victim.kill();
        Disturbance::HangUp
    }
}

/// Servers on which all goes well, but for `watcher`, and for the request to the web server at which a run is killed.
fn serve(site: &Site, watcher: Watcher, request: Option<(u64, Victim)>) -> Servers {
    let mut web = site.web();
    if let Some((number, victim)) = request {
        web = web.before_request(number, move || victim.kill());
    }
    let sftp = site.sftp().on_operation(watcher).start();
    Servers { web: web.start(), sftp, mail: mail(), webhook: webhook() }
}

/// Which of [`TASKS`] was under way where the log ends: the first that is not told to have ended.
fn task_under_way(log: &str) -> usize {
    TASKS.iter().position(|task| !has_ended(task, log)).unwrap_or(TASKS.len() - 1)
}

/// Whether `log` tells how `task` ended, and not only of something on its way.
fn has_ended(task: &str, log: &str) -> bool {
    let is_end = |text: &str| match task {
        "Connect to SFTP" => !text.starts_with("first contact"),
        "Send archive" => !text.ends_with("did not replace it"),
        "Remove expired" => !text.starts_with("kept ") && !text.starts_with("removed "),
        "Report" => text.starts_with("the run has ended"),
        _ => true,
    };
    log.lines().filter_map(|line| line.split_once(&format!("] {task}: "))).any(|(_, text)| is_end(text))
}

/// A history: archives that stay and that go, leftovers of other nights, and what is none of ours.
fn plant(folder: &Path, tonight: NaiveDate, has_other_bytes: bool) -> std::io::Result<()> {
    let of = |age: u64| archive_name(tonight - Days::new(age));
    for age in [1, 2, 3, 5, 10, 11, 12, 40] {
        fs::write(folder.join(of(age)), format!("an archive of {age} days ago"))?;
    }
    if has_other_bytes {
        fs::write(folder.join(of(0)), "an archive with other bytes".repeat(1000))?;
    }
    fs::write(folder.join(format!(".{}.part", of(4))), "cut off")?;
    fs::write(folder.join(format!(".{}.old", of(6))), "replaced, but its successor never came")?;
    fs::write(folder.join(format!(".{}.old", of(2))), "replaced, and its successor came")?;
    plant_foreign(folder, tonight)
}

/// What a run must never touch.
pub fn plant_foreign(folder: &Path, tonight: NaiveDate) -> std::io::Result<()> {
    let long_ago = |days: u64| archive_name(tonight - Days::new(1000 + days));
    fs::create_dir(folder.join(long_ago(1)))?;
    symlink("notes.txt", folder.join(long_ago(2)))?;
    fs::write(folder.join(long_ago(3)), "")?;
    for name in ["notes.txt", "20263002.tgz", ".notes.txt.part", "20203112.tgz.bak", "20993112.tgz"] {
        fs::write(folder.join(name), "not ours")?;
    }
    Ok(())
}
