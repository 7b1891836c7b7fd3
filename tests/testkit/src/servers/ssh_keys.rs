//! SSH keys for hosts and users, in OpenSSH's format.

use std::fs;
use std::path::{Path, PathBuf};

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::{KeypairData, RsaKeypair};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PublicKey};

use super::certificates::write_private;

/// The smallest RSA key that OpenSSH and libssh2 accept by default.
const RSA_BITS: usize = 2048;

#[derive(Debug, Clone)]
pub struct SshKey {
    private: PrivateKey,
}

impl SshKey {
    pub fn ed25519() -> SshKey {
        SshKey::random(Algorithm::Ed25519)
    }

    /// nistp256.
    pub fn ecdsa() -> SshKey {
        SshKey::random(Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 })
    }

    /// Slow in a debug build.
    pub fn rsa() -> SshKey {
        let pair = RsaKeypair::random(&mut safe_rng(), RSA_BITS).expect("an RSA key can be made");
        SshKey { private: PrivateKey::new(KeypairData::from(pair), "").expect("the key is complete") }
    }

    /// Reads an unencrypted private key file of OpenSSH.
    pub fn read(path: &Path) -> SshKey {
        let text = fs::read(path).unwrap_or_else(|error| panic!("Cannot read {}: {error}", path.display()));
        SshKey { private: PrivateKey::from_openssh(text).expect("the file is a private key in OpenSSH's format") }
    }

    fn random(algorithm: Algorithm) -> SshKey {
        SshKey { private: PrivateKey::random(&mut safe_rng(), algorithm).expect("a key can be made") }
    }

    pub fn private(&self) -> &PrivateKey {
        &self.private
    }

    pub fn public(&self) -> &PublicKey {
        self.private.public_key()
    }

    /// Type and base64, as in `authorized_keys`.
    pub fn public_line(&self) -> String {
        self.public().to_openssh().expect("a public key has a text form").trim().to_owned()
    }

    /// `SHA256:…`, as OpenSSH prints it.
    pub fn fingerprint(&self) -> String {
        self.private.fingerprint(HashAlg::Sha256).to_string()
    }

    /// A line of `known_hosts`, without a line ending.
    pub fn known_hosts_line(&self, host: &str, port: u16) -> String {
        let host = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
        format!("{host} {}", self.public_line())
    }

    /// Writes `name` (mode 0600) and `name.pub` into `folder`; returns the private key's path.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        self.write_pair(&self.private, folder, name)
    }

    /// Like [`write`](SshKey::write), with the private key encrypted; slow in a debug build.
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
