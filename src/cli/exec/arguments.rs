//! The arguments of `pgscope exec`.

use super::baseline::Baseline;
use super::budget::{self, Budget};
use super::fail_on::FailOn;
use super::outcome::Gate;
use super::report::Format;
use crate::cli::flags;
use crate::config::{Problem, Problems, Schema, Source};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Sections of settings that have no use here: there is no admin server, and what asks the server runs on its thread.
const WITHOUT: [&str; 3] = ["listen", "admin", "explain"];

const ABOUT: &str = "\
Run a command behind a proxy of its own, and fail it for what its queries show.

The proxy listens on a free port of the loopback, in this process. CMD finds it in PGHOST, PGPORT and, where that is set, \
DATABASE_URL, of which only host and port change. A Django whose DATABASES names a HOST must read it there:

    \"HOST\": os.environ.get(\"PGHOST\", \"localhost\"), \"PORT\": os.environ.get(\"PGPORT\", \"5432\")

The server is --upstream, else that of DATABASE_URL or PGHOST. SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to CMD. \
When CMD has ended, connections that it leaves behind are closed, and the report goes to standard error, or to the \
files of --report.";

const CODES: &str = "\
Exit codes:
  CMD's own status where it fails: 128 and the number of the signal that ended it, 127 not found, 126 not executable
  0  CMD succeeded, and nothing says fail
  1  pgscope itself failed: no port, or a report that cannot be written
  2  wrong usage or configuration; or something was asked to fail, and no statement arrived to be judged
  3  CMD succeeded, but a finding of --fail-on or a budget says fail

Examples:
  pgscope exec --upstream db:5432 --fail-on n_plus_one,slow_query -- python manage.py test
  pgscope exec --fail-on warning --max-queries 20 --report pgscope.sarif --report pgscope.xml -- pytest
  pgscope exec --baseline pgscope-baseline.toml --update-baseline -- pytest
  pgscope exec --baseline pgscope-baseline.toml --fail-on all -- pytest";

/// The command.
pub fn command(schema: &Schema) -> Command {
    let option = |name: &'static str, value: &'static str, variable: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .env(variable)
            .hide_env_values(true)
    };
    Command::new("exec")
        .about("Run a command, such as a test suite, and fail it for its queries")
        .long_about(ABOUT)
        .after_help(CODES)
        .arg(
            option("fail-on", "LIST", "PGSCOPE_FAIL_ON")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .help("Findings that fail: names of detectors, `all`, or a least severity (`warning`, `critical`)"),
        )
        .arg(
            option("max-queries", "N", "PGSCOPE_MAX_QUERIES")
                .value_parser(value_parser!(u32))
                .help("Most queries of a request whose route has no budget of its own"),
        )
        .arg(
            option("budget", "FILE", "PGSCOPE_BUDGET")
                .value_parser(value_parser!(PathBuf))
                .help("Budgets by route, in TOML [default: pgscope-budget.toml, where it exists]"),
        )
        .arg(
            option("baseline", "FILE", "PGSCOPE_BASELINE")
                .value_parser(value_parser!(PathBuf))
                .help("Findings that are accepted; only new ones fail"),
        )
        .arg(
            Arg::new("update-baseline")
                .long("update-baseline")
                .action(ArgAction::SetTrue)
                .requires("baseline")
                .help("Write the findings of this run to the file of --baseline"),
        )
        .arg(
            option("report", "FILE", "PGSCOPE_REPORT")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf))
                .help("Write a report; several may be given. Its extension tells the format: .sarif .xml .json .md .txt"),
        )
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(Format::ALL.map(|(_, name, _)| name))
                .help("Format of the report, whatever its extension"),
        )
        .arg(flags::config())
        .args(flags::settings(schema).into_iter().filter(|argument| has_use(argument.get_id().as_str())))
        .arg(
            Arg::new("CMD")
                .help("The command and its arguments, after `--`")
                .last(true)
                .required(true)
                .num_args(1..)
                .value_parser(value_parser!(OsString)),
        )
}

/// Whether a setting does something here.
pub fn has_use(path: &str) -> bool {
    !WITHOUT.contains(&path.split('.').next().unwrap_or_default())
}

/// A report to write.
pub struct Report {
    /// None is standard error.
    pub file: Option<PathBuf>,
    pub format: Format,
}

/// What to do, beside the settings of the proxy.
pub struct Task {
    pub command: Vec<OsString>,
    pub gate: Gate,
    pub reports: Vec<Report>,
    /// Where the baseline is to be written.
    pub update: Option<PathBuf>,
}

/// Reads them, and the files that they name.
pub fn task(matches: &ArgMatches) -> Result<Task, Problems> {
    let file = |name: &str| {
        let file = matches.get_one::<PathBuf>(name);
        file.filter(|file| !file.as_os_str().is_empty()).cloned()
    };
    let budget = match file("budget") {
        Some(file) => Budget::read(&file)?,
        None if Path::new(budget::FILE).exists() => Budget::read(Path::new(budget::FILE))?,
        None => Budget::default(),
    };
    let words = matches.get_many::<String>("fail-on").into_iter().flatten();
    let given = FailOn::parse(words.map(String::as_str)).map_err(|(what, hint)| Problem {
        source: source(matches, "fail-on"),
        what,
        hint,
    })?;
    let fail_on = match &budget.fail_on {
        Some(fail_on) if given.is_empty() => fail_on.clone(),
        _ => given,
    };
    let budget = budget.with_max_queries(matches.get_one::<u32>("max-queries").copied());
    let updates = matches.get_flag("update-baseline");
    let baseline = file("baseline");
    let update = baseline.clone().filter(|_| updates);
    if let Some(file) = &update {
        writable(file, "baseline")?;
    }
    let gate = Gate {
        baseline: match baseline.filter(|_| !updates) {
            Some(file) => Some(Baseline::read(&file)?),
            None => None,
        },
        fail_on,
        budget,
    };
    if gate.baseline.is_some() && !gate.is_asked() {
        return Err(Problem {
            source: source(matches, "baseline"),
            what: "nothing is asked to fail, so that there is nothing to accept".into(),
            hint: "say which new findings fail, such as --fail-on warning".into(),
        }
        .into());
    }
    Ok(Task {
        command: matches
            .get_many("CMD")
            .into_iter()
            .flatten()
            .cloned()
            .collect(),
        gate,
        reports: reports(matches)?,
        update,
    })
}

fn reports(matches: &ArgMatches) -> Result<Vec<Report>, Problem> {
    let files = matches.get_many::<PathBuf>("report").into_iter().flatten();
    let files: Vec<&PathBuf> = files.filter(|file| !file.as_os_str().is_empty()).collect();
    let format = matches
        .get_one::<String>("format")
        .and_then(|name| Format::named(name));
    if files.is_empty() {
        let format = format.unwrap_or(Format::Text);
        return Ok(vec![Report { file: None, format }]);
    }
    if files.len() > 1 && format.is_some() {
        return Err(Problem {
            source: Source::Flag("format".into()),
            what: "it can only be that of one report, and there are several".into(),
            hint: "leave it out; the extensions .sarif .xml .json .md .txt tell the formats".into(),
        });
    }
    let report = |file: &PathBuf| {
        writable(file, "report")?;
        let format = format.or_else(|| Format::of(file)).ok_or_else(|| Problem {
            source: source(matches, "report"),
            what: format!("the extension of {} tells no format", file.display()),
            hint: "write .sarif, .xml (JUnit), .json, .md or .txt, or give --format".into(),
        })?;
        Ok(Report {
            file: Some(file.clone()),
            format,
        })
    };
    files.into_iter().map(report).collect()
}

/// Refuses what would only be found out after the command has run.
fn writable(file: &Path, flag: &str) -> Result<(), Problem> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let what = if file.is_dir() {
        "it is a directory"
    } else if folder.is_some_and(|folder| !folder.is_dir()) {
        "its directory does not exist"
    } else {
        return Ok(());
    };
    Err(Problem {
        source: Source::Flag(flag.into()),
        what: format!("cannot write {}: {what}", file.display()),
        hint: "name a file in a directory that exists".into(),
    })
}

fn source(matches: &ArgMatches, name: &str) -> Source {
    match matches.value_source(name) {
        Some(ValueSource::EnvVariable) => {
            Source::Variable(format!("PGSCOPE_{}", name.replace('-', "_").to_uppercase()))
        }
        _ => Source::Flag(name.into()),
    }
}
