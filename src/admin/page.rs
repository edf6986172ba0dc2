//! The page for people: a few files within the binary, so that it needs neither a build step nor another host.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// What the page may load and do. Route and query text come from clients: should any of it ever reach the page as
/// markup, it could neither run nor send anything anywhere.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const INDEX: &str = include_str!("page/index.html");

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// Name below `/page/`, content type, text.
type File = (&'static str, &'static str, &'static str);

macro_rules! files {
    ($($kind:ident: $($name:literal)+;)+) => {
        &[$($(($name, $kind, include_str!(concat!("page/", $name))),)+)+]
    };
}

const FILES: &[File] = files! {
    IMAGE: "icon.svg";
    STYLE: "base.css" "layout.css" "parts.css" "lists.css" "health.css" "details.css";
    SCRIPT: "api.js" "chart.js" "details.js" "dom.js" "filter.js" "findings.js" "fix.js" "format.js" "health.js"
        "history.js" "keyboard.js" "live.js" "main.js" "notices.js" "place.js" "request.js" "requests.js"
        "sessions.js" "sql.js" "statement.js" "statements.js" "summary.js" "table.js" "theme.js" "waterfall.js";
};

pub(super) async fn index() -> Html<&'static str> {
    Html(INDEX)
}

pub(super) async fn file(Path(path): Path<String>) -> Response {
    match FILES.iter().find(|(name, ..)| *name == path) {
        Some(&(_, kind, text)) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        None => (StatusCode::NOT_FOUND, "Not found.\n").into_response(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path as FilePath;

    fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
        let files = FILES.iter().map(|&(name, _, text)| (name, text));
        files.chain(std::iter::once(("index.html", INDEX)))
    }

    #[test]
    fn each_file_of_the_folder_is_served() {
        let folder = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page");
        let there: BTreeSet<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(there, texts().map(|(name, _)| name.to_owned()).collect());
    }

    #[test]
    fn each_import_is_of_a_file_that_is_served() {
        let mut imports = 0;
        for (name, text) in texts().filter(|(name, _)| name.ends_with(".js")) {
            for wanted in text.split("from \"./").skip(1) {
                let wanted = wanted.split('"').next().unwrap();
                assert!(
                    FILES.iter().any(|(there, ..)| *there == wanted),
                    "{name}: {wanted}"
                );
                imports += 1;
            }
        }
        assert!(imports > 20, "{imports}");
    }

    #[test]
    fn no_text_becomes_markup_or_code_and_nothing_comes_from_elsewhere() {
        for (name, text) in texts() {
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "DOMParser",
                "eval(",
                "new Function",
                "style=\"",
                "onclick=",
                "https://",
                "setAttribute(\"style",
            ] {
                assert!(!text.contains(forbidden), "{name}: {forbidden}");
            }
            // The namespace of SVG is a name, not an address.
            let addresses = text
                .replace("http://www.w3.org/2000/svg", "")
                .matches("http://")
                .count();
            assert_eq!(addresses, 0, "{name}");
        }
    }
}
