//! From the lake's snapshots back to a store in a file.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use custos_core::{Classify, EpochId, ErrorKind, Timestamp};
use custos_keys::{BackupHeader, KeyError, Kms, open_backup, read_backup_header};
use custos_lake::ControlCopies;
use serde::Serialize;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::chain::{Kind, Name, of_copy, parse_all};
use super::increment::Content;
use crate::backup::{exists_or, mark_as_copy, part_of, refuse_existing, restore, unusable};
use crate::error::{failed, is_damage};
use crate::private_files::{erase, publish};
use crate::store::{create_private_folder, open_copy};
use crate::{BackupError, Store};

/// More than the header of a backup takes.
const HEADER_BYTES: u64 = 4 << 10;

/// What was restored, and what could not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FromLake {
    /// When the state that was restored was taken.
    pub made_at: Timestamp,
    /// How many increments came after the full copy.
    pub increments: u64,
    /// What is damaged or missing, for which an older state was taken.
    pub problems: Vec<String>,
}

/// A full copy in the lake, and what follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedSnapshot {
    /// The time of its oldest state.
    pub from: Timestamp,
    /// The time of its newest state.
    pub until: Timestamp,
    /// The epoch of its keys.
    pub epoch: EpochId,
    /// Whether the epoch is there still: else nothing opens it.
    pub opens: bool,
    /// Increments up to the next full copy.
    pub increments: u64,
    /// Bytes of all of it.
    pub bytes: u64,
}

/// Restores the newest whole state, or the newest at a time, to `into`, a file that must not exist,
/// or be the same state restored before and not in use yet, which is left as it is.
///
/// Increments are taken as far as they follow each other and are whole; a full copy that is not
/// whole is passed over. Then [`crate::Store::open_restored`] opens it. It is complete or not there.
///
/// # Errors
///
/// [`BackupError::NoSnapshot`] if the lake holds none, or none of that time; what is wrong with the
/// newest if none is whole.
pub async fn restore_from_lake(
    kms: &dyn Kms,
    copies: &ControlCopies,
    at: Option<Timestamp>,
    into: &Path,
) -> Result<FromLake, BackupError> {
    let before = Store::restored_from(into).await?;
    if before.is_none() {
        refuse_existing(into)?;
    }
    if let Some(folder) = into.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_private_folder(folder).map_err(unusable("making the folder"))?;
    }
    let mut names = parse_all(&copies.list().await?);
    names.sort_unstable();
    let mut problems = Vec::new();
    let mut first = None;
    for full in newest_first(copies, &names).await? {
        let attempt = Attempt { kms, copies, at, full, names: &names, into, before };
        match attempt.run(&mut problems).await {
            Ok(Some(restored)) => return Ok(FromLake { problems, ..restored }),
            Ok(None) => {}
            Err(error) if is_of_the_copy(&error) => {
                problems.push(format!("the full copy {full}: {error}"));
                first = first.or(Some(error));
            }
            Err(error) => return Err(error),
        }
    }
    Err(first.unwrap_or(BackupError::NoSnapshot))
}

/// The full copies, those of the stream first that was written to last.
async fn newest_first<'a>(
    copies: &ControlCopies,
    names: &'a [Name],
) -> Result<Vec<&'a Name>, BackupError> {
    let mut streams: BTreeMap<&str, Option<Timestamp>> = BTreeMap::new();
    for name in names.iter().rev() {
        let last = streams.entry(&name.stream).or_default();
        if last.is_none() {
            *last = header_of(copies, &name.to_string()).await?.map(|header| header.made_at);
        }
    }
    let mut full: Vec<&Name> = names.iter().filter(|name| name.kind == Kind::Full).collect();
    full.sort_unstable_by_key(|name| Reverse((streams.get(name.stream.as_str()), *name)));
    Ok(full)
}

/// The full copies in the lake, oldest first, and how far each goes on.
pub async fn list_snapshots(
    kms: &dyn Kms,
    copies: &ControlCopies,
) -> Result<Vec<ListedSnapshot>, BackupError> {
    let live = kms.epochs().await?;
    let mut objects: Vec<(Name, u64)> = copies
        .list()
        .await?
        .into_iter()
        .filter_map(|(name, bytes)| Some((Name::parse(&name)?, bytes)))
        .collect();
    objects.sort_unstable();
    let mut listed: Vec<ListedSnapshot> = Vec::new();
    let mut last: Option<Name> = None;
    let mut stream = String::new();
    for (name, bytes) in objects {
        if name.kind == Kind::Full {
            end_listed(&mut listed, last.take(), copies).await?;
            let Some(header) = header_of(copies, &name.to_string()).await? else { continue };
            stream = name.stream;
            listed.push(ListedSnapshot {
                from: header.made_at,
                until: header.made_at,
                epoch: header.epoch,
                opens: live.contains(&header.epoch),
                increments: 0,
                bytes,
            });
        } else if let Some(listed) = listed.last_mut().filter(|_| name.stream == stream) {
            listed.increments += 1;
            listed.bytes += bytes;
            last = Some(name);
        }
    }
    end_listed(&mut listed, last, copies).await?;
    Ok(listed)
}

/// Notes when the last increment of a full copy was made.
async fn end_listed(
    listed: &mut [ListedSnapshot],
    last: Option<Name>,
    copies: &ControlCopies,
) -> Result<(), BackupError> {
    let (Some(listed), Some(last)) = (listed.last_mut(), last) else { return Ok(()) };
    if let Some(header) = header_of(copies, &last.to_string()).await? {
        listed.until = header.made_at;
    }
    Ok(())
}

/// What an object says of itself; `None` if it is gone or damaged.
async fn header_of(
    copies: &ControlCopies,
    name: &str,
) -> Result<Option<BackupHeader>, BackupError> {
    let Some(bytes) = copies.get(name, Some(HEADER_BYTES)).await? else { return Ok(None) };
    Ok(read_backup_header(&mut &bytes[..]).ok())
}

/// Unseals an object that is small.
pub(super) async fn open(
    kms: &dyn Kms,
    sealed: &[u8],
) -> Result<(BackupHeader, Vec<u8>), BackupError> {
    let mut from = Cursor::new(sealed);
    let header = read_backup_header(&mut from)?;
    let mut rows = Vec::new();
    let header = open_backup(kms, header).await?.unseal(from, &mut rows)?;
    Ok((header, rows))
}

/// Whether it is the copy that is at fault, so that another one may be whole.
pub(super) fn is_of_the_copy(error: &BackupError) -> bool {
    match error {
        BackupError::Keys(error) => matches!(
            error,
            KeyError::BackupMalformed { .. } | KeyError::BackupDead { .. } | KeyError::WrongKeyRing
        ),
        BackupError::Store(error) => error.kind() == ErrorKind::Integrity,
        BackupError::Open(error) => {
            matches!(error.kind(), ErrorKind::Integrity | ErrorKind::Unsupported)
        }
        _ => false,
    }
}

/// Restoring one full copy and what follows it.
struct Attempt<'a> {
    kms: &'a dyn Kms,
    copies: &'a ControlCopies,
    at: Option<Timestamp>,
    full: &'a Name,
    names: &'a [Name],
    into: &'a Path,
    /// When the copy was made that is there already.
    before: Option<Timestamp>,
}

impl Attempt<'_> {
    /// `None` if it is of a later time.
    async fn run(&self, problems: &mut Vec<String>) -> Result<Option<FromLake>, BackupError> {
        let part = part_of(self.into);
        let sealed = sealed_of(self.into);
        let made = self.make(&part, &sealed, problems).await;
        if fs::exists(&sealed).map_err(unusable("removing the sealed copy"))? {
            fs::remove_file(&sealed).map_err(unusable("removing the sealed copy"))?;
        }
        match (made, self.before) {
            (Ok(Some(made)), None) => {
                publish(&part, self.into)
                    .map_err(exists_or(self.into, "writing what is restored"))?;
                Ok(Some(made))
            }
            (made, before) => {
                erase(&part).map_err(unusable("removing what is not whole"))?;
                let path = self.into.to_owned();
                match (made?, before) {
                    (Some(made), Some(made_at)) if made.made_at != made_at => {
                        Err(BackupError::OtherRestored { path, made_at })
                    }
                    (made, _) => Ok(made),
                }
            }
        }
    }

    async fn make(
        &self,
        part: &Path,
        sealed: &Path,
        problems: &mut Vec<String>,
    ) -> Result<Option<FromLake>, BackupError> {
        for leftover in [part, sealed] {
            erase(leftover).map_err(unusable("removing what a crash left"))?;
        }
        let name = self.full.to_string();
        let Some(header) = header_of(self.copies, &name).await? else {
            return Err(KeyError::BackupMalformed { what: "its header is not one" }.into());
        };
        if self.at.is_some_and(|at| header.made_at > at) {
            return Ok(None);
        }
        self.copies.get_file(&name, sealed).await?;
        let header = restore(self.kms, sealed, part).await?;
        if of_copy(part).await? != (Some(self.full.stream.clone()), self.full.number) {
            return Err(KeyError::BackupMalformed { what: "it is another one" }.into());
        }
        let mut restored =
            FromLake { made_at: header.made_at, increments: 0, problems: Vec::new() };
        let operation = "opening a copy";
        let mut copy = open_copy(part).await.map_err(failed(operation))?;
        let followed = self.follow(&mut copy, &mut restored, problems).await;
        copy.close().await.map_err(failed(operation))?;
        followed?;
        mark_as_copy(part, restored.made_at).await.map_err(failed(operation))?;
        Ok(Some(restored))
    }

    /// Applies increments as far as they are whole.
    async fn follow(
        &self,
        copy: &mut SqliteConnection,
        restored: &mut FromLake,
        problems: &mut Vec<String>,
    ) -> Result<(), BackupError> {
        let stream = &self.full.stream;
        let (mut newest, until): (String, i64) =
            sqlx::query_as("SELECT newest, shipped FROM snapshot_chain")
                .fetch_one(&mut *copy)
                .await
                .map_err(failed("reading a copy"))?;
        let mut number = self.full.number;
        while self.names.iter().any(|name| name.stream == *stream && name.number > number) {
            let kind = Kind::Increment;
            let name = Name { stream: stream.clone(), number: number + 1, kind }.to_string();
            let Some(sealed) = self.copies.get(&name, None).await? else {
                problems.push(format!("the increment {name} is missing"));
                return Ok(());
            };
            let (header, rows) = match open(self.kms, &sealed).await {
                Ok(opened) => opened,
                Err(error) if is_of_the_copy(&error) => {
                    problems.push(format!("the increment {name}: {error}"));
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            if self.at.is_some_and(|at| header.made_at > at) {
                return Ok(());
            }
            match Content::apply(copy, &rows, (stream, number, &newest), until).await {
                Ok(Some(content)) => (number, newest) = (content.number, content.id),
                Err(error) if !is_damage(&error) => {
                    return Err(failed("restoring a copy")(error).into());
                }
                Ok(None) | Err(_) => {
                    problems
                        .push(format!("the increment {name} does not follow what is before it"));
                    return Ok(());
                }
            }
            restored.made_at = restored.made_at.max(header.made_at);
            restored.increments += 1;
        }
        Ok(())
    }
}

fn sealed_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sealed");
    name.into()
}
