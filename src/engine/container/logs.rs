//! Where a container's log is.

use crate::engine::{Engine, Error};
use crate::monitor::{LogDriver, LogSource};
use crate::storage::containers;

/// A container's log, and the name it goes by.
pub struct LogContainer {
    pub name: String,
    pub source: LogSource,
}

/// The log of the container `id`, for [`crate::monitor::read_logs`].
pub fn log_of(engine: &Engine, id: &str) -> Result<LogContainer, Error> {
    let config = containers::load_config(&engine.store, id)?;
    let source = LogSource {
        driver: LogDriver::from_name(&config.log.driver).unwrap_or_default(),
        path: config.log.path,
        control: containers::paths(&engine.store, id).runtime.join(super::CONTROL),
        id: config.id,
    };
    Ok(LogContainer { name: config.name, source })
}
