//! SSH keys for hosts and users, in the forms in which OpenSSH keeps them.

use std::fs;
use std::path::{Path, PathBuf};

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::{KeypairData, RsaKeypair};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PublicKey};

use super::certificates::write_private;

/// The smallest RSA key that OpenSSH and libssh2 accept without a word.
const RSA_BITS: usize = 2048;

/// A key pair.
#[derive(Debug, Clone)]
pub struct SshKey {
    private: PrivateKey,
}

impl SshKey {
    /// A new Ed25519 key.
    pub fn ed25519() -> SshKey {
        SshKey::random(Algorithm::Ed25519)
    }

    /// A new ECDSA key on the curve nistp256.
    pub fn ecdsa() -> SshKey {
        SshKey::random(Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 })
    }

    /// A new RSA key; slow to make in a debug build.
    pub fn rsa() -> SshKey {
        let pair = RsaKeypair::random(&mut safe_rng(), RSA_BITS).expect("an RSA key can be made");
        SshKey { private: PrivateKey::new(KeypairData::from(pair), "").expect("the key is whole") }
    }

    /// Reads a private key file of OpenSSH, which must not be encrypted.
    pub fn read(path: &Path) -> SshKey {
        let text = fs::read(path).unwrap_or_else(|error| panic!("Cannot read {}: {error}", path.display()));
        SshKey { private: PrivateKey::from_openssh(text).expect("the file holds a private key of OpenSSH") }
    }

    fn random(algorithm: Algorithm) -> SshKey {
        SshKey { private: PrivateKey::random(&mut safe_rng(), algorithm).expect("a key can be made") }
    }

    /// The private key as russh takes it.
    pub fn private(&self) -> &PrivateKey {
        &self.private
    }

    /// The public key as russh takes it.
    pub fn public(&self) -> &PublicKey {
        self.private.public_key()
    }

    /// The public key as `authorized_keys` has it: type and base64.
    pub fn public_line(&self) -> String {
        self.public().to_openssh().expect("a public key has a text form").trim().to_owned()
    }

    /// The fingerprint as OpenSSH shows it: `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.private.fingerprint(HashAlg::Sha256).to_string()
    }

    /// A line of `known_hosts` (without its end) that gives this key to `host` on `port`.
    pub fn known_hosts_line(&self, host: &str, port: u16) -> String {
        let host = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
        format!("{host} {}", self.public_line())
    }

    /// Writes the pair as `name` (for its owner only) and `name.pub` into `folder`. Gives the private key's path.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        self.write_pair(&self.private, folder, name)
    }

    /// As [`write`](SshKey::write), the private key encrypted with `passphrase`; slow in a debug build.
    pub fn write_encrypted(&self, folder: &Path, name: &str, passphrase: &str) -> PathBuf {
        let encrypted = self.private.encrypt(&mut safe_rng(), passphrase).expect("a key can be encrypted");
        self.write_pair(&encrypted, folder, name)
    }

    fn write_pair(&self, private: &PrivateKey, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        let text = private.to_openssh(LineEnding::LF).expect("a private key has a text form");
        write_private(&path, text.as_bytes());
        let public = format!("{}\n", self.public_line());
        fs::write(folder.join(format!("{name}.pub")), public).expect("a public key can be written");
        path
    }
}
