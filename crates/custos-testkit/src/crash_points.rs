//! Programs that die before a chosen change of what they store.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::tools::installed;

const SOURCE: &str = include_str!("crash_points.c");

/// Counts the points at which a program changes stored bytes, and kills it at one of them.
///
/// A point is the moment before a file is synchronised, named, linked, cut or deleted, and before
/// the first of several writes in a row. A kill between two points is one at the former's end.
/// Threads may meet them in another order in another run.
#[derive(Debug)]
pub struct CrashPoints {
    library: PathBuf,
}

impl CrashPoints {
    /// Compiles what is loaded into programs, unless that was done.
    ///
    /// # Errors
    /// There is no C compiler.
    pub fn new() -> Result<Self> {
        let folder = installed("crash-points", SOURCE, |folder| {
            fs::create_dir_all(folder)?;
            let source = folder.join("crash_points.c");
            fs::write(&source, SOURCE)?;
            let mut compiler = Command::new("cc");
            compiler.args(["-O1", "-shared", "-fPIC", "-o"]);
            let status = compiler.arg(folder.join("crash_points.so")).arg(source).status();
            ensure!(status.context("`cc` did not start")?.success(), "`cc` failed");
            Ok(())
        })?;
        Ok(Self { library: folder.join("crash_points.so") })
    }

    /// Runs a command to its end and returns how many points it met.
    ///
    /// # Errors
    /// It did not end well.
    pub fn count(&self, command: &mut Command) -> Result<u64> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("points");
        command.env("LD_PRELOAD", &self.library).env("CRASH_POINTS_IN", &file);
        let output = command.stdin(Stdio::null()).output()?;
        ensure!(output.status.success(), "{output:?}");
        let counted = fs::read_to_string(file).context("the program counted nothing")?;
        Ok(counted.parse()?)
    }

    /// Runs a command that is killed at a point, if it comes to it.
    ///
    /// # Errors
    /// It did not start.
    pub fn kill_at(&self, point: u64, command: &mut Command) -> Result<()> {
        command.env("LD_PRELOAD", &self.library).env("CRASH_AT", point.to_string());
        command.stdin(Stdio::null()).output()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_dies_before_the_change_that_was_chosen() {
        let (points, folder) = (CrashPoints::new().unwrap(), tempfile::tempdir().unwrap());
        let copy = |place: &str| {
            let mut command = Command::new("python3");
            let script = "import os, sys\n\
                          file = os.open('one', os.O_CREAT | os.O_WRONLY)\n\
                          os.write(file, b'1'); os.write(file, b'2'); os.fsync(file)\n\
                          os.rename('one', 'two')";
            let place = folder.path().join(place);
            fs::create_dir(&place).unwrap();
            command.args(["-S", "-B", "-c", script]).current_dir(place);
            command
        };
        // The writes are one point.
        assert_eq!(points.count(&mut copy("whole")).unwrap(), 3);
        let left = |place: &str, name| fs::read_to_string(folder.path().join(place).join(name));
        assert_eq!(left("whole", "two").unwrap(), "12");
        for (place, written) in [("first", ""), ("second", "12"), ("third", "12")] {
            let point =
                1 + ["first", "second", "third"].iter().position(|it| *it == place).unwrap();
            points.kill_at(point as u64, &mut copy(place)).unwrap();
            assert_eq!(left(place, "one").unwrap(), written, "{place}");
            assert!(left(place, "two").is_err(), "{place}");
        }
        points.kill_at(4, &mut copy("beyond")).unwrap();
        assert_eq!(left("beyond", "two").unwrap(), "12");
    }
}
