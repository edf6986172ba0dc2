//! What a service manager hands over and wants to hear (`sd_listen_fds(3)`, `sd_notify(3)`). Without one all of this does
//! nothing.

use super::failure::Failure;
use super::wiring::Inherited;
use crate::config::{Address, UpstreamList};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::fmt::Display;

/// The socket to serve instead of binding one, where `LISTEN_FDS` says that there is one. Changes the environment and takes a
/// descriptor by its number: call it before there are threads, and before anything is opened.
pub(super) fn socket() -> Result<Option<Inherited>, Failure> {
    let mut passed = ListenFd::from_env();
    match passed.len() {
        0 => Ok(None),
        1 => {
            // A refused descriptor stays where it is and may be asked for as something else.
            if let Ok(Some(listener)) = passed.take_tcp_listener(0) {
                return Ok(Some(Inherited::Tcp(listener)));
            }
            match passed.take_unix_listener(0) {
                Ok(Some(listener)) => Ok(Some(Inherited::Unix(listener))),
                _ => Err(Failure::Inherit("it is no stream socket".into())),
            }
        }
        more => Err(Failure::Inherit(format!(
            "there are {more}, and only one can be the proxy's"
        ))),
    }
}

/// Connections are taken.
pub(super) fn ready(listen: &Address, upstream: &UpstreamList) {
    let status = format!("Forwarding {listen} to {upstream}");
    notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// A reload begins. [`ready`] ends it.
pub(super) fn reloading() {
    // systemd orders the answers to its signals by this clock.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the monotonic clock could not be read"),
    }
}

/// No new connections; open ones may go on for the grace.
pub(super) fn stopping(grace: &dyn Display) {
    let status = format!("Draining, for {grace} at most");
    notify(&[NotifyState::Stopping, NotifyState::Status(&status)]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager named by NOTIFY_SOCKET could not be told");
    }
}
