//! Hundreds of nights in a row, with random faults, against one folder: after each, the folder holds exactly what it
//! must, and at the end every archive extracts to the dump of its night.
//!
//! It speaks to loopback only. What it makes lies in `soak` in cargo's target folder. It ends with 1 if anything was
//! not as it must be.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use testkit::nights::faults::Fault;
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
        if std::io::stderr().is_terminal() {
            eprint!("\r{night} of {nights}");
            let _ = std::io::stderr().flush();
        }
    });
    show(&summary);
    for what in &summary.wrong {
        println!("WRONG: {what}");
    }
    let seconds = begun.elapsed().as_secs();
    if summary.wrong.is_empty() {
        println!("After each of {nights} nights the folder held exactly what it must. {seconds} s.");
        return ExitCode::SUCCESS;
    }
    println!("{} things were not as they must be, with --seed {seed}. {seconds} s.", summary.wrong.len());
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
    println!("runs beyond one a night           {:>5}", summary.again);
    let (second, at_once) = summary.second;
    println!("runs on a second machine          {second:>5}, at the same time as the first: {at_once}");
    println!("runs of another job               {:>5}", summary.other);
    println!("archives replaced                 {:>5}", summary.replaced);
    println!("archives at the end               {:>5}", summary.archives.len());
    let dates: Vec<String> = summary.archives.iter().map(ToString::to_string).collect();
    println!("  {}\n", dates.join(", "));
}
