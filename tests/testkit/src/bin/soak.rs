//! Hundreds of runs with random faults against one folder, which is compared with a model after each.
//!
//! It uses loopback only. Its files are in `soak` in cargo's target folder. It exits with 1 if anything is wrong.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use testkit::nights::faults::Fault;
use testkit::nights::show_progress;
use testkit::nights::soak::{Options, Summary, soak};

/// The share of nights with a dump large enough for several connections.
const LARGE_DUMPS: f64 = 0.02;

/// Run hundreds of nights with random faults against one folder, and compare it with a model after each
#[derive(Parser)]
struct Arguments {
    /// Number of nights
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    nights: u64,
    /// The same seed draws the same nights; random unless given
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (nights, seed) = (arguments.nights, arguments.seed.unwrap_or_else(|| fastrand::u64(..1_000_000)));
    let folder = testkit::target_folder().join("soak");
    println!("{nights} nights, --seed {seed}");
    let begun = Instant::now();
    let summary = soak(&folder, &Options { nights, seed, large_dumps: LARGE_DUMPS }, |night| {
        show_progress(&format!("{night} of {nights}"));
    });
    show(&summary);
    for what in &summary.wrong {
        println!("WRONG: {what}");
    }
    let seconds = begun.elapsed().as_secs();
    if summary.wrong.is_empty() {
        println!("After each of {nights} nights the folder matched the model. {seconds} s.");
        return ExitCode::SUCCESS;
    }
    println!("{} errors with --seed {seed}. {seconds} s.", summary.wrong.len());
    ExitCode::FAILURE
}

fn show(summary: &Summary) {
    println!("\n{:36}  {:>5}  exit codes", "fault", "runs");
    for (index, name) in Fault::NAMES.iter().enumerate() {
        let of_fault = || summary.runs.iter().filter(|((fault, _), _)| *fault == index);
        let code = |code: &i32| if *code < 0 { "killed".to_owned() } else { code.to_string() };
        let codes: Vec<String> = of_fault().map(|((_, it), runs)| format!("{}: {runs}", code(it))).collect();
        println!("{name:36}  {:>5}  {}", of_fault().map(|(_, runs)| runs).sum::<u64>(), codes.join(", "));
    }
    println!("\nnights with a fresh dump          {:>5}, delivered: {}", summary.fresh, summary.delivered);
    println!("nights with a stale dump          {:>5}", summary.stale);
    println!("further runs of a night           {:>5}", summary.again);
    let (second, at_once) = summary.second;
    println!("runs on a second machine          {second:>5}, at the same time as the first: {at_once}");
    println!("runs of another job               {:>5}", summary.other);
    println!("archives replaced                 {:>5}", summary.replaced);
    println!("archives at the end               {:>5}", summary.archives.len());
    let dates: Vec<String> = summary.archives.iter().map(ToString::to_string).collect();
    println!("  {}\n", dates.join(", "));
}
