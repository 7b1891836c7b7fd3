//! Kills runs with SIGKILL at many points, spread over all tasks, and checks that the next run recovers.
//!
//! Uses only loopback, and `kill_sweep` in cargo's target folder. Exits with 1 after an error.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use testkit::nights::points::{MIN_POINTS, TASKS};
use testkit::nights::show_progress;
use testkit::nights::sweep::Sweep;

/// Kill a run at many points, each followed by an undisturbed run that must recover
#[derive(Parser)]
struct Arguments {
    /// Number of kills
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(MIN_POINTS as i64..))]
    points: u16,

    /// Encrypt the archives
    #[arg(long)]
    encrypt: bool,
}

fn main() -> ExitCode {
    let Arguments { points, encrypt } = Arguments::parse();
    let points = usize::from(points);
    let folder = testkit::target_folder().join("kill_sweep");
    let start = Instant::now();
    let result = Sweep::new(&folder, encrypt).run(points, |number| show_progress(&format!("{number} of {points}")));

    println!("\n{:44}  {:>6}  {:>4}", "killed", "points", "good");
    let mut sums = (0, 0);
    for (kind, points, good) in &result.kinds {
        println!("{kind:44}  {points:>6}  {good:>4}");
        sums = (sums.0 + points, sums.1 + good);
    }
    println!("{:44}  {:>6}  {:>4}", "all", sums.0, sums.1);
    println!("\n{:44}  {:>6}", "killed during", "points");
    for (index, task) in TASKS.iter().enumerate() {
        println!("{task:44}  {:>6}", result.tasks.get(&index).unwrap_or(&0));
    }
    println!();
    for error in &result.errors {
        println!("WRONG: {error}");
    }
    let seconds = start.elapsed().as_secs();
    if result.errors.is_empty() && sums.0 >= points {
        println!("After each of {} kills, the next run exited and left the folder as expected. {seconds} s.", sums.0);
        return ExitCode::SUCCESS;
    }
    println!("{} errors. {seconds} s.", result.errors.len());
    ExitCode::FAILURE
}
