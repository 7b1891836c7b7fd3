//! A server's certificate: whom it names, who signed it, and for how long it is still good.

use chrono::{DateTime, Utc};
use x509_cert::Certificate as X509;
use x509_cert::der::Decode as _;
use x509_cert::name::Name;

use crate::commands::check::findings::Finding;

/// With fewer days left than this, somebody should renew it: what renews by itself does so earlier.
const FEW_DAYS: i64 = 14;

/// What matters of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Whom it names; empty where it names hosts alone.
    subject: String,
    /// Who signed it.
    issuer: String,
    /// The last moment at which it is good.
    not_after: DateTime<Utc>,
}

impl Certificate {
    /// Reads one in DER (RFC 5280); `None` where it is none.
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

    /// What there is to say of it at `now`, under the name `what`: whose it is, and how long it is good.
    pub(super) fn finding(&self, what: &'static str, now: DateTime<Utc>) -> Finding {
        let subject = if self.subject.is_empty() { String::new() } else { format!("for {}, ", self.subject) };
        self.judge(what, format!("{subject}signed by {}, ", self.issuer), now)
    }

    /// The same without a name in it, for a server whose name is nobody's business.
    pub(super) fn finding_without_names(&self, what: &'static str, now: DateTime<Utc>) -> Finding {
        self.judge(what, String::new(), now)
    }

    fn judge(&self, what: &'static str, whose: String, now: DateTime<Utc>) -> Finding {
        let days = (self.not_after - now).num_days();
        let left = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
        let text = format!("{whose}good until {}, {left} more", self.not_after.format("%F"));
        if days < FEW_DAYS {
            return Finding::warning(what, text, "have it renewed there: afterwards nothing connects");
        }
        Finding::good(what, text)
    }
}

/// The common name, else the whole name (RFC 4514).
fn name(name: &Name) -> String {
    let whole = || name.to_string();
    name.common_name().ok().flatten().map_or_else(whole, String::from)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;
    use crate::commands::check::findings::Mark;

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
    fn a_certificate_says_whose_it_is_and_until_when() {
        let now: DateTime<Utc> = "2026-11-23T00:00:00Z".parse().unwrap();
        let good = certificate(Some("www.example.com")).finding("certificate", now);
        let text = "for www.example.com, signed by www.example.com, good until 2026-12-07, 14 days more";
        assert_eq!(good, Finding::good("certificate", text));
        let nameless = certificate(None).finding_without_names("certificate", now + TimeDelta::days(13));
        assert_eq!((nameless.mark, nameless.text.as_str()), (Mark::Warning, "good until 2026-12-07, 1 day more"));
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        assert_eq!(Certificate::read(b""), None);
        assert_eq!(Certificate::read(&[0x30; 100]), None);
    }
}
