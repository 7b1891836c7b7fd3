//! Shows a folder of encrypted archives as if they were not encrypted, and checks their checksum files.

use std::io::Read as _;
use std::iter;

use age::Decryptor;
use age::x25519::Identity;
use scripting_system::rules::checksum::ChecksumFile;
use sha2::{Digest as _, Sha256};

use super::folder::{Item, Listing};

const ENCRYPTED: &str = ".tgz.age";

/// The key pair of a job.
pub struct Key(Identity);

impl Key {
    pub fn generate() -> Key {
        Key(Identity::generate())
    }

    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// `listing` with decrypted archives under the names that they would have without encryption, and without their checksum
    /// files.
    pub fn view(&self, listing: Listing) -> Listing {
        let visible = listing.into_iter().filter(|(name, _)| !(name.contains(ENCRYPTED) && name.contains(".sha256")));
        visible
            .map(|(name, item)| match item {
                Item::File(content) if name.contains(ENCRYPTED) => {
                    let decrypted = self.decrypt(&content).unwrap_or(content);
                    (name.replace(ENCRYPTED, ".tgz"), Item::File(decrypted))
                }
                item => (name, item),
            })
            .collect()
    }

    fn decrypt(&self, content: &[u8]) -> Option<Vec<u8>> {
        let mut reader = Decryptor::new(content).ok()?.decrypt(iter::once(&self.0 as &dyn age::Identity)).ok()?;
        let mut plain = Vec::new();
        reader.read_to_end(&mut plain).ok()?;
        Some(plain)
    }
}

/// One message for each encrypted archive without its checksum file, and for each checksum file without its archive.
pub fn unpaired(listing: &Listing) -> Vec<String> {
    let file = |name: &str| match listing.get(name) {
        Some(Item::File(content)) => Some(content),
        _ => None,
    };
    let mut errors = Vec::new();
    for name in listing.keys().filter(|name| name.contains(ENCRYPTED)) {
        let (start, rest) = name.split_once(ENCRYPTED).unwrap();
        let final_name = format!("{start}{ENCRYPTED}");
        if let Some(ending) = rest.strip_prefix(".sha256") {
            if file(&format!("{final_name}{ending}")).is_none() {
                errors.push(format!("{name} has no archive"));
            }
        } else if !rest.ends_with(".part") {
            let checksum = file(&format!("{final_name}.sha256{rest}"));
            let valid = checksum.and_then(|content| ChecksumFile::parse(content, &final_name).valid());
            let actual = file(name).map(|content| <[u8; 32]>::from(Sha256::digest(content)));
            if valid.map(|checksum| checksum.archive) != actual {
                errors.push(format!("{name} has no checksum file, or a wrong one"));
            }
        }
    }
    errors
}
