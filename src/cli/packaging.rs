//! What a package installs beside the binary: completions of shells and pages of the manual, from the same arguments
//! that are parsed.

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use std::process::ExitCode;

/// Prints what a shell needs to complete the command line.
pub fn completions() -> Command {
    Command::new("completions")
        .about("Print completions for a shell")
        .long_about(
            "Print completions for a shell. Put them where it looks for them:\n\n  \
             bash  pgscope completions bash > ~/.local/share/bash-completion/completions/pgscope\n  \
             zsh   pgscope completions zsh > a folder of $fpath, as _pgscope\n  \
             fish  pgscope completions fish > ~/.config/fish/completions/pgscope.fish",
        )
        .arg(
            Arg::new("SHELL")
                .help("The shell")
                .required(true)
                .value_parser(value_parser!(Shell)),
        )
}

/// Prints a page of the manual.
pub fn man() -> Command {
    Command::new("man")
        .about("Print a page of the manual, for man(1)")
        .long_about(
            "Print a page of the manual as roff.\n\n  \
             pgscope man | man -l -\n  \
             pgscope man serve > /usr/local/share/man/man1/pgscope-serve.1",
        )
        .arg(
            Arg::new("COMMAND").help("A command of pgscope; without one the page is about pgscope"),
        )
}

/// `pgscope completions SHELL`.
pub fn print_completions(mut root: Command, matches: &ArgMatches) -> ExitCode {
    let Some(shell) = matches.get_one::<Shell>("SHELL") else {
        return ExitCode::from(super::REFUSED);
    };
    let mut text = Vec::new();
    clap_complete::generate(*shell, &mut root, "pgscope", &mut text);
    super::print(&String::from_utf8_lossy(&text))
}

/// `pgscope man [COMMAND]`.
pub fn print_man(mut root: Command, matches: &ArgMatches) -> ExitCode {
    // Gives each command its full name (`pgscope-serve`) and its usage.
    root.build();
    let page = match matches.get_one::<String>("COMMAND") {
        None => Some(&root),
        Some(name) => root.find_subcommand(name),
    };
    let Some(mut page) = page.cloned() else {
        let names: Vec<&str> = root.get_subcommands().map(Command::get_name).collect();
        let names = names.join(", ");
        return super::fail(
            super::REFUSED,
            &format!("error: there is no such command\n  hint: it is one of {names}"),
        );
    };
    // As `--help` has it: a synopsis of each flag would be a page of its own.
    let usage = page.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let page = clap_mangen::Man::new(page.override_usage(usage))
        .source(concat!("pgscope ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut text = Vec::new();
    match page.render(&mut text) {
        Ok(()) => super::print(&String::from_utf8_lossy(&text)),
        Err(error) => super::fail(
            super::FAILED,
            &format!("error: cannot write the page: {error}"),
        ),
    }
}
