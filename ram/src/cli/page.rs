//! `ram page`

use std::path::{Path, PathBuf};
use std::process::Command;

use ram::error::RamError;
use ram::page::{self, ENGINE, Network};
use ram::runs::atomic;
use ram::zoo::Number;

use super::chosen::{Chosen, Origin, Places};
use super::output::{Ended, complain, say};
use super::terminal::{width, wrapped};

/// Options of `ram page`.
#[derive(clap::Args)]
pub struct Args {
    /// Runs whose networks are put on the page: their folders, their names in --runs, or checkpoint files
    #[arg(value_name = "RUN")]
    runs_named: Vec<PathBuf>,

    /// Put a pretrained model on the page; may be given several times. Without a run and without this, cluttered-60-ram-8 and catch
    #[arg(long, value_name = "NAME")]
    pretrained: Vec<String>,

    /// The folder of the pretrained models [default: $RAM_ZOO, else ram/zoo above the program, here, or in the sources]
    #[arg(long, value_name = "DIR")]
    zoo: Option<PathBuf>,

    /// The folder of all runs.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,

    /// The file of the page.
    #[arg(long, value_name = "FILE", default_value = "page.html")]
    out: PathBuf,

    /// First compile the engine of the page anew from the sources of this program, with cargo and the target
    /// wasm32-unknown-unknown, and keep it in them. Otherwise the one that was kept is taken
    #[arg(long)]
    build: bool,
}

/// The models of a page for which none is named.
const USUAL: [&str; 2] = ["cluttered-60-ram-8", "catch"];

/// A page is at most so large, in bytes, if rounding its weights to 16 bits helps.
const ROOM: usize = 3_000_000;

/// Writes the page.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let built = if args.build { Some(build()?) } else { None };
    let engine = built.as_deref().unwrap_or(ENGINE);
    let usual = USUAL.map(str::to_owned);
    let pretrained =
        if args.runs_named.is_empty() && args.pretrained.is_empty() { &usual[..] } else { &args.pretrained };
    let places = |name: Option<&String>| Places {
        pretrained: name.cloned(),
        zoo: args.zoo.clone().filter(|_| name.is_some()),
        runs: args.runs.clone(),
    };
    let mut chosen = Vec::new();
    for run in &args.runs_named {
        chosen.push(Chosen::open(Some(run), &places(None), None)?);
    }
    for name in pretrained {
        chosen.push(Chosen::open(None, &places(Some(name)), None)?);
    }
    let mut games = Vec::new();
    for chosen in &chosen {
        if chosen.config()?.data.source.game().is_some() {
            games.push(chosen.name());
        }
    }
    if games.len() > 1 {
        let names = games.join(" and ");
        return Err(
            RamError::Config(format!("{names} play games, and a page has room for one; leave the others out")).into()
        );
    }
    let as_they_are = chosen.iter().map(|chosen| network(chosen, stored(chosen))).collect::<Result<Vec<_>, _>>()?;
    let mut html = page::html(&as_they_are, engine);
    if html.len() > ROOM {
        let round = |chosen: &Chosen| match (stored(chosen), network(chosen, Number::F16)) {
            (Number::F32, Ok(network)) => {
                let text = format!("{}: its weights are rounded to 16 bits, to keep the page small", chosen.name());
                complain(&wrapped(&text, width(), 2));
                Ok(network)
            }
            _ => network(chosen, stored(chosen)),
        };
        let rounded = chosen.iter().map(round).collect::<Result<Vec<_>, _>>()?;
        html = page::html(&rounded, engine);
    }
    let write = atomic::write(&args.out, html.as_bytes());
    write.map_err(|source| RamError::Io { action: "write", path: args.out.clone(), source })?;
    say(&format!(
        "{}, {:.1} MB: it opens in any browser and needs no network",
        args.out.display(),
        html.len() as f64 / 1e6
    ))?;
    Ok(Ended::Done)
}

fn stored(chosen: &Chosen) -> Number {
    match chosen.origin {
        Origin::Pretrained(_, number) => number,
        Origin::Run(..) | Origin::File(_) => Number::F32,
    }
}

fn network(chosen: &Chosen, number: Number) -> Result<Network, RamError> {
    match &chosen.origin {
        Origin::Pretrained(facts, _) => Network::new(&chosen.checkpoint, facts, [stored(chosen), number]),
        Origin::Run(..) | Origin::File(_) => {
            let facts = page::facts(&chosen.checkpoint, &chosen.name())?;
            Network::new(&chosen.checkpoint, &facts, [stored(chosen), number])
        }
    }
}

/// Compiles the engine and keeps it beside its sources, gzip.
fn build() -> Result<Vec<u8>, RamError> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let sources = sources.canonicalize().ok().filter(|sources| sources.join("ram/page/Cargo.toml").is_file());
    let sources = sources.ok_or_else(|| {
        let place = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        RamError::Config(format!(
            "--build: the sources of this program are not at {place} any more; build it from a checkout"
        ))
    })?;
    let fails = |what: String| {
        RamError::Config(format!("--build: {what}; without --build, the page takes the engine that was kept"))
    };
    let program = |name: &str, variable: &str| std::env::var_os(variable).unwrap_or_else(|| name.into());
    let rustc = Command::new(program("rustc", "RUSTC")).args(["--print", "target-libdir", "--target", TARGET]).output();
    let rustc = rustc.map_err(|error| fails(format!("rustc cannot be run: {error}")))?;
    let library = PathBuf::from(String::from_utf8_lossy(&rustc.stdout).trim());
    if !rustc.status.success() || !library.is_dir() {
        return Err(fails(format!("the target {TARGET} is missing; `rustup target add {TARGET}` adds it")));
    }
    // Messages of the engine name files; they shall not name folders of this machine.
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_default();
    let mut flags = vec!["-Ctarget-feature=+simd128".to_owned(), format!("--remap-path-prefix={}=", sources.display())];
    let registries = std::fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    flags.extend(registries.map(|registry| format!("--remap-path-prefix={}=crates", registry.path().display())));
    let target = sources.join("target/page");
    let mut cargo = Command::new(program("cargo", "CARGO"));
    cargo.current_dir(&sources).env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env("CARGO_TARGET_DIR", &target);
    cargo.args(["build", "--locked", "-p", "page", "--lib", "--target", TARGET, "--profile", "page"]);
    let status = cargo.status().map_err(|error| fails(format!("cargo cannot be run: {error}")))?;
    if !status.success() {
        return Err(fails(format!("cargo ended with {status}")));
    }
    let made = target.join(TARGET).join("page/page.wasm");
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| RamError::Io { action, path, source }
    };
    let engine = page::zipped(&std::fs::read(&made).map_err(io("read", &made))?);
    let kept = sources.join("ram/page/engine.wasm.gz");
    atomic::write(&kept, &engine).map_err(io("write", &kept))?;
    Ok(engine)
}
