//! Files that a command writes: whole or not at all.

use anyhow::Context;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf, is_separator};

/// A file while it is written, under another name in its folder. It gets its name when it is
/// finished; one that is dropped before leaves nothing, and what had the name stays as it was. What
/// is there and no file (a pipe, a device) is written as it is.
pub(crate) struct NewFile {
    path: PathBuf,
    /// `None`: `path` itself is written.
    temporary: Option<PathBuf>,
    file: Option<BufWriter<File>>,
}

impl NewFile {
    /// Begins a file that will be `path`. Fails where its folder cannot be written.
    pub(crate) fn create(path: &Path) -> anyhow::Result<NewFile> {
        let place = || path.display().to_string();
        let last = path.as_os_str().as_encoded_bytes().last().copied();
        if last.is_some_and(|byte| is_separator(byte.into())) {
            return Err(io::Error::from(io::ErrorKind::IsADirectory)).with_context(place);
        }
        // A link stays a link to what is written.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let as_it_is = fs::metadata(&target).is_ok_and(|there| !there.is_file());
        let mut name = target.file_name().with_context(place)?.to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let temporary = (!as_it_is).then(|| target.with_file_name(name));
        let file = File::create(temporary.as_ref().unwrap_or(&target)).with_context(place)?;
        Ok(NewFile { path: target, temporary, file: Some(BufWriter::new(file)) })
    }

    /// Gives the file its name.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        let place = self.path.display().to_string();
        self.rename().context(place)
    }

    fn rename(&mut self) -> io::Result<()> {
        self.flush()?;
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path)?;
        }
        self.file = None;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(bytes.len()), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let (Some(_), Some(temporary)) = (self.file.take(), &self.temporary) {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Finds out whether a file can be written, before there is anything to write. What is there and no
/// file is left alone: opening it may be what its reader waits for.
pub(crate) fn try_create(path: &Path) -> anyhow::Result<()> {
    match fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        true => Ok(()),
        false => NewFile::create(path).map(drop),
    }
}

/// Writes a whole file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(bytes).with_context(|| path.display().to_string())?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_when_it_is_finished() {
        let folder = std::env::temp_dir().join(format!("warpevm-files-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("a.json");
        write(&path, b"old").expect("written");
        let mut file = NewFile::create(&path).expect("begun");
        file.write_all(b"new").expect("written");
        drop(file);
        assert_eq!(fs::read(&path).expect("there"), b"old");
        let mut file = NewFile::create(&path).expect("begun");
        file.write_all(b"new").expect("written");
        file.finish().expect("finished");
        assert_eq!(fs::read(&path).expect("there"), b"new");
        assert_eq!(fs::read_dir(&folder).expect("listed").count(), 1, "something is left over");
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_no_file_stays_what_it_is() {
        assert!(write(Path::new("/dev/full"), b"x").is_err());
        assert!(write(Path::new("/dev/null"), b"x").is_ok());
        assert!(!fs::metadata("/dev/null").expect("there").is_file());
    }
}
