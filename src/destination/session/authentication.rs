//! Logs in with the private key, the agent or the password, each tried only once: repeated failures can lock the account.

use std::path::Path;
use std::sync::Mutex;
use std::{fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt, Session};

use crate::config;
use crate::destination::error::is_connection_error;
use crate::destination::session::accounts::{Passwords, offer_once};

/// `LIBSSH2_ERROR_FILE`, and `LIBSSH2_ERROR_KEYFILE_AUTH_FAILED` for a key in PEM format: the private key cannot be read
/// or decrypted.
const UNUSABLE_KEY: [ErrorCode; 2] = [ErrorCode::Session(-16), ErrorCode::Session(-48)];

/// `LIBSSH2_ERROR_PASSWORD_EXPIRED`: the server demands a new password.
const PASSWORD_EXPIRED: ErrorCode = ErrorCode::Session(-15);
/// The beginning of a private key in OpenSSH's format (PROTOCOL.key), and the cipher field of one without passphrase.
const OPENSSH_KEY: &[u8] = b"openssh-key-v1\0";
const NO_CIPHER: &[u8] = b"\0\0\0\x04none";

#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection broke.
    Connection(ssh2::Error),
    /// The server refused a credential; the text includes advice.
    Refused(String),
    /// No credential could be offered; the text includes advice.
    Unable(String),
}

/// A failed login method: the server refused it, or it could not be tried.
struct FailedMethod {
    is_refusal: bool,
    text: String,
}

fn refused(text: String) -> Result<Option<FailedMethod>, Failure> {
    Ok(Some(FailedMethod { is_refusal: true, text }))
}

fn untried(text: String) -> Result<Option<FailedMethod>, Failure> {
    Ok(Some(FailedMethod { is_refusal: false, text }))
}

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

/// Logs in as configured, with both key and password if the server demands both. `previous` is this run's last successful
/// login: a password accepted then is offered again after a broken connection.
/// `passwords` are those of the account.
pub(crate) fn authenticate(
    session: &Session,
    sftp: &config::Sftp,
    previous: Option<Login>,
    passwords: &Mutex<Passwords>,
) -> Result<Login, Failure> {
    let mut failures = Vec::new();
    let mut methods = String::new();
    let mut login = if sftp.private_key.is_some() { Login::Key } else { Login::Agent };
    // A key is offered immediately: asking for the accepted methods would cost a round trip.
    if let Some(path) = &sftp.private_key {
        failures.extend(try_key(session, sftp, path)?);
    } else if sftp.password.is_none() {
        failures.extend(try_agent(session, sftp)?);
    }
    if let Some(password) = &sftp.password
        && !session.authenticated()
    {
        // A key that was not refused is the first of two factors.
        let has_key = sftp.private_key.is_some() && failures.is_empty();
        login = if has_key { Login::KeyAndPassword } else { Login::Password };
        // The methods may have changed after the first factor.
        methods = accepted_methods(session, &sftp.username)?;
        if !session.authenticated() {
            let was_accepted = matches!(previous, Some(Login::Password | Login::KeyAndPassword));
            let offered = offer_once(passwords, password, || {
                let result = try_password(session, &sftp.username, password, &methods, was_accepted);
                let was_refused = match &result {
                    Ok(None) => Some(false),
                    Ok(Some(failure)) if failure.is_refusal => Some(true),
                    _ => None,
                };
                (result, was_refused)
            });
            failures.extend(match offered {
                Some(result) => result?,
                None => refused("sftp.password was refused for another job, so it is not offered again".to_owned())?,
            });
        }
    } else if !session.authenticated() && failures.iter().any(|failure| failure.is_refusal) {
        // If the connection ended with the refusal, report the refusal.
        methods = accepted_methods(session, &sftp.username).unwrap_or_default();
    }
    if session.authenticated() {
        return Ok(login);
    }
    let is_refusal = failures.iter().any(|failure| failure.is_refusal);
    let texts: Vec<String> = failures.into_iter().map(|failure| failure.text).collect();
    let methods = if methods.is_empty() { String::new() } else { format!(" (the server accepts: {methods})") };
    let text = texts.join("; ") + &methods;
    Err(if is_refusal { Failure::Refused(text) } else { Failure::Unable(text) })
}

/// The methods that the server accepts now, separated by commas; empty if it needs none.
fn accepted_methods(session: &Session, username: &str) -> Result<String, Failure> {
    match session.auth_methods(username) {
        Ok(methods) => Ok(methods.to_owned()),
        Err(_) if session.authenticated() => Ok(String::new()),
        Err(error) => Err(Failure::Connection(error)),
    }
}

fn try_key(session: &Session, sftp: &config::Sftp, path: &Path) -> Result<Option<FailedMethod>, Failure> {
    let shown = path.display();
    let untried = |problem: &str| untried(format!("sftp.private_key ({shown}) {problem}"));
    let key = match fs::read_to_string(path) {
        Ok(key) => SecretString::from(key),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return untried("is not a private key. Use a key in OpenSSH or PEM format");
        }
        Err(error) => return untried(&format!("cannot be read: {error}")),
    };
    let passphrase = sftp.passphrase.as_ref().map(ExposeSecret::expose_secret);
    match session.userauth_pubkey_memory(&sftp.username, None, key.expose_secret(), passphrase) {
        Ok(()) => Ok(None),
        Err(error) if is_connection_error(&error) => Err(Failure::Connection(error)),
        Err(error) if UNUSABLE_KEY.contains(&error.code()) => {
            untried(match (is_encrypted(key.expose_secret()), passphrase) {
                (Some(true), None) => "is encrypted, and sftp.passphrase is not set. Set it, or use a key without one",
                (Some(true), Some(_)) => "is encrypted, and sftp.passphrase is not its passphrase. Correct it",
                (Some(false), _) => "is of a type that is not supported. Use an Ed25519, ECDSA or RSA key",
                (None, _) => "is not a private key. Use a key in OpenSSH or PEM format",
            })
        }
        Err(_) => refused(format!(
            "the key {shown} was refused. On the server, add its public part to the user's authorized_keys; that file \
             and the folders above it must belong to the user or root and be writable by nobody else, and the account \
             must not be locked"
        )),
    }
}

/// Whether the private key `text` needs a passphrase; `None` if it is not a private key.
fn is_encrypted(text: &str) -> Option<bool> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (kind, rest) = rest.split_once("-----")?;
    let kind = kind.strip_suffix("PRIVATE KEY")?;
    if kind != "OPENSSH " {
        return Some(kind == "ENCRYPTED " || rest.contains("4,ENCRYPTED"));
    }
    let encoded: String = rest.split("-----").next()?.split_ascii_whitespace().collect();
    let key = STANDARD.decode(encoded).ok()?;
    Some(!key.strip_prefix(OPENSSH_KEY)?.starts_with(NO_CIPHER))
}

fn try_agent(session: &Session, sftp: &config::Sftp) -> Result<Option<FailedMethod>, Failure> {
    let Some(socket) = &sftp.agent_socket else {
        return untried("neither sftp.password nor sftp.private_key is set, and no agent is running".to_owned());
    };
    let path = socket.display();
    let identities = session.agent().and_then(|mut agent| {
        agent.set_identity_path(socket)?;
        agent.connect()?;
        agent.list_identities()?;
        agent.identities().map(|identities| (agent, identities))
    });
    let (agent, identities) = match identities {
        Ok((_, identities)) if identities.is_empty() => {
            return untried(format!("the agent at {path} has no key. Add one with ssh-add"));
        }
        Ok(found) => found,
        Err(error) => return untried(format!("the agent at {path} cannot be used: {}", error.message())),
    };
    for identity in &identities {
        match agent.userauth(&sftp.username, identity) {
            Ok(()) => return Ok(None),
            Err(error) if is_connection_error(&error) => return Err(Failure::Connection(error)),
            Err(_) => {}
        }
    }
    refused(format!("none of the agent's {} keys was accepted", identities.len()))
}

/// Offers the password once, with the first of the `methods` that takes one. If the connection then ends, the password counts
/// as refused, unless it `was_accepted` before: sshd with `MaxAuthTries` 1 disconnects instead of replying.
fn try_password(
    session: &Session,
    username: &str,
    password: &SecretString,
    methods: &str,
    was_accepted: bool,
) -> Result<Option<FailedMethod>, Failure> {
    let accepts = |method: &str| methods.split(',').any(|accepted| accepted == method);
    let mut answer = PasswordPrompt { password, is_answered: false };
    let result = if accepts("password") {
        answer.is_answered = true;
        session.userauth_password(username, password.expose_secret())
    } else if accepts("keyboard-interactive") {
        session.userauth_keyboard_interactive(username, &mut answer)
    } else {
        return untried("the server accepts no password; set sftp.private_key".to_owned());
    };
    let problem = match result {
        Ok(()) => return Ok(None),
        Err(error) if is_connection_error(&error) && (was_accepted || !answer.is_answered) => {
            return Err(Failure::Connection(error));
        }
        Err(error) if is_connection_error(&error) => "was offered, and the connection ended, which counts as refused",
        Err(error) if error.code() == PASSWORD_EXPIRED => {
            "has expired; set a new one on the server and in the configuration"
        }
        Err(_) => "was refused",
    };
    refused(format!("sftp.password {problem}; it was tried once, to avoid locking the account"))
}

/// Answers the first hidden prompt with the password and all others with nothing: a second prompt would be a second attempt
/// or a request for a one-time code.
struct PasswordPrompt<'a> {
    password: &'a SecretString,
    is_answered: bool,
}

impl KeyboardInteractivePrompt for PasswordPrompt<'_> {
    fn prompt<'b>(&mut self, _username: &str, _instructions: &str, prompts: &[Prompt<'b>]) -> Vec<String> {
        let answer = |prompt: &Prompt<'b>| {
            if prompt.echo || std::mem::replace(&mut self.is_answered, true) {
                return String::new();
            }
            self.password.expose_secret().to_owned()
        };
        prompts.iter().map(answer).collect()
    }
}
