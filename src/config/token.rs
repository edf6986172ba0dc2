//! The secrets that files hold: the bearer token of the admin address, the password of the side connection.

use super::Settings;
use super::problem::{Problem, Problems, Source};
use std::path::Path;

/// The token that a file holds, without the white space around it. The error says what is wrong.
pub fn read_token(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read it: {error}"))?;
    let token = text.trim();
    // What else a token held could not be sent in a header (RFC 6750, section 2.1).
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it does not hold one token of visible ASCII characters".into());
    }
    Ok(token.to_owned())
}

/// What the files of the configuration hold. Not printed.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Of `admin.token_file`.
    pub token: Option<String>,
    /// Of `explain.password_file`, where `[explain]` is enabled.
    pub password: Option<String>,
}

/// Reads the secrets; none where no file is named.
pub fn secrets(settings: &Settings) -> Result<Secrets, Problems> {
    Ok(Secrets {
        token: admin_token(settings)?,
        password: explain_password(settings)?,
    })
}

/// A password is the first line: it may hold any other character.
fn explain_password(settings: &Settings) -> Result<Option<String>, Problems> {
    let explain = &settings.explain;
    let Some(path) = explain.password_file.as_ref().filter(|_| explain.enabled) else {
        return Ok(None);
    };
    let refused = |what| {
        Problem {
        source: Source::Default,
        what: format!("`explain.password_file` {}: {what}", path.display()),
        hint: "write the password of the role of `explain.user` into it, on one line, that pgscope may read".into(),
    }
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| refused(format!("cannot read it: {error}")))?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(Some(password.to_owned())),
        _ => Err(refused("it is empty".into()).into()),
    }
}

/// The token of `admin.token_file`; none where no file is named.
fn admin_token(settings: &Settings) -> Result<Option<String>, Problems> {
    let Some(path) = &settings.admin.token_file else {
        return Ok(None);
    };
    let refused = |what| {
        Problem {
        source: Source::Default,
        what: format!("`admin.token_file` {}: {what}", path.display()),
        hint: "write a token into it, such as the output of `openssl rand -hex 32`, that pgscope may read".into(),
    }
    };
    Ok(Some(read_token(path).map_err(refused)?))
}
