//! Encrypts archives to age recipients (age-encryption.org/v1), and reads stored archives: decrypts them, and compares them
//! with their checksum.

use std::io::{self, Read, Write};

use age::stream::{StreamReader, StreamWriter};
use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor};
use sha2::{Digest as _, Sha256};

use crate::archive::error::ArchiveError;
use crate::rules::checksum::Digest;

/// Encrypts what is written to it.
pub struct Encryption<W: Write> {
    output: StreamWriter<W>,
    plain: Sha256,
}

impl<W: Write> Encryption<W> {
    /// Encrypts to `recipients`, at least one. Writes the header to `output`.
    pub fn new(recipients: &[Recipient], output: W) -> Result<Encryption<W>, ArchiveError> {
        let recipients = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor =
            Encryptor::with_recipients(recipients).map_err(|error| ArchiveError::Encrypt(error.to_string()))?;
        let output = encryptor.wrap_output(output).map_err(ArchiveError::Write)?;
        Ok(Encryption { output, plain: Sha256::new() })
    }

    /// Returns the SHA-256 of what was written.
    pub fn finish(self) -> Result<Digest, ArchiveError> {
        self.output.finish().map_err(ArchiveError::Write)?;
        Ok(self.plain.finalize().into())
    }
}

impl<W: Write> Write for Encryption<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.plain.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// At most the size of the encrypted file for `size` bytes of content and `recipients`: a header of 200 bytes and 100 for each
/// recipient, and 16 bytes for each chunk of 64 KiB (age-encryption.org/v1).
pub fn encrypted_size(size: u64, recipients: usize) -> u64 {
    size + (size / 65_536 + 1) * 16 + 200 + 100 * recipients as u64
}

/// How an archive on the server is read.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    pub is_encrypted: bool,
    /// Private keys.
    pub identities: &'a [Identity],
    /// The SHA-256 from its checksum file.
    pub sha256: Option<&'a Digest>,
}

impl Stored<'_> {
    /// Reads the archive in `reader` to its end. `consume` reads its content as a `.tgz`; without a private key for an encrypted
    /// archive with a checksum, it is not called and the result is `None`.
    ///
    /// # Errors
    /// If it cannot be decrypted, differs from its checksum, or `consume` fails.
    pub fn read<T>(
        self,
        reader: impl Read,
        consume: impl FnOnce(&mut dyn Read) -> Result<T, ArchiveError>,
    ) -> Result<Option<T>, ArchiveError> {
        let mut hashed = Hashed { inner: reader, sha256: self.sha256.map(|_| Sha256::new()) };
        let result = match (self.is_encrypted, self.identities) {
            (false, _) => consume(&mut hashed).map(Some),
            (true, []) if self.sha256.is_none() => Err(ArchiveError::NoIdentity),
            (true, []) => Ok(None),
            (true, identities) => {
                decrypt(&mut hashed, identities).and_then(|mut content| consume(&mut content)).map(Some)
            }
        };
        // An error of reading or writing says more than the checksum of a part.
        let (Ok(_) | Err(ArchiveError::OtherRecipient), Some(expected)) = (&result, self.sha256) else { return result };
        io::copy(&mut hashed, &mut io::sink()).map_err(ArchiveError::ReadBack)?;
        let actual = hashed.sha256.map(|sha256| Digest::from(sha256.finalize()));
        if actual.as_ref() == Some(expected) { result } else { Err(ArchiveError::ChecksumDiffers) }
    }
}

fn decrypt<R: Read>(reader: R, identities: &[Identity]) -> Result<Decrypted<R>, ArchiveError> {
    let decryptor = Decryptor::new(Outer(reader)).map_err(decrypt_error)?;
    let content = decryptor.decrypt(identities.iter().map(|identity| identity as &dyn age::Identity));
    content.map(Decrypted).map_err(decrypt_error)
}

fn decrypt_error(error: DecryptError) -> ArchiveError {
    match error {
        DecryptError::NoMatchingKeys => ArchiveError::OtherRecipient,
        DecryptError::Io(error) => damaged(error),
        error => ArchiveError::DecryptionFailed(error.to_string()),
    }
}

/// An error of the archive's source is returned unchanged.
fn damaged(error: io::Error) -> ArchiveError {
    error.downcast().unwrap_or_else(|error| {
        ArchiveError::DecryptionFailed(match error.kind() {
            io::ErrorKind::UnexpectedEof => "it is truncated".to_owned(),
            _ => error.to_string(),
        })
    })
}

/// Marks errors of the archive's source.
struct Outer<R>(R);

impl<R: Read> Read for Outer<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => io::Error::other(ArchiveError::ReadBack(error)),
        })
    }
}

/// The content of an encrypted archive. Each error is an `io::Error` that wraps an [`ArchiveError`].
struct Decrypted<R: Read>(StreamReader<Outer<R>>);

impl<R: Read> Read for Decrypted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => io::Error::other(damaged(error)),
        })
    }
}

struct Hashed<R> {
    inner: R,
    sha256: Option<Sha256>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(&buffer[..count]);
        }
        Ok(count)
    }
}
