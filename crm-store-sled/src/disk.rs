//! The files: what is done so that a transaction survives, and what tells that it did not.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// sled's data file.
pub(crate) fn data_file(path: &Path) -> PathBuf {
    path.join("db")
}

/// How to make what was written last.
#[derive(Debug)]
pub(crate) struct Disk {
    db: sled::Db,
    /// sled flushes without syncing, so the file is opened once more to sync it.
    file: File,
    blobs: PathBuf,
    witness: Witness,
}

impl Disk {
    pub(crate) fn new(db: sled::Db, path: &Path) -> Result<Self> {
        let file = File::options().write(true).open(data_file(path));
        Ok(Self {
            db,
            file: file.map_err(Error::Directory)?,
            blobs: path.join("blobs"),
            witness: Witness::open(path).map_err(Error::Directory)?,
        })
    }

    /// Gives all that was written to the operating system.
    pub(crate) fn flush(&self) -> Result<()> {
        self.db.flush()?;
        Ok(())
    }

    /// Makes all that was written survive a power loss, and notes that there are so many commits.
    pub(crate) fn sync(&self, made: u64) -> Result<()> {
        self.flush()?;
        // With its length, but without its times: these cost a write of their own.
        self.file.sync_data().map_err(Error::Directory)?;
        self.sync_blobs().map_err(Error::Directory)?;
        self.witness.note(made).map_err(Error::Directory)
    }

    /// Large nodes go to files that sled does not sync. Values are kept small so that there are
    /// none; should there be one all the same, it is not lost.
    fn sync_blobs(&self) -> std::io::Result<()> {
        let mut are_some = false;
        for blob in std::fs::read_dir(&self.blobs)? {
            are_some = true;
            match File::open(blob?.path()) {
                Ok(file) => file.sync_all()?,
                // Replaced meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if are_some {
            sync_entries(&self.blobs)?;
        }
        Ok(())
    }

    /// How many commits there were once, as far as it was noted.
    pub(crate) fn noted(&self) -> Result<u64> {
        self.witness.read().map_err(Error::Directory)
    }
}

/// A file of its own that says how many commits were synced.
///
/// sled takes damage near the end of its log for a write that a crash interrupted, and opens as if
/// nothing behind it had ever been there: an older state, whole and consistent, in which commits
/// are missing that were acknowledged. Only what is kept elsewhere can tell. It is written after a
/// sync, so it is never ahead; it is not synced itself, so after a power loss it may know less.
#[derive(Debug)]
struct Witness(File);

impl Witness {
    fn open(path: &Path) -> std::io::Result<Self> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        options.open(path.join("acknowledged")).map(Self)
    }

    fn note(&self, made: u64) -> std::io::Result<()> {
        // The second number tells whether the first can be believed.
        let [number, check] = [made, !made].map(u64::to_be_bytes);
        let mut file = &self.0;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[number, check].concat())
    }

    /// Zero if nothing that can be believed is there: then nothing can be said.
    fn read(&self) -> std::io::Result<u64> {
        let mut bytes = Vec::new();
        let mut file = &self.0;
        file.seek(SeekFrom::Start(0))?;
        file.take(32).read_to_end(&mut bytes)?;
        let numbers = match bytes.as_chunks::<8>() {
            ([number, check], []) => [number, check].map(|bytes| u64::from_be_bytes(*bytes)),
            _ => return Ok(0),
        };
        let [number, check] = numbers;
        Ok(if check == !number { number } else { 0 })
    }
}

/// The directories whose entries have to be synced if a store is made here: its own, those that are
/// missing, and the first that is there.
pub(crate) fn directories_of(path: &Path) -> Vec<PathBuf> {
    let mut directories = vec![path.to_owned()];
    for parent in path.ancestors().skip(1) {
        let is_relative_end = parent.as_os_str().is_empty();
        let parent = if is_relative_end {
            Path::new(".")
        } else {
            parent
        };
        directories.push(parent.to_owned());
        if parent.exists() {
            break;
        }
    }
    directories
}

/// A file that was made survives only if its directory does.
pub(crate) fn sync_entries(directory: &Path) -> std::io::Result<()> {
    // Elsewhere a directory cannot be opened as a file.
    if cfg!(unix) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_remembers_and_believes_nothing_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let witness = Witness::open(directory.path()).unwrap();
        assert_eq!(witness.read().unwrap(), 0);
        for made in [1, u64::MAX, 7] {
            witness.note(made).unwrap();
            let again = Witness::open(directory.path()).unwrap();
            assert_eq!(again.read().unwrap(), made);
        }
        let path = directory.path().join("acknowledged");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[3] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(Witness::open(directory.path()).unwrap().read().unwrap(), 0);
    }

    /// Only the directory itself and its parent were synced.
    #[test]
    fn every_directory_that_is_made_is_synced_and_the_first_that_is_there() {
        let there = tempfile::tempdir().unwrap();
        let store = there.path().join("a/b/store");
        let made = ["a/b/store", "a/b", "a", ""].map(|part| there.path().join(part));
        let directories = directories_of(&store);
        assert!(directories.iter().eq(&made), "{directories:?}");
        assert_eq!(directories_of(there.path()).len(), 2);
        let relative = directories_of(Path::new("no-such/store"));
        assert!(
            relative
                .iter()
                .eq(["no-such/store", "no-such", "."].map(Path::new))
        );
        assert_eq!(directories_of(Path::new("/")), [Path::new("/")]);
    }
}
