//! Parameters in a file: each under its name and with its shape, in the format safetensors, which Python can read too.
//!
//! ```
//! use autograd::nn::{Init, Linear};
//! use autograd::Params;
//! use rand::{SeedableRng, rngs::ChaCha8Rng};
//!
//! let model = |seed| {
//!     let mut params = Params::<f32>::new();
//!     let layer = Linear::new(&mut params, "layer", [2, 3], Init::He, &mut ChaCha8Rng::seed_from_u64(seed));
//!     (params, layer)
//! };
//! let (trained, layer) = model(1);
//! let bytes = trained.to_bytes();
//! let (mut again, _) = model(2);
//! again.load_bytes(&bytes)?;
//! assert_eq!(again.get(layer.weight), trained.get(layer.weight));
//! # Ok::<(), autograd::StoreError>(())
//! ```

use std::borrow::Cow;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, View};

use crate::params::Params;
use crate::real::Real;
use crate::shape::Shape;

/// Why parameters could not be written or read.
#[derive(Debug)]
pub struct StoreError {
    /// The file, if there is one.
    pub path: Option<PathBuf>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with stored parameters, or with their file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The file cannot be read.
    Read(io::Error),
    /// The file cannot be written.
    Write(io::Error),
    /// The path leads to a folder, a device or a pipe.
    NoFile,
    /// It holds more bytes than these parameters can have.
    TooLong {
        /// The most that they can have.
        most: u64,
    },
    /// It is not in the format safetensors, or is damaged.
    Format(String),
    /// A parameter is missing.
    Missing {
        /// Its name.
        tensor: String,
        /// Its shape.
        expected: Shape,
    },
    /// A tensor has another shape than the parameter of its name.
    Shape {
        /// The name.
        tensor: String,
        /// The shape of the tensor.
        found: Vec<usize>,
        /// The shape of the parameter.
        expected: Shape,
    },
    /// A tensor holds numbers of another type.
    Type {
        /// The name.
        tensor: String,
        /// The type of the tensor, as the format calls it.
        found: String,
        /// The type of the parameters, as the format calls it.
        expected: String,
    },
    /// There is no parameter of this name.
    Unexpected {
        /// The name of the tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
    },
}

const OTHER_MODEL: &str = "they are of another model: make it as it was when they were saved";

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Fault::Read(error) => write!(f, "cannot be read: {error}; name a file that Params::save has written"),
            Fault::Write(error) => write!(f, "cannot be written: {error}; make room or allow writing there"),
            Fault::NoFile => write!(f, "is a folder, a device or a pipe, expected a file; name a file"),
            Fault::TooLong { most } => {
                write!(f, "holds more than the {most} bytes that these parameters can have; {OTHER_MODEL}")
            }
            Fault::Format(error) => {
                write!(f, "not whole, or not in the format safetensors: {error}; take another copy of the file")
            }
            Fault::Missing { tensor, expected } => {
                write!(f, "tensor {tensor:?} is missing, expected {expected}; {OTHER_MODEL}")
            }
            Fault::Shape { tensor, found, expected } => {
                write!(f, "tensor {tensor:?} is {found:?}, expected {expected}; {OTHER_MODEL}")
            }
            Fault::Type { tensor, found, expected } => {
                write!(f, "tensor {tensor:?} holds {found}, expected {expected}; take parameters of that type")
            }
            Fault::Unexpected { tensor, found } => {
                write!(f, "tensor {tensor:?} {found:?} belongs to no parameter; {OTHER_MODEL}")
            }
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display().to_string().escape_debug(), self.fault),
            None => write!(f, "parameters: {}", self.fault),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            Fault::Read(error) | Fault::Write(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> StoreError {
        StoreError { path: None, fault }
    }
}

/// The type's name in the format.
fn dtype<R>() -> Dtype {
    if size_of::<R>() == size_of::<f32>() { Dtype::F32 } else { Dtype::F64 }
}

/// Turns numbers of the machine into those of the format, whose first byte is the lowest, or back.
fn swap_bytes<R>(bytes: &mut [u8]) {
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(size_of::<R>()).for_each(<[u8]>::reverse);
    }
}

/// A parameter to be written.
struct Tensor<'a, R> {
    shape: &'a [usize],
    values: &'a [R],
}

impl<R: Real> View for Tensor<'_, R> {
    fn dtype(&self) -> Dtype {
        dtype::<R>()
    }
    fn shape(&self) -> &[usize] {
        self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = Cow::Borrowed(bytemuck::cast_slice(self.values));
        if cfg!(target_endian = "big") {
            swap_bytes::<R>(bytes.to_mut());
        }
        bytes
    }
    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}

impl<R: Real> Params<R> {
    /// All parameters in the format safetensors, to the bit. Equal parameters give equal bytes.
    ///
    /// # Panics
    /// If a parameter is called `__metadata__`, a name that the format keeps for itself.
    #[track_caller]
    pub fn to_bytes(&self) -> Vec<u8> {
        let reserved = self.find("__metadata__");
        assert!(reserved.is_none(), "a parameter cannot be called __metadata__: safetensors keeps the name for itself");
        let tensors = self.ids().map(|id| (self.name(id), Tensor { shape: self.axes(id), values: self.get(id) }));
        safetensors::serialize(tensors, None).expect("names differ and shapes fit")
    }

    /// Sets all parameters to those that [`Params::to_bytes`] wrote. Names, shapes and the type must be the same; the order in
    /// which parameters were added need not be. A flipped bit in the numbers is not noticed, since there is no checksum.
    ///
    /// # Errors
    /// If the bytes are not in the format, or a tensor is missing, has another shape or type, or belongs to no parameter. No
    /// parameter is changed then.
    pub fn load_bytes(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| Fault::Format(error.to_string()))?;
        for id in self.ids() {
            let (tensor, expected) = (self.name(id).to_owned(), self.shape(id));
            let Ok(found) = file.tensor(&tensor) else { return Err(Fault::Missing { tensor, expected }.into()) };
            if found.shape() != expected.axes() {
                return Err(Fault::Shape { tensor, found: found.shape().to_vec(), expected }.into());
            }
            if found.dtype() != dtype::<R>() {
                let [found, expected] = [found.dtype(), dtype::<R>()].map(|dtype| dtype.to_string());
                return Err(Fault::Type { tensor, found, expected }.into());
            }
        }
        let mut others: Vec<_> = file.iter().filter(|(name, _)| self.find(name).is_none()).collect();
        others.sort_by_key(|(name, _)| *name);
        if let Some((name, view)) = others.first() {
            return Err(Fault::Unexpected { tensor: (*name).to_owned(), found: view.shape().to_vec() }.into());
        }
        for id in self.ids() {
            let found = file.tensor(self.name(id)).expect("it was found above");
            self.change(id, |values| {
                let bytes = bytemuck::cast_slice_mut(values);
                bytes.copy_from_slice(found.data());
                swap_bytes::<R>(bytes);
            });
        }
        Ok(())
    }

    /// Writes all parameters into a file, as [`Params::to_bytes`] does. If it cannot be written, the old file is still there.
    ///
    /// # Errors
    /// If the file cannot be written, or the path leads to something else than a file.
    ///
    /// # Panics
    /// As [`Params::to_bytes`].
    #[track_caller]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), StoreError> {
        let path = path.as_ref();
        write(path, &self.to_bytes()).map_err(|fault| StoreError { path: Some(path.to_owned()), fault })
    }

    /// Sets all parameters to those of a file, as [`Params::load_bytes`] does.
    ///
    /// # Errors
    /// If the file cannot be read, and as [`Params::load_bytes`].
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), StoreError> {
        let path = path.as_ref();
        // The numbers, and a header with names, shapes and places.
        let names: usize = self.ids().map(|id| self.name(id).len()).sum();
        let header = (1 << 20) + 6 * names + 1000 * self.ids().len();
        let most = (self.count() * size_of::<R>() + header) as u64;
        let named = |fault| StoreError { path: Some(path.to_owned()), fault };
        let bytes = read(path, most).map_err(named)?;
        self.load_bytes(&bytes).map_err(|error| named(error.fault))
    }
}

/// The bytes of a file of at most this length.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, Fault> {
    // A pipe would block, and some devices never end.
    if !fs::metadata(path).map_err(Fault::Read)?.is_file() {
        return Err(Fault::NoFile);
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(Fault::Read)?;
    if bytes.len() as u64 > most { Err(Fault::TooLong { most }) } else { Ok(bytes) }
}

/// Replaces a file by one that was written completely. A link stays, and what it leads to is replaced.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let target = match fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err(Fault::NoFile),
        Ok(_) => fs::canonicalize(path).map_err(Fault::Write)?,
        Err(_) => path.to_owned(),
    };
    let Some(name) = target.file_name() else { return Err(Fault::NoFile) };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    let temporary = target.with_file_name(hidden);
    let replace = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, &target)
    };
    replace().map_err(|error| {
        // The first error is the one to report.
        _ = fs::remove_file(&temporary);
        Fault::Write(error)
    })
}
