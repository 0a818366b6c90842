//! A server that a test started.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How long a server may take to begin to answer.
const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(20);

/// A running server. It ends with the value.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts a server that complains into the file `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log)?);
        let child = command.spawn().with_context(|| format!("{command:?} did not start"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Waits until it answers.
    pub(crate) fn wait_until(&mut self, mut answers: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !answers() {
            self.ensure_running()?;
            ensure!(Instant::now() < deadline, "the server does not answer");
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Fails if it has ended.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        if let Some(ended) = self.child.try_wait()? {
            let log = fs::read_to_string(&self.log)?;
            bail!("the server ended ({ended}): {}", log.lines().next_back().unwrap_or_default());
        }
        Ok(())
    }

    /// Ends it without a word, as a crash does.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.child.kill().and_then(|()| self.child.wait()).context("the server did not end")?;
        Ok(())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // If it has ended by itself there is nothing left to do.
        let _stopped = self.stop();
    }
}
