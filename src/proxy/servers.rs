//! The servers to forward to.

use crate::proxy::address::{AddressError, UpstreamAddress};
use crate::stats::{LABEL_BYTES, MAX_UPSTREAMS, bounded};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One server or several, tried in this order for each connection: `HOST:PORT,HOST:PORT`. Any of them may be a unix
/// socket, written as [`UpstreamAddress`] has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UpstreamList(Vec<UpstreamAddress>);

impl UpstreamList {
    /// The servers, at least one.
    pub fn all(&self) -> &[UpstreamAddress] {
        &self.0
    }
}

impl FromStr for UpstreamList {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let mut servers: Vec<UpstreamAddress> = Vec::new();
        let mut names = Vec::new();
        for part in text.split(',') {
            let server: UpstreamAddress = part.parse()?;
            // Two that read the same in a label would be one series twice.
            let name = bounded(&server.to_string(), LABEL_BYTES).into_owned();
            if names.contains(&name) {
                return Err(AddressError::new(format!(
                    "`{server}` is there twice: write each server once"
                )));
            }
            names.push(name);
            servers.push(server);
        }
        if servers.len() > MAX_UPSTREAMS {
            return Err(AddressError::new(format!(
                "{} servers are too many: write at most {MAX_UPSTREAMS}",
                servers.len()
            )));
        }
        Ok(Self(servers))
    }
}

impl TryFrom<String> for UpstreamList {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<UpstreamList> for String {
    fn from(list: UpstreamList) -> Self {
        list.to_string()
    }
}

impl fmt::Display for UpstreamList {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, server) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{server}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match text.parse::<UpstreamList>() {
            Ok(list) => list.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn a_list_keeps_its_order_and_reads_its_own_output() {
        let text = "db:5432, [::1]:5433,/run/postgresql";
        let written = "db:5432,[::1]:5433,/run/postgresql/.s.PGSQL.5432";
        assert_eq!(read(text), written);
        assert_eq!(read(written), written);
        assert_eq!(read("db:5432"), "db:5432");
    }

    #[test]
    fn mistakes_in_any_of_them_are_told() {
        let many: Vec<String> = (1..=17).map(|port| format!("db:{port}")).collect();
        for (text, advice) in [
            ("db:5432,", "the address is empty: write HOST:PORT"),
            ("db:5432,standby", "write `standby:5432`"),
            ("db:5432,db:5433,db:5432", "write each server once"),
            (&many.join(","), "17 servers are too many: write at most 16"),
        ] {
            let message = read(text);
            assert!(
                message.starts_with("error: ") && message.contains(advice),
                "{text}: {message}"
            );
        }
    }
}
