//! The only words of pgscope's own that a client can hear, but for a byte about encryption: an ErrorResponse in place
//! of a session.
//!
//! Sent only where no server has spoken on the connection, so that it never follows or cuts the server's own words.

use crate::proxy::servers::UpstreamList;
use crate::proxy::stream::Stream;
use crate::proxy::unreachable::Unreachable;
use bytes::BytesMut;
use pgwire::messages::Message;
use pgwire::messages::response::ErrorResponse;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// How long to wait for the client to take its refusal and close.
const LINGER: Duration = Duration::from_secs(2);

/// Why a client is turned away. All are FATAL: the connection ends.
pub(super) struct Refusal {
    sqlstate: &'static str,
    message: String,
    hint: String,
    /// The server's own words, in place of all the above.
    words: Option<Vec<u8>>,
}

impl Refusal {
    /// SQLSTATE 08006, connection_failure.
    pub(super) fn unreachable(upstream: &UpstreamList, error: &Unreachable) -> Self {
        Self {
            sqlstate: "08006",
            message: format!("pgscope could not connect to the upstream server at {error}"),
            hint: error.hint().map_or_else(
                || format!(
                    "Is PostgreSQL running and accepting connections at {upstream}? Else set pgscope's --upstream."
                ),
                str::to_owned,
            ),
            words: error.words().map(<[u8]>::to_vec),
        }
    }

    /// SQLSTATE 53300, too_many_connections.
    pub(super) fn too_many(limit: usize) -> Self {
        Self {
            sqlstate: "53300",
            message: format!("pgscope has reached its limit of {limit} connections"),
            hint: "Close idle connections, or raise max_connections in pgscope's [proxy] section."
                .into(),
            words: None,
        }
    }

    /// SQLSTATE 28000, invalid_authorization_specification, as PostgreSQL says it where only `hostssl` lines match.
    pub(super) fn unencrypted() -> Self {
        Self {
            sqlstate: "28000",
            message: "pgscope requires TLS and this connection is not encrypted".into(),
            hint: "Connect with sslmode=require or a stricter mode, or set required = false in pgscope's \
                   [client_tls] section."
                .into(),
            words: None,
        }
    }

    /// SQLSTATE 08P01, protocol_violation, in PostgreSQL's own words (`src/backend/tcop/backend_startup.c`).
    pub(super) fn data_after_ssl_request() -> Self {
        Self {
            sqlstate: "08P01",
            message: "received unencrypted data after SSL request".into(),
            hint: "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack."
                .into(),
            words: None,
        }
    }

    /// Tells the client and waits a little for it to close, so that unread bytes of its own do not reset the
    /// connection before it has read the error. What fails here fails for the client alone.
    pub(super) async fn send(self, client: &mut Stream) {
        let Some(bytes) = self.encode() else {
            return;
        };
        let told = async {
            client.write_all(&bytes).await?;
            client.shutdown().await?;
            let mut rest = [0; 1024];
            while client.read(&mut rest).await? > 0 {}
            io::Result::Ok(())
        };
        if let Ok(Err(error)) = timeout(LINGER, told).await {
            tracing::debug!(%error, "client left before it was told why");
        }
    }

    fn encode(self) -> Option<BytesMut> {
        if let Some(words) = self.words {
            return Some(BytesMut::from(words.as_slice()));
        }
        // Fields as in the manual, "Error and Notice Message Fields": severity twice, the second never translated.
        let fields = vec![
            (b'S', "FATAL".to_owned()),
            (b'V', "FATAL".to_owned()),
            (b'C', self.sqlstate.to_owned()),
            (b'M', self.message),
            (b'H', self.hint),
        ];
        let mut bytes = BytesMut::new();
        ErrorResponse::new(fields).encode(&mut bytes).ok()?;
        Some(bytes)
    }
}
