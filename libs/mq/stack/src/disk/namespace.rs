//! Mounts that nobody else sees and that go with the last process that does.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::run;
use crate::StackError;
use crate::paths::on_path;

/// Set for the program once it runs in a mount namespace of its own.
const MARK: &str = "SEA_MQ_PRIVATE_MOUNTS";
const UNSHARE: [&str; 3] = ["--mount", "--propagation", "private"];

/// Gives this program and all that it starts a mount namespace of its own, in
/// which a [`Disk`](super::Disk) is seen by nobody else and leaves nothing
/// behind, however the program ends.
///
/// To be called first of all in `main`, before threads and state: the program is
/// started anew in its place, with the same arguments, environment and process
/// id, and this returns `Ok` in that one.
///
/// # Errors
/// [`StackError::NotAllowed`] unless this is root on Linux, with the program
/// `unshare`; everything but a `Disk` works without.
pub fn private_mounts() -> Result<(), StackError> {
    if std::env::var_os(MARK).is_some() {
        return Ok(());
    }
    let [mount, propagation, private] = UNSHARE;
    run("unshare", &[mount, propagation, private, "--", "true"].map(OsStr::new)).map_err(not_allowed)?;
    let program = std::env::current_exe().map_err(StackError::file("find", "the running program"))?;
    let unshare = on_path("unshare").ok_or_else(|| not_allowed("no unshare on PATH".into()))?;
    let error = Command::new(unshare)
        .args(UNSHARE)
        .arg("--")
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(MARK, "1")
        .exec();
    Err(not_allowed(error.to_string()))
}

fn not_allowed(reason: String) -> StackError {
    StackError::NotAllowed { what: "a mount namespace of its own".into(), reason }
}
