//! A local file system whose answers mean that the bytes are on the disk.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    UploadPart,
};

/// The whole local file system. The crate's own store leaves it to the operating system when what
/// was put reaches the disk, so that a power cut could lose a commit that was acknowledged.
#[derive(Debug, Default)]
pub(super) struct SyncedFolder(Arc<LocalFileSystem>);

impl fmt::Display for SyncedFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SyncedFolder")
    }
}

impl SyncedFolder {
    /// Brings a file and its place in its folder to the disk.
    async fn sync(&self, location: &Path) -> Result<()> {
        let path = self.0.path_to_filesystem(location)?;
        let synced = tokio::task::spawn_blocking(move || {
            File::open(&path)?.sync_all()?;
            // A new folder has to be in its own folder too.
            path.ancestors().skip(1).take(2).try_for_each(|folder| File::open(folder)?.sync_all())
        });
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Generic {
            store: "SyncedFolder",
            source,
        };
        synced.await.map_err(|error| failed(error.into()))?.map_err(|error| failed(error.into()))
    }
}

#[async_trait]
impl ObjectStore for SyncedFolder {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let put = self.0.put_opts(location, payload, options).await?;
        self.sync(location).await?;
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.0.put_multipart_opts(location, options).await?;
        let folder = Self(Arc::clone(&self.0));
        Ok(Box::new(SyncedUpload { upload, folder, location: location.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await?;
        self.sync(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.rename_opts(from, to, options).await?;
        self.sync(to).await
    }
}

/// An upload in parts that is on the disk when it is complete.
#[derive(Debug)]
struct SyncedUpload {
    upload: Box<dyn MultipartUpload>,
    folder: SyncedFolder,
    location: Path,
}

#[async_trait]
impl MultipartUpload for SyncedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let put = self.upload.complete().await?;
        self.folder.sync(&self.location).await?;
        Ok(put)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}
