//! Why no server could be reached.

use crate::proxy::address::{Address, UpstreamAddress};
use crate::proxy::tls::Unencrypted;
use std::net::SocketAddr;
use std::{error, fmt, io};

/// An attempt to connect that failed.
#[derive(Debug)]
pub(super) struct Attempt {
    server: String,
    error: io::Error,
}

impl Attempt {
    /// `address` where the name of the server could be resolved.
    pub(super) fn new(
        server: Option<&UpstreamAddress>,
        address: Option<SocketAddr>,
        error: io::Error,
    ) -> Self {
        let name = server.map(ToString::to_string).unwrap_or_default();
        let server = match (server.map(UpstreamAddress::address), address) {
            (Some(Address::Tcp { host, .. }), Some(address))
                if *host != address.ip().to_string() =>
            {
                format!("{name} ({})", address.ip())
            }
            _ => name,
        };
        Self { server, error }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The number says nothing to the reader of a Django traceback.
        let text = self.error.to_string();
        let reason = text
            .split_once(" (os error")
            .map_or(&*text, |parts| parts.0);
        write!(out, "{}: {reason}", self.server)
    }
}

/// What became of each attempt, in their order.
#[derive(Debug, Default)]
pub struct Unreachable(Vec<Attempt>);

impl Unreachable {
    pub(super) fn push(&mut self, attempt: Attempt) {
        self.0.push(attempt);
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// What to do about it, where TLS is in the way.
    pub(super) fn hint(&self) -> Option<&str> {
        let mut reasons = self.unencrypted();
        reasons.next_back().map(|reason| reason.hint.as_str())
    }

    /// The words of a server that are the reason, to be passed on as they are.
    pub(super) fn words(&self) -> Option<&[u8]> {
        self.unencrypted()
            .rev()
            .find_map(|reason| reason.words.as_deref())
    }

    fn unencrypted(&self) -> impl DoubleEndedIterator<Item = &Unencrypted> {
        self.0
            .iter()
            .filter_map(|attempt| Unencrypted::of(&attempt.error))
    }
}

impl From<Attempt> for Unreachable {
    fn from(attempt: Attempt) -> Self {
        Self(vec![attempt])
    }
}

impl FromIterator<Self> for Unreachable {
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        Self(parts.into_iter().flat_map(|part| part.0).collect())
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attempt) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(out, "{separator}{attempt}")?;
        }
        Ok(())
    }
}

impl error::Error for Unreachable {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_named_with_its_reason() {
        let refused = || io::Error::from_raw_os_error(111);
        let (named, literal): (UpstreamAddress, UpstreamAddress) =
            ("db:5432".parse().unwrap(), "[::1]:5433".parse().unwrap());
        let mut all = Unreachable::default();
        all.push(Attempt::new(
            Some(&named),
            Some(([10, 0, 0, 7], 5432).into()),
            refused(),
        ));
        all.push(Attempt::new(
            Some(&literal),
            "[::1]:5433".parse().ok(),
            refused(),
        ));
        all.push(Attempt::new(
            Some(&named),
            None,
            io::Error::other("no such name"),
        ));
        assert_eq!(
            all.to_string(),
            "db:5432 (10.0.0.7): Connection refused; [::1]:5433: Connection refused; db:5432: no such name"
        );
        assert!(all.hint().is_none() && all.words().is_none());
    }
}
