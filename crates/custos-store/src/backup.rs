//! Backups: a copy of the store in one sealed file, and back.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use custos_core::{Classify, ErrorKind, StoreError, Timestamp};
use custos_keys::{
    BackupHeader, BackupKey, BackupVerified, KeyError, KeyService, Kms, open_backup,
    read_backup_header,
};
use custos_lake::LakeError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};

use crate::error::failed;
use crate::lease::{FileLease, lock_if_free};
use crate::private_files::{create, erase, erase_folder, publish};
use crate::statement::query;
use crate::store::create_private_folder;
use crate::{OpenError, Store};

/// The copy while it is sealed, in the store's folder.
pub(crate) const SNAPSHOT: &str = ".snapshot.db";

/// Where a backup is restored to be looked at, in the store's folder.
const LOOKED_AT: &str = ".restored";

const STORE_FILE: &str = "custos.db";

/// Why a backup was not made or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is a file of that name.
    #[error("there is a file `{path}` already: a backup never takes the place of something")]
    Exists {
        /// Where it is.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("a file could not be used: {operation}")]
    File {
        /// What was being done.
        operation: &'static str,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The backup could not be sealed or opened.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The lake, which holds snapshots, failed.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The lake holds no snapshot of the control store, or none of the time asked for.
    #[error("the lake holds no snapshot of the control store, or none that is old enough")]
    NoSnapshot,
    /// What was restored before, and is not in use yet, is of another backup.
    #[error("`{path}` was restored from another backup, made at {made_at}, and is not in use yet")]
    OtherRestored {
        /// Where it is.
        path: PathBuf,
        /// When that backup was made.
        made_at: Timestamp,
    },
    /// The control store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was restored is no control store.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Classify for BackupError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Exists { .. } | Self::OtherRestored { .. } => ErrorKind::Conflict,
            Self::NoSnapshot => ErrorKind::NotFound,
            Self::Lake(error) => error.kind(),
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::Unavailable,
            },
            Self::Keys(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Open(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Exists { .. } => Some("choose another name".into()),
            Self::File { .. } => Some(
                "check that the path is right, that its folder may be written, and that there is \
                 space"
                    .into(),
            ),
            Self::OtherRestored { .. } => {
                Some("choose another folder, or remove what is in this one".into())
            }
            Self::NoSnapshot => Some("see what there is with `custos restore --list`".into()),
            Self::Lake(error) => error.hint(),
            Self::Keys(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Open(error) => error.hint(),
        }
    }
}

impl Store {
    /// Seals a copy of the store, as it is at one moment, into a new file.
    ///
    /// The copy says of itself that it is one, so that whoever restores it, and however, has to do
    /// again the erasures that came after it.
    pub async fn back_up(
        &self,
        keys: &KeyService,
        made_at: Timestamp,
        file: &Path,
    ) -> Result<BackupHeader, BackupError> {
        let _alone = FileLease::take(self.folder(), "_backup").await?;
        refuse_existing(file)?;
        let key = keys.backup_key().await?;
        let snapshot = self.folder().join(SNAPSHOT);
        // What a crash left.
        erase(&snapshot).map_err(unusable("removing an older copy"))?;
        let copied = self.copy_into(&snapshot, made_at).await;
        let sealed = match copied {
            Ok(()) => {
                let (from, into) = (snapshot.clone(), file.to_owned());
                blocking(move || seal(key, made_at, &from, &into)).await
            }
            Err(error) => Err(error),
        };
        erase(&snapshot).map_err(unusable("removing the copy"))?;
        sealed
    }

    /// Restores a backup into a folder of its own, looks whether it is whole and opens everything,
    /// and removes it again.
    pub async fn verify_backup(
        &self,
        keys: &KeyService,
        kms: &dyn Kms,
        file: &Path,
    ) -> Result<BackupVerified, BackupError> {
        let _alone = FileLease::take(self.folder(), "_backup").await?;
        let folder = self.folder().join(LOOKED_AT);
        erase_folder(&folder).map_err(unusable("removing what was restored before"))?;
        let verified = look_at(keys, kms, file, &folder.join(STORE_FILE)).await;
        erase_folder(&folder).map_err(unusable("removing what was restored"))?;
        verified
    }

    /// Whether this is a restored copy in which erasures are still to be done again.
    pub async fn is_restored(&self) -> Result<bool, StoreError> {
        let (rows,): (i64,) = query("SELECT count(*) FROM restored")
            .fetch_one(self.readers())
            .await
            .map_err(failed("looking whether it is a copy"))?;
        Ok(rows > 0)
    }

    /// Notes that all erasures are done again: from now on this is the control store.
    pub async fn accept_restored(&self) -> Result<(), StoreError> {
        query("DELETE FROM restored")
            .execute(self.writers())
            .await
            .map_err(failed("taking a copy into use"))?;
        Ok(())
    }

    /// When the copy was made that is in a file and has erasures to be done again; `None` if the file
    /// is none, or a store in use, or not there.
    pub async fn restored_from(path: &Path) -> Result<Option<Timestamp>, BackupError> {
        let store = match Self::open_restored(path).await {
            Err(OpenError::Missing { .. }) => return Ok(None),
            other => other?,
        };
        let made_at: Option<(i64,)> = query("SELECT made_at FROM restored")
            .fetch_optional(store.readers())
            .await
            .map_err(failed("looking whether it is a copy"))?;
        store.close().await;
        Ok(made_at.map(|(micros,)| Timestamp::from_micros(micros)))
    }

    async fn copy_into(&self, path: &Path, made_at: Timestamp) -> Result<(), BackupError> {
        self.copy_to(path).await?;
        Ok(mark_as_copy(path, made_at).await.map_err(failed("copying it"))?)
    }
}

/// Restores a backup to `into`, a file that must not exist, whose folder is made if need be.
///
/// What is there then has to be opened by [`Store::open_restored`]; it is complete or not there.
pub async fn restore(kms: &dyn Kms, file: &Path, into: &Path) -> Result<BackupHeader, BackupError> {
    refuse_existing(into)?;
    let operation = "reading the backup";
    let mut from = BufReader::new(File::open(file).map_err(unusable(operation))?);
    let header = read_backup_header(&mut from)?;
    let backup = open_backup(kms, header).await?;
    if let Some(folder) = into.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_private_folder(folder).map_err(unusable("making the folder"))?;
    }
    let into = into.to_owned();
    let header = blocking(move || {
        let part = part_of(&into);
        erase(&part).map_err(unusable("removing what a crash left"))?;
        let unsealed = create(&part)
            .map_err(unusable("writing what is restored"))
            .and_then(|created| Ok(backup.unseal(from, BufWriter::new(created))?));
        if unsealed.is_err() {
            erase(&part).map_err(unusable("removing what is not whole"))?;
        }
        let header = unsealed?;
        publish(&part, &into).map_err(exists_or(&into, "writing what is restored"))?;
        Ok(header)
    })
    .await?;
    Ok(header)
}

/// Removes what a crash left of copies of the store in a file, unless somebody makes one now.
pub(crate) fn clear_leftovers(store: &Path) -> io::Result<()> {
    let folder = store.parent().unwrap_or(Path::new(""));
    let leftovers: Vec<PathBuf> = ["", "-journal", "-wal", "-shm"]
        .iter()
        .map(|end| folder.join(format!("{SNAPSHOT}{end}")))
        .chain([part_of(store), part_of(&part_of(store))])
        .collect();
    let looked_at = folder.join(LOOKED_AT);
    if !leftovers.iter().chain([&looked_at]).any(|path| path.exists()) {
        return Ok(());
    }
    let Some(_alone) = lock_if_free(folder, "_backup")? else { return Ok(()) };
    for path in leftovers {
        match fs::metadata(&path) {
            // It has its final name already: what is there is the store itself.
            Ok(file) if file.nlink() > 1 => fs::remove_file(&path)?,
            _ => erase(&path)?,
        }
    }
    erase_folder(&looked_at)
}

async fn look_at(
    keys: &KeyService,
    kms: &dyn Kms,
    file: &Path,
    into: &Path,
) -> Result<BackupVerified, BackupError> {
    restore(kms, file, into).await?;
    let restored = Store::open_restored(into).await?;
    let verified = match restored.integrity().await {
        Ok(()) => keys.verify_backup(&restored).await.map_err(BackupError::from),
        Err(error) => Err(error.into()),
    };
    restored.close().await;
    verified
}

pub(crate) fn seal(
    key: BackupKey,
    made_at: Timestamp,
    from: &Path,
    into: &Path,
) -> Result<BackupHeader, BackupError> {
    let operation = "writing the backup";
    let part = part_of(into);
    erase(&part).map_err(unusable("removing what a crash left"))?;
    let mut plain = File::open(from).map_err(unusable("reading the copy"))?;
    let sealed = create(&part)
        .map_err(unusable(operation))
        .and_then(|created| Ok(key.seal(made_at, &mut plain, BufWriter::new(created))?));
    if sealed.is_err() {
        erase(&part).map_err(unusable("removing what is not whole"))?;
    }
    let header = sealed?;
    publish(&part, into).map_err(exists_or(into, operation))?;
    Ok(header)
}

/// Writes into a copy that it is one, without leaving other files beside it.
pub(crate) async fn mark_as_copy(path: &Path, made_at: Timestamp) -> Result<(), sqlx::Error> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Memory)
        .disable_statement_logging()
        .connect()
        .await?;
    sqlx::query("INSERT OR REPLACE INTO restored (only, made_at) VALUES (1, $1)")
        .bind(made_at.micros())
        .execute(&mut connection)
        .await?;
    connection.close().await
}

/// Where a file is until it is whole.
pub(crate) fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

pub(crate) fn refuse_existing(path: &Path) -> Result<(), BackupError> {
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(BackupError::Exists { path: path.to_owned() }),
        Err(error) => Err(unusable("looking for it")(error)),
    }
}

/// Sealing is long work that waits for nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(unusable("waiting for it")(error.into())),
    }
}

pub(crate) fn unusable(operation: &'static str) -> impl FnOnce(io::Error) -> BackupError {
    move |source| BackupError::File { operation, source }
}

pub(crate) fn exists_or(
    path: &Path,
    operation: &'static str,
) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists { path },
        _ => BackupError::File { operation, source },
    }
}

#[cfg(test)]
mod tests;
