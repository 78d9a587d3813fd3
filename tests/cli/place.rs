//! A folder where commands are run, and how they ended.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A configuration that trains in a moment, on built-in digits.
pub const TINY: &str = r#"
[data]
source = "digits"
train = 200
validation = 50
test = 60
[model]
glimpses = 3
features = 16
glimpse_features = 16
hidden = 16
[train]
epochs = 2
batch = 64
"#;

/// The folder with the real files: `RAM_DATA_DIR`, else `../shared/mnist` beside the workspace.
pub fn mnist() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/mnist");
    let folder = std::env::var_os("RAM_DATA_DIR").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder.canonicalize().unwrap());
    }
    let required = std::env::var_os("RAM_REQUIRE_DATA").is_some_and(|value| value == "1");
    assert!(!required, "no MNIST in {}", folder.display());
    // Not eprintln!, which the test harness hides.
    let _ = writeln!(std::io::stderr(), "SKIPPED: no MNIST in {}; name its folder with RAM_DATA_DIR", folder.display());
    None
}

/// What a command ended with.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ended {
    /// Checks the exit code, that every part is told on the error stream, and that nothing leaks that is not for users.
    #[track_caller]
    pub fn fails(&self, code: i32, parts: &[&str]) -> &Ended {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in: {}", self.err);
        }
        for leak in ["panicked", "internal error", "RUST_BACKTRACE", "stack backtrace", "\x1b"] {
            assert!(!self.err.contains(leak), "{leak:?} in: {}", self.err);
        }
        self
    }

    /// What was printed.
    #[track_caller]
    pub fn succeeds(&self) -> &str {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        &self.out
    }

    /// What was printed, one JSON value.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.succeeds()).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// The last line that was printed, JSON.
    #[track_caller]
    pub fn last(&self) -> Value {
        let line = self.succeeds().lines().last().expect("a line");
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

/// The program: cargo's, or the one that `RAM_PROGRAM` names, such as one built with --release.
pub fn program() -> OsString {
    std::env::var_os("RAM_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_ram").into())
}

/// Whether SIGINT is ignored here, as in a job in the background of a script. A program that is started so leaves it ignored.
fn ignores_interrupts() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 2 != 0)
}

/// A folder of its own, where commands are run; nothing of this machine's settings is seen there.
pub struct Place(TempDir);

impl Place {
    /// With these files in it.
    pub fn with_files(files: &[(&str, &str)]) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, text)| place.write(name, text.as_bytes()));
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A command that runs here.
    pub fn prepare(&self, command: &mut Command) {
        command.current_dir(self.0.path()).stdin(Stdio::null()).env("RUST_BACKTRACE", "1");
        // What this machine has fetched is not for these tests.
        command.env("RAM_CACHE_DIR", self.path("cache"));
        for variable in ["RAM_DATA_DIR", "CARGO", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(variable);
        }
        for variable in ["RAM_ZOO", "RAM_TRIAL", "SLURM_ARRAY_TASK_ID", "HQ_TASK_ID", "PARALLEL_SEQ"] {
            command.env_remove(variable);
        }
    }

    /// `ram` with the words of a line.
    pub fn command(&self, line: &str) -> Command {
        let mut command = if ignores_interrupts() {
            let mut command = Command::new("env");
            command.arg("--default-signal=INT").arg(program());
            command
        } else {
            Command::new(program())
        };
        command.args(line.split_whitespace());
        self.prepare(&mut command);
        command
    }

    /// Runs `ram` with the words of a line.
    pub fn ram(&self, line: &str) -> Ended {
        self.command(line).output().unwrap().into()
    }

    /// As [`Place::ram`], with a variable in its environment.
    pub fn ram_with(&self, variable: &str, value: impl AsRef<Path>, line: &str) -> Ended {
        self.command(line).env(variable, value.as_ref()).output().unwrap().into()
    }

    /// As [`Place::ram`], with this text as its standard input.
    pub fn ram_with_input(&self, line: &str, input: &str) -> Ended {
        self.write("input", input.as_bytes());
        let input = fs::File::open(self.path("input")).unwrap();
        self.command(line).stdin(input).output().unwrap().into()
    }

    /// Starts `ram` and does not wait for it.
    pub fn start(&self, line: &str) -> Child {
        self.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}
