//! Hundreds of runs with random faults against one folder, which is compared with a model after each.
//!
//! Uses only loopback, and `soak` in cargo's target folder. Exits with 1 after an error.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use testkit::nights::show_progress;
use testkit::nights::soak::{Options, Summary, soak};

/// The fraction of nights with a dump that is large enough for several connections.
const LARGE_DUMPS: f64 = 0.02;

/// Run hundreds of nights with random faults against one folder, and compare it with a model after each
#[derive(Parser)]
struct Arguments {
    /// Number of nights
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    nights: u64,
    /// The same seed gives the same nights; random by default
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (nights, seed) = (arguments.nights, arguments.seed.unwrap_or_else(|| fastrand::u64(..1_000_000)));
    let folder = testkit::target_folder().join("soak");
    println!("{nights} nights, --seed {seed}");
    let start = Instant::now();
    let summary = soak(&folder, &Options { nights, seed, large_dumps: LARGE_DUMPS }, |night| {
        show_progress(&format!("{night} of {nights}"));
    });
    show(&summary);
    for error in &summary.errors {
        println!("WRONG: {error}");
    }
    let seconds = start.elapsed().as_secs();
    if summary.errors.is_empty() {
        println!("After each of {nights} nights the folder matched the model. {seconds} s.");
        return ExitCode::SUCCESS;
    }
    println!("{} errors with --seed {seed}. {seconds} s.", summary.errors.len());
    ExitCode::FAILURE
}

fn show(summary: &Summary) {
    println!("\n{:36}  {:>5}  exit codes", "fault", "runs");
    let names: BTreeSet<&str> = summary.runs.keys().map(|(name, _)| *name).collect();
    for name in names {
        let runs = || summary.runs.iter().filter(|((fault, _), _)| *fault == name);
        let code = |code: &i32| if *code < 0 { "killed".to_owned() } else { code.to_string() };
        let codes: Vec<String> = runs().map(|((_, it), count)| format!("{}: {count}", code(it))).collect();
        println!("{name:36}  {:>5}  {}", runs().map(|(_, count)| count).sum::<u64>(), codes.join(", "));
    }
    println!("\nnights with a fresh dump          {:>5}, delivered: {}", summary.fresh, summary.delivered);
    println!("nights with a stale dump          {:>5}", summary.stale);
    println!("further runs of a night           {:>5}", summary.repeated);
    let (total, concurrent) = summary.second_machine;
    println!("runs on a second machine          {total:>5}, at the same time as the first: {concurrent}");
    println!("runs of another job               {:>5}", summary.other_job);
    println!("archives replaced                 {:>5}", summary.replacements);
    println!("archives at the end               {:>5}", summary.archives.len());
    let dates: Vec<String> = summary.archives.iter().map(ToString::to_string).collect();
    println!("  {}\n", dates.join(", "));
}
