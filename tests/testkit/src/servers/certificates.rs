//! X.509 for the servers: an authority, the certificates that it signs, and their TLS configuration.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use chrono::{Datelike, Local, TimeDelta};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Close to the maximum that Apple's clients accept (825 days).
pub const DAYS_VALID: i64 = 800;

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

#[derive(Debug, Clone)]
pub struct Identity {
    pub certificate: String,
    /// PKCS #8.
    pub key: String,
}

impl Authority {
    pub fn new(common_name: &str) -> Authority {
        let mut params = params(common_name, &[], -1, DAYS_VALID);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("ring makes an ECDSA key");
        Authority { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority signs itself") }
    }

    /// The default authority of the servers in this process.
    pub fn shared() -> &'static Authority {
        static SHARED: OnceLock<Authority> = OnceLock::new();
        SHARED.get_or_init(|| Authority::new("Authority of the embedded servers"))
    }

    /// A certificate of [`shared`](Authority::shared) for the names of loopback.
    pub fn loopback_identity() -> Identity {
        Authority::shared().server(&["localhost", "127.0.0.1"])
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes its certificate as `ca.pem` into `folder`, for `ca_file`, and returns the path.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("ca.pem");
        fs::write(&path, self.pem()).expect("the certificate of the authority can be written");
        path
    }

    /// A valid server certificate for `names`: host names or IP addresses.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.sign(names, -1, DAYS_VALID, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A server certificate for `names` that expires in `days` days.
    pub fn server_for_days(&self, names: &[&str], days: i64) -> Identity {
        // A certificate expires at the start of its last date.
        self.sign(names, -1, days + 1, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A server certificate for `names` that expired a week ago.
    pub fn expired_server(&self, names: &[&str]) -> Identity {
        self.sign(names, -30, -7, ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub fn client(&self, name: &str) -> Identity {
        self.sign(&[name], -1, 365, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Valid between the dates that are `from` and `until` days after today.
    fn sign(&self, names: &[&str], from: i64, until: i64, usage: ExtendedKeyUsagePurpose) -> Identity {
        let mut params = params(names[0], names, from, until);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("ring makes an ECDSA key");
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority signs");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Identity {
    /// Both files are PEM.
    pub fn read(certificate: &Path, key: &Path) -> std::io::Result<Identity> {
        Ok(Identity { certificate: fs::read_to_string(certificate)?, key: fs::read_to_string(key)? })
    }

    /// Writes `<stem>.pem` and, readable only by its owner, `<stem>.key` into `folder`; returns both paths in this
    /// order.
    pub fn write(&self, folder: &Path, stem: &str) -> (PathBuf, PathBuf) {
        let certificate = folder.join(format!("{stem}.pem"));
        fs::write(&certificate, &self.certificate).expect("a certificate can be written");
        let key = folder.join(format!("{stem}.key"));
        write_private(&key, self.key.as_bytes());
        (certificate, key)
    }

    /// With `clients`, an authority as PEM, the server requires a client certificate of that authority.
    pub fn server_config(&self, clients: Option<&str>) -> Arc<ServerConfig> {
        // Explicit: with two providers in the build there is no default, and rustls panics.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(certificates(authority));
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("the clients' authority is usable"))
            }
        };
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("the key is PEM");
        let config = builder.with_single_cert(certificates(&self.certificate), key);
        Arc::new(config.expect("the key belongs to the certificate"))
    }
}

/// Writes or overwrites a file with mode 0600.
pub fn write_private(path: &Path, content: &[u8]) {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .expect("a private file can be created");
    file.set_permissions(fs::Permissions::from_mode(0o600)).expect("its mode can be set");
    file.write_all(content).expect("a private file can be written");
}

fn params(common_name: &str, names: &[&str], from: i64, until: i64) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("the names are host names or addresses");
    params.distinguished_name.push(DnType::CommonName, common_name);
    let midnight = |days: i64| {
        let date = Local::now().date_naive() + TimeDelta::days(days);
        date_time_ymd(date.year(), date.month() as u8, date.day() as u8)
    };
    (params.not_before, params.not_after) = (midnight(from), midnight(until));
    params
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(|der| der.expect("the certificate is PEM")).collect()
}
