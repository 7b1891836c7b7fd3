//! A server's certificate: its subject, its issuer, and how long it is valid.

use chrono::{DateTime, Utc};
use x509_cert::Certificate as X509;
use x509_cert::der::Decode as _;
use x509_cert::name::Name;

use crate::commands::check::findings::Finding;

/// Automatic renewal happens earlier.
const WARNING_DAYS: i64 = 14;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Empty if the certificate names only hosts.
    subject: String,
    issuer: String,
    not_after: DateTime<Utc>,
}

impl Certificate {
    /// `der` is a certificate in DER (RFC 5280).
    pub(super) fn read(der: &[u8]) -> Option<Certificate> {
        let certificate = X509::from_der(der).ok()?;
        let parts = certificate.tbs_certificate();
        let seconds = parts.validity().not_after.to_unix_duration().as_secs();
        Some(Certificate {
            subject: name(parts.subject()),
            issuer: name(parts.issuer()),
            not_after: DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)?,
        })
    }

    pub(super) fn finding(&self, now: DateTime<Utc>) -> Finding {
        let subject = if self.subject.is_empty() { String::new() } else { format!("for {}, ", self.subject) };
        self.judge(&format!("{subject}issued by {}, ", self.issuer), now)
    }

    /// Without names, for a server with a secret address.
    pub(super) fn finding_without_names(&self, now: DateTime<Utc>) -> Finding {
        self.judge("", now)
    }

    fn judge(&self, names: &str, now: DateTime<Utc>) -> Finding {
        let days = (self.not_after - now).num_days();
        let left = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
        let text = format!("{names}valid until {} ({left} left)", self.not_after.format("%F"));
        if days < WARNING_DAYS {
            let fix = "renew it on the server; connections will fail once it expires";
            return Finding::warning("certificate", text).with_fix(fix);
        }
        Finding::good("certificate", text)
    }
}

/// The common name, otherwise the whole name (RFC 4514).
fn name(name: &Name) -> String {
    let whole = || name.to_string();
    name.common_name().ok().flatten().map_or_else(whole, String::from)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;
    use crate::commands::check::findings::Status;

    fn certificate(common_name: Option<&str>) -> Certificate {
        let mut params = CertificateParams::new(vec!["www.example.com".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.not_after = date_time_ymd(2026, 12, 7);
        let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Certificate::read(signed.der()).unwrap()
    }

    #[test]
    fn a_finding_names_subject_issuer_and_the_days_left() {
        let now: DateTime<Utc> = "2026-11-23T00:00:00Z".parse().unwrap();
        let good = certificate(Some("www.example.com")).finding(now);
        let text = "for www.example.com, issued by www.example.com, valid until 2026-12-07 (14 days left)";
        assert_eq!(good, Finding::good("certificate", text));
        let nameless = certificate(None).finding_without_names(now + TimeDelta::days(13));
        assert_eq!((nameless.status, nameless.text.as_str()), (Status::Warning, "valid until 2026-12-07 (1 day left)"));
        assert_eq!((Certificate::read(b""), Certificate::read(&[0x30; 100])), (None, None));
    }
}
