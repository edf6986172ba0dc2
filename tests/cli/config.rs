//! Layers of settings, and the text of each refusal.

use super::support::{File, pgscope, run};

/// What `check` of `text` prints to standard error, with the path of the file as `FILE`.
fn refusal(text: &str) -> String {
    let file = File::new(text);
    let said = file.check();
    assert_eq!(said.code, 2, "{said:?}");
    assert_eq!(said.out, "");
    said.err.replace(file.path(), "FILE")
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let file = File::new("upstream = \"db:5432\"\n[request]\nidle_close = \"2s\"\n");
    let value = |environment: Option<&str>, flag: Option<&str>| {
        let mut command = pgscope(&["check", file.path()]);
        command.envs(environment.map(|text| ("PGSCOPE_REQUEST_IDLE_CLOSE", text)));
        command.args(flag.map(|text| format!("--request-idle-close={text}")));
        let said = run(&mut command);
        assert_eq!(said.code, 0, "{said:?}");
        let line = said
            .out
            .lines()
            .find(|line| line.starts_with("idle_close"))
            .unwrap();
        line.to_owned()
    };
    assert_eq!(value(Some("3s"), Some("4s")), "idle_close = \"4s\"");
    assert_eq!(value(Some("3s"), None), "idle_close = \"3s\"");
    assert_eq!(value(None, None), "idle_close = \"2s\"");
    assert_eq!(value(Some(""), None), "idle_close = \"2s\"");
    let empty = File::new("");
    assert!(empty.check().out.contains("idle_close = \"1s\""));
}

#[test]
fn the_short_names_work_in_each_layer() {
    let file = File::new(
        "listen = \"127.0.0.1:1111\"\nupstream = \"file:1\"\n[admin]\nlisten = \"127.0.0.1:2222\"\n",
    );
    let said = file.check();
    assert!(
        said.out.contains("\"127.0.0.1:1111\"") && said.out.contains("\"127.0.0.1:2222\""),
        "{said:?}"
    );
    let mut command = pgscope(&["check", file.path(), "--listen", "127.0.0.1:3333"]);
    command
        .env("PGSCOPE_ADMIN", "127.0.0.1:4444")
        .env("PGSCOPE_UPSTREAM", "environment:2");
    let said = run(&mut command);
    for expected in [
        "\"127.0.0.1:3333\"",
        "\"127.0.0.1:4444\"",
        "\"environment:2\"",
    ] {
        assert!(said.out.contains(expected), "{said:?}");
    }
}

#[test]
fn lists_are_comma_separated() {
    let file = File::new("");
    let said = run(&mut pgscope(&[
        "check",
        file.path(),
        "--admin-allowed-hosts",
        "a.test, b.test",
    ]));
    assert!(
        said.out
            .contains("allowed_hosts = [\"a.test\", \"b.test\"]"),
        "{said:?}"
    );
}

#[test]
fn what_check_prints_is_a_configuration_that_comes_to_the_same() {
    let first = File::new(
        "upstream = \"[::1]:5432\"\nlog.format = \"json\"\n[shutdown]\ngrace = \"1m 30s\"\n",
    )
    .check();
    assert_eq!(first.code, 0, "{first:?}");
    let second = File::new(&first.out).check();
    assert_eq!(second.out, first.out);
    assert!(first.out.contains("grace = \"1m 30s\"") && first.out.contains("format = \"json\""));
}

#[test]
fn unknown_keys_name_the_nearest() {
    assert_eq!(
        refusal(
            "# first\nlisen = \"127.0.0.1:1\"\n\n[request]\nidle_colse = \"1s\"\n[loging]\nlevel = \"info\"\n[log]\nidle_close = \"1s\"\n"
        ),
        "error: FILE:2:1: unknown key `lisen`\n  hint: did you mean `listen`?\n\
         error: FILE:5:1: unknown key `request.idle_colse`\n  hint: did you mean `idle_close`?\n\
         error: FILE:6:2: unknown section `loging`\n  hint: known here: admin, client_tls, detectors, explain, listen, log, proxy, request, shutdown, stats, upstream, upstream_tls\n\
         error: FILE:9:1: unknown key `log.idle_close`\n  hint: `idle_close` belongs in section `[request]`\n"
    );
}

#[test]
fn legs_that_cannot_be_encrypted_so_say_what_to_write() {
    assert_eq!(
        refusal("[client_tls]\nmode = \"terminate\"\n"),
        "error: `client_tls.cert_file`: mode `terminate` needs it\n  \
         hint: write the path of a PEM file such as `/etc/pgscope/server.crt`\n"
    );
    assert_eq!(
        refusal("[upstream_tls]\nmode = \"verify\"\n"),
        "error: FILE:2:8: `upstream_tls.mode` cannot be `\"verify\"`\n  hint: write one of \"disable\", \"prefer\", \
         \"require\", \"verify-ca\", \"verify-full\"\n"
    );
    assert_eq!(
        refusal("upstream = \"/run/postgresql\"\n[upstream_tls]\nmode = \"require\"\n"),
        "error: FILE:3:8: `upstream_tls.mode`: PostgreSQL offers no TLS on a unix socket\n  \
         hint: write mode = \"disable\", or the upstream as HOST:PORT\n"
    );
}

#[test]
fn an_unknown_detector_is_an_error() {
    let text = refusal("[detectors.n_plus_onne]\nenabled = true\n");
    assert_eq!(
        text,
        "error: FILE:1:12: unknown section `detectors.n_plus_onne`\n  hint: did you mean `n_plus_one`?\n"
    );
}

#[test]
fn wrong_types_say_what_to_write() {
    assert_eq!(
        refusal(
            "[request]\nidle_close = 1\n[shutdown]\ngrace = \"soon\"\n[admin]\nallowed_hosts = \"a\"\n"
        ),
        "error: FILE:2:14: `request.idle_close` must be a duration of at most 30 days: numbers with units \
         (ms, s, m, h, d), in quotes, not `1`\n  hint: for example `\"1s\"`, the default\n\
         error: FILE:4:9: `shutdown.grace` must be a duration of at most 30 days: numbers with units \
         (ms, s, m, h, d), in quotes, not `\"soon\"`\n  hint: for example `\"10s\"`, the default\n\
         error: FILE:6:17: `admin.allowed_hosts` must be a list of texts, not `\"a\"`\n  \
         hint: for example `[\"a\", \"b\"]`\n"
    );
}

#[test]
fn impossible_values_say_what_to_write() {
    assert_eq!(
        refusal(
            "admin.listen = \"localhost:6432\"\n[log]\nformat = \"jsn\"\n[request]\nidle_close = \"0s\"\n[stats]\nstatements = -1\n"
        ),
        "error: FILE:1:16: `admin.listen` must be an IP address and a port, not `\"localhost:6432\"`\n  \
         hint: write an address of this host, such as \"127.0.0.1:9187\"; \
         names are not looked up\n\
         error: FILE:3:10: `log.format` cannot be `\"jsn\"`\n  hint: did you mean \"json\"? Known are \"text\", \"json\"\n\
         error: FILE:7:14: `stats.statements` cannot be `-1`: the number is out of range\n  \
         hint: for example `1000`, the default\n"
    );
    assert_eq!(
        refusal("[request]\nidle_close = \"0s\"\n"),
        "error: FILE:2:14: `request.idle_close` must be more than 0, such as \"1s\"\n  hint: for example `\"1s\"`, the default\n"
    );
}

#[test]
fn a_section_is_not_a_key_and_a_key_not_a_section() {
    let text = refusal("admin = \"127.0.0.1:1\"\n[listen]\nport = 1\n");
    assert!(text.contains("FILE:1:1: `admin` is a section, not a key\n  hint: write its keys below a line `[admin]`"), "{text}");
    assert!(text.contains("`listen` must be a text in quotes"), "{text}");
}

#[test]
fn broken_toml_has_a_place() {
    let text = refusal("listen = \"127.0.0.1:1\"\nupstream = db:5432\n");
    assert!(
        text.starts_with("error: FILE:2:12: not valid TOML: "),
        "{text}"
    );
    let text = refusal("listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"\n");
    assert!(
        text.starts_with("error: FILE:2:1: not valid TOML: duplicate key"),
        "{text}"
    );
}

#[test]
fn flags_and_variables_are_named() {
    let file = File::new("");
    let mut command = pgscope(&[
        "check",
        file.path(),
        "--stats-routes",
        "many",
        "--upstream",
        "db",
        "--stats-users",
        "-1",
    ]);
    command.env("PGSCOPE_REQUEST_IDLE_CLOSE", "1");
    let said = run(&mut command);
    assert_eq!(said.code, 2);
    for expected in [
        "error: --stats-routes: `stats.routes` must be a whole number, not `many`\n  hint: for example `200`, the default\n",
        "error: --upstream: `upstream`: `db` has no port\n  hint: write `db:5432`\n",
        "error: --stats-users: `stats.users` cannot be `-1`: the number is out of range\n",
        "error: environment variable PGSCOPE_REQUEST_IDLE_CLOSE: `request.idle_close` must be a duration",
    ] {
        assert!(said.err.contains(expected), "{}", said.err);
    }
}

#[test]
fn a_loop_is_refused() {
    let text = refusal("upstream = \"localhost:6432\"\n");
    assert_eq!(
        text,
        "error: FILE:1:12: `upstream` localhost:6432 is pgscope's own address: `listen` is 127.0.0.1:6432\n  \
         hint: let `upstream` name the PostgreSQL server, or choose another address for `listen`\n"
    );
    let text = refusal("listen = \"0.0.0.0:9187\"\n");
    assert!(
        text.contains(
            "FILE:1:10: `listen` 0.0.0.0:9187 and `admin.listen` 127.0.0.1:9187 are the same port"
        ),
        "{text}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let said = run(&mut pgscope(&["check", "/nowhere/pgscope.toml"]));
    assert_eq!(said.code, 2);
    assert!(
        said.err
            .starts_with("error: /nowhere/pgscope.toml: cannot read it: No such file"),
        "{}",
        said.err
    );
    let mut command = pgscope(&["serve"]);
    let said = run(command.env("PGSCOPE_CONFIG", "/nowhere/pgscope.toml"));
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("hint: PGSCOPE_CONFIG names this file"),
        "{}",
        said.err
    );
}

#[test]
fn passwords_are_never_printed() {
    for upstream in [
        "postgres://app:hunter2@db:5432/shop",
        "host=db password=hunter2",
        "app:hunter2@db:5432",
        "app:hunter2@db",
    ] {
        let text = refusal(&format!("upstream = \"{upstream}\"\n"));
        assert!(text.contains("hint: write "), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let said = File::new(
        "upstream = \"db:5432\"\n[admin]\nallowed_hosts = [\"http://app:hunter2@web\"]\n",
    )
    .check();
    assert!(
        said.out.contains("http://app:***@web") && !said.out.contains("hunter2"),
        "{said:?}"
    );
}

#[test]
fn check_warns_of_what_serve_would_miss() {
    let said = File::new("").check();
    assert_eq!(said.code, 0);
    assert!(
        said.err.starts_with("warning: `upstream` is not set"),
        "{}",
        said.err
    );
}

#[test]
fn a_misspelt_variable_is_noticed_and_a_foreign_one_is_not() {
    let file = File::new("upstream = \"db:5432\"\n");
    let mut command = pgscope(&["check", file.path()]);
    command
        .env("PGSCOPE_LISEN", "127.0.0.1:1")
        .env("PGSCOPE_PORT_6432_TCP_ADDR", "10.0.0.1");
    let said = run(&mut command);
    assert_eq!(said.code, 0);
    assert_eq!(
        said.err,
        "warning: environment variable PGSCOPE_LISEN is not known; did you mean PGSCOPE_LISTEN?\n"
    );
}
