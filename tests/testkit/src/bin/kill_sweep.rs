//! kill -9 anywhere: kills a night's run at many points, spread over all its tasks, and shows that the next run puts
//! right whatever was left.
//!
//! It speaks to loopback only. What it makes lies in `kill_sweep` in cargo's target folder. It ends with 1 if anything
//! was not as it must be.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use testkit::nights::points::{FEWEST, TASKS};
use testkit::nights::sweep::Sweep;

/// Kill a night's run at many points, each followed by an undisturbed run that must put everything right
#[derive(Parser)]
struct Arguments {
    /// Number of kills
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(FEWEST as i64..))]
    points: u16,
}

fn main() -> ExitCode {
    let points = usize::from(Arguments::parse().points);
    let folder = testkit::target_folder().join("kill_sweep");
    let begun = Instant::now();
    let result = Sweep::new(&folder).run(points, |number| {
        if std::io::stderr().is_terminal() {
            eprint!("\r{number} of {points}");
            let _ = std::io::stderr().flush();
        }
    });

    println!("\n{:44}  {:>6}  {:>4}", "killed", "points", "good");
    let mut sums = (0, 0);
    for (kind, points, good) in &result.kinds {
        println!("{kind:44}  {points:>6}  {good:>4}");
        sums = (sums.0 + points, sums.1 + good);
    }
    println!("{:44}  {:>6}  {:>4}", "all", sums.0, sums.1);
    println!("\n{:44}  {:>6}", "while this task was under way", "points");
    for (index, task) in TASKS.iter().enumerate() {
        println!("{task:44}  {:>6}", result.tasks.get(&index).unwrap_or(&0));
    }
    println!();
    for fault in &result.faults {
        println!("WRONG: {fault}");
    }
    let seconds = begun.elapsed().as_secs();
    if result.faults.is_empty() && sums.0 == points {
        println!("After each of {points} kills, the next run ended as it must and left what it must. {seconds} s.");
        return ExitCode::SUCCESS;
    }
    println!("{} things were not as they must be. {seconds} s.", result.faults.len());
    ExitCode::FAILURE
}
