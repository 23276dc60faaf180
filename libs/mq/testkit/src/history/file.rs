use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use super::History;
use crate::TestkitError;

impl History {
    /// Writes it as JSON.
    ///
    /// # Errors
    /// [`TestkitError::System`]: the file could not be written.
    pub fn save(&self, path: &Path) -> Result<(), TestkitError> {
        let failed = || TestkitError::system(format!("writing the history to {}", path.display()));
        let mut out = BufWriter::new(File::create(path).map_err(failed())?);
        serde_json::to_writer(&mut out, self).map_err(|error| failed()(error.into()))?;
        out.flush().map_err(failed())
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`TestkitError::System`]: there is no such file, or it is not a history.
    pub fn load(path: &Path) -> Result<Self, TestkitError> {
        let failed = || TestkitError::system(format!("reading the history in {}", path.display()));
        let file = BufReader::new(File::open(path).map_err(failed())?);
        serde_json::from_reader(file).map_err(|error| failed()(error.into()))
    }
}
