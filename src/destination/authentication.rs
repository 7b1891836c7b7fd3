//! Logging in: with the private key, else the agent, else the password. Each is tried once: accounts get locked.

use std::fs;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt, Session};

use super::error::is_link;
use crate::config;

/// `LIBSSH2_ERROR_FILE`: the private key cannot be read or decrypted.
const UNUSABLE_KEY: ErrorCode = ErrorCode::Session(-16);

/// Why a login failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection broke.
    Link(ssh2::Error),
    /// Refused, and what to do about it.
    Refused(String),
}

/// With what a login succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// `sftp.private_key`.
    Key,
    /// A key of the running agent.
    Agent,
    /// `sftp.password`.
    Password,
    /// `sftp.private_key`, and then `sftp.password` too.
    KeyAndPassword,
}

/// Logs in as the configuration says. Where the server wants a password after the key, it gets both.
pub(super) fn authenticate(session: &Session, sftp: &config::Sftp) -> Result<Login, Failure> {
    let mut refusals = Vec::new();
    let mut login = if sftp.private_key.is_some() { Login::Key } else { Login::Agent };
    // A key is shown unasked: to ask what the server accepts would cost a round trip.
    if let Some(path) = &sftp.private_key {
        refusals.extend(with_key(session, sftp, path)?);
    } else if sftp.password.is_none() {
        refusals.extend(with_agent(session, sftp)?);
    }
    if let Some(password) = &sftp.password
        && !session.authenticated()
    {
        // A key that was not refused was the first of two proofs.
        let has_key = sftp.private_key.is_some() && refusals.is_empty();
        login = if has_key { Login::KeyAndPassword } else { Login::Password };
        refusals.extend(with_password(session, &sftp.username, password)?);
    }
    if session.authenticated() {
        return Ok(login);
    }
    let offered = offered(session, &sftp.username)?;
    Err(Failure::Refused(format!("{} (the server accepts: {offered})", refusals.join("; "))))
}

/// The methods that the server accepts by now, separated by commas; none where it has let us in unasked.
fn offered(session: &Session, username: &str) -> Result<String, Failure> {
    match session.auth_methods(username) {
        Ok(methods) => Ok(methods.to_owned()),
        Err(_) if session.authenticated() => Ok(String::new()),
        Err(error) => Err(Failure::Link(error)),
    }
}

fn with_key(session: &Session, sftp: &config::Sftp, path: &Path) -> Result<Option<String>, Failure> {
    let shown = path.display();
    let key = match fs::read_to_string(path) {
        Ok(key) => SecretString::from(key),
        Err(error) => return Ok(Some(format!("sftp.private_key ({shown}) cannot be read: {error}"))),
    };
    let passphrase = sftp.passphrase.as_ref().map(ExposeSecret::expose_secret);
    match session.userauth_pubkey_memory(&sftp.username, None, key.expose_secret(), passphrase) {
        Ok(()) => Ok(None),
        Err(error) if is_link(&error) => Err(Failure::Link(error)),
        Err(error) if error.code() == UNUSABLE_KEY => Ok(Some(format!(
            "sftp.private_key ({shown}) cannot be used: it is no private key, or sftp.passphrase is not its passphrase"
        ))),
        Err(_) => Ok(Some(format!("the key {shown} was refused; add its public part to the server's authorized_keys"))),
    }
}

fn with_agent(session: &Session, sftp: &config::Sftp) -> Result<Option<String>, Failure> {
    let Some(socket) = &sftp.agent_socket else {
        return Ok(Some("neither sftp.password nor sftp.private_key is set, and no agent runs".to_owned()));
    };
    let unusable =
        |error: ssh2::Error| format!("the agent at {} cannot be used: {}", socket.display(), error.message());
    let identities = session.agent().and_then(|mut agent| {
        agent.set_identity_path(socket)?;
        agent.connect()?;
        agent.list_identities()?;
        agent.identities().map(|identities| (agent, identities))
    });
    let (agent, identities) = match identities {
        Ok(found) => found,
        Err(error) => return Ok(Some(unusable(error))),
    };
    for identity in &identities {
        match agent.userauth(&sftp.username, identity) {
            Ok(()) => return Ok(None),
            Err(error) if is_link(&error) => return Err(Failure::Link(error)),
            Err(_) => {}
        }
    }
    Ok(Some(format!("none of the agent's {} keys was accepted", identities.len())))
}

fn with_password(session: &Session, username: &str, password: &SecretString) -> Result<Option<String>, Failure> {
    // What is offered can have changed after a key was accepted as the first of two proofs.
    let offered = offered(session, username)?;
    if session.authenticated() {
        return Ok(None);
    }
    let offers = |method: &str| offered.split(',').any(|offered| offered == method);
    let result = if offers("password") {
        session.userauth_password(username, password.expose_secret())
    } else if offers("keyboard-interactive") {
        session.userauth_keyboard_interactive(username, &mut AnswerPassword { password, answered: false })
    } else {
        return Ok(Some("the server takes no password; set sftp.private_key".to_owned()));
    };
    match result {
        Ok(()) => Ok(None),
        Err(error) if is_link(&error) => Err(Failure::Link(error)),
        Err(_) => {
            Ok(Some("sftp.password was refused; it was tried once, so that the account is not locked".to_owned()))
        }
    }
}

/// Answers the first hidden prompt with the password, and every other one with nothing: a second question would
/// be a second attempt, or a one-time code.
struct AnswerPassword<'a> {
    password: &'a SecretString,
    answered: bool,
}

impl KeyboardInteractivePrompt for AnswerPassword<'_> {
    fn prompt<'b>(&mut self, _username: &str, _instructions: &str, prompts: &[Prompt<'b>]) -> Vec<String> {
        prompts
            .iter()
            .map(|prompt| {
                if prompt.echo || self.answered {
                    return String::new();
                }
                self.answered = true;
                self.password.expose_secret().to_owned()
            })
            .collect()
    }
}
