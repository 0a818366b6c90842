//! The texts of a folder of models.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use custos_core::{Classify, ErrorKind};

/// The texts of model files by path inside their folder, such as `finance/margins.sql`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelFiles {
    texts: BTreeMap<String, String>,
}

/// A folder of models could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ModelFilesError {
    /// The folder or something in it could not be opened or read.
    #[error("model file or folder `{name}` could not be read")]
    Unreadable {
        /// The path of the file or folder.
        name: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A file, or the name of one, is not UTF-8.
    #[error("model file `{name}` is not UTF-8 text")]
    NotText {
        /// The path of the file.
        name: String,
    },
}

impl Classify for ModelFilesError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::Unreadable { .. } => ErrorKind::Unavailable,
            Self::NotText { .. } => ErrorKind::Invalid,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { .. } => "check that it exists and may be read".to_owned(),
            Self::NotText { .. } => "save it as UTF-8, under a name in UTF-8".to_owned(),
        })
    }
}

impl ModelFiles {
    /// Reads the `.sql` files of a folder and of the folders in it.
    ///
    /// Folders that are symbolic links are left out, so that there is an end to it.
    pub fn from_dir(folder: &Path) -> Result<Self, ModelFilesError> {
        let mut texts = BTreeMap::new();
        let mut folders = vec![(folder.to_owned(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(|source| unreadable(&folder, source))? {
                let entry = entry.map_err(|source| unreadable(&folder, source))?;
                let path = entry.path();
                let kind = entry.file_type().map_err(|source| unreadable(&path, source))?;
                let is_sql = path.extension().is_some_and(|extension| extension == "sql");
                let is_model = is_sql && path.is_file();
                if !is_model && !kind.is_dir() {
                    continue;
                }
                let name = entry.file_name().into_string().map_err(|_| not_text(&path))?;
                if kind.is_dir() {
                    folders.push((path, format!("{prefix}{name}/")));
                } else {
                    texts.insert(format!("{prefix}{name}"), read(&path)?);
                }
            }
        }
        Ok(Self { texts })
    }

    /// Takes paths and texts as they are, such as those built into the binary.
    pub fn from_pairs<N: Into<String>, T: Into<String>>(
        pairs: impl IntoIterator<Item = (N, T)>,
    ) -> Self {
        Self { texts: pairs.into_iter().map(|(name, text)| (name.into(), text.into())).collect() }
    }

    /// The files in order of their paths.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

fn read(path: &PathBuf) -> Result<String, ModelFilesError> {
    let bytes = fs::read(path).map_err(|source| unreadable(path, source))?;
    String::from_utf8(bytes).map_err(|_| not_text(path))
}

fn unreadable(path: &Path, source: io::Error) -> ModelFilesError {
    ModelFilesError::Unreadable { name: path.display().to_string(), source }
}

fn not_text(path: &Path) -> ModelFilesError {
    ModelFilesError::NotText { name: path.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_reads_as_its_sql_files_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("finance/eu")).unwrap();
        fs::write(folder.path().join("orders.sql"), "select 1").unwrap();
        fs::write(folder.path().join("finance/eu/margins.sql"), "select 2").unwrap();
        fs::write(folder.path().join("notes.txt"), "x").unwrap();
        assert_eq!(
            ModelFiles::from_dir(folder.path()).unwrap(),
            ModelFiles::from_pairs([
                ("finance/eu/margins.sql", "select 2"),
                ("orders.sql", "select 1"),
            ])
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = ModelFiles::from_dir(&folder.path().join("none")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        fs::write(folder.path().join("orders.sql"), [0xff]).unwrap();
        let error = ModelFiles::from_dir(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("orders.sql"));
    }
}
