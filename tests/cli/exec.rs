//! `exec` with commands that are no Django: exit codes, what the command finds in its environment, what is refused.

use super::support::{Said, eventually, pgscope, run};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Nobody answers there.
const NOWHERE: &str = "127.0.0.1:9";

/// `exec` of a script of `sh`, in a directory of its own.
fn exec(directory: &Path, options: &[&str], script: &str) -> Command {
    let mut command = pgscope(&["exec"]);
    command
        .args(options)
        .args(["--", "/bin/sh", "-c", script])
        .current_dir(directory);
    command
}

/// The same in front of a server that is not there.
fn said(options: &[&str], script: &str) -> Said {
    let directory = tempfile::tempdir().unwrap();
    run(exec(directory.path(), options, script).env("PGSCOPE_UPSTREAM", NOWHERE))
}

#[test]
fn the_command_s_own_failure_is_passed_on() {
    for (script, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
    ] {
        assert_eq!(said(&[], script).code, code, "{script}");
    }
    // Also where there is more to say: nothing was seen.
    assert_eq!(said(&["--fail-on", "all"], "exit 7").code, 7);
}

#[test]
fn a_command_that_cannot_be_run_is_told_as_a_shell_tells_it() {
    let command = |name: &str| {
        run(pgscope(&["exec", "--upstream", NOWHERE, "--", name]).env("PATH", "/nowhere"))
    };
    let missing = command("no-such-program");
    assert_eq!(missing.code, 127, "{missing:?}");
    assert!(
        missing
            .err
            .contains("error: cannot run `no-such-program`: No such file"),
        "{}",
        missing.err
    );
    assert_eq!(command("/etc/hostname").code, 126);
}

#[test]
fn the_command_finds_pgscope_and_keeps_its_output() {
    let directory = tempfile::tempdir().unwrap();
    let script = "echo $PGHOST,$PGPORT,$PGHOSTADDR,$PGUSER,$DATABASE_URL";
    let mut command = exec(directory.path(), &[], script);
    command.envs([
        ("PGHOST", "127.0.0.1"),
        ("PGPORT", "9"),
        ("PGHOSTADDR", "127.0.0.1"),
        ("PGUSER", "me"),
        (
            "DATABASE_URL",
            "postgres://u:p%40@127.0.0.1:9/app?application_name=x",
        ),
    ]);
    let said = run(&mut command);
    assert_eq!(said.code, 0, "{said:?}");
    let port = said.out.split(',').nth(1).unwrap();
    assert_ne!(port, "9");
    assert_eq!(
        said.out,
        format!("127.0.0.1,{port},,me,postgres://u:p%40@127.0.0.1:{port}/app?application_name=x\n")
    );
    assert!(!said.err.contains("p%40"), "{}", said.err);
}

#[test]
fn no_credentials_are_invented() {
    let said = said(
        &[],
        "env | grep -E '^(PG|DATABASE)' | grep -v PGSCOPE | cut -d= -f1 | sort",
    );
    assert_eq!(said.out, "PGHOST\nPGPORT\n");
}

#[test]
fn a_gate_that_saw_nothing_does_not_pass() {
    for options in [&["--fail-on", "n_plus_one"], &["--max-queries", "20"]] {
        let said = said(options, "exit 0");
        assert_eq!(said.code, 2, "{said:?}");
        let lines = "No connection arrived: does DATABASES read PGHOST and PGPORT, or DATABASE_URL? In settings.py write\n    \
                     \"HOST\": os.environ.get(\"PGHOST\", \"localhost\"),\n    \"PORT\": os.environ.get(\"PGPORT\", \"5432\"),\n";
        assert!(said.err.contains(lines), "{}", said.err);
        assert!(
            said.err
                .ends_with("pgscope: failed; there was nothing to judge\n"),
            "{}",
            said.err
        );
    }
    let said = said(&[], "exit 0");
    assert_eq!(said.code, 0);
    assert!(
        said.err.contains("nothing was asked to fail"),
        "{}",
        said.err
    );
}

#[test]
fn usage_is_refused_before_the_command_runs() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("budget.toml"),
        "[default]\nmax_querys = 3\n",
    )
    .unwrap();
    for (options, expected) in [
        (
            &["--fail-on", "n_plus_on"][..],
            "error: --fail-on: no detector is called `n_plus_on`\n  hint: did you mean `n_plus_one`?",
        ),
        (
            &["--budget", "budget.toml"],
            "error: budget.toml:2:1: unknown key `max_querys`\n  hint: did you mean `max_queries`?",
        ),
        (
            &["--budget", "missing.toml"],
            "error: missing.toml: cannot read it: No such file",
        ),
        (
            &["--baseline", "missing.toml", "--fail-on", "all"],
            "hint: write it with --update-baseline",
        ),
        (
            &["--report", "nowhere/x.json"],
            "error: --report: cannot write nowhere/x.json: its directory does not exist",
        ),
        (
            &["--report", "x.pdf"],
            "the extension of x.pdf tells no format\n  hint: write .sarif, .xml (JUnit), .json, .md or .txt",
        ),
        (
            &[
                "--report", "a.xml", "--report", "b.json", "--format", "text",
            ],
            "it can only be that of one report",
        ),
        (&["--max-queries", "many"], "invalid value 'many'"),
        (&["--update-baseline"], "--baseline <FILE>"),
        (&["--upstream", "db"], "`db` has no port"),
    ] {
        let mut command = exec(directory.path(), options, "echo ran");
        if options[0] != "--upstream" {
            command.env("PGSCOPE_UPSTREAM", NOWHERE);
        }
        let said = run(&mut command);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
        assert!(said.err.contains(expected), "{}", said.err);
    }
}

#[test]
fn a_file_of_serve_serves_here_too() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "listen = \"{NOWHERE}\"\nupstream = \"{NOWHERE}\"\n[admin]\ntoken_file = \"missing\"\n\
         [explain]\nenabled = true\nuser = \"x\"\n[log]\nlevel = \"error\"\n"
    );
    std::fs::write(directory.path().join("pgscope.toml"), text).unwrap();
    let said = run(&mut exec(
        directory.path(),
        &["--config", "pgscope.toml"],
        "exit 4",
    ));
    assert_eq!(said.code, 4, "{said:?}");
}

#[test]
fn the_server_must_be_named() {
    let directory = tempfile::tempdir().unwrap();
    let said = run(&mut exec(directory.path(), &[], "echo ran"));
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    assert_eq!(
        said.err,
        "error: `upstream` is not set, nor are PGHOST and DATABASE_URL: which PostgreSQL server should pgscope forward to?\n  \
         hint: give `--upstream HOST:PORT`, or set PGHOST and PGPORT, or DATABASE_URL\n"
    );
    let mut command = exec(directory.path(), &[], "echo ran");
    command.envs([
        ("PGHOST", "a"),
        ("DATABASE_URL", "postgres://u:hunter2@b/app"),
    ]);
    let said = run(&mut command);
    assert_eq!(said.code, 2);
    assert!(
        said.err
            .contains("PGHOST names a:5432 and DATABASE_URL b:5432"),
        "{}",
        said.err
    );
    assert!(!said.err.contains("hunter2"), "{}", said.err);
}

#[test]
fn reports_go_to_their_files() {
    let directory = tempfile::tempdir().unwrap();
    let names = ["r.sarif", "r.xml", "r.json", "r.md", "r.txt"];
    let options: Vec<&str> = names.iter().flat_map(|name| ["--report", *name]).collect();
    let mut command = exec(directory.path(), &options, "exit 0");
    let said = run(command
        .env("PGSCOPE_UPSTREAM", NOWHERE)
        .env("PGSCOPE_FAIL_ON", "all"));
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        !said.err.contains("No findings"),
        "only the verdict is told: {}",
        said.err
    );
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    let json = |name: &str| serde_json::from_str::<serde_json::Value>(&read(name)).unwrap();
    assert_eq!(json("r.json")["verdict"], "saw_nothing");
    assert_eq!(json("r.sarif")["version"], "2.1.0");
    assert!(
        read("r.xml")
            .contains("<testsuites name=\"pgscope\" tests=\"1\" failures=\"0\" errors=\"1\"")
    );
    assert!(read("r.md").contains("> `\"HOST\": os.environ.get(\"PGHOST\", \"localhost\"),`"));
    assert!(read("r.txt").starts_with("pgscope: 0 connections, 0 requests, 0 queries\n"));
}

#[test]
fn signals_reach_the_command() {
    for (signal, code) in [("TERM", 5), ("INT", 5), ("HUP", 5)] {
        let directory = tempfile::tempdir().unwrap();
        let script = format!("trap 'exit 5' {signal}; echo ready; while :; do sleep 0.01; done");
        let mut child = exec(directory.path(), &[], &script)
            .env("PGSCOPE_UPSTREAM", NOWHERE)
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut String::new()).unwrap();
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &id])
                .status()
                .unwrap()
                .success()
        );
        let status = eventually("exec ends", || child.try_wait().unwrap());
        let mut err = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        assert_eq!(
            status.code(),
            Some(code),
            "{signal}: {:?} {err}",
            status.signal()
        );
    }
}

#[test]
fn a_budget_file_is_found_where_the_command_is_run() {
    let directory: TempDir = tempfile::tempdir().unwrap();
    let file = directory.path().join("pgscope-budget.toml");
    std::fs::write(&file, "fail_on = [\"n_plus_one\"]\n").unwrap();
    let said = run(exec(directory.path(), &[], "exit 0").env("PGSCOPE_UPSTREAM", NOWHERE));
    assert_eq!(said.code, 2, "it asks for a gate: {said:?}");
    std::fs::write(&file, "fail_on = [\"colour\"]\n").unwrap();
    let said = run(exec(directory.path(), &[], "exit 0").env("PGSCOPE_UPSTREAM", NOWHERE));
    assert!(
        said.err
            .starts_with("error: pgscope-budget.toml:1:11: `fail_on`: no detector"),
        "{}",
        said.err
    );
}
