//! Sealed copies of the control store, beside the tables.

use std::io;
use std::path::Path as FsPath;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutPayload, WriteMultipart,
};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{LakeError, Storage};

const WRITING: &str = "writing a copy of the control store";
const READING: &str = "reading a copy of the control store";

/// What is read of a file, and sent of it, at once.
const PART_BYTES: usize = 8 << 20;

/// Parts that are on their way at once.
const PARTS_MAX: usize = 4;

/// Named objects in `control/`, each written once. They come here sealed.
///
/// It needs no keys: it is also what is left of an installation that has lost its control store.
#[derive(Debug, Clone)]
pub struct ControlCopies {
    store: Arc<dyn ObjectStore>,
}

impl ControlCopies {
    /// Those of the lake in this place.
    pub fn new(storage: &Storage) -> Self {
        Self { store: storage.below("control").store() }
    }

    /// Writes an object; durable when it returns. `false` if there is one of that name.
    pub async fn put(&self, name: &str, sealed: Vec<u8>) -> Result<bool, LakeError> {
        match self.store.put_opts(&Path::from(name), sealed.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(LakeError::storage(WRITING)(error)),
        }
    }

    /// Writes an object from a file of any size; durable, and there at all, when it returns.
    pub async fn put_file(&self, name: &str, file: &FsPath) -> Result<(), LakeError> {
        let failed = LakeError::storage(WRITING);
        let mut from = File::open(file).await.map_err(io_failed(WRITING))?;
        let mut part = read_part(&mut from).await?;
        if part.len() < PART_BYTES {
            // The stores refuse an upload in parts that has none.
            let put = self.store.put(&Path::from(name), PutPayload::from(part)).await;
            return put.map(|_| ()).map_err(failed);
        }
        let upload = self.store.put_multipart(&Path::from(name)).await.map_err(failed)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        while !part.is_empty() {
            upload.wait_for_capacity(PARTS_MAX).await.map_err(LakeError::storage(WRITING))?;
            upload.put(part.into());
            part = read_part(&mut from).await?;
        }
        upload.finish().await.map(|_| ()).map_err(LakeError::storage(WRITING))
    }

    /// All of an object, or its first `bytes`; `None` if there is none of that name.
    pub async fn get(&self, name: &str, bytes: Option<u64>) -> Result<Option<Vec<u8>>, LakeError> {
        let range = bytes.map(|bytes| GetRange::Bounded(0..bytes));
        let options = GetOptions { range, ..GetOptions::default() };
        match self.store.get_opts(&Path::from(name), options).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(LakeError::storage(READING))?.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(LakeError::storage(READING)(error)),
        }
    }

    /// Writes an object of any size to a new file; `false` if there is none of that name.
    pub async fn get_file(&self, name: &str, into: &FsPath) -> Result<bool, LakeError> {
        let found = match self.store.get(&Path::from(name)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(LakeError::storage(READING)(error)),
        };
        let mut parts = found.into_stream();
        let mut file = File::create_new(into).await.map_err(io_failed(READING))?;
        while let Some(part) = parts.try_next().await.map_err(LakeError::storage(READING))? {
            file.write_all(&part).await.map_err(io_failed(READING))?;
        }
        file.flush().await.map_err(io_failed(READING))?;
        Ok(true)
    }

    /// The names of all objects and their sizes in bytes, in the order of the names.
    pub async fn list(&self) -> Result<Vec<(String, u64)>, LakeError> {
        let objects: Vec<_> = self
            .store
            .list(None)
            .try_collect()
            .await
            .map_err(LakeError::storage("listing copies of the control store"))?;
        let mut names: Vec<(String, u64)> =
            objects.into_iter().map(|object| (object.location.into(), object.size)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Deletes an object; one that is not there is gone already.
    pub async fn delete(&self, name: &str) -> Result<(), LakeError> {
        match self.store.delete(&Path::from(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(LakeError::storage("deleting a copy of the control store")(error)),
        }
    }
}

/// Reads as much as a part holds, less only at the end.
async fn read_part(from: &mut File) -> Result<Vec<u8>, LakeError> {
    let mut part = Vec::with_capacity(PART_BYTES);
    let mut limited = from.take(PART_BYTES as u64);
    limited.read_to_end(&mut part).await.map_err(io_failed(WRITING))?;
    Ok(part)
}

fn io_failed(operation: &'static str) -> impl FnOnce(io::Error) -> LakeError {
    move |source| LakeError::Storage { operation, source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn objects_are_written_once_and_come_back_in_any_size() {
        let folder = tempfile::tempdir().unwrap();
        let copies = ControlCopies::new(&Storage::folder(folder.path()).unwrap());
        assert!(copies.list().await.unwrap().is_empty());
        assert!(copies.put("b/2", vec![1, 2, 3]).await.unwrap());
        assert!(!copies.put("b/2", vec![9]).await.unwrap());
        assert_eq!(copies.get("b/2", None).await.unwrap().unwrap(), [1, 2, 3]);
        assert_eq!(copies.get("b/2", Some(2)).await.unwrap().unwrap(), [1, 2]);
        assert_eq!(copies.get("b/3", None).await.unwrap(), None);
        // Nothing, one part, exactly two parts, and a rest.
        for (place, size) in [0, 5, 2 * PART_BYTES, 2 * PART_BYTES + 7].into_iter().enumerate() {
            let (from, into) = (folder.path().join("from"), folder.path().join(place.to_string()));
            let bytes: Vec<u8> = (0..size).map(|at| (at / 251) as u8).collect();
            std::fs::write(&from, &bytes).unwrap();
            let name = format!("a/{place}");
            copies.put_file(&name, &from).await.unwrap();
            assert!(copies.get_file(&name, &into).await.unwrap());
            assert!(std::fs::read(&into).unwrap() == bytes, "{size}");
        }
        assert!(!copies.get_file("a/9", &folder.path().join("9")).await.unwrap());
        let names: Vec<String> = copies.list().await.unwrap().into_iter().map(|it| it.0).collect();
        assert_eq!(names, ["a/0", "a/1", "a/2", "a/3", "b/2"]);
        copies.delete("a/0").await.unwrap();
        copies.delete("a/0").await.unwrap();
        assert_eq!(copies.list().await.unwrap().len(), 4);
    }
}
