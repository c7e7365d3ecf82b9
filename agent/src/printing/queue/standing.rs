//! Where a printer's task opens its printer: at its address, or where its unit has moved to.

use super::claims::Claims;
use crate::printing::PrinterConfig;
use crate::printing::transport::Address;
use crate::spool::SpoolError;
use std::io;

/// Where a printer is to be opened.
pub(super) struct Place {
    /// The address.
    pub(super) address: Address,
    /// What the log is to say when it could be opened.
    pub(super) news: Option<String>,
}

/// Where the printer's unit is now.
///
/// # Errors
/// Inside: only another printer's unit is there.
#[cfg(target_os = "linux")]
pub(super) async fn place(config: &PrinterConfig, claims: &Claims) -> Result<io::Result<Place>, SpoolError> {
    use crate::printing::transport::standing::{Standing, find};
    use crate::printing::transport::{usb, usb_class};

    let address = config.address.clone();
    let Address::UsbClass { path } = &address else { return Ok(Ok(Place { address, news: None })) };
    let units = claims.units().await?;
    let look = || (usb_class::files(), usb::plugged_in().unwrap_or_default());
    let Ok((files, plugged)) = tokio::task::spawn_blocking(look).await else {
        return Ok(Err(io::Error::other("the USB printers cannot be listed")));
    };
    Ok(match find(path.as_ref(), &files, &plugged, &config.name, &units, &config.others) {
        Standing::Here => Ok(Place { address, news: None }),
        Standing::Replaced { by } => {
            Ok(Place { address, news: Some(format!("{by} replaces the former unit")) })
        }
        Standing::Moved { to } => {
            let news = Some(format!("the unit of {address} is {} now", to.display()));
            Ok(Place { address: Address::UsbClass { path: to.display().to_string() }, news })
        }
        Standing::Others { owner, unit } => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "at {address} is only {unit}, which belongs to the printer {owner} \
                 (该接口上接的是另一台打印机 {owner})"
            ),
        )),
    })
}

/// Only Linux names printers by the order in which it met them.
#[cfg(not(target_os = "linux"))]
pub(super) async fn place(config: &PrinterConfig, _: &Claims) -> Result<io::Result<Place>, SpoolError> {
    Ok(Ok(Place { address: config.address.clone(), news: None }))
}
