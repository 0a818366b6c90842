//! Where a lake is kept: a folder, or a prefix of a bucket.

mod synced_folder;

use std::fmt;
use std::path::Path as FsPath;
use std::sync::Arc;

use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreScheme};
use synced_folder::SyncedFolder;
use url::Url;

use crate::LakeError;

/// A place in an object store.
///
/// The store must put an object only if there is none of its name (`PutMode::Create`): commits
/// rest on that. S3 and its compatibles do by conditional requests.
#[derive(Clone)]
pub struct Storage {
    /// Paths begin at the root of the file system or bucket.
    root: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Names the place in full; ends with `/`.
    url: Url,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Storage").field(&self.url.as_str()).finish()
    }
}

impl Storage {
    /// A folder of this machine, created if it does not exist. What is put there is on the disk,
    /// and not only in the system's memory, before the call returns.
    pub fn folder(path: &FsPath) -> Result<Self, LakeError> {
        let opened = std::fs::create_dir_all(path).and_then(|()| path.canonicalize());
        let path = opened.map_err(|source| LakeError::Storage {
            operation: "opening the lake's folder",
            source: Box::new(source),
        })?;
        let url = Url::from_directory_path(&path)
            .map_err(|()| LakeError::Location { what: "the folder has no URL".to_owned() })?;
        let prefix = Path::from_absolute_path(&path)
            .map_err(|error| LakeError::storage("naming the lake's folder")(error.into()))?;
        Ok(Self { root: Arc::new(SyncedFolder::default()), prefix, url })
    }

    /// The place that a URL names: `file`, `s3`, `gs`, `az` and their variants. Settings such as
    /// endpoint and credentials are named as the clouds' own tools name their environment
    /// variables; others are ignored.
    ///
    /// # Errors
    ///
    /// [`LakeError::Location`] if the URL names no such place or the settings do not fit it.
    pub fn open(
        url: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, LakeError> {
        // Neither the URL nor the settings are repeated in errors: they may hold credentials.
        let wrong = |what: &str| LakeError::Location { what: what.to_owned() };
        let mut url = Url::parse(url).map_err(|_| wrong("it is not a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("credentials do not belong in the URL: set them in the environment"));
        }
        let (scheme, _) = ObjectStoreScheme::parse(&url)
            .map_err(|_| wrong("its scheme is none of file, s3, gs and az"))?;
        match scheme {
            ObjectStoreScheme::Local => {
                let path = url.to_file_path().map_err(|()| wrong("it is not a local path"))?;
                return Self::folder(&path);
            }
            ObjectStoreScheme::Memory | ObjectStoreScheme::Http => {
                return Err(wrong("its scheme is none of file, s3, gs and az"));
            }
            _ => {}
        }
        let settings = settings.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (root, prefix) = object_store::parse_url_opts(&url, settings)
            .map_err(LakeError::storage("connecting to the bucket"))?;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(Self { root: Arc::from(root), prefix, url })
    }

    /// The same place seen through another store, such as one that fails on purpose.
    #[must_use]
    pub fn through(&self, wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        Self {
            root: wrap(Arc::clone(&self.root)),
            prefix: self.prefix.clone(),
            url: self.url.clone(),
        }
    }

    /// A place below this one; `folder` has no empty parts.
    pub(crate) fn below(&self, folder: &str) -> Self {
        let mut prefix = self.prefix.clone();
        let mut url = self.url.clone();
        for part in folder.split('/') {
            prefix = prefix.join(part);
        }
        url.set_path(&format!("{}{folder}/", self.url.path()));
        Self { root: Arc::clone(&self.root), prefix, url }
    }

    /// The store in which paths begin here.
    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(PrefixStore::new(Arc::clone(&self.root), self.prefix.clone()))
    }

    /// The log of the table whose folder this is.
    pub(crate) fn log_store(&self) -> LogStoreRef {
        let config = StorageConfig::default();
        default_logstore(self.store(), Arc::clone(&self.root), &self.url, &config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named_by_url_and_secrets_are_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::from_directory_path(folder.path()).unwrap();
        let storage = Storage::open(url.as_str(), []).unwrap();
        assert_eq!(storage.below("a/b").url.as_str(), format!("{url}a/b/"));
        let settings = [("AWS_REGION".to_owned(), "eu-central-1".to_owned())];
        let bucket = Storage::open("s3://shop/lake", settings).unwrap();
        assert_eq!(bucket.below("landing").url.as_str(), "s3://shop/lake/landing/");
        assert_eq!(bucket.below("landing").prefix.as_ref(), "lake/landing");
        for wrong in ["lake", "ftp://shop/lake", "memory:///", "s3://me:canary-7f3a@shop/lake"] {
            let error = Storage::open(wrong, []).unwrap_err();
            assert!(matches!(error, LakeError::Location { .. }), "{error:?}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}
