//! How much memory a training takes, told before any of it is taken: an allocation that fails ends the program without a word.

use autograd::Params;
use datasets::canvas::HELD;

use crate::config::{Config, Data, OptimiserKind, Source};
use crate::error::RamError;
use crate::model::{CoreKind, Decisions, ModelKind};
use crate::network::Network;

/// A part of the memory: what it is for, its bytes, and the keys that make it smaller.
struct Part {
    name: &'static str,
    bytes: u64,
    keys: &'static str,
}

/// Checks that the images that are held in memory fit: the originals, from which training canvases are drawn, and all validation
/// canvases, unless these are clips or take more than [`HELD`] bytes, so that they are drawn when they are looked at. Where the number of images is only known when they are read, nothing is checked.
///
/// # Errors
/// [`RamError::Config`] with the sum, its parts, and the keys to change.
pub fn check_images(config: &Config) -> Result<(), RamError> {
    let source = config.data.source;
    if matches!(source, Source::Game(_) | Source::Own) || source.is_user_pictures() {
        return Ok(());
    }
    check("the images", &images(config))
}

/// The images that are held in memory.
fn images(config: &Config) -> [Part; 2] {
    let [_, validation, _] = config.data.counts().map(|count| count as u64);
    let train = config.data.trained_on() as u64;
    let original = 28 * 28;
    let canvases = product(&[validation, (config.data.size as u64).pow(2)]);
    let held = if config.data.clip_frames() > 1 || canvases > HELD { 0 } else { canvases };
    [
        Part { name: "training images", bytes: product(&[train, original]), keys: "data.train" },
        Part {
            name: "validation canvases",
            bytes: product(&[validation, original]).saturating_add(held),
            keys: "data.validation or data.size",
        },
    ]
}

/// Checks that a network for images of so many channels, with so many outputs, fits in memory with all that its training needs.
///
/// # Errors
/// As [`check_images`].
pub fn check_network(config: &Config, sizes: [usize; 2], decisions: Decisions) -> Result<(), RamError> {
    let mut params = Params::sizes_only();
    Network::new(&mut params, config, sizes, decisions);
    let (count, kept) = (params.count() as u64, params.bytes() as u64);
    let moments = if config.optimiser.kind == OptimiserKind::Adam { 2 } else { 1 };
    let widths = match config.model.kind {
        ModelKind::Ram => "model.hidden, model.features or model.glimpse_features",
        ModelKind::Fc => "model.hidden or data.size",
        ModelKind::Conv | ModelKind::Cnn => "model.hidden, model.filters or data.size",
    };
    let episodes = config.train.batch.saturating_mul(config.train.samples) as u64;
    let Data { size, .. } = config.data;
    let canvas = product(&[config.data.clip_frames() as u64, sizes[0] as u64, (size as u64).pow(2)]);
    let batch = product(&[config.train.batch as u64, canvas]);
    check(
        "the training",
        &[
            Part { name: "parameters", bytes: kept, keys: widths },
            Part { name: "their gradients and moments", bytes: product(&[count, 4, 1 + moments]), keys: widths },
            // The tensors are copied, and then encoded.
            Part { name: "a checkpoint", bytes: product(&[count, 8, 1 + moments]), keys: widths },
            Part {
                name: "tapes of a batch",
                // Values and gradients.
                bytes: product(&[episodes, episode(config, sizes), 8]),
                keys: "train.batch, train.samples or model.glimpses",
            },
            // One is trained on while others are drawn.
            Part { name: "batches", bytes: product(&[batch, 4]), keys: "train.batch, data.size or data.frames" },
            Part {
                name: "an image for each sample",
                bytes: if config.train.samples > 1 { product(&[episodes, canvas]) } else { 0 },
                keys: "train.samples, train.batch or data.size",
            },
        ],
    )
}

/// About how many numbers the tape holds for an episode.
fn episode(config: &Config, [channels, outputs]: [usize; 2]) -> u64 {
    let Config { model, data, .. } = config;
    let [channels, outputs, patch, size] = [channels, outputs, model.patch, data.size].map(|n| n as u64);
    let [hidden, features, glimpse, filters] =
        [model.hidden, model.features, model.glimpse_features, model.filters].map(|n| n as u64);
    match model.kind {
        ModelKind::Ram => {
            let core = if model.core == CoreKind::Lstm { 8 } else { 2 };
            let seen = product(&[channels, patch * patch, model.scales as u64]);
            let step = seen + 2 * features + 2 * glimpse + core * hidden + 2 * outputs + 16;
            product(&[step, model.glimpses as u64])
        }
        ModelKind::Fc => channels * size * size + 2 * hidden + outputs,
        ModelKind::Conv => channels * size * size + 2 * (size / 5).pow(2) * (filters + 50 * channels) + 2 * hidden,
        ModelKind::Cnn => channels * size * size * 10 + 4 * size * size * filters + 2 * hidden,
    }
}

fn product(factors: &[u64]) -> u64 {
    factors.iter().fold(1, |product, factor| product.saturating_mul(*factor))
}

/// # Errors
/// [`RamError::Config`] where the parts together need more than there is.
fn check(what: &str, parts: &[Part]) -> Result<(), RamError> {
    compare(what, parts, available())
}

fn compare(what: &str, parts: &[Part], available: Option<u64>) -> Result<(), RamError> {
    let total = parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.bytes));
    let fits = match available {
        Some(available) => total <= available,
        // The system says no to what it could never give.
        None => usize::try_from(total).is_ok_and(|total| Vec::<u8>::new().try_reserve_exact(total).is_ok()),
    };
    if fits {
        return Ok(());
    }
    let free = available.map_or("less".to_owned(), |available| format!("{} are free", size(available)));
    let there = parts.iter().filter(|part| part.bytes > 0);
    let list: Vec<_> = there.map(|part| format!("{} {}", part.name, size(part.bytes))).collect();
    let largest = parts.iter().max_by_key(|part| part.bytes).map_or("", |part| part.keys);
    Err(RamError::Config(format!(
        "{what} would take about {} of memory, but {free}: {}; make {largest} smaller",
        size(total),
        list.join(", ")
    )))
}

/// `1.5 GiB`
fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut x = bytes as f64;
    let mut unit = 0;
    while x >= 1024.0 && unit + 1 < units.len() {
        x /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{x:.1} {}", units[unit]) }
}

/// The bytes that a process can still get, as far as Linux says; `None` elsewhere.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let free = line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1024)?;
    // A container may have less than the machine. What it uses cannot be told: the system counts cached files too.
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = limits.iter().find_map(|name| std::fs::read_to_string(name).ok()?.trim().parse::<u64>().ok());
    Some(limit.map_or(free, |limit| free.min(limit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Base;
    use crate::model::ModelKind;

    fn config(sets: &[&str]) -> Config {
        let sets: Vec<_> = sets.iter().map(|s| s.to_string()).collect();
        Config::load(Base::Preset("translated"), &sets).unwrap()
    }

    #[test]
    fn what_cannot_fit_is_refused_with_its_parts_and_keys() {
        let wide = config(&[
            "model.kind=fc",
            "loss.returns=episode",
            "loss.reward=sampled",
            "data.size=1024",
            "model.hidden=16384",
        ]);
        assert_eq!(wide.model.kind, ModelKind::Fc);
        let error = check_network(&wide, [1, 10], Decisions::Last).unwrap_err().to_string();
        // 1024² · 16384 weights are 64 GiB; they are kept as they are, and packed twice.
        for part in [
            "GiB of memory, but ",
            "parameters 195.0 GiB",
            "tapes of a batch ",
            "make model.hidden or data.size smaller",
        ] {
            assert!(error.contains(part), "{error}");
        }
        let of = |sets: &[&str]| {
            compare("the images", &images(&config(sets)), Some(1 << 30)).map_err(|error| error.to_string())
        };
        // 1024 canvases of 1 MiB are held, and one more is not.
        let digits = ["data.source=digits", "data.train=10", "data.size=1024"];
        let error = of(&[&digits[..], &["data.validation=1024"]].concat()).unwrap_err();
        for part in ["the images would take about 1.0 GiB", "make data.validation or data.size smaller"] {
            assert!(error.contains(part), "{error}");
        }
        of(&[&digits[..], &["data.validation=1025"]].concat()).unwrap();
        let error = of(&["data.source=digits", "data.train=10000000"]).unwrap_err();
        let both =
            ["data.source=digits", "data.train=1000000", "data.validation=9000000", "data.train_on_validation=true"];
        assert!(of(&both).unwrap_err().contains("training images 7.3 GiB"));
        assert!(error.contains("training images 7.3 GiB") && error.ends_with("make data.train smaller"), "{error}");
        let clips = config(&[
            "data.source=digits",
            "data.canvas=moving",
            "data.size=4096",
            "data.frames=50",
            "model.glimpses=50",
        ]);
        check_images(&clips).unwrap();
        let error = check_network(&clips, [1, 10], Decisions::Last).unwrap_err().to_string();
        // 4 batches of 128 clips of 800 MiB each
        for part in ["batches 400.0 GiB", "make train.batch, data.size or data.frames smaller"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("sample"), "{error}");
        // Each of the 16 samples of a clip has a copy of it: four times what the 4 batches take.
        let clips =
            ["data.source=digits", "data.canvas=moving", "data.size=4096", "data.frames=50", "model.glimpses=50"];
        let samples = config(&[&clips[..], &["train.samples=16"]].concat());
        let error = check_network(&samples, [1, 10], Decisions::Last).unwrap_err().to_string();
        assert!(error.contains("batches 400.0 GiB, an image for each sample 1.6 TiB"), "{error}");
        for preset in ["demo", "mnist", "cluttered-100", "pictures"] {
            let config = Config::preset(preset).unwrap();
            check_images(&config).unwrap();
            check_network(&config, [1, 10], Decisions::Last).unwrap();
        }
    }

    /// The estimate of the parameters is exact; it never initialises them.
    #[test]
    fn a_network_is_measured_without_its_memory() {
        let config = config(&[]);
        let (mut sizes, mut params) = (Params::sizes_only(), Params::new());
        for params in [&mut sizes, &mut params] {
            Network::new(params, &config, [1, 10], Decisions::Last);
        }
        assert_eq!((sizes.count(), sizes.bytes()), (params.count(), params.bytes()));
        assert!(sizes.bytes() > 4 * sizes.count());
    }

    #[test]
    fn sizes_are_read_easily() {
        assert_eq!(
            [0, 1023, 1024, 3 << 29, u64::MAX].map(size),
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 GiB", "16.0 EiB"]
        );
        let parts = [Part { name: "a", bytes: u64::MAX, keys: "b" }, Part { name: "c", bytes: 5, keys: "d" }];
        assert!(compare("x", &parts, Some(7)).unwrap_err().to_string().ends_with("make b smaller"));
        assert!(compare("x", &parts, None).is_err());
        assert!(compare("x", &parts[1..], Some(5)).is_ok() && compare("x", &parts[1..], None).is_ok());
    }
}
