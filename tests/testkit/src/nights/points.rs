//! The points at which a sweep kills a run, spread over all of its steps.

use std::collections::HashMap;

use super::sweep::Scene;
use crate::servers::sftp_watch::Moment;

/// The minimum for a sweep: one point of each kind, and every rename of the replacements.
pub const MIN_POINTS: usize = 22;

/// The tasks of a run in the log.
pub const TASKS: [&str; 11] = [
    "Read configuration",
    "Request zip",
    "Find dump",
    "Compare dates",
    "Pack archive",
    "Connect to SFTP",
    "Send archive",
    "Verify archive",
    "Remove expired",
    "Clean up",
    "Report",
];

#[derive(Debug, Clone, PartialEq)]
pub enum KillTime {
    /// After this fraction of the duration of an undisturbed run.
    Share(f64),
    /// Before the web server answers the request with this number (from 1).
    Request(u64),
    /// Once the log reports the end of the task.
    Ended(&'static str),
    /// At a stage of the reports: 1, connected to the mail server; 2, mail sent; 3, posted to Mattermost.
    Reported(u64),
    /// At a request to the SFTP server.
    Operation {
        what: String,
        /// The number of the operation among equal ones, from 1.
        nth: u64,
        moment: Moment,
    },
}

#[derive(Debug, Clone)]
pub struct Point {
    pub kind: &'static str,
    pub scene: Scene,
    pub when: KillTime,
}

/// The requests of an undisturbed run.
pub struct Traces {
    pub scene: Scene,
    pub web_requests: u64,
    /// The requests to the SFTP server, in order.
    pub operations: Vec<String>,
}

impl KillTime {
    /// An earlier point, for when the run exits before this one.
    pub fn earlier(&self) -> KillTime {
        match self {
            KillTime::Share(share) => KillTime::Share(share * 0.8),
            KillTime::Operation { what, nth, moment } => {
                KillTime::Operation { what: what.clone(), nth: (nth * 2 / 3).max(1), moment: *moment }
            }
            other => other.clone(),
        }
    }
}

/// `count` points (at min [`MIN_POINTS`]) in runs that deliver `archive`. `traces`: one for each scene.
pub fn plan(count: usize, archive: &str, traces: &[Traces]) -> Vec<Point> {
    let mut points = Vec::new();
    let mut add = |kind: &'static str, percent: usize, min: usize, scenes: &[Scene], matches: &dyn Fn(&str) -> bool| {
        let scene_traces = traces.iter().filter(|traces| scenes.contains(&traces.scene));
        let candidates: Vec<Point> = scene_traces.flat_map(|traces| operations(kind, traces, matches)).collect();
        points.extend(spread(&candidates, (percent * count / 100).max(min)));
    };
    let small = [Scene::FreshName, Scene::Replacement];
    let last_old = format!("{archive}.last.old");
    let is_replacement_step = |what: &str| {
        let is_rename = what.starts_with("rename") && (what.ends_with(".old") || what.contains(".part "));
        is_rename || what.starts_with("remove") && what.ends_with(&last_old)
    };
    add("the two renames of a replacement", 4, 4, &[Scene::Replacement], &is_replacement_step);
    add("removal and renames of a third replacement", 6, 6, &[Scene::ThirdReplacement], &is_replacement_step);
    add("another job's archive has the name", 4, 1, &[Scene::OtherJob], &|_| true);
    add("a second machine is uploading", 8, 1, &[Scene::SecondMachine], &|_| true);
    add("another rename", 4, 1, &[Scene::FreshName], &|what| what.starts_with("rename"));
    add("a removal", 8, 1, &small, &|what| what.starts_with("remove"));
    let is_file_boundary = |what: &str| what.starts_with("open") || what.starts_with("close") || what.contains("sync");
    add("a file is opened, synced or closed", 6, 1, &small, &is_file_boundary);
    add("a write", 9, 1, &small, &|what| what.starts_with("write"));
    add("a write, over several connections", 6, 0, &[Scene::Large], &|what| what.starts_with("write"));
    add("a read back", 5, 1, &small, &|what| what.starts_with("read "));
    add("a read back, over several connections", 3, 0, &[Scene::Large], &|what| what.starts_with("read "));
    let is_lookup = |what: &str| what.contains("stat") || what.contains("dir") || what == "init";
    add("a lookup in the folder", 5, 1, &small, &is_lookup);

    let small_traces = || traces.iter().filter(|traces| small.contains(&traces.scene));
    let kind = "a request to the web server";
    let requests: Vec<Point> = small_traces()
        .flat_map(|traces| {
            (1..=traces.web_requests).map(move |number| Point {
                kind,
                scene: traces.scene,
                when: KillTime::Request(number),
            })
        })
        .collect();
    points.extend(spread(&requests, (5 * count / 100).max(1)));
    // KillTime the last task ends, the run is over.
    let ended = TASKS[..TASKS.len() - 1].iter().map(|task| KillTime::Ended(task));
    points.extend(spread(&alternating("a task has just ended", ended), (8 * count / 100).max(1)));
    let reported = [1, 1, 2, 2, 3, 3].map(KillTime::Reported);
    points.extend(spread(&alternating("a report is in progress", reported), (5 * count / 100).max(1)));
    let start = [0.0, 0.005, 0.01, 0.015].map(KillTime::Share);
    points.extend(spread(&alternating("the run has just started", start), (4 * count / 100).max(1)));

    let remaining = count.saturating_sub(points.len());
    for (kind, scene, count) in [
        ("evenly spread in time, fresh name", Scene::FreshName, remaining - remaining / 2),
        ("evenly spread in time, replacement", Scene::Replacement, remaining / 2),
    ] {
        points.extend((0..count).map(|number| {
            let share = (number as f64 + 0.5) / count as f64;
            Point { kind, scene, when: KillTime::Share(share) }
        }));
    }
    points
}

/// Points at `times`, alternately with a fresh name and a replacement.
fn alternating(kind: &'static str, times: impl IntoIterator<Item = KillTime>) -> Vec<Point> {
    let scenes = [Scene::FreshName, Scene::Replacement].into_iter().cycle();
    times.into_iter().zip(scenes).map(|(when, scene)| Point { kind, scene, when }).collect()
}

/// Each matching operation of the run: the points before and after it.
fn operations(kind: &'static str, traces: &Traces, matches: &dyn Fn(&str) -> bool) -> Vec<Point> {
    let mut counts = HashMap::new();
    let mut points = Vec::new();
    for what in traces.operations.iter().filter(|what| matches(what)) {
        let nth = counts.entry(what).or_insert(0);
        *nth += 1;
        for moment in [Moment::Before, Moment::After] {
            let when = KillTime::Operation { what: what.clone(), nth: *nth, moment };
            points.push(Point { kind, scene: traces.scene, when });
        }
    }
    points
}

/// Up to `count` of `candidates`, evenly spread.
fn spread(candidates: &[Point], count: usize) -> Vec<Point> {
    let count = count.min(candidates.len());
    (0..count).map(|number| candidates[(2 * number + 1) * candidates.len() / (2 * count)].clone()).collect()
}
