//! What several jobs know about passwords: one that a server refused is not offered there again, because repeated failures can
//! lock an account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};

use crate::config;

/// Clones share what they know.
#[derive(Debug, Clone, Default)]
pub struct Accounts(Arc<Mutex<HashMap<Account, Arc<Mutex<Passwords>>>>>);

/// Host, port and user.
type Account = (String, u16, String);

/// The passwords that were offered for one account.
#[derive(Debug, Default)]
pub(crate) struct Passwords {
    accepted: Vec<SecretString>,
    refused: Vec<SecretString>,
}

impl Accounts {
    /// The passwords of the account in `sftp`.
    pub(crate) fn passwords(&self, sftp: &config::Sftp) -> Arc<Mutex<Passwords>> {
        let account = (sftp.host.to_lowercase(), sftp.port, sftp.username.clone());
        lock(&self.0).entry(account).or_default().clone()
    }
}

/// Offers `password` with `offer`, which returns whether it was refused. While it is neither accepted nor refused, others wait.
/// `None` if it was refused before.
pub(crate) fn offer_once<T>(
    passwords: &Mutex<Passwords>,
    password: &SecretString,
    offer: impl FnOnce() -> (T, Option<bool>),
) -> Option<T> {
    let has = |known: &[SecretString]| known.iter().any(|it| it.expose_secret() == password.expose_secret());
    let known = lock(passwords);
    if has(&known.refused) {
        return None;
    }
    let known = (!has(&known.accepted)).then_some(known);
    let (result, was_refused) = offer();
    let mut known = known.unwrap_or_else(|| lock(passwords));
    match was_refused {
        // A server that accepted it before limits the number of logins.
        Some(true) if !has(&known.accepted) => known.refused.push(password.clone()),
        Some(false) if !has(&known.accepted) => known.accepted.push(password.clone()),
        _ => {}
    }
    Some(result)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
