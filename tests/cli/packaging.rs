//! Completions and pages of the manual, and `top` where there is no terminal.

use super::support::{File, pgscope, run};
use std::io::Write;
use std::process::{Command, Stdio};

fn printed(arguments: &[&str]) -> String {
    let said = run(&mut pgscope(arguments));
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
    said.out
}

/// What a shell says of a script that it reads from standard input; None where it is not installed.
fn read_by(shell: &str, script: &str) -> Option<(bool, String)> {
    let mut command = Command::new(shell);
    command
        .arg("-n")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        println!("skipped: {shell} reads its completions, for {shell} is not installed");
        return None;
    };
    let mut input = child.stdin.take().unwrap();
    input.write_all(script.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    Some((output.status.success(), words))
}

#[test]
fn each_shell_gets_completions_that_it_can_read() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        for word in [
            "serve",
            "report",
            "top",
            "token-file",
            "detectors-n-plus-one-enabled",
        ] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
        if let Some((fine, words)) = read_by(shell, &script) {
            assert!(fine, "{shell}: {words}");
        }
    }
    let said = run(&mut pgscope(&["completions", "csh"]));
    assert_eq!(said.code, 2);
    assert!(said.err.contains("possible values: bash"), "{}", said.err);
}

/// What bash offers for the last of these words.
fn offered(words: &[&str]) -> Vec<String> {
    let script = format!(
        "{}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_pgscope pgscope \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        printed(&["completions", "bash"]),
        words
            .iter()
            .map(|word| format!("'{word}'"))
            .collect::<Vec<_>>()
            .join(" "),
        words.len() - 1
    );
    let file = File::new(&script);
    let bash = Command::new("bash").args(["--norc", file.path()]).output();
    let output = bash.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_flags() {
    assert_eq!(offered(&["pgscope", "re"]), ["report"]);
    assert_eq!(offered(&["pgscope", "top", "--int"]), ["--interval"]);
    assert_eq!(
        offered(&["pgscope", "report", "--format", "mark"]),
        ["markdown"]
    );
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let page = printed(&["man"]);
    assert!(page.contains(".TH pgscope 1"), "{page}");
    for command in [
        "serve",
        "check",
        "exec",
        "report",
        "top",
        "completions",
        "man",
    ] {
        assert!(
            page.contains(&format!("pgscope\\-{command}(1)")),
            "{command} in {page}"
        );
        let own = printed(&["man", command]);
        assert!(own.contains(&format!(".TH pgscope-{command} 1")), "{own}");
        assert!(own.contains(&format!("\\fBpgscope {command}\\fR")), "{own}");
    }
    assert!(page.contains("Exit codes: 0 fine"), "{page}");
    let serve = printed(&["man", "serve"]);
    assert!(serve.contains("PGSCOPE_UPSTREAM"), "the variables are told");
    let said = run(&mut pgscope(&["man", "brew"]));
    assert_eq!(said.code, 2);
    assert!(
        said.err
            .contains("it is one of serve, check, exec, report, top"),
        "{}",
        said.err
    );
}

#[test]
fn top_refuses_what_is_no_terminal() {
    let said = run(pgscope(&["top"]).stdin(Stdio::null()));
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("needs a terminal"), "{}", said.err);
    assert!(
        said.err.contains("use `pgscope report` instead"),
        "{}",
        said.err
    );
}

#[test]
fn top_refuses_an_interval_that_would_be_a_burden() {
    for (given, expected) in [
        ("1ms", "the shortest is 200ms"),
        ("often", "write a number and a unit"),
    ] {
        let said = run(&mut pgscope(&["top", "--interval", given]));
        assert_eq!(said.code, 2);
        assert!(said.err.contains(expected), "{}", said.err);
    }
}
