//! Files that a command writes: whole or not at all. `-` is standard output.

use super::Usage;
use super::output::{self, Say};
use anyhow::Context;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf, is_separator};
use warpevm::input;

/// How standard output is named on the command line.
const STDOUT: &str = "-";
/// How many links one after the other are followed, as on Linux.
const LINKS_MAX: usize = 40;

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
        let as_it_is = fs::metadata(path).is_ok_and(|there| !there.is_file());
        let target = if as_it_is { path.to_owned() } else { follow(path).with_context(place)? };
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

/// Where a name's links lead: a link stays one to what is written, also if that is not there yet.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("links that lead nowhere"))
}

/// Whether a name on the command line is that of standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new(STDOUT)
}

/// Where a command that writes these files tells what it did.
pub(crate) fn say<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Say {
    let stdout = files.into_iter().any(|path| is_stdout(path));
    if stdout { Say::Stderr } else { Say::Stdout }
}

/// Refuses to write, for an option, a file that is read as an input.
pub(crate) fn keep_inputs<'a>(
    option: &str,
    file: &Path,
    inputs: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<(), Usage> {
    let read = |input: &&PathBuf| !is_stdout(file) && input::reads(input, file);
    inputs.into_iter().find(read).map_or(Ok(()), |input| {
        let (file, input) = (file.display(), input.display());
        Err(Usage(format!(
            "{option}: '{file}' would take the place of what is read from '{input}'"
        )))
    })
}

/// Whether two names are of one file, which may not be there yet.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| {
        let path = follow(path).ok()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Some(fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()?.join(path.file_name()?))
    };
    let stdout = is_stdout(one) || is_stdout(other);
    one == other
        || !stdout && input::reads(one, other)
        || !stdout && whole(one).is_some_and(|one| whole(other).is_some_and(|other| one == other))
}

/// Finds out whether a file can be written, before there is anything to write. What is there and no
/// file is left alone: opening it may be what its reader waits for.
pub(crate) fn try_create(path: &Path) -> anyhow::Result<()> {
    let special = fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir());
    match special || is_stdout(path) {
        true => Ok(()),
        false => NewFile::create(path).map(drop),
    }
}

/// Writes a whole file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if is_stdout(path) {
        return output::write(bytes);
    }
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
    #[cfg(unix)]
    fn a_link_stays_one_and_what_it_leads_to_is_written() {
        use std::os::unix::fs::symlink;
        let folder = std::env::temp_dir().join(format!("warpevm-links-{}", std::process::id()));
        fs::create_dir_all(folder.join("to")).expect("a folder");
        let link = folder.join("link");
        symlink("to/file", &link).expect("a link");
        symlink("link", folder.join("again")).expect("a link");
        symlink("to", folder.join("other")).expect("a link");
        // Once where nothing is there yet, once over what is.
        for text in ["one", "two"] {
            assert!(is_same(&link, &folder.join("other/file")), "{text}");
            assert!(!is_same(&link, &folder.join("other/fil")), "{text}");
            write(&folder.join("again"), text.as_bytes()).expect("written");
            assert_eq!(fs::read_to_string(folder.join("to/file")).expect("there"), text);
            assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        }
        assert_eq!(fs::read_dir(folder.join("to")).expect("listed").count(), 1);
        let round = folder.join("round");
        symlink("round", &round).expect("a link");
        let error = write(&round, b"x").expect_err("a loop");
        assert!(format!("{error:#}").ends_with("round: links that lead nowhere"), "{error:#}");
        symlink("none/file", folder.join("nowhere")).expect("a link");
        assert!(write(&folder.join("nowhere"), b"x").is_err(), "no folder for it");
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
