//! Extra headers of a request: names, and values that are secrets.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::json::Value;
use super::kind::Kind;
use super::mistakes::{Refusal, quote, refuse};
use super::secret::resolve;

/// The headers that the program sets itself.
const OWN: [&str; 9] = [
    "Host",
    "Range",
    "If-Range",
    "Cache-Control",
    "User-Agent",
    "Accept-Encoding",
    "Connection",
    "Content-Length",
    "Transfer-Encoding",
];

/// Names (RFC 9110, section 5.1) with their secret values.
pub(super) fn headers() -> Kind<Vec<(String, SecretString)>> {
    let schema = json!({
        "type": "object",
        "title": "names with secrets",
        "propertyNames": {"pattern": r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$"},
        "additionalProperties": {"$ref": "#/$defs/Secret"},
    });
    let mut kind = Kind::new(schema, |value, context| {
        let Value::Object(members) = value else {
            // A text could be a secret.
            let problem = format!("must be an object, found {}", value.type_name());
            return refuse(problem, r#"write {"name": "value"}"#);
        };
        let mut headers: Vec<(String, SecretString)> = Vec::new();
        for (name, value) in members {
            check_name(name, &headers).map_err(|refusal| refusal.about(quote(name)))?;
            let secret = resolve(value, context.at(&format!("source.headers.{name}"))).and_then(checked);
            headers.push((name.clone(), secret.map_err(|refusal| refusal.about(format!("{}:", quote(name))))?));
        }
        Ok(headers)
    });
    kind.holds_secret = |value| match value {
        Value::Object(members) => members.iter().any(|(_, value)| value.text().is_some()),
        _ => false,
    };
    kind
}

fn check_name(name: &str, earlier: &[(String, SecretString)]) -> Result<(), Refusal> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return refuse("is not the name of a header", "write letters, digits and hyphens, such as X-Token");
    }
    if OWN.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return refuse("is a header that the program sets itself", "remove it");
    }
    if earlier.iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
        return refuse("appears more than once", "keep one of them; names are the same in upper and lower case");
    }
    Ok(())
}

/// A value that can be sent (RFC 9110, section 5.5).
fn checked(secret: SecretString) -> Result<SecretString, Refusal> {
    match secret.expose_secret().bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        true => Ok(secret),
        false => refuse("its value has a character that a header cannot have", "write ASCII on one line"),
    }
}
