//! `serve` from its first line to its exit code.

use super::support::{File, Serving, pgscope, run, taken};
use std::net::TcpStream;

#[test]
fn upstream_is_asked_for_in_three_ways() {
    let said = run(&mut pgscope(&["serve"]));
    assert_eq!(said.code, 2);
    assert_eq!(said.out, "");
    assert_eq!(
        said.err,
        "error: `upstream` is not set: which PostgreSQL server should pgscope forward to?\n  \
         hint: give `--upstream HOST:PORT`, set PGSCOPE_UPSTREAM=HOST:PORT, or write upstream = \"HOST:PORT\" in the file\n"
    );
}

#[test]
fn prints_the_bound_addresses_and_drains_on_sigterm_and_sigint() {
    for signal in ["TERM", "INT"] {
        let serving = Serving::start(&["--upstream", "127.0.0.1:5432"]);
        assert_ne!(serving.listen.port(), 0);
        assert_eq!(
            serving.lines[0],
            format!(
                "pgscope: listening on {}, upstream 127.0.0.1:5432\n",
                serving.listen
            )
        );
        assert_eq!(
            serving.lines[1],
            format!("pgscope: metrics and API on http://{}\n", serving.admin)
        );
        TcpStream::connect(serving.listen).unwrap();
        TcpStream::connect(serving.admin).unwrap();
        serving.signal(signal);
        let said = serving.end();
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(said.out, "");
        assert!(
            said.err
                .contains(&format!("draining signal=\"SIG{signal}\"")),
            "{}",
            said.err
        );
    }
}

#[test]
fn a_taken_port_says_what_to_do() {
    let (_listener, address) = taken();
    for (key, flag, other) in [
        ("listen", "--listen", "--admin"),
        ("admin.listen", "--admin", "--listen"),
    ] {
        let said = run(&mut pgscope(&[
            "serve",
            "--upstream",
            "db:5432",
            flag,
            &address,
            other,
            "127.0.0.1:0",
        ]));
        assert_eq!(said.code, 1, "{said:?}");
        assert_eq!(said.out, "");
        assert!(
            said.err.contains(&format!(
                "error: cannot listen on {address} (`{key}`): Address already in use"
            )),
            "{}",
            said.err
        );
        assert!(
            said.err
                .contains("stop it, or choose another address with --"),
            "{}",
            said.err
        );
    }
}

#[test]
fn nothing_is_bound_when_a_setting_is_wrong() {
    let (_listener, address) = taken();
    let said = run(&mut pgscope(&[
        "serve",
        "--listen",
        &address,
        "--upstream",
        "db:5432",
        "--log-level",
        "loud",
    ]));
    assert_eq!(said.code, 2, "{said:?}");
    assert!(!said.err.contains("cannot listen"), "{}", said.err);
}

#[test]
fn a_token_file_without_a_token_is_refused_before_any_port_is_bound() {
    let (_listener, address) = taken();
    let empty = File::new(" \n");
    let arguments = ["serve", "--upstream", "db:5432", "--listen", &address];
    let said = run(pgscope(&arguments).args(["--admin-token-file", empty.path()]));
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.err.contains(&format!(
            "error: `admin.token_file` {}: it does not hold one token",
            empty.path()
        )),
        "{}",
        said.err
    );
}

#[test]
fn sighup_reloads_detectors_and_says_what_needs_a_restart() {
    let file = File::new("upstream = \"db:5432\"\n");
    let mut serving = Serving::start(&["--config", file.path()]);
    std::fs::write(
        &file.path,
        "upstream = \"db:5432\"\n[detectors.n_plus_one]\nenabled = false\n[shutdown]\ngrace = \"3s\"\n",
    )
    .unwrap();
    serving.signal("HUP");
    let log = serving.log_until("needs a restart");
    assert!(
        log.contains(
            "setting reloaded key=\"detectors.n_plus_one.enabled\" old=\"true\" new=\"false\""
        ),
        "{log}"
    );
    assert!(
        log.contains("key=\"shutdown.grace\" old=\"\\\"10s\\\"\" new=\"\\\"3s\\\"\""),
        "{log}"
    );

    std::fs::write(&file.path, "upstream = \"db:5432\"\nlisen = 1\n").unwrap();
    serving.signal("HUP");
    let log = serving.log_until("unknown key");
    assert!(
        log.contains("configuration not reloaded: unknown key `lisen`")
            && log.contains("pgscope.toml:2:1"),
        "{log}"
    );
    TcpStream::connect(serving.listen).unwrap();

    serving.signal("TERM");
    assert_eq!(serving.end().code, 0);
}

#[test]
fn logs_are_json_when_asked() {
    let mut serving = Serving::start(&["--upstream", "db:5432", "--log-format", "json"]);
    serving.signal("HUP");
    let line = serving.log_until("nothing changed");
    // Other lines may come first: the server of this test cannot be reached.
    let line = line.lines().last().unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(event["level"], "INFO");
    assert_eq!(
        event["message"],
        "configuration read again: nothing changed"
    );
}

#[test]
fn help_shows_little_first_and_everything_on_request() {
    let short = run(&mut pgscope(&["serve", "-h"]));
    let long = run(&mut pgscope(&["serve", "--help"]));
    assert!(
        short.out.contains("--upstream <HOST:PORT>") && !short.out.contains("--detectors-"),
        "{}",
        short.out
    );
    for expected in [
        "Settings of [detectors.n_plus_one]:",
        "--detectors-n-plus-one-enabled <true|false>",
        "[env: PGSCOPE_DETECTORS_N_PLUS_ONE_ENABLED]",
        "--request-idle-close <DURATION>",
        "[default: 1s]",
    ] {
        assert!(long.out.contains(expected), "no {expected} in {}", long.out);
    }
    let top = run(&mut pgscope(&["--help"]));
    assert!(
        top.out.contains("pgscope serve --upstream db:5432") && top.out.contains("Exit codes"),
        "{}",
        top.out
    );
    let version = run(&mut pgscope(&["--version"]));
    assert_eq!(
        version.out,
        format!("pgscope {}\n", env!("CARGO_PKG_VERSION"))
    );
    let unknown = run(&mut pgscope(&["serve", "--lisen", "x"]));
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("'--listen'"), "{}", unknown.err);
}

#[test]
fn a_certificate_that_cannot_be_read_is_refused_before_any_address_is_bound() {
    let said = run(&mut pgscope(&[
        "serve",
        "--upstream",
        "db:5432",
        "--client-tls-mode",
        "terminate",
        "--client-tls-cert-file",
        "/nowhere/server.crt",
        "--client-tls-key-file",
        "/nowhere/server.key",
    ]));
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(said.out, "");
    let expected = "error: `client_tls.cert_file` /nowhere/server.crt: cannot read it: No such file or directory (os error 2)\n  \
                    hint: give the path of a PEM file that pgscope's user may read\n";
    assert_eq!(said.err, expected);
}
