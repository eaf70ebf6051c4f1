//! Files and directories that were named on the command line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use declaration::limits::FILE_BYTES_MAX;

use crate::limits::DECLARATION_FILES_MAX;

/// A file with what is in it.
pub(crate) struct Loaded {
    /// Its name, as the user would give it.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Loaded {
    /// The file for the readers.
    pub(crate) fn lend(&self) -> declaration::File<'_> {
        declaration::File { name: &self.name, bytes: &self.bytes }
    }
}

/// Reads files; a directory stands for every `.yaml`, `.yml` and `.json` in it and below it, in the order of the names.
pub(crate) fn load(paths: &[PathBuf]) -> Result<Vec<Loaded>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            collect(path, &mut found)?;
        } else {
            found.push(path.clone());
        }
    }
    found.iter().map(|path| load_one(path)).collect()
}

fn load_one(path: &Path) -> Result<Loaded> {
    let name = path.display().to_string();
    let facts = fs::metadata(path).with_context(|| format!("cannot read {name}"))?;
    if facts.len() > FILE_BYTES_MAX as u64 {
        bail!("{name} is larger than {} MiB; split it", FILE_BYTES_MAX >> 20);
    }
    Ok(Loaded { bytes: fs::read(path).with_context(|| format!("cannot read {name}"))?, name })
}

/// What begins with a dot is not configuration: `.git`, drafts of editors.
fn collect(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let read = || format!("cannot read {}", directory.display());
    let entries = fs::read_dir(directory).with_context(read)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().with_context(read)?;
    paths.sort();
    for path in paths {
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        // A link to a directory may lead back to where it is.
        if is_hidden || (path.is_dir() && path.is_symlink()) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found)?;
        } else if path
            .extension()
            .is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
        {
            found.push(path);
        }
        if found.len() > DECLARATION_FILES_MAX {
            bail!("more than {DECLARATION_FILES_MAX} files under {}; name fewer", directory.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_its_documents() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("b")).unwrap();
        fs::create_dir_all(at(".git")).unwrap();
        for name in ["c.yaml", "a.json", "b/d.yml", "README.md", ".git/e.yaml", ".f.yaml"] {
            fs::write(at(name), name).unwrap();
        }
        std::os::unix::fs::symlink(directory.path(), at("loop")).unwrap();
        let loaded = load(&[directory.path().to_owned()]).unwrap();
        let texts: Vec<_> = loaded.iter().map(|file| String::from_utf8_lossy(&file.bytes)).collect();
        assert_eq!(texts, ["a.json", "b/d.yml", "c.yaml"]);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let Err(error) = load(&["/nowhere/a.yaml".into()]) else { panic!("it was read") };
        assert!(format!("{error:#}").contains("/nowhere/a.yaml"), "{error:#}");
    }
}
