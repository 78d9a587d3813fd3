//! The folder of the pretrained models, and where it is looked for.

use std::path::{Path, PathBuf};

use super::file::Pretrained;
use crate::config::entries::{nearest, suggestion};
use crate::error::RamError;
use crate::experiments::Experiment;
use crate::runs::atomic;

/// The environment variable that names the folder.
pub const VARIABLE: &str = "RAM_ZOO";

/// The folder inside of a checkout.
const INSIDE: &str = "ram/zoo";

/// The end of a model's file name.
const END: &str = "safetensors";

/// A folder of pretrained models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zoo {
    path: PathBuf,
}

impl Zoo {
    /// The folder at `path`, which need not exist.
    pub fn at(path: &Path) -> Zoo {
        Zoo { path: path.to_owned() }
    }

    /// Finds the folder. It is the one that is `given`, else the one that the environment variable [`VARIABLE`] names, else the
    /// first of these that exists: `ram/zoo` in a folder above the program, `ram/zoo` in the current folder, and the one of the
    /// sources from which the program was built.
    ///
    /// # Errors
    /// [`RamError::Run`] where the named folder does not exist, or none is found; it says where it was looked for.
    pub fn find(given: Option<&Path>) -> Result<Zoo, RamError> {
        let variable = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        let named = given.map(|path| (path.to_owned(), "--zoo")).or(variable.map(|path| (path, VARIABLE)));
        if let Some((path, by)) = named {
            if path.is_dir() {
                return Ok(Zoo { path });
            }
            let message =
                format!("{by} names this folder of pretrained models, but there is no such folder; name another");
            return Err(RamError::run(&path, message));
        }
        let program = std::env::current_exe().ok();
        let above = program.iter().flat_map(|program| program.ancestors().skip(1)).map(|folder| folder.join(INSIDE));
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("zoo");
        let found = above.chain([PathBuf::from(INSIDE), sources.clone()]).find(|path| path.is_dir());
        found.map(|path| Zoo { path }).ok_or_else(|| {
            let program = program.map_or("the program".to_owned(), |path| path.display().to_string());
            let message = format!(
                "there is no folder of pretrained models; looked for {INSIDE} in each folder above {program} and in the current \
                 folder, and for {}; name it with --zoo DIR or {VARIABLE}",
                sources.display()
            );
            RamError::run(Path::new(INSIDE), message)
        })
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the model with this name, whether there is one or not.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.{END}"))
    }

    /// The names of the models: first the rows of the paper's tables in their order, then the others by the alphabet.
    ///
    /// # Errors
    /// [`RamError::Run`] where the folder cannot be listed.
    pub fn names(&self) -> Result<Vec<String>, RamError> {
        let unlisted =
            |error| RamError::run(&self.path, format!("the folder of pretrained models cannot be listed: {error}"));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(unlisted)? {
            let path = entry.map_err(unlisted)?.path();
            if path.extension().is_some_and(|end| end == END)
                && let Some(name) = path.file_stem().and_then(|name| name.to_str())
            {
                names.push(name.to_owned());
            }
        }
        let rows: Vec<_> = Experiment::all().into_iter().map(|experiment| experiment.name).collect();
        let place = |name: &String| rows.iter().position(|row| row == name).unwrap_or(rows.len());
        names.sort_by(|a, b| (place(a), a).cmp(&(place(b), b)));
        Ok(names)
    }

    /// Reads and checks the model with this name.
    ///
    /// # Errors
    /// [`RamError::Run`] where no model has this name; it names the nearest one and all others. Otherwise as [`Pretrained::read`];
    /// [`RamError::Checkpoint`] where the file holds a model of another name.
    pub fn read(&self, name: &str) -> Result<Pretrained, RamError> {
        let names = self.names()?;
        if !names.iter().any(|known| known == name) {
            let near = suggestion(nearest(name, names.iter().map(String::as_str)));
            let all = if names.is_empty() { "no model".to_owned() } else { names.join(", ") };
            let message = format!("no pretrained model is called `{name}`{near}; this folder has {all}");
            return Err(RamError::run(&self.path, message));
        }
        let path = self.file(name);
        let model = Pretrained::read(&path)?;
        if model.facts.name == name {
            return Ok(model);
        }
        let message = format!(
            "the model in this file is called `{0}`, expected `{name}`; rename the file to {0}.{END}",
            model.facts.name
        );
        Err(RamError::checkpoint(&path, message))
    }

    /// Checks that no model has this name, unless it may be replaced.
    ///
    /// # Errors
    /// [`RamError::Run`] where there is one.
    pub fn check_free(&self, name: &str, replace: bool) -> Result<(), RamError> {
        let path = self.file(name);
        if !path.exists() || replace {
            return Ok(());
        }
        let message =
            "a pretrained model of this name exists already; replace it with --force, or choose another --name";
        Err(RamError::run(&path, message))
    }

    /// Writes the file of the model `name`, completely or not at all; the folder is made if it does not exist. Returns the path.
    ///
    /// # Errors
    /// As [`Zoo::check_free`], and [`RamError::Run`] where the file cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8], replace: bool) -> Result<PathBuf, RamError> {
        self.check_free(name, replace)?;
        let path = self.file(name);
        let written = std::fs::create_dir_all(&self.path).and_then(|()| atomic::write(&path, bytes));
        written.map_err(|error| RamError::unwritable(&path, &error))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_listed_in_the_order_of_the_paper() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["own.safetensors", "catch.safetensors", "mnist-ram-6.safetensors", "another.safetensors", "README.md"]
        {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let zoo = Zoo::find(Some(folder.path())).unwrap();
        assert_eq!(zoo.names().unwrap(), ["mnist-ram-6", "catch", "another", "own"]);
        let error = zoo.read("mnist-ram-5").unwrap_err();
        assert_eq!(error.exit_code(), 4);
        let text = error.to_string();
        assert!(text.contains("did you mean `mnist-ram-6`?") && text.contains("catch, another, own"), "{text}");
        assert!(zoo.read("../own").unwrap_err().to_string().contains("no pretrained model is called `../own`"));
    }

    #[test]
    fn a_folder_that_is_named_must_exist() {
        let error = Zoo::find(Some(Path::new("no/such"))).unwrap_err();
        assert_eq!(error.exit_code(), 4);
        assert!(error.to_string().starts_with("no/such: --zoo names this folder"), "{error}");
    }

    #[test]
    fn a_model_is_not_replaced_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let zoo = Zoo::at(&folder.path().join("new"));
        let path = zoo.write("a", b"one", false).unwrap();
        let error = zoo.write("a", b"two", false).unwrap_err().to_string();
        assert!(error.contains("a.safetensors: a pretrained model of this name exists") && error.contains("--force"));
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        zoo.write("a", b"two", true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
    }
}
