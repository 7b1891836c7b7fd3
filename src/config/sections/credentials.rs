//! A name and a password, of which a section has both or none.

use secrecy::SecretString;

use crate::config::kind::Kind;
use crate::config::secret::secret;
use crate::config::section::Section;

#[derive(Debug, Clone)]
pub struct Credentials {
    pub username: String,
    pub password: SecretString,
}

/// The keys `username`, with its values, and `password`, with its file in the template; each with its meaning.
pub(super) fn read(
    keys: &mut Section<'_, '_>,
    username: (Kind<String>, &'static str),
    password: (&str, &'static str),
) -> Option<Credentials> {
    let username = keys.optional("username", username.0, username.1);
    let password = keys.optional("password", secret().in_file(password.0), password.1);
    keys.both_or_none("username", "password");
    username.zip(password).map(|(username, password)| Credentials { username, password })
}
