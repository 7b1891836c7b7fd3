//! A complete run of the real program with a web server, an SFTP server, a mail server and a Mattermost webhook in this
//! process, followed by the commands of an operator.
//!
//! Installs nothing, needs no root, uses only loopback, and leaves nothing running. Its files are in `demo` in cargo's
//! target folder. Exits with 0 if every check passes.
//!
//! With `--serve`, it only starts the servers, for a program that runs elsewhere on this machine, such as in a package's
//! trial. It prints the configuration's path, waits for the end of standard input, and checks the result.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a server that cannot start ends the demo")]

mod evidence;
mod operator;
mod stage;

use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};

use chrono::{DateTime, Local};
use clap::Parser;
use console::style;
use evidence::Finding;
use operator::Target;
use stage::Stage;
use testkit::Sshd;
use testkit::nights::dump::extract;
use testkit::servers::smtp::Mail;
use testkit::setup::DUMP;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match if arguments.serve { serve() } else { show() } {
        Ok(findings) if findings.iter().all(|finding| finding.passed) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Run the program against servers on this machine, and check the result
#[derive(Parser)]
struct Arguments {
    /// Only start the servers, and check the result when standard input ends
    #[arg(long)]
    serve: bool,
}

/// Checks what another process sent to the servers. Its leftovers, metrics and log are elsewhere.
fn serve() -> Result<Vec<Finding>, Box<dyn Error>> {
    let stage = Stage::set_up(&testkit::target_folder().join("demo"), Local::now())?;
    println!("host key      {}\nconfiguration {}", stage.sftp.fingerprint(), stage.config.display());
    io::stdout().flush()?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    let mut findings = show_folder(&stage)?;
    findings.extend(show_archive(&stage)?);
    findings.extend(show_mail(&stage)?);
    findings.extend(show_message(&stage)?);
    findings.extend(show_pings(&stage));
    conclude(&findings);
    Ok(findings)
}

/// Runs the program, prints the results and returns all checks.
fn show() -> Result<Vec<Finding>, Box<dyn Error>> {
    let program = testkit::program();
    let stage = Stage::set_up(&testkit::target_folder().join("demo"), Local::now())?;
    introduce(&stage, program);
    let output = Command::new(program)
        .args(["run", "--config"])
        .arg(&stage.config)
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("Cannot start {}: {error}", program.display()))?;

    let mut findings = show_exit(&output);
    findings.extend(show_log(&stage)?);
    findings.extend(show_folder(&stage)?);
    findings.extend(show_archive(&stage)?);
    findings.extend(show_mail(&stage)?);
    findings.extend(show_message(&stage)?);
    findings.extend(show_monitoring(&stage)?);
    heading("After the run");
    let embedded = Target {
        server: "the embedded SFTP server",
        config: &stage.config,
        destination: &stage.destination,
        output: &stage.folder.join("restored"),
    };
    findings.extend(operator::show(&stage, program, &embedded)?);
    findings.extend(operator::show_documents(&stage, program, &Target { server: "without a server", ..embedded })?);
    findings.extend(show_openssh(&stage, program)?);
    conclude(&findings);
    println!("Files in {}:", stage.folder.display());
    println!(
        "  config.json, secrets/, ca.pem, known_hosts, log.log, mail.eml, mail.html, mattermost.md, scripting-system.prom,"
    );
    println!("  web_server/ (the published ZIP), sftp_server/{}/ (the archives)", stage::DIRECTORY);
    Ok(findings)
}

/// Repeats the run and the commands with OpenSSH, if installed.
fn show_openssh(stage: &Stage, program: &Path) -> Result<Vec<Finding>, Box<dyn Error>> {
    heading("The same with OpenSSH");
    if !Sshd::is_installed() {
        println!("Skipped: this machine has no sshd (Debian package openssh-server).");
        return Ok(Vec::new());
    }
    let sshd = Sshd::start(&["ed25519"]);
    stage::copy_files(&stage.destination, &sshd.directory)?;
    let config = stage.write_openssh_config(&sshd)?;
    let target = Target {
        server: "OpenSSH",
        config: &config,
        destination: &sshd.directory,
        output: &stage.folder.join("restored_openssh"),
    };
    let mut findings = operator::show_run(stage, program, &target)?;
    findings.extend(operator::show(stage, program, &target)?);
    Ok(findings)
}

fn introduce(stage: &Stage, program: &Path) {
    heading("The servers");
    println!("web server   {} ({} bytes of dump)", stage.web.url("/my_zip.zip"), stage.dump.content.len());
    println!("SFTP server  {}@{}:{}/{}", stage.sftp.username(), stage.sftp.host(), stage.sftp.port(), stage::DIRECTORY);
    println!("host key     {}", stage.sftp.fingerprint());
    println!("mail server  {}:{} (TLS)", stage.mail.host(), stage.mail.port());
    println!("Mattermost   127.0.0.1:{} (TLS)", stage.webhook.port());
    println!("\n$ {} run --config {}", program.display(), stage.config.display());
}

fn show_exit(output: &Output) -> Vec<Finding> {
    for text in [&output.stdout, &output.stderr] {
        print!("{}", String::from_utf8_lossy(text));
    }
    println!("{}", output.status);
    vec![finding("the run exits with 0", output.status.success())]
}

fn show_log(stage: &Stage) -> Result<Vec<Finding>, Box<dyn Error>> {
    heading("The log");
    let log = read_if_exists(&stage.folder.join("log.log"))?;
    print!("{log}");
    Ok(vec![finding("the log reports the run", !log.is_empty()), finding("it has no error", !log.contains(" ERROR "))])
}

fn show_folder(stage: &Stage) -> Result<Vec<Finding>, Box<dyn Error>> {
    heading("The folder on the SFTP server");
    let entries = evidence::folder(stage)?;
    let width = entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    println!("{:width$}  before  after  reason", "");
    let mark = |exists: bool| if exists { "yes" } else { "-" };
    let mut findings = Vec::new();
    for entry in entries {
        let (before, after) = (mark(entry.existed_before), mark(entry.exists_after));
        let verdict = if entry.is_as_expected { String::new() } else { format!("  {}", style("WRONG").red()) };
        println!("{:width$}  {before:6}  {after:5}  {}{verdict}", entry.name, entry.reason);
        let state = if entry.exists_after { "exists" } else { "does not exist" };
        findings.push(finding(&format!("{} {state} ({})", entry.name, entry.reason), entry.is_as_expected));
    }
    Ok(findings)
}

fn show_archive(stage: &Stage) -> Result<Vec<Finding>, Box<dyn Error>> {
    heading("The archive");
    let path = stage.destination.join(&stage.archive);
    if !path.exists() {
        println!("The archive is missing.");
        return Ok(vec![finding("the archive can be read", false)]);
    }
    let (name, modified, content) = extract(&fs::read(&path)?)?;
    let time = DateTime::from_timestamp(modified, 0).ok_or("the archive has an impossible time")?;
    println!(
        "{name}: {} bytes, modified {}",
        content.len(),
        time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S %:z")
    );
    println!("sha256 {}", evidence::sha256(&content));
    println!("sha256 {} of the published dump", evidence::sha256(&stage.dump.content));
    Ok(vec![
        finding("the archive contains only the dump, with its name", name == DUMP),
        finding("it has the dump's modification time", modified == stage.dump.modified.timestamp()),
        finding("it has the dump's bytes", content == *stage.dump.content),
    ])
}

fn show_mail(stage: &Stage) -> Result<Vec<Finding>, Box<dyn Error>> {
    heading("The mail");
    let mails = stage.mail.messages();
    let parsed = mails.first().and_then(|mail| evidence::parse_mail(&mail.raw));
    if let (Some(mail), Some(parsed)) = (mails.first(), &parsed) {
        let eml = stage.folder.join("mail.eml");
        fs::write(&eml, &mail.raw)?;
        let html = stage.folder.join("mail.html");
        fs::write(&html, &parsed.html)?;
        println!("From: {}\nTo: {}\nSubject: {}", mail.from, mail.to.join(", "), parsed.subject);
        println!("Attached: {}\n\n{}", parsed.attachments.join(", "), parsed.text.trim_end());
        println!("\nThe mail: {}\nFor a browser: {}", eml.display(), html.display());
    } else {
        println!("No mail arrived.");
    }
    let is_secure = |mail: &Mail| mail.is_encrypted && mail.username.is_some();
    let has_parts =
        parsed.is_some_and(|mail| !mail.text.is_empty() && !mail.html.is_empty() && !mail.attachments.is_empty());
    Ok(vec![
        finding("one mail arrived, over TLS and after a login", mails.len() == 1 && mails.iter().all(is_secure)),
        finding("it has a plain-text part, an HTML part and the log", has_parts),
    ])
}

fn show_message(stage: &Stage) -> Result<Vec<Finding>, Box<dyn Error>> {
    heading("The Mattermost message");
    let posts = stage.webhook.posts();
    if let Some(post) = posts.first() {
        let markdown = stage.folder.join("mattermost.md");
        fs::write(&markdown, &post.text)?;
        println!("{}\n\nSaved as {}", post.text.trim_end(), markdown.display());
    } else {
        println!("No message was posted.");
    }
    for refusal in stage.webhook.refusals() {
        println!("Refused: {refusal}");
    }
    Ok(vec![finding("one message was posted", posts.len() == 1 && stage.webhook.refusals().is_empty())])
}

fn show_monitoring(stage: &Stage) -> Result<Vec<Finding>, Box<dyn Error>> {
    let mut findings = show_pings(stage);
    let metrics = read_if_exists(&stage.folder.join(stage::METRICS))?;
    let samples: Vec<&str> = metrics.lines().filter(|line| !line.starts_with('#')).collect();
    println!("\n{}", samples.join("\n"));
    findings.push(finding("the metrics contain the time of the last success", {
        samples.iter().any(|sample| sample.starts_with("scripting_system_last_success_timestamp_seconds"))
    }));
    Ok(findings)
}

fn show_pings(stage: &Stage) -> Vec<Finding> {
    heading("Monitoring");
    let pings = stage.monitor.pings();
    for ping in &pings {
        println!("{} …{} {}", ping.method, ping.path, ping.body.lines().next().unwrap_or_default());
    }
    let paths: Vec<&str> = pings.iter().map(|ping| ping.path.as_str()).collect();
    vec![finding("the monitor received the start and the success", paths == ["/start", ""])]
}

fn conclude(findings: &[Finding]) {
    heading("Summary");
    for finding in findings {
        let mark = if finding.passed { style("ok").green() } else { style("NO").red().bold() };
        println!("{mark:>3}  {}", finding.claim);
    }
    let failed = findings.iter().filter(|finding| !finding.passed).count();
    println!("\n{} of {} checks passed.", findings.len() - failed, findings.len());
}

fn heading(text: &str) {
    println!("\n{}\n", style(format!("== {text}")).bold());
}

fn finding(claim: &str, passed: bool) -> Finding {
    Finding { claim: claim.to_owned(), passed }
}

/// Empty if the file does not exist.
fn read_if_exists(path: &Path) -> Result<String, Box<dyn Error>> {
    if !path.exists() {
        return Ok(String::new());
    }
    fs::read_to_string(path).map_err(|error| format!("Cannot read {}: {error}", path.display()).into())
}
