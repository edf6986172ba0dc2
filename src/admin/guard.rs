//! Who may ask: `Host`, method and token are checked before any handler runs.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::net::{IpAddr, SocketAddr};

/// Paths that an orchestrator asks without a token.
const OPEN_PATHS: [&str; 2] = ["/livez", "/readyz"];

/// Either scheme, one a header: Chromium reads a header as one challenge and would ask nobody for two in one.
const CHALLENGES: &[(header::HeaderName, &str)] = &[
    (header::WWW_AUTHENTICATE, r#"Basic realm="pgscope""#),
    (header::WWW_AUTHENTICATE, "Bearer"),
];

/// The rules of one admin address.
pub(super) struct Guard {
    bound: SocketAddr,
    allowed_hosts: Vec<String>,
    token: Option<String>,
}

impl Guard {
    pub(super) fn new(bound: SocketAddr, allowed_hosts: &[String], token: Option<&str>) -> Self {
        Self {
            bound,
            allowed_hosts: allowed_hosts
                .iter()
                .map(|host| host.to_ascii_lowercase())
                .collect(),
            token: token.map(str::to_owned),
        }
    }

    /// The refusal of a request, or `Ok` where it may pass.
    pub(super) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Box<Response>> {
        if !self.knows_host(uri, headers) {
            let text = "This Host is not an address of pgscope's admin interface. \
                        Name it in admin.allowed_hosts to permit it.\n";
            return refuse(StatusCode::MISDIRECTED_REQUEST, text, &[]);
        }
        if method != Method::GET {
            let allow = (header::ALLOW, "GET");
            return refuse(StatusCode::METHOD_NOT_ALLOWED, "GET only.\n", &[allow]);
        }
        if !OPEN_PATHS.contains(&uri.path()) && !self.knows_token(headers) {
            let text =
                "A bearer token is required; a browser gives it as the password of any user.\n";
            return refuse(StatusCode::UNAUTHORIZED, text, CHALLENGES);
        }
        Ok(())
    }

    /// A page of another origin can make a browser connect here under a name of its own (DNS rebinding) and would
    /// then read the answers; but it cannot choose the `Host` that the browser sends.
    fn knows_host(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return false;
        };
        // An absolute request target overrides `Host` (RFC 9112, 3.2.2): both must be known.
        let target = uri.authority().map(|authority| authority.as_str());
        host.to_str().is_ok_and(|host| self.allows(host))
            && target.is_none_or(|host| self.allows(host))
    }

    fn allows(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(port)),
            _ => (host.as_str(), None),
        };
        let listed = |allowed: &String| *allowed == host || allowed == name;
        if self.allowed_hosts.iter().any(listed) {
            return true;
        }
        let bare = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let ip: Option<IpAddr> = bare.unwrap_or(name).parse().ok();
        let bound = self.bound.ip().to_canonical();
        if bound.is_loopback() {
            let here = match ip {
                Some(ip) => ip == bound || LOOPBACK.contains(&ip),
                None => name == "localhost",
            };
            here && port.is_none_or(|port| port.parse() == Ok(self.bound.port()))
        } else {
            // Behind a published port or an address translation neither address nor port need be the bound ones,
            // and a literal address has no name to rebind.
            ip.is_some() || name == "localhost"
        }
    }

    fn knows_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let given = headers
            .get(header::AUTHORIZATION)
            .map_or(&b""[..], HeaderValue::as_bytes);
        let Some(space) = given.iter().position(|byte| *byte == b' ') else {
            return false;
        };
        let (scheme, given) = (&given[..space], &given[space + 1..]);
        if scheme.eq_ignore_ascii_case(b"Bearer") {
            same(given, token.as_bytes())
        } else if scheme.eq_ignore_ascii_case(b"Basic") {
            password(given).is_some_and(|password| same(&password, token.as_bytes()))
        } else {
            false
        }
    }
}

/// The password of basic authentication (RFC 7617), which is how a browser gives the token; the name is anybody's.
fn password(credentials: &[u8]) -> Option<Vec<u8>> {
    let plain = STANDARD.decode(credentials).ok()?;
    let colon = plain.iter().position(|byte| *byte == b':')?;
    Some(plain[colon + 1..].to_vec())
}

const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
];

/// Compares in a time that depends on the lengths only.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |differences, (a, b)| {
        std::hint::black_box(differences | (a ^ b))
    });
    differences == 0 && a.len() == b.len()
}

fn refuse(
    status: StatusCode,
    text: &'static str,
    headers: &[(header::HeaderName, &'static str)],
) -> Result<(), Box<Response>> {
    let mut response = (status, text).into_response();
    for (name, value) in headers {
        let value = HeaderValue::from_static(value);
        response.headers_mut().append(name, value);
    }
    Err(Box::new(response))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn guard(bound: &str) -> Guard {
        let hosts = ["PgScope.internal".to_owned(), "scope:8080".to_owned()];
        Guard::new(bound.parse().unwrap(), &hosts, Some("s3cret"))
    }

    #[test]
    fn on_loopback_only_names_of_the_loopback_and_its_port_pass() {
        let guard = guard("127.0.0.1:9187");
        for host in [
            "127.0.0.1:9187",
            "localhost:9187",
            "LOCALHOST:9187",
            "[::1]:9187",
            "127.0.0.1",
            "[::1]",
            "pgscope.internal",
            "pgscope.internal:1234",
            "scope:8080",
        ] {
            assert!(guard.allows(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9187",
            "127.0.0.1:80",
            "localhost:9188",
            "localhost.evil.example:9187",
            "127.0.0.1.evil.example",
            "10.0.0.7:9187",
            "scope",
            "scope:8081",
            "",
            ":9187",
            "[::1",
            "::1",
        ] {
            assert!(!guard.allows(host), "{host}");
        }
    }

    #[test]
    fn on_another_address_any_literal_address_passes_but_no_unknown_name() {
        for bound in ["0.0.0.0:9187", "[::]:9187", "192.0.2.1:9187"] {
            let guard = guard(bound);
            for host in ["10.0.0.7:9187", "[2001:db8::1]:80", "localhost:19187"] {
                assert!(guard.allows(host), "{host}");
            }
            for host in ["evil.example:9187", "10.0.0.7.evil.example", ""] {
                assert!(!guard.allows(host), "{host}");
            }
        }
    }

    #[test]
    fn a_token_must_be_the_whole_token() {
        let guard = guard("127.0.0.1:9187");
        let known = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            guard.knows_token(&headers)
        };
        assert!(known("Bearer s3cret"));
        assert!(known("bearer s3cret"));
        assert!(known("Basic YW55Ym9keTpzM2NyZXQ="), "anybody:s3cret");
        assert!(known("basic OnMzY3JldA=="), ":s3cret");
        for wrong in [
            "",
            "s3cret",
            "Bearer ",
            "Bearer s3cre",
            "Bearer s3cret2",
            "Basic s3cret",
            "Basic czNjcmV0Og==", // s3cret:
            "Basic czNjcmV0",     // s3cret
            "Digest s3cret",
        ] {
            assert!(!known(wrong), "{wrong}");
        }
        assert!(!guard.knows_token(&HeaderMap::new()));
    }
}
