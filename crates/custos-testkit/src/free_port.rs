//! Ports for servers that tests start.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

/// A port of the loopback address that nobody listened on a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}
