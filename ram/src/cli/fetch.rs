//! `ram data fetch`

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use datasets::DataError;
use datasets::published::{File, Published};
use ram::error::RamError;
use ram::runs::atomic;
use serde_json::json;
use ureq::Agent;

use super::output::{Ended, complain, program, quoted, say};

/// The limit for a download, in bytes; every file is smaller than half of it.
const LIMIT: u64 = 64 << 20;

/// Options of `ram data fetch`.
#[derive(clap::Args)]
pub struct Args {
    /// The data set.
    #[arg(value_enum, default_value_t = Set::Mnist)]
    set: Set,

    /// The folder for the files; name it later with --data-dir [default: the folder where `ram train` looks by default]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Fetch URL/train-images-idx3-ubyte.gz and so on from here instead of from the known mirrors; only http. May be given
    /// several times; the mirrors are tried in this order.
    #[arg(long, value_name = "URL")]
    mirror: Vec<String>,

    /// Give up a mirror after this many seconds without an answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Set {
    Mnist,
    FashionMnist,
}

/// Fetches the files that are missing.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let set = match args.set {
        Set::Mnist => Published::Mnist,
        Set::FashionMnist => Published::FashionMnist,
    };
    let dir = args.dir.clone().or(set.cached()).ok_or_else(|| {
        RamError::Config("no folder for fetched data is known here; name one with --dir or RAM_CACHE_DIR".to_owned())
    })?;
    // This is checked before anything is fetched.
    if let Some(file) = dir.ancestors().find(|part| part.exists()).filter(|part| !part.is_dir()) {
        let message = format!("{}: {} is a file; name another folder with --dir", dir.display(), file.display());
        return Err(RamError::Config(message).into());
    }
    let known = set.mirrors().iter().map(|&mirror| mirror.to_owned());
    let mirrors: Vec<String> = if args.mirror.is_empty() { known.collect() } else { args.mirror.clone() };
    if let Some(mirror) = mirrors.iter().find(|mirror| !mirror.starts_with("http://")) {
        return Err(RamError::Config(format!(
            "--mirror {mirror}: expected a URL that begins with http://; what is fetched is checked by its hash, not by the \
             connection"
        ))
        .into());
    }
    let wait = Some(Duration::from_secs(args.timeout));
    let agent: Agent = Agent::config_builder()
        .timeout_resolve(wait)
        .timeout_connect(wait)
        .timeout_recv_response(wait)
        .timeout_per_read(wait)
        .user_agent(concat!("ram/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();

    let mut fetched = 0;
    for file in File::ALL {
        let path = dir.join(format!("{}.gz", file.name()));
        if std::fs::read(&path).is_ok_and(|bytes| set.check(file, &bytes, &path).is_ok()) {
            say_unless_json(args, || format!("{}: exists already", path.display()))?;
            continue;
        }
        let (bytes, from) = fetch(&agent, set, file, &mirrors)?;
        std::fs::create_dir_all(&dir).map_err(|error| unwritable(&dir, error))?;
        atomic::write(&path, &bytes).map_err(|error| unwritable(&path, error))?;
        fetched += 1;
        say_unless_json(args, || {
            format!("{}: {} kB from {from}, {} as published", path.display(), bytes.len() / 1000, algorithm(set, file))
        })?;
    }
    if args.json {
        say(&json!({ "set": set.name(), "dir": dir.display().to_string(), "fetched": fetched }).to_string())?;
        return Ok(Ended::Done);
    }
    let option = args.dir.as_ref().map_or(String::new(), |dir| format!(" --data-dir {}", quoted(dir)));
    say(&format!(
        "{} is complete. Train on it with\n  {} train --data {}{option}",
        set.title(),
        program(),
        set.name()
    ))?;
    Ok(Ended::Done)
}

fn say_unless_json(args: &Args, text: impl FnOnce() -> String) -> io::Result<()> {
    if args.json { Ok(()) } else { say(&text()) }
}

fn algorithm(set: Published, file: File) -> &'static str {
    set.checksum(file).algorithm()
}

fn unwritable(path: &Path, source: io::Error) -> RamError {
    RamError::Io { action: "write", path: path.to_owned(), source }
}

/// The bytes of a file and the mirror that they come from. The bytes are complete and have the published hash.
fn fetch(agent: &Agent, set: Published, file: File, mirrors: &[String]) -> Result<(Vec<u8>, String), RamError> {
    let mut failures = Vec::new();
    for mirror in mirrors {
        let url = format!("{}/{}.gz", mirror.trim_end_matches('/'), file.name());
        match get(agent, &url).and_then(|bytes| check(set, file, &bytes).map(|()| bytes)) {
            Ok(bytes) => {
                // The user should know about a mirror that failed, although another one had the file.
                failures.iter().for_each(|failure| complain(&format!("warning: {failure}")));
                return Ok((bytes, mirror.clone()));
            }
            Err(fault) => failures.push(format!("{url}: {fault}")),
        }
    }
    Err(RamError::Data(format!(
        "{} of {} cannot be fetched:\n  {}\nTry again, name another mirror with --mirror URL, or put the file into a folder \
         yourself and name it with --data-dir",
        file.name(),
        set.title(),
        failures.join("\n  ")
    )))
}

/// The bytes at a URL, or what went wrong.
fn get(agent: &Agent, url: &str) -> Result<Vec<u8>, String> {
    let answer = agent.get(url).call().map_err(|error| reason(&error))?;
    let announced = answer.body().content_length();
    let bytes = answer.into_body().into_with_config().limit(LIMIT).read_to_vec().map_err(|error| reason(&error))?;
    match announced {
        Some(length) if length != bytes.len() as u64 => {
            Err(format!("the connection was cut after {} of {length} bytes", bytes.len()))
        }
        _ => Ok(bytes),
    }
}

fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(404) => "the mirror does not have it (status 404)".to_owned(),
        ureq::Error::StatusCode(code) => format!("the mirror refuses it (status {code})"),
        ureq::Error::Timeout(_) => "no answer in time; --timeout can allow more".to_owned(),
        ureq::Error::HostNotFound => "the host is not found; is there a network?".to_owned(),
        ureq::Error::TlsRequired | ureq::Error::RequireHttpsOnly(_) => {
            "the mirror redirects to https, which this program does not support".to_owned()
        }
        ureq::Error::ConnectionFailed => "no connection; is there a network?".to_owned(),
        ureq::Error::BodyExceedsLimit(limit) => {
            format!("more than {limit} bytes, but every file of this set is smaller")
        }
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => "the connection is refused".to_owned(),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                "no answer in time; --timeout can allow more".to_owned()
            }
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                format!("the connection was cut ({error})")
            }
            _ => format!("no connection ({error}); is there a network?"),
        },
        other => other.to_string(),
    }
}

/// Whether these are the published bytes.
fn check(set: Published, file: File, gz: &[u8]) -> Result<(), String> {
    set.check(file, gz, Path::new(file.name())).map_err(|error| match error {
        DataError::Hash { algorithm, found, expected, .. } => {
            format!("the bytes are not the published ones: {algorithm} {found}, expected {expected}")
        }
        DataError::Format { found, expected, .. } => format!("{found}, expected {expected}"),
        other => other.to_string(),
    })
}
