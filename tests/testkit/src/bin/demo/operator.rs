//! The commands of an operator after a run: list, verify and restore the archives.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use console::style;
use testkit::setup::DUMP;

use crate::evidence::Finding;
use crate::stage::Stage;

const NAME: &str = "scripting-system";

/// An SFTP server and its configuration.
pub(crate) struct Target<'a> {
    pub server: &'static str,
    pub config: &'a Path,
    /// The archive folder on this machine.
    pub destination: &'a Path,
    /// The folder for restored dumps.
    pub output: &'a Path,
}

struct Operator<'a> {
    stage: &'a Stage,
    program: &'a Path,
    target: &'a Target<'a>,
    findings: Vec<Finding>,
}

/// Runs the commands on the archives of `target`, and returns the results of all checks.
pub(crate) fn show(stage: &Stage, program: &Path, target: &Target<'_>) -> Result<Vec<Finding>, Box<dyn Error>> {
    let mut operator = Operator { stage, program, target, findings: Vec::new() };
    operator.call("check", &[], 0, "check finds no problem")?;
    operator.call("list", &[], 0, "list shows the archives")?;
    let listed = operator.call("list", &["--json"], 0, "list --json exits with 0")?;
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout)?;
    operator.check("list --json prints JSON with the archive", listed.to_string().contains(&stage.archive));
    operator.call("status", &["--max-age", "26h", "--min-size", "1MB"], 0, "status is OK")?;
    operator.call("verify", &["--all"], 0, "verify --all finds no bad archive")?;
    operator.restore()?;
    operator.flip_bit()?;
    Ok(operator.findings)
}

/// Repeats the run with `target` as the destination.
pub(crate) fn show_run(stage: &Stage, program: &Path, target: &Target<'_>) -> Result<Vec<Finding>, Box<dyn Error>> {
    let mut operator = Operator { stage, program, target, findings: Vec::new() };
    operator.call("run", &[], 0, "the run exits with 0")?;
    let archive = fs::read(target.destination.join(&stage.archive)).unwrap_or_default();
    operator.check("the archive exists", !archive.is_empty());
    Ok(operator.findings)
}

/// Runs the commands that need no server: the schema, the shell completions and the manual page.
pub(crate) fn show_documents(
    stage: &Stage,
    program: &Path,
    target: &Target<'_>,
) -> Result<Vec<Finding>, Box<dyn Error>> {
    let mut operator = Operator { stage, program, target, findings: Vec::new() };
    for (arguments, claim) in [
        (vec!["gen-config", "--schema"], "gen-config --schema prints the schema"),
        (vec!["completions", "bash"], "completions prints the completions for bash"),
        (vec!["man"], "man prints the manual page"),
    ] {
        let output = operator.run(&arguments)?;
        println!("{} lines", String::from_utf8_lossy(&output.stdout).lines().count());
        operator.check(claim, output.status.success() && !output.stdout.is_empty());
    }
    Ok(operator.findings)
}

impl Operator<'_> {
    fn restore(&mut self) -> Result<(), Box<dyn Error>> {
        let output = self.target.output;
        let path = output.to_string_lossy().into_owned();
        self.call("restore", &["--latest", "--output", &path], 0, "restore --latest exits with 0")?;
        let restored = fs::read(output.join(DUMP)).unwrap_or_default();
        self.check("the restored file is the dump, byte for byte", restored == *self.stage.dump.content);
        let modified = fs::metadata(output.join(DUMP)).and_then(|metadata| metadata.modified()).ok();
        self.check("it has the dump's modification time", modified == Some(self.stage.dump.modified.into()));
        Ok(())
    }

    /// Flips one bit of the archive on the server, which `verify` and `restore` must detect.
    fn flip_bit(&mut self) -> Result<(), Box<dyn Error>> {
        let archive = self.target.destination.join(&self.stage.archive);
        let good = fs::read(&archive)?;
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&archive, bad)?;
        println!("\nFlipping one bit of {} on the server.", self.stage.archive);
        self.call("verify", &[], 4, "verify finds the flipped bit")?;
        let output = self.target.output.join("refused");
        let path = output.to_string_lossy().into_owned();
        self.call("restore", &["--latest", "--output", &path], 4, "restore refuses the archive")?;
        let left = fs::read_dir(&output).map_or(0, Iterator::count);
        self.check("it leaves no file", left == 0);
        fs::write(&archive, good)?;
        Ok(())
    }

    /// Runs the command with the configuration, prints its output, and checks the exit code.
    fn call(&mut self, command: &str, options: &[&str], code: i32, claim: &str) -> Result<Output, Box<dyn Error>> {
        let config = self.target.config.to_string_lossy().into_owned();
        let arguments: Vec<&str> = [command, "--config", &config].into_iter().chain(options.iter().copied()).collect();
        let output = self.run(&arguments)?;
        for text in [&output.stdout, &output.stderr] {
            print!("{}", String::from_utf8_lossy(text));
        }
        self.check(claim, output.status.code() == Some(code));
        Ok(output)
    }

    fn run(&self, arguments: &[&str]) -> Result<Output, Box<dyn Error>> {
        println!("\n{}", style(format!("$ {NAME} {}", arguments.join(" "))).bold());
        Command::new(self.program)
            .args(arguments)
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("Cannot start {}: {error}", self.program.display()).into())
    }

    fn check(&mut self, claim: &str, passed: bool) {
        let claim = format!("{}: {claim}", self.target.server);
        self.findings.push(Finding { claim, passed });
    }
}
