//! Documents: small versioned values that must outlive a process and are not leads.

use crate::lead::label::{Label, label_type};
use crate::lead::{Invalid, ProblemKind, Version};
use std::fmt;

/// The largest document: bytes (64 KiB).
pub const MAX_DOCUMENT: usize = 64 * 1024;

/// The longest document key: bytes.
pub const MAX_DOCUMENT_KEY: usize = 200;

/// The name of a document within its tenant: 1 to 200 bytes of printable ASCII without spaces,
/// such as `import/2026-03/checkpoint`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentKey(Label);

label_type!(DocumentKey, document_key);

fn document_key(text: &str) -> Result<Label, Invalid> {
    let kind = if text.is_empty() {
        ProblemKind::Blank
    } else if text.len() > MAX_DOCUMENT_KEY {
        ProblemKind::TooLong {
            max: MAX_DOCUMENT_KEY,
            unit: "bytes",
        }
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        ProblemKind::Malformed {
            expected: "printable ASCII without spaces",
        }
    } else {
        return Ok(Label::from(text));
    };
    Err(Invalid::one("document_key", kind))
}

/// A small versioned value: access tokens, import checkpoints, whose turn it is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// Its name.
    pub key: DocumentKey,
    /// How often it was written.
    pub version: Version,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Document {
    /// A document as it will be stored.
    ///
    /// # Errors
    ///
    /// More than [`MAX_DOCUMENT`] bytes.
    pub fn new(key: DocumentKey, version: Version, bytes: Vec<u8>) -> Result<Self, Invalid> {
        if bytes.len() > MAX_DOCUMENT {
            let kind = ProblemKind::TooLong {
                max: MAX_DOCUMENT,
                unit: "bytes",
            };
            return Err(Invalid::one("document", kind));
        }
        Ok(Self {
            key,
            version,
            bytes,
        })
    }
}

/// The content may be secret: only its size is shown.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("key", &self.key)
            .field("version", &self.version)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_sizes_are_bounded() {
        for wrong in [
            "",
            "a b",
            "a\n",
            "é",
            "a\0",
            &"k".repeat(MAX_DOCUMENT_KEY + 1),
        ] {
            assert!(wrong.parse::<DocumentKey>().is_err(), "{wrong:?}");
        }
        let key: DocumentKey = "import/checkpoint".parse().unwrap();
        assert!(Document::new(key.clone(), Version::FIRST, vec![0; MAX_DOCUMENT]).is_ok());
        assert!(Document::new(key, Version::FIRST, vec![0; MAX_DOCUMENT + 1]).is_err());
    }
}
